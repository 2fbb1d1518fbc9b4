//! Submits the demo's jobs like an ordering system would, and measures them.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use quhao_simulator::{Action, Simulator, User};
use tokio::{sync::Semaphore, task::JoinSet};

use super::{APP_ID, client::Client};

/// One guest in twenty meets a busy platform.
const BUSY_EVERY: u32 = 20;
const BUSY_AT: u32 = 3;
/// WeChat's "system busy, try again later".
const BUSY: i64 = -1;

/// How one job went, seen from the client.
#[derive(Debug)]
pub(super) struct Finished {
    /// The job's id, as far as there was one.
    pub(super) id: Option<String>,
    /// The number, or why there is none.
    pub(super) end: Result<String, String>,
    /// From sending the submission to the answer that it is stored.
    pub(super) accepted: Duration,
    /// From the job's `created_at` to its `finished_at`.
    pub(super) worked: Option<Duration>,
    /// From sending the submission to the result in the client's hands.
    pub(super) total: Duration,
    /// Calls of the platform for this job.
    pub(super) calls: u32,
}

/// Submits `jobs` jobs, some at a time; calls `show` for each as it ends. Stops early if
/// `show` fails.
pub(super) async fn submit_all<E>(
    simulator: &Simulator,
    client: &Client,
    jobs: u32,
    mut show: impl FnMut(Finished) -> Result<(), E>,
) -> Result<Duration, E> {
    let slots = Arc::new(Semaphore::new(at_once(jobs)));
    let mut running = JoinSet::new();
    let begun = Instant::now();
    for number in 0..jobs {
        // Guests are made one at a time, shortly before they tap: their codes age.
        let slot = loop {
            tokio::select! {
                // Never closed, so it gives a permit sooner or later.
                Ok(slot) = Arc::clone(&slots).acquire_owned() => break slot,
                Some(done) = running.join_next() => report(done, simulator, &mut show)?,
            }
        };
        let guest = guest(simulator, number);
        let client = client.clone();
        running.spawn(async move {
            let finished = one(&client, &guest).await;
            drop(slot);
            (guest.code, finished)
        });
    }
    while let Some(done) = running.join_next().await {
        report(done, simulator, &mut show)?;
    }
    Ok(begun.elapsed())
}

/// How many jobs are under way at once.
pub(super) fn at_once(jobs: u32) -> usize {
    (jobs as usize / 2).clamp(1, 64)
}

fn report<E>(
    done: Result<(String, Finished), tokio::task::JoinError>,
    simulator: &Simulator,
    show: &mut impl FnMut(Finished) -> Result<(), E>,
) -> Result<(), E> {
    match done {
        Ok((code, finished)) => show(Finished { calls: simulator.calls_of(&code), ..finished }),
        Err(panic) => show(Finished {
            id: None,
            end: Err(panic.to_string()),
            accepted: Duration::ZERO,
            worked: None,
            total: Duration::ZERO,
            calls: 0,
        }),
    }
}

/// A guest taps; now and then the platform will be busy at the first call.
fn guest(simulator: &Simulator, number: u32) -> User {
    let guest = simulator.user(APP_ID);
    let slower = Action::Latency(Duration::from_millis(rand::random_range(0..=60)));
    let actions = match number % BUSY_EVERY {
        BUSY_AT => vec![Action::Errcode(BUSY), slower],
        _ => vec![slower],
    };
    // Full only beyond a million queued actions; then the call is an ordinary one.
    let _ = simulator.script_code(&guest.code, actions);
    guest
}

async fn one(client: &Client, guest: &User) -> Finished {
    let begun = Instant::now();
    let submitted = match client.submit(guest, false).await {
        Ok(answer) => answer.job(),
        Err(error) => Err(error),
    };
    let accepted = begun.elapsed();
    let (id, ended) = match submitted {
        Ok(job) => (Some(job.id), client.finished(&job.url).await),
        Err(error) => (None, Err(error)),
    };
    let total = begun.elapsed();
    let (worked, end) = match ended {
        Ok(job) => {
            let end = match (job.phone(), &job.error) {
                (Some(phone), _) if phone == minted(guest) => Ok(phone.to_owned()),
                (Some(phone), _) => Err(format!("{phone} instead of {}", minted(guest))),
                (None, Some(error)) => Err(error.code.clone()),
                (None, None) => Err("no phone number".to_owned()),
            };
            (job.worked(), end)
        }
        Err(error) => (None, Err(format!("{error:#}"))),
    };
    Finished { id, end, accepted, worked, total, calls: 0 }
}

/// The number that the simulator gave this guest, in the form that quhao answers.
pub(super) fn minted(guest: &User) -> String {
    format!("+86{}", guest.phone)
}
