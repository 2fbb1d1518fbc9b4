//! Compares this machine's clock with the store's: before the first job, and then every half
//! minute. Deadlines are judged by this process's clock, and one that is off does harm
//! silently.

use std::{sync::Arc, time::Duration};

use quhao_backend::store::{Store, clock_skew::off_by};
use time::OffsetDateTime;
use tokio_util::sync::CancellationToken;
use tracing::{error, info};

use crate::health::{ClockState, Health};

/// The pause between two comparisons.
const INTERVAL: Duration = Duration::from_secs(30);
/// The pause between two tries while the store does not answer.
const STORE_RETRY: Duration = Duration::from_millis(500);
/// The pause between two comparisons while the clock is wrong.
const WRONG_INTERVAL: Duration = Duration::from_secs(5);

/// Compares the clocks until `draining`, and records the result in `health`.
pub(crate) async fn run(store: Arc<Store>, health: Arc<Health>, draining: CancellationToken) {
    loop {
        let before = OffsetDateTime::now_utc();
        let pause = match store.now().await {
            // A store that is out of reach says nothing about the clock.
            Err(_) => STORE_RETRY,
            Ok(theirs) => {
                let off = off_by(before, theirs, OffsetDateTime::now_utc());
                let clock = off.map_or(ClockState::Right, ClockState::Off);
                log_change(health.set_clock(clock), clock);
                if clock == ClockState::Right { INTERVAL } else { WRONG_INTERVAL }
            }
        };
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = draining.cancelled() => return,
        }
    }
}

/// Logs that the clock has become wrong or right.
fn log_change(before: ClockState, now: ClockState) {
    match (before, now) {
        (ClockState::Off(_), ClockState::Right) => info!("this machine's clock is right again"),
        (ClockState::Unknown | ClockState::Right, ClockState::Off(off)) => error!(
            off_seconds = off.as_secs_f64(),
            "paused: this machine's clock is off the store's; no jobs are taken until it is right"
        ),
        _ => {}
    }
}
