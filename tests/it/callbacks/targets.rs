//! A callback goes to an address that was checked, and nowhere else. In these tests the
//! loopback address 127.0.0.2 stands for a public one: it is allowed, its neighbours are not.
//! Addresses beyond loopback are judged in `worker/src/callback/guard/tests.rs`, without a network.

use std::{
    net::IpAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use quhao_common::{config::Callbacks, domain::callback_target::CallbackUrl};
use quhao_tests::receiver::{Behaviour, Receiver};
use quhao_worker::callback::{
    next_attempt::AttemptResult, reason::Reason, request::Request, resolver::Lookup, sender::Sender,
};
use reqwest::header::HeaderMap;

const DELIVERED: AttemptResult = AttemptResult::Answered { status: 204, retry_after: None };

fn settings(allow: &[&str]) -> Callbacks {
    Callbacks {
        allow_http: true,
        allow_networks: allow.iter().map(|network| network.parse().unwrap()).collect(),
        concurrency: 4,
        timeout: Duration::from_secs(5),
        total: Duration::from_secs(10),
        attempts_max: 3,
    }
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

async fn send(sender: &Sender, url: &str) -> AttemptResult {
    let request = Request { headers: HeaderMap::new(), body: b"{}".to_vec() };
    sender.send(&CallbackUrl::parse(url).unwrap(), request).await
}

/// Gives the next of `answers` at each look-up, and the last one ever after.
fn lookup(answers: Vec<Vec<IpAddr>>) -> (Lookup, Arc<AtomicUsize>) {
    let count = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&count);
    let lookup: Lookup = Arc::new(move |_| {
        let at = counted.fetch_add(1, Ordering::SeqCst).min(answers.len() - 1);
        let answer = answers[at].clone();
        Box::pin(async move { Ok(answer) })
    });
    (lookup, count)
}

/// Starts two receivers on one port: one that may be called, and one that may not.
async fn pair() -> (Receiver, Receiver) {
    for _ in 0..50 {
        let public = Receiver::start_at(ip("127.0.0.2"), 0).await;
        let port = public.address().port();
        if let Some(private) = Receiver::try_start_at(ip("127.0.0.1"), port).await {
            return (public, private);
        }
    }
    panic!("no port is free on both addresses")
}

#[tokio::test]
async fn host_is_resolved_once_and_checked_address_called() {
    let (public, private) = pair().await;
    let (lookup, count) = lookup(vec![vec![ip("127.0.0.2")], vec![ip("127.0.0.1")]]);
    let sender = Sender::with_lookup(&settings(&["127.0.0.2/32"]), lookup).unwrap();
    let url = format!("http://rebinding.example:{}/hook", public.address().port());

    assert_eq!(send(&sender, &url).await, DELIVERED);
    assert_eq!(count.load(Ordering::SeqCst), 1, "one attempt asks once");
    assert_eq!((public.received().len(), private.connections()), (1, 0));
    assert_eq!(
        public.received()[0].header("host"),
        format!("rebinding.example:{}", public.address().port())
    );

    // By the next attempt the name has changed its mind, and is judged anew.
    assert_eq!(send(&sender, &url).await, AttemptResult::Failed(Reason::RefusedAddress));
    assert_eq!(count.load(Ordering::SeqCst), 2);
    assert_eq!((public.connections(), private.connections()), (1, 0));
}

#[tokio::test]
async fn only_allowed_addresses_of_a_host_are_called() {
    let (public, private) = pair().await;
    let url = format!("http://both.example:{}/hook", public.address().port());
    let [good, bad] = [ip("127.0.0.2"), ip("127.0.0.1")];
    for addresses in [vec![bad, good], vec![good, bad], vec![bad, bad, good, bad]] {
        let (lookup, _) = lookup(vec![addresses]);
        let sender = Sender::with_lookup(&settings(&["127.0.0.2/32"]), lookup).unwrap();
        assert_eq!(send(&sender, &url).await, DELIVERED);
    }
    // Nor when the one that may be called does not answer.
    let port = public.address().port();
    drop(public);
    let (lookup, _) = lookup(vec![vec![bad, good]]);
    let sender = Sender::with_lookup(&settings(&["127.0.0.2/32"]), lookup).unwrap();
    let ended = send(&sender, &format!("http://both.example:{port}/hook")).await;
    assert_eq!(ended, AttemptResult::Failed(Reason::Connect));
    assert_eq!(private.connections(), 0);
}

/// With the system's own look-up, and every way to spell this machine.
#[tokio::test]
async fn nothing_connects_to_an_address_that_is_refused() {
    let receiver = Receiver::start().await;
    let six = Receiver::try_start_at(ip("::1"), receiver.address().port()).await;
    let sender = Sender::new(&settings(&["127.0.0.2/32"])).unwrap();
    for host in [
        "127.0.0.1",
        "127.1",
        "2130706433",
        "0x7f000001",
        "0.0.0.0",
        "localhost",
        "[::1]",
        "[::]",
        "[::ffff:127.0.0.1]",
    ] {
        for scheme in ["http", "https"] {
            let url = format!("{scheme}://{host}:{}/hook", receiver.address().port());
            assert_eq!(
                send(&sender, &url).await,
                AttemptResult::Failed(Reason::RefusedAddress),
                "{url}"
            );
        }
    }
    assert_eq!(receiver.connections(), 0);
    assert_eq!(six.map_or(0, |six| six.connections()), 0);
    // It would have been reached: the test can fail.
    let sender = Sender::new(&settings(&["127.0.0.0/8", "::1/128"])).unwrap();
    let url = format!("http://localhost:{}/hook", receiver.address().port());
    assert_eq!(send(&sender, &url).await, DELIVERED);
}

#[tokio::test]
async fn what_comes_instead_of_an_answer_has_a_name() {
    let receiver = Receiver::start().await;
    let mut settings = settings(&["127.0.0.0/8"]);
    settings.timeout = Duration::from_millis(300);
    let (lookup, _) = lookup(vec![Vec::new()]);
    let sender = Sender::with_lookup(&settings, lookup).unwrap();
    let port = receiver.address().port();
    let plain = receiver.url("/hook");

    assert_eq!(
        send(&sender, "http://nobody.example/").await,
        AttemptResult::Failed(Reason::Unresolved)
    );
    let tls = send(&sender, &format!("https://127.0.0.1:{port}/hook")).await;
    assert_eq!(tls, AttemptResult::Failed(Reason::Tls));
    receiver.then([Behaviour::HangUp]);
    assert_eq!(send(&sender, &plain).await, AttemptResult::Failed(Reason::NoAnswer));
    receiver.then([Behaviour::Hang]);
    let began = Instant::now();
    assert_eq!(send(&sender, &plain).await, AttemptResult::Failed(Reason::TimedOut));
    assert!(began.elapsed() >= settings.timeout);
    // The look-up counts too.
    let never: Lookup = Arc::new(|_| Box::pin(std::future::pending()));
    let slow = Sender::with_lookup(&settings, never).unwrap();
    assert_eq!(send(&slow, "http://slow.example/").await, AttemptResult::Failed(Reason::TimedOut));
    // Headers came: their status counts, whatever becomes of the body.
    receiver.then([Behaviour::Drip]);
    let ended = send(&sender, &plain).await;
    assert_eq!(ended, AttemptResult::Answered { status: 200, retry_after: None });
    drop(receiver);
    assert_eq!(send(&sender, &plain).await, AttemptResult::Failed(Reason::Connect));
}

#[tokio::test]
async fn an_endless_answer_costs_neither_memory_nor_time() {
    let receiver = Receiver::start().await;
    receiver.then([Behaviour::Flood(1 << 30)]);
    let sender = Sender::new(&settings(&["127.0.0.0/8"])).unwrap();
    let began = Instant::now();
    let ended = send(&sender, &receiver.url("/hook")).await;
    assert_eq!(ended, AttemptResult::Answered { status: 200, retry_after: None });
    assert!(began.elapsed() < Duration::from_secs(3), "{:?}", began.elapsed());
    // What lies in the buffers of two sockets, and little more.
    assert!(receiver.flooded() < 32 << 20, "{} bytes were taken", receiver.flooded());
}
