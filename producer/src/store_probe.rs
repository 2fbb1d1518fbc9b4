//! Whether the store can be read, asked at most once a second for all readiness probes.

use std::time::Duration;

use quhao_backend::store::{Store, clock_skew::off_by};
use time::OffsetDateTime;
use tokio::{sync::Mutex, time::Instant};

/// Time that a probe waits for the store: well within the second that orchestrators give a
/// probe by default, or a silent store would take every producer out.
const PROBE_TIMEOUT: Duration = Duration::from_millis(300);
/// Time for which a result is reused.
const RESULT_TTL: Duration = Duration::from_secs(1);

/// The store's status as a probe found it.
#[derive(Debug, Clone, Copy)]
pub(crate) enum StoreStatus {
    /// It can be read, and its clock agrees with this process's.
    Up,
    /// It cannot be used, in words for an operator.
    Down(&'static str),
}

/// The last status of the store.
#[derive(Debug, Default)]
pub(crate) struct StoreProbe(Mutex<Option<Probed>>);

#[derive(Debug, Clone, Copy)]
struct Probed {
    at: Instant,
    status: StoreStatus,
}

impl StoreProbe {
    /// Returns the store's status, which is up to [`RESULT_TTL`] old.
    pub(crate) async fn status(&self, store: &Store) -> StoreStatus {
        // Held across the call on purpose: other probes want the same result.
        let mut last = self.0.lock().await;
        if let Some(probed) = *last
            && probed.at.elapsed() < RESULT_TTL
        {
            return probed.status;
        }
        let status = probe(store).await;
        *last = Some(Probed { at: Instant::now(), status });
        status
    }
}

/// Reads the store's clock and compares it with this process's.
async fn probe(store: &Store) -> StoreStatus {
    let before = OffsetDateTime::now_utc();
    let Ok(answer) = tokio::time::timeout(PROBE_TIMEOUT, store.now()).await else {
        return StoreStatus::Down("did not answer in time");
    };
    let Ok(store_time) = answer else { return StoreStatus::Down("cannot be read") };
    if off_by(before, store_time, OffsetDateTime::now_utc()).is_some() {
        return StoreStatus::Down("its clock and this process's are more than 5 seconds apart");
    }
    StoreStatus::Up
}
