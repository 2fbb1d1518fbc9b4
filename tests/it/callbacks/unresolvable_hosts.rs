//! Names that nobody answers for hold up the callbacks of their own client, and no other's.

use std::{
    net::{IpAddr, Ipv4Addr},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use quhao_backend::{
    backend::open_store,
    store::{CallbackFilter, Store},
};
use quhao_common::{
    config::{Config, LoadOptions},
    domain::{
        answer::Answer,
        app::AppId,
        callback_status::CallbackStatus,
        callback_target::CallbackUrl,
        client::ClientName,
        failure::{Failure, FailureCode},
        finished::{FinalState, Finished},
        id::JobKey,
        job::{Job, Work},
        outcome::Outcome,
        phone::LoginCode,
    },
    process::registry::{Live, Registry},
};
use quhao_tests::{
    config::{self, APP, Backing, Mode},
    in_both_modes,
    receiver::Receiver,
    wait::{PATIENCE, eventually, within},
};
use quhao_worker::{
    callback::{Callbacks, resolver::Lookup, sender::Sender},
    health::{ClockState, Health},
};
use time::OffsetDateTime;
use tokio::sync::{Semaphore, watch};
use tokio_util::sync::CancellationToken;

in_both_modes!(unresolvable_hosts_leave_room_for_others);

const CONCURRENCY: usize = 8;
const DEAD: &str = "dead.example";
const APP_OF_OTHERS: &str = "wx00000000000000ab";

/// A system that has so many threads for look-ups, and gets no answer about one name until
/// it is told to.
struct System {
    answers: watch::Sender<bool>,
    /// Look-ups of that name that are under way.
    stuck: Arc<AtomicUsize>,
}

impl System {
    fn new() -> (Self, Lookup) {
        let system = Self { answers: watch::Sender::new(false), stuck: Arc::default() };
        let threads = Arc::new(Semaphore::new(CONCURRENCY));
        let (answers, stuck) = (system.answers.clone(), Arc::clone(&system.stuck));
        let lookup: Lookup = Arc::new(move |name| {
            let (threads, stuck) = (Arc::clone(&threads), Arc::clone(&stuck));
            let mut answers = answers.subscribe();
            // A task of its own: nobody can stop it.
            let looking = tokio::spawn(async move {
                let _thread = threads.acquire_owned().await.unwrap();
                if name == DEAD {
                    stuck.fetch_add(1, Ordering::SeqCst);
                    let _ = answers.wait_for(|answers| *answers).await;
                    stuck.fetch_sub(1, Ordering::SeqCst);
                }
                vec![IpAddr::V4(Ipv4Addr::LOCALHOST)]
            });
            Box::pin(async move { Ok(looking.await.unwrap()) })
        });
        (system, lookup)
    }
}

/// Loads the configuration of `orders`, whose callbacks go to the dead name, and of `others`.
async fn load(mode: Mode, port: u16) -> (Config, config::Config, Backing) {
    let backing = Backing::new(mode).await;
    let extra = format!(
        "[callbacks]\nallow_http = true\nallow_networks = ['127.0.0.0/8']\n\
         concurrency = {CONCURRENCY}\ntimeout_seconds = 0.5\n\
         [[clients]]\nname = 'others'\napi_key_sha256 = ['{digest}']\n\
         webhook_secret = ['whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw']\n\
         [[apps]]\nid = '{APP_OF_OTHERS}'\nclient = 'others'\nsecret = 's3cret'\n\
         callback_allow = ['http://alive.example:{port}']\n",
        digest = "00".repeat(32)
    );
    let of_orders = format!("callback_allow = ['http://{DEAD}:{port}']\n");
    let file = config::Config::write_with(&backing, "http://127.0.0.1:1", &extra, &of_orders);
    let options = LoadOptions {
        file: Some(file.path()),
        environment: Vec::new(),
        directory: file.folder().to_owned(),
    };
    (Config::load(&options).unwrap(), file, backing)
}

/// Returns the outcome of a job of `client`, with a callback to `url`.
fn finished(config: &Config, client: &str, app: &str, url: &str) -> Finished {
    let client = ClientName::new(client).unwrap();
    let app = AppId::new(app).unwrap();
    let now = OffsetDateTime::now_utc();
    let job = Job {
        id: config.id_keys.derive(&client, &app, &rand::random::<[u8; 16]>()),
        client: client.clone(),
        app: app.clone(),
        created_at: now,
        expires_at: now + Duration::from_mins(4),
        work: Work::Login { code: LoginCode::new("code".to_owned()) },
        metadata: None,
        callback_url: Some(CallbackUrl::parse(url).unwrap()),
        traceparent: None,
    };
    let failure = Failure::from(FailureCode::CodeInvalid);
    let answer = Answer::new(&job, Outcome::Failed(failure));
    Finished {
        key: job.id.key(),
        final_state: FinalState::Failed(FailureCode::CodeInvalid),
        created_at: now,
        expires_at: job.expires_at,
        taken_at: None,
        finished_at: now,
        purge_at: now + Duration::from_hours(1),
        answer: answer.seal(&config.vault, job.id.key(), &app),
        openid: None,
        guest_hash: None,
        phone_hash: None,
        callback: Some(now),
        session: None,
        client,
        app,
    }
}

async fn delivered(store: &Store, key: JobKey) -> Option<u32> {
    let filter = CallbackFilter { key: Some(key), app: None, status: None, max: 1 };
    let found = store.callbacks(&filter).await.unwrap().remove(0);
    (found.status == CallbackStatus::Delivered).then_some(found.attempts)
}

async fn unresolvable_hosts_leave_room_for_others(mode: Mode) {
    let receiver = Receiver::start().await;
    let port = receiver.address().port();
    let (config, _file, _backing) = load(mode, port).await;
    let store = Arc::new(open_store(&config.store).await.unwrap());
    store.migrate().await.unwrap();
    let (system, lookup) = System::new();
    let sender = Sender::with_lookup(&config.callbacks, lookup).unwrap();
    let live = Arc::new(Live::new(Registry::of(&config)));
    let callbacks = Callbacks::with_sender(sender, &config, live, Arc::clone(&store));
    let (due, stop) = (callbacks.due(), CancellationToken::new());
    let health = Arc::new(Health::default());
    health.set_clock(ClockState::Right);
    let running = tokio::spawn(callbacks.run(health, stop.clone()));

    let dead = format!("http://{DEAD}:{port}/");
    let dead: Vec<_> = (0..20).map(|_| finished(&config, "orders", APP, &dead)).collect();
    store.finish(&dead).await.unwrap();
    due.notify_one();
    // Several times as long as an attempt may take: those of the dead name have long ended.
    let began = Instant::now();
    while began.elapsed() < Duration::from_secs(4) {
        let url = format!("http://alive.example:{port}/");
        let alive = finished(&config, "others", APP_OF_OTHERS, &url);
        store.finish(std::slice::from_ref(&alive)).await.unwrap();
        due.notify_one();
        let attempts =
            eventually("others are served", PATIENCE, || delivered(&store, alive.key)).await;
        assert_eq!(attempts, 1, "at once, after {:?}", began.elapsed());
        let stuck = system.stuck.load(Ordering::SeqCst);
        assert!(stuck * 2 <= CONCURRENCY, "{stuck} look-ups of one client");
    }
    let stuck = system.stuck.load(Ordering::SeqCst);
    assert!(stuck > 0 && receiver.connections() > 0, "the name is dead, the others are not");

    // The end of its look-ups makes room for the client again.
    system.answers.send_replace(true);
    for of in &dead {
        eventually("its callbacks go out", PATIENCE, || delivered(&store, of.key)).await;
    }
    stop.cancel();
    within("the end", PATIENCE, running).await.unwrap();
    store.close().await;
}
