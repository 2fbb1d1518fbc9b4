//! What must not be sent is not: to addresses within, past the app's list, in the clear, or
//! unsigned. Each is judged again at every attempt, by the configuration of then.

use std::{sync::Arc, time::Duration};

use quhao_backend::store::{AttemptEnd, DueCallback};
use quhao_common::{
    config::Callbacks,
    crypto::{
        keyring::{Keyring, Secret32},
        vault::{Sealed, Vault},
        webhook_signature::WebhookSecret,
    },
    domain::{
        answer::{Answer, AnswerValidity, StoredAnswer},
        app::{App, AppId, Credential},
        callback_target::{AllowRule, CallbackBody, CallbackEvent, CallbackUrl},
        client::{Client, ClientName},
        directory::Directory,
        failure::{Failure, FailureCode},
        id::IdKeys,
        job::{Job, Work},
        outcome::Outcome,
        phone::LoginCode,
    },
    process::registry::Registry,
};
use quhao_tests::{config::Mode, in_both_modes, receiver::Receiver, world::World};
use quhao_worker::callback::{attempt::AttemptRunner, sender::Sender};
use serde_json::json;
use time::OffsetDateTime;

use super::delivery::{job, options, wait_for_status};

in_both_modes!(nothing_goes_to_an_address_within);

async fn nothing_goes_to_an_address_within(mode: Mode) {
    let receiver = Receiver::start().await;
    let port = receiver.address().port();
    let mut options = options(&receiver, "", "");
    "[callbacks]\nallow_http = true\nattempts_max = 2\n".clone_into(&mut options.config);
    options.app = format!(
        "callback_allow = ['http://127.0.0.1:{port}', 'http://localhost:{port}', \
         'https://[::ffff:127.0.0.1]:{port}']\n"
    );
    let world = World::with(mode, options).await;
    let client = world.client();
    let mut urls = Vec::new();
    for host in ["http://127.0.0.1", "http://localhost", "http://0x7f.1", "https://[::ffff:7f00:1]"]
    {
        let mut job = job(&world, &receiver);
        job["callback_url"] = json!(format!("{host}:{port}/hooks"));
        let reply = client.submit(&job).await;
        assert_eq!(reply.status, 202, "{host}: {}", reply.text);
        urls.push(reply.text_at("/url").to_owned());
    }
    for url in urls {
        let job = wait_for_status(&client, &url, "failed").await;
        assert_eq!(job["status"], "succeeded", "the job itself has nothing to do with it");
        assert_eq!(job["callback"]["last_error"], "refused_address", "{job}");
        assert_eq!(
            (&job["callback"]["attempts"], &job["callback"]["last_status"]),
            (&json!(2), &json!(null))
        );
    }
    assert_eq!(receiver.connections(), 0);
    assert!(!world.logs().contains("/hooks"), "an address stands in a log line");
}

/// The one place of an attempt at a callback that was accepted once.
struct Fixture {
    receiver: Receiver,
    settings: Callbacks,
    client: Client,
    app: App,
    due: DueCallback,
}

fn vault(number: u8) -> Vault {
    Vault::new(&Keyring::new(vec![(number, Secret32::new([number; 32]))]).unwrap())
}

impl Fixture {
    async fn new() -> Self {
        let receiver = Receiver::start().await;
        let (client, app) = (ClientName::new("orders").unwrap(), AppId::new("wx1").unwrap());
        let secret = WebhookSecret::parse("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        let url = receiver.url("/hooks");
        let due = due(&client, &app, Some(&url));
        let settings = Callbacks {
            allow_http: true,
            allow_networks: vec!["127.0.0.0/8".parse().unwrap()],
            concurrency: 4,
            timeout: Duration::from_secs(5),
            total: Duration::from_mins(10),
            attempts_max: 3,
        };
        let app = App {
            id: app,
            client: client.clone(),
            platform: "wechat".to_owned(),
            credential: Credential::Secret("secret".to_owned().into()),
            callback_allow: vec![AllowRule::parse(&url).unwrap()],
            callback_body: CallbackBody::Thin,
        };
        let client = Client {
            name: client,
            api_key_sha256: Vec::new(),
            webhook_secrets: vec![secret],
            rate: None,
        };
        Self { receiver, settings, client, app, due }
    }

    /// Makes the attempt: its error, whether there will be another, what reached the
    /// receiver so far.
    async fn attempt(&self, vault: Vault) -> (Option<&'static str>, bool, usize) {
        let keys = Keyring::new(vec![(1, Secret32::new([7; 32]))]).unwrap();
        let directory = Directory::new(vec![self.client.clone()], vec![self.app.clone()]);
        let registry = Registry::new(Arc::new(directory), IdKeys::new(keys), Arc::new(vault));
        let attempts = AttemptRunner::new(&self.settings, Sender::new(&self.settings).unwrap());
        let attempted = attempts.run(self.due.clone(), &registry).await;
        assert_eq!((attempted.key, attempted.attempt), (self.due.key, self.due.attempt));
        let again = matches!(attempted.end, AttemptEnd::Again { .. });
        assert_eq!(attempted.error.is_none(), attempted.end == AttemptEnd::Delivered);
        (attempted.error, again, self.receiver.received().len())
    }
}

/// Returns the due callback of a failure, which goes to `url`.
fn due(client: &ClientName, app: &AppId, url: Option<&str>) -> DueCallback {
    let now = OffsetDateTime::now_utc();
    let ids = IdKeys::new(Keyring::new(vec![(1, Secret32::new([7; 32]))]).unwrap());
    let job = Job {
        id: ids.derive(client, app, b"submission"),
        client: client.clone(),
        app: app.clone(),
        created_at: now,
        expires_at: now,
        work: Work::Login { code: LoginCode::new("code".to_owned()) },
        metadata: None,
        callback_url: url.map(|url| CallbackUrl::parse(url).unwrap()),
        traceparent: None,
    };
    let key = job.id.key();
    let outcome = Outcome::Failed(Failure::from(FailureCode::CodeInvalid));
    let answer = Some(Answer::new(&job, outcome).seal(&vault(1), key, app));
    DueCallback {
        key,
        event: CallbackEvent::Failed,
        client: client.clone(),
        app: app.clone(),
        attempt: 1,
        created_at: now,
        answer: StoredAnswer {
            key,
            created_at: now,
            expires_at: now,
            finished_at: now,
            purge_at: now + Duration::from_hours(1),
            answer,
            validity: AnswerValidity::Always,
        },
    }
}

#[tokio::test]
async fn disallowed_target_waits_until_allowed_again() {
    let mut fixture = Fixture::new().await;
    assert_eq!(fixture.attempt(vault(1)).await, (None, false, 1), "as it was accepted");

    let allow = std::mem::take(&mut fixture.app.callback_allow);
    assert_eq!(fixture.attempt(vault(1)).await, (Some("not_allowed"), true, 1));
    fixture.app.callback_allow = vec![AllowRule::parse("http://127.0.0.1:1/hooks").unwrap()];
    assert_eq!(fixture.attempt(vault(1)).await, (Some("not_allowed"), true, 1));
    fixture.app.callback_allow = allow;
    fixture.settings.allow_http = false;
    assert_eq!(fixture.attempt(vault(1)).await, (Some("not_allowed"), true, 1));
    fixture.settings.allow_http = true;
    let secrets = std::mem::take(&mut fixture.client.webhook_secrets);
    assert_eq!(fixture.attempt(vault(1)).await, (Some("no_secret"), true, 1), "never unsigned");
    fixture.client.webhook_secrets = secrets;
    fixture.settings.allow_networks.clear();
    assert_eq!(fixture.attempt(vault(1)).await, (Some("refused_address"), true, 1));
    fixture.settings.allow_networks = vec!["127.0.0.0/8".parse().unwrap()];
    assert_eq!(fixture.attempt(vault(2)).await, (Some("unreadable"), true, 1), "another key");
    let app = std::mem::replace(&mut fixture.app.id, AppId::new("wx2").unwrap());
    assert_eq!(fixture.attempt(vault(1)).await, (Some("unknown_app"), true, 1));
    fixture.app.id = app;
    assert_eq!(fixture.attempt(vault(1)).await, (None, false, 2), "all is well again");
    fixture.due.attempt = fixture.settings.attempts_max;
    fixture.app.callback_allow.clear();
    assert_eq!(fixture.attempt(vault(1)).await, (Some("not_allowed"), false, 2), "not for ever");
}

#[tokio::test]
async fn what_can_never_be_sent_is_given_up_at_once() {
    let mut fixture = Fixture::new().await;
    let whole = fixture.due.answer.answer.clone();
    fixture.due.event = CallbackEvent::Succeeded;
    assert_eq!(fixture.attempt(vault(1)).await, (Some("superseded"), false, 0));
    fixture.due.event = CallbackEvent::Failed;
    fixture.due.answer.answer = None;
    assert_eq!(fixture.attempt(vault(1)).await, (Some("damaged"), false, 0), "erased");
    let mut bytes = whole.clone().unwrap().as_bytes().to_vec();
    *bytes.last_mut().unwrap() ^= 1;
    fixture.due.answer.answer = Some(Sealed::from_bytes(bytes));
    assert_eq!(fixture.attempt(vault(1)).await, (Some("damaged"), false, 0));
    fixture.due.answer.answer = due(&fixture.due.client, &fixture.due.app, None).answer.answer;
    assert_eq!(fixture.attempt(vault(1)).await, (Some("damaged"), false, 0), "no address");
    fixture.due.answer.answer = whole;
    assert_eq!(fixture.attempt(vault(1)).await, (None, false, 1));
}
