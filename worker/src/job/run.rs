//! One attempt at a job: from its slot to the writer, or to its end without an outcome.

use std::{panic::AssertUnwindSafe, sync::Arc, time::Duration};

use futures_util::FutureExt;
use quhao_backend::queue::{Delivery, Disposition};
use quhao_common::{
    domain::{
        failure::{Failure, FailureCode},
        outcome::Outcome,
    },
    process::metrics,
};
use time::OffsetDateTime;
use tokio::sync::mpsc;
use tokio_util::task::TaskTracker;
use tracing::{Instrument, debug_span, error, info_span};

use crate::{
    context::{Context, Taken},
    job::{
        outcome_row,
        pipeline::{self, Done, Worked},
    },
    settlement::{dead_letter, in_flight::InFlight},
    slots::Slot,
    writer::{Held, Item, Place},
};

/// What attempts are started with.
#[derive(Debug, Clone)]
pub struct Starter {
    /// What jobs are worked on with.
    pub context: Arc<Context>,
    /// Which ones are being worked on.
    pub in_flight: Arc<InFlight>,
    /// Where outcomes go.
    pub writer: mpsc::Sender<Item>,
    /// The jobs' tasks.
    pub tasks: TaskTracker,
}

impl Starter {
    /// Has `taken` worked on in `slot`.
    pub fn start(&self, taken: Taken, delivery: Delivery, slot: Slot) {
        let (id, app) = (taken.job.id, &taken.app.id);
        // What is said of a job names it; a span around everything costs more than that.
        let span = if let Some(trace) = &taken.job.traceparent {
            info_span!("job", %id, %app, trace)
        } else {
            debug_span!("job", %id, %app)
        };
        let attempt = Attempt {
            context: Arc::clone(&self.context),
            in_flight: Arc::clone(&self.in_flight),
            writer: self.writer.clone(),
            taken,
            delivery,
            slot,
        };
        self.tasks.spawn(attempt.run().instrument(span));
    }

    /// Has an outcome committed for which nothing is worked on. Does not wait.
    pub fn commit(&self, item: Item) {
        let writer = self.writer.clone();
        self.tasks.spawn(async move {
            // The writer outlives every sender; without it the delivery comes again.
            let _ = writer.send(item).await;
        });
    }
}

/// A job in its slot, with what hangs on it.
#[derive(Debug)]
struct Attempt {
    context: Arc<Context>,
    in_flight: Arc<InFlight>,
    writer: mpsc::Sender<Item>,
    taken: Taken,
    delivery: Delivery,
    slot: Slot,
}

impl Attempt {
    /// Works on the job and hands its outcome on. A panic ends the job, not the process.
    async fn run(self) {
        let Self { context, in_flight, writer, taken, delivery, mut slot } = self;
        let key = taken.job.id.key();
        let working = async {
            // Then there is nothing to do but, perhaps, to say so.
            if taken.job.remaining(OffsetDateTime::now_utc()).is_zero() {
                return Worked::TooLate;
            }
            pipeline::work(&context, &taken, &mut slot).await
        };
        let mut told_from = None;
        let done = match AssertUnwindSafe(working).catch_unwind().await {
            Ok(Worked::Done(done)) => *done,
            Ok(Worked::Answered) => {
                metrics::skipped("known");
                // Copies that followed it may have later deadlines than the answer holds for.
                return in_flight.settle_alone(key, delivery, Disposition::Ack);
            }
            // Nobody waits for word of it, or a copy comes again, to be told of or worked on.
            Ok(Worked::TooLate)
                if taken.job.callback_url.is_none() || in_flight.is_followed(key) =>
            {
                metrics::skipped("expired");
                return in_flight.settle_alone(key, delivery, Disposition::Ack);
            }
            Ok(Worked::TooLate) => {
                let code = FailureCode::DeadlineExceeded;
                told_from = Some(dead_letter::told_from(&taken.job, code, context.grace));
                failed(code)
            }
            Ok(Worked::HandBack) => return in_flight.settle(key, delivery, Disposition::Requeue),
            Err(_) => {
                let id = taken.job.id;
                error!(%id, "working on a job panicked; the job ends, the worker goes on");
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
        let mut finished = outcome_row::finished(&context, &taken, done, now);
        finished.callback = finished.callback.map(|at_once| told_from.unwrap_or(at_once));
        slot.outcome_is_known().await;
        let place = Place::Worked(slot);
        let item = Item { finished, held: Held { id: taken.job.id, delivery, place } };
        // The writer outlives every attempt; without it the delivery comes again elsewhere.
        let _ = writer.send(item).await;
    }
}

fn failed(code: FailureCode) -> Done {
    Done { outcome: Outcome::Failed(Failure::from(code)), openid: None, session: None }
}
