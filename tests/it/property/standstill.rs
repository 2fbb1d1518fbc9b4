//! When a worker takes nothing, and when it does again.

use std::time::Duration;

use quhao_worker::health::{Clock, Health};
use tokio::time::timeout;

const OFF: Clock = Clock::Off(Duration::from_secs(6));

#[test]
fn one_reason_does_not_hide_or_end_another() {
    let health = Health::default();
    assert!(health.is_stuck(), "nothing is known of the clock yet");
    assert_eq!(health.clock(OFF), Clock::Unknown);
    for (app, is_new) in [("app wx1", true), ("app wx2", true), ("app wx1", false)] {
        assert_eq!(health.obstacle(app), is_new);
    }
    let clock = "this machine's clock is 6.0s off the store's";
    assert_eq!(health.reasons(), [clock, "app wx1", "app wx2"]);

    health.forget_obstacles();
    assert!(health.is_stuck() && !health.has_obstacles());
    assert_eq!(health.reasons(), [clock]);
    assert!(health.obstacle("app wx1"), "told again");
    assert_eq!(health.clock(Clock::Right), OFF);
    assert!(health.is_stuck());
    assert_eq!(health.reasons(), ["app wx1"]);

    health.forget_obstacles();
    assert!(!health.is_stuck());
    assert!(health.reasons().is_empty());
}

#[test]
fn what_is_told_is_bounded() {
    let health = Health::default();
    health.clock(Clock::Right);
    for number in 0..1000 {
        health.obstacle(&format!("app wx{number}"));
    }
    assert!(health.is_stuck());
    assert_eq!(health.reasons().len(), 8);
}

#[tokio::test]
async fn waiting_ends_with_the_last_reason() {
    let health = Health::default();
    let is = async |stuck| timeout(Duration::ZERO, health.until(stuck)).await.is_ok();
    health.obstacle("app wx1");
    assert!(is(true).await);
    health.clock(Clock::Right);
    assert!(!is(false).await);
    health.clock(OFF);
    health.forget_obstacles();
    assert!(!is(false).await);
    health.clock(Clock::Right);
    assert!(is(false).await && !is(true).await);
}
