//! How many jobs a worker may hold, by what they are doing.

/// Deliveries that a quorum queue lets one consumer hold unsettled, at most.
const UNSETTLED_MAX: usize = 2000;
/// Jobs that a waiting list has room for, at most: what waits in both lists leaves half of what
/// may be unsettled.
const WAITING_MAX: usize = UNSETTLED_MAX / 4;

/// Returns how many jobs of one app may wait at once in a list.
pub(crate) fn waiting_max_per_app(concurrency: usize) -> usize {
    (concurrency / 4).max(1)
}

/// Returns how many jobs of all apps together may wait at once in a list.
pub(crate) fn waiting_max(concurrency: usize) -> usize {
    concurrency.min(WAITING_MAX)
}

/// Returns how many deliveries a worker may hold unsettled: with full lists there are still as
/// many to work on as there are slots, or as the queue hands out.
pub(crate) fn unsettled_max(concurrency: usize) -> usize {
    (concurrency + 2 * waiting_max(concurrency)).min(UNSETTLED_MAX)
}

/// Returns how many outcomes may wait for their commit, besides those that keep their working
/// slots. They share with the lists what may be unsettled beyond the slots.
pub(crate) fn outcomes_max(concurrency: usize) -> usize {
    2 * waiting_max(concurrency)
}
