//! When a worker pauses, and when it goes on.

use tokio::time::timeout;

use super::*;

const OFF: ClockState = ClockState::Off(Duration::from_secs(6));

#[test]
fn one_reason_does_not_hide_or_end_another() {
    let health = Health::default();
    assert!(health.is_blocked(), "nothing is known of the clock yet");
    assert_eq!(health.set_clock(OFF), ClockState::Unknown);
    for (app, is_new) in [("app wx1", true), ("app wx2", true), ("app wx1", false)] {
        assert_eq!(health.block(app), is_new);
    }
    let clock = "this machine's clock is 6.0s off the store's";
    assert_eq!(health.reasons(), [clock, "app wx1", "app wx2"]);

    health.clear_blockers();
    assert!(health.is_blocked() && !health.has_blockers());
    assert_eq!(health.reasons(), [clock]);
    assert!(health.block("app wx1"), "new again");
    assert_eq!(health.set_clock(ClockState::Right), OFF);
    assert!(health.is_blocked());
    assert_eq!(health.reasons(), ["app wx1"]);

    health.clear_blockers();
    assert!(!health.is_blocked());
    assert!(health.reasons().is_empty());
}

#[test]
fn reported_reasons_are_bounded() {
    let health = Health::default();
    health.set_clock(ClockState::Right);
    for number in 0..1000 {
        health.block(&format!("app wx{number}"));
    }
    assert!(health.is_blocked());
    assert_eq!(health.reasons().len(), 8);
}

#[tokio::test]
async fn a_pause_ends_with_its_last_reason() {
    let health = Health::default();
    let is_blocked = async || timeout(Duration::ZERO, health.blocked()).await.is_ok();
    let is_unblocked = async || timeout(Duration::ZERO, health.unblocked()).await.is_ok();
    health.block("app wx1");
    assert!(is_blocked().await);
    health.set_clock(ClockState::Right);
    assert!(!is_unblocked().await);
    health.set_clock(OFF);
    health.clear_blockers();
    assert!(!is_unblocked().await);
    health.set_clock(ClockState::Right);
    assert!(is_unblocked().await && !is_blocked().await);
}
