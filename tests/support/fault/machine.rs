//! The share of this machine that a load takes.

use std::{sync::LazyLock, thread};

use tokio::sync::{Semaphore, SemaphorePermit};

use crate::load::is_long;

/// Shares that are given out at once. A load that has to wait for a processor measures the
/// machine and not the product. The long form measures: one for each processor. Otherwise
/// two, since a load mostly waits.
static SHARES: LazyLock<Semaphore> = LazyLock::new(|| Semaphore::new(shares()));

/// A share of the machine, for as long as a load runs.
#[derive(Debug)]
pub struct MachineShare(
    #[expect(dead_code, reason = "released when dropped")] SemaphorePermit<'static>,
);

impl MachineShare {
    /// Waits for the share of a usual load.
    pub async fn of_load() -> Self {
        Self::take(1).await
    }

    /// Waits for the share of a load that uses the product to its full capacity.
    pub async fn of_full_load() -> Self {
        Self::take(if is_long() { 1 } else { shares().div_ceil(2) }).await
    }

    async fn take(shares: usize) -> Self {
        let shares = u32::try_from(shares).expect("a few shares");
        Self(SHARES.acquire_many(shares).await.expect("never closed"))
    }
}

fn shares() -> usize {
    let processors = thread::available_parallelism().map_or(1, usize::from);
    if is_long() { processors } else { 2 * processors }
}
