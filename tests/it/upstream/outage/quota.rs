//! The quota of a minute: one guest's matter, or the app's.

use std::time::Duration;

use quhao_simulator::{Action, User};
use quhao_tests::{
    config::{APP, Mode},
    in_both_modes,
    world::{World, phone_job},
};
use serde_json::{Value, json};
use time::OffsetDateTime;

use super::{
    DOWN, metric,
    steady_load::{Ended, SteadyLoad},
    world,
};

in_both_modes!(
    one_guest_over_quota_does_not_open_the_breaker,
    several_guests_over_the_minutes_quota_do,
);

/// Waits until the minute has some time left: quotas begin anew at its turn.
async fn early_in_the_minute() {
    let second = OffsetDateTime::now_utc().second();
    if second > 40 {
        tokio::time::sleep(Duration::from_secs(61 - u64::from(second))).await;
    }
}

/// Creates a guest of the app whose calls are answered 45011.
fn over_quota(world: &World) -> User {
    let guest = world.simulator.user(DOWN);
    world.simulator.script_code(&guest.code, vec![Action::Errcode(45011); 5]).unwrap();
    guest
}

fn job(guest: &User, deadline_seconds: u64) -> Value {
    let mut job = phone_job(guest);
    job["deadline_seconds"] = json!(deadline_seconds);
    job
}

async fn ends(world: &World, jobs: Vec<Value>) -> Vec<Ended> {
    SteadyLoad { client: world.client(), rate: 20 }.start(jobs).await.unwrap()
}

async fn one_guest_over_quota_does_not_open_the_breaker(mode: Mode) {
    let world = world(mode).await;
    early_in_the_minute().await;
    let job_over = job(&over_quota(&world), 4);
    // The same job again and again is the same guest.
    let ended = ends(&world, vec![job_over; 6]).await;
    assert!(ended.iter().all(|end| end.code.as_deref() == Some("platform_rate_limited")));
    let others: Vec<User> = (0..20).map(|_| world.simulator.user(DOWN)).collect();
    let ended = ends(&world, others.iter().map(|guest| job(guest, 4)).collect()).await;
    assert!(ended.iter().all(|end| end.code.is_none()), "{ended:?}");
    assert_eq!(metric(&world, "quhao_circuits_open", "").await, 0);
    assert!(!world.logs().contains("calls for this app are held back"));
}

async fn several_guests_over_the_minutes_quota_do(mode: Mode) {
    let world = world(mode).await;
    early_in_the_minute().await;
    let over: Vec<User> = (0..3).map(|_| over_quota(&world)).collect();
    let ended = ends(&world, over.iter().map(|guest| job(guest, 4)).collect()).await;
    assert!(ended.iter().all(|end| end.code.as_deref() == Some("platform_rate_limited")));
    assert!(metric(&world, "quhao_circuits_open", "minute_quota").await > 0);

    // Nobody of this app is called for any more, whether there is time to wait or not.
    let patient: Vec<User> = (0..4).map(|_| world.simulator.user(DOWN)).collect();
    let waiting = SteadyLoad { client: world.client(), rate: 20 }
        .start(patient.iter().map(|guest| job(guest, 120)).collect());
    let hurried: Vec<User> = (0..20).map(|_| world.simulator.user(DOWN)).collect();
    let ended = ends(&world, hurried.iter().map(|guest| job(guest, 4)).collect()).await;
    assert!(ended.iter().all(|end| end.code.as_deref() == Some("platform_rate_limited")));
    let third = |end: &Ended| end.took < Duration::from_secs(3);
    assert!(ended.iter().all(third), "they need not wait for that: {ended:?}");
    let other: Vec<User> = (0..20).map(|_| world.simulator.user(APP)).collect();
    let ended = ends(&world, other.iter().map(|guest| job(guest, 4)).collect()).await;
    assert!(ended.iter().all(|end| end.code.is_none()), "{ended:?}");
    let called = |guests: &[User]| -> u32 {
        guests.iter().map(|guest| world.simulator.calls_of(&guest.code)).sum()
    };
    assert_eq!((called(&over), called(&patient), called(&hurried)), (3, 0, 0));

    // At the turn of the minute those that had time are served.
    let served = waiting.await.unwrap();
    assert!(served.iter().all(|end| end.code.is_none()), "{served:?}");
    assert_eq!(called(&patient), 4);
    let ended = ends(&world, vec![job(&world.simulator.user(DOWN), 10)]).await;
    assert_eq!(ended[0].code, None);
}
