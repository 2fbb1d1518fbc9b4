//! What becomes of jobs when a worker, the store or the broker fails, and how it recovers.

mod broker_alarm;
mod dead_letters;
mod duplicates;
mod hand_over;
mod pause;
mod poison;
mod store_lost;
mod worker_lost;
