//! One attempt at a job: from its slot to the writer, or to its end without an outcome.

use std::{panic::AssertUnwindSafe, sync::Arc, time::Duration};

use futures_util::FutureExt;
use quhao_common::{
    failure::{Failure, FailureCode},
    metrics,
    outcome::Outcome,
    queue::{Delivery, Verdict},
};
use time::OffsetDateTime;
use tokio::sync::mpsc;
use tracing::error;

use crate::{
    context::{Context, Taken},
    in_flight::InFlight,
    pipeline::{self, Done, Worked},
    record,
    slots::Slot,
    writer::Item,
};

/// A job in its slot, with what hangs on it.
#[derive(Debug)]
pub struct Attempt {
    /// What it is worked on with.
    pub context: Arc<Context>,
    /// Whose copies to settle.
    pub in_flight: Arc<InFlight>,
    /// Where its outcome goes.
    pub writer: mpsc::Sender<Item>,
    /// The job.
    pub taken: Taken,
    /// What to settle when it ends.
    pub delivery: Delivery,
    /// What to free when it ends.
    pub slot: Slot,
}

impl Attempt {
    /// Works on the job and hands its outcome on. A panic ends the job, not the process.
    pub async fn run(self) {
        let Self { context, in_flight, writer, taken, delivery, mut slot } = self;
        let key = taken.job.id.key();
        let working = pipeline::work(&context, &taken, &mut slot);
        let done = match AssertUnwindSafe(working).catch_unwind().await {
            Ok(Worked::Done(done)) => *done,
            Ok(Worked::Answered) => {
                metrics::skipped("known");
                return in_flight.settle(key, delivery, Verdict::Ack);
            }
            Ok(Worked::TooLate) => {
                metrics::skipped("expired");
                return in_flight.settle_alone(key, delivery, Verdict::Ack);
            }
            Ok(Worked::HandBack) => return in_flight.settle(key, delivery, Verdict::Return),
            Err(_) => {
                error!("working on a job panicked; the job ends, the worker goes on");
                Done {
                    outcome: Outcome::Failed(Failure::from(FailureCode::DeadLettered)),
                    openid: None,
                    session: None,
                }
            }
        };
        let now = OffsetDateTime::now_utc();
        match &done.outcome {
            Outcome::Succeeded(_) => metrics::job_succeeded(
                (now - taken.job.created_at).try_into().unwrap_or(Duration::ZERO),
            ),
            Outcome::Failed(failure) => metrics::job_failed(failure.code),
        }
        let finished = record::finished(&context, &taken.job, done, now);
        // The writer outlives every attempt; without it the delivery comes again elsewhere.
        let _ = writer.send(Item { finished, delivery, slot }).await;
    }
}
