//! Deadlines are judged by this process's clock. One that is off does harm silently, so
//! it is compared with the store's: before the first job, and then every half minute.

use std::{sync::Arc, time::Duration};

use quhao_backend::store::{Store, clock_skew::off_by};
use time::OffsetDateTime;
use tokio_util::sync::CancellationToken;
use tracing::{error, info};

use crate::health::{Clock, Health};

const EVERY: Duration = Duration::from_secs(30);
/// Between two tries while the store does not answer.
const AGAIN: Duration = Duration::from_millis(500);
/// Between two comparisons while the clock is wrong.
const WRONG: Duration = Duration::from_secs(5);

/// Compares the clocks until `draining`, and tells `health`.
pub async fn watch(store: Arc<Store>, health: Arc<Health>, draining: CancellationToken) {
    loop {
        let before = OffsetDateTime::now_utc();
        let pause = match store.now().await {
            // A store that is out of reach says nothing about the clock.
            Err(_) => AGAIN,
            Ok(theirs) => {
                let off = off_by(before, theirs, OffsetDateTime::now_utc());
                let clock = off.map_or(Clock::Right, Clock::Off);
                tell(health.clock(clock), clock);
                if clock == Clock::Right { EVERY } else { WRONG }
            }
        };
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = draining.cancelled() => return,
        }
    }
}

/// Says so when the clock has become wrong or right.
fn tell(before: Clock, now: Clock) {
    match (before, now) {
        (Clock::Off(_), Clock::Right) => info!("this machine's clock is right again"),
        (Clock::Unknown | Clock::Right, Clock::Off(off)) => error!(
            off_seconds = off.as_secs_f64(),
            "this machine's clock is off the store's; until it is right no more jobs are taken"
        ),
        _ => {}
    }
}
