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
        let working = async {
            // Then there is nothing to do but, perhaps, to say so.
            if taken.job.remaining(OffsetDateTime::now_utc()).is_zero() {
                return Worked::TooLate;
            }
            pipeline::work(&context, &taken, &mut slot).await
        };
        let done = match AssertUnwindSafe(working).catch_unwind().await {
            Ok(Worked::Done(done)) => *done,
            Ok(Worked::Answered) => {
                metrics::skipped("known");
                return in_flight.settle(key, delivery, Verdict::Ack);
            }
            // Nobody waits for word of it, or a copy lives on.
            Ok(Worked::TooLate)
                if taken.job.callback_url.is_none() || in_flight.is_followed(key) =>
            {
                metrics::skipped("expired");
                return in_flight.settle_alone(key, delivery, Verdict::Ack);
            }
            Ok(Worked::TooLate) => failed(FailureCode::DeadlineExceeded),
            Ok(Worked::HandBack) => return in_flight.settle(key, delivery, Verdict::Return),
            Err(_) => {
                error!("working on a job panicked; the job ends, the worker goes on");
                failed(FailureCode::DeadLettered)
            }
        };
        let now = OffsetDateTime::now_utc();
        match &done.outcome {
            Outcome::Succeeded(_) => metrics::job_succeeded(
                (now - taken.job.created_at).try_into().unwrap_or(Duration::ZERO),
            ),
            Outcome::Failed(failure) => metrics::job_failed(failure.code),
        }
        let finished = record::finished(&context, &taken, done, now);
        // The writer outlives every attempt; without it the delivery comes again elsewhere.
        let _ = writer.send(Item { finished, delivery, slot }).await;
    }
}

fn failed(code: FailureCode) -> Done {
    Done { outcome: Outcome::Failed(Failure::from(code)), openid: None, session: None }
}
