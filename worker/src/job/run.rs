//! Runs jobs: each from its slot to the writer, or to its end without an outcome.

use std::{panic::AssertUnwindSafe, sync::Arc, time::Duration};

use futures_util::FutureExt;
use quhao_common::{
    domain::{failure::FailureCode, finished::Finished, outcome::Outcome},
    process::metrics,
};
use time::OffsetDateTime;
use tokio::sync::mpsc;
use tokio_util::task::TaskTracker;
use tracing::{Instrument, debug_span, error, info_span};

use crate::{
    context::Context,
    job::{
        outcome_row,
        pipeline::{self, Completed},
        received::ReceivedJob,
        stop::Stop,
    },
    settlement::{self, in_flight::InFlight},
    slots::Slot,
    writer::{OutcomeSource, PendingOutcome, Unsettled},
};

/// Starts jobs, each in a task of its own.
#[derive(Debug, Clone)]
pub(crate) struct Starter {
    /// What the jobs share.
    pub(crate) context: Arc<Context>,
    /// The jobs that are running.
    pub(crate) in_flight: Arc<InFlight>,
    /// The way to the writer.
    pub(crate) writer: mpsc::Sender<PendingOutcome>,
    /// The tasks that were started.
    pub(crate) tasks: TaskTracker,
}

impl Starter {
    /// Starts `received` in `slot`.
    pub(crate) fn start(&self, received: ReceivedJob, slot: Slot) {
        let id = received.job.id;
        let app = &received.app.id;
        // Every log line about a job names it; a span around everything would cost more than
        // that, so only jobs that are traced have one.
        let span = if let Some(trace) = &received.job.traceparent {
            info_span!("job", %id, %app, trace)
        } else {
            debug_span!("job", %id, %app)
        };
        let run = Run {
            context: Arc::clone(&self.context),
            in_flight: Arc::clone(&self.in_flight),
            writer: self.writer.clone(),
            received,
            slot,
        };
        self.tasks.spawn(run.run().instrument(span));
    }

    /// Sends the writer an outcome for which no job ran here. Does not wait.
    pub(crate) fn commit(&self, outcome: PendingOutcome) {
        let writer = self.writer.clone();
        self.tasks.spawn(async move {
            // The writer outlives every sender; without it the delivery comes again.
            let _ = writer.send(outcome).await;
        });
    }
}

/// A job in its slot.
#[derive(Debug)]
struct Run {
    context: Arc<Context>,
    in_flight: Arc<InFlight>,
    writer: mpsc::Sender<PendingOutcome>,
    received: ReceivedJob,
    slot: Slot,
}

impl Run {
    /// Runs the job and sends its outcome to the writer. A panic ends the job, not the process.
    async fn run(self) {
        let Self { context, in_flight, writer, received, mut slot } = self;
        let key = received.job.id.key();
        let completing = AssertUnwindSafe(complete(&context, &received, &mut slot));
        let completed = match completing.catch_unwind().await {
            Ok(Ok(completed)) => completed,
            Ok(Err(Stop::Fail(failure))) => Completed::failed(failure),
            Ok(Err(Stop::AlreadyAnswered)) => {
                return settlement::ack_answered_alone(&in_flight, key, received.delivery);
            }
            // Either nobody is to be notified of it, or a duplicate comes again, to be run or to
            // end with a notification of its own.
            Ok(Err(Stop::DeadlinePassed))
                if received.job.callback_url.is_none() || in_flight.is_followed(key) =>
            {
                return settlement::ack_expired_job(&in_flight, key, received.delivery);
            }
            Ok(Err(Stop::DeadlinePassed)) => {
                Completed::failed(FailureCode::DeadlineExceeded.into())
            }
            Ok(Err(Stop::Requeue)) => {
                return settlement::requeue_job(&in_flight, key, received.delivery);
            }
            Err(_) => {
                let id = received.job.id;
                error!(%id, "a job panicked: it fails with dead_lettered, the worker goes on");
                Completed::failed(FailureCode::DeadLettered.into())
            }
        };
        let row = finish(&context, &received, completed);
        slot.move_to_commit().await;
        let unsettled = Unsettled {
            id: received.job.id,
            delivery: received.delivery,
            source: OutcomeSource::Job(slot),
        };
        // The writer outlives every run; without it the delivery comes again elsewhere.
        let _ = writer.send(PendingOutcome { row, unsettled }).await;
    }
}

/// Completes `received` unless its deadline passed while it waited for its slot.
async fn complete(
    context: &Context,
    received: &ReceivedJob,
    slot: &mut Slot,
) -> Result<Completed, Stop> {
    if received.job.remaining(OffsetDateTime::now_utc()).is_zero() {
        return Err(Stop::DeadlinePassed);
    }
    pipeline::run(context, received, slot).await
}

/// Counts the end of a job and returns its row, which is to be committed.
fn finish(context: &Context, received: &ReceivedJob, completed: Completed) -> Finished {
    let now = OffsetDateTime::now_utc();
    match &completed.outcome {
        Outcome::Succeeded(_) => {
            let took = now - received.job.created_at;
            metrics::job_succeeded(took.try_into().unwrap_or(Duration::ZERO));
        }
        Outcome::Failed(failure) => metrics::job_failed(failure.code),
    }
    outcome_row::completed(context, received, completed, now)
}
