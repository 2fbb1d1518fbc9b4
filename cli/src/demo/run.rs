//! Submits the demo's jobs as an ordering system would, and measures them.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use quhao_simulator::{Action, Simulator, User};
use tokio::{sync::Semaphore, task::JoinSet};

use super::{
    client::{APP_ID, Client, expected_number},
    finished_job::FinishedJob,
};

/// One job in so many meets a busy platform.
const BUSY_EVERY: u32 = 20;
/// Which of them.
const BUSY_AT: u32 = 3;
/// WeChat's "system busy, try again later".
const BUSY: i64 = -1;

/// Submits `jobs` jobs, some at a time, and calls `show` for each as it finishes. Returns the time
/// that all took. Stops early if `show` fails.
pub(super) async fn submit_all<E>(
    simulator: &Simulator,
    client: &Client,
    jobs: u32,
    mut show: impl FnMut(FinishedJob) -> Result<(), E>,
) -> Result<Duration, E> {
    let slots = Arc::new(Semaphore::new(concurrency(jobs)));
    let mut running = JoinSet::new();
    let begun = Instant::now();
    for number in 0..jobs {
        // Users are created one at a time, shortly before they tap: their codes age.
        let slot = loop {
            tokio::select! {
                // The semaphore is never closed.
                Ok(slot) = Arc::clone(&slots).acquire_owned() => break slot,
                Some(done) = running.join_next() => report(done, simulator, &mut show)?,
            }
        };
        let user = user(simulator, number);
        let client = client.clone();
        running.spawn(async move {
            let finished = submit_one(&client, &user).await;
            drop(slot);
            (user.code, finished)
        });
    }
    while let Some(done) = running.join_next().await {
        report(done, simulator, &mut show)?;
    }
    Ok(begun.elapsed())
}

/// Returns how many of `jobs` jobs run at once.
pub(super) fn concurrency(jobs: u32) -> usize {
    (jobs as usize / 2).clamp(1, 64)
}

fn report<E>(
    done: Result<(String, FinishedJob), tokio::task::JoinError>,
    simulator: &Simulator,
    show: &mut impl FnMut(FinishedJob) -> Result<(), E>,
) -> Result<(), E> {
    match done {
        Ok((code, finished)) => show(FinishedJob { calls: simulator.calls_of(&code), ..finished }),
        Err(panic) => show(FinishedJob {
            id: None,
            end: Err(panic.to_string()),
            accepted: Duration::ZERO,
            worked: None,
            total: Duration::ZERO,
            calls: 0,
        }),
    }
}

/// Creates a user whose calls take a random time and, now and then, meet a busy platform first.
fn user(simulator: &Simulator, number: u32) -> User {
    let user = simulator.user(APP_ID);
    let slower = Action::Latency(Duration::from_millis(rand::random_range(0..=60)));
    let actions = match number % BUSY_EVERY {
        BUSY_AT => vec![Action::Errcode(BUSY), slower],
        _ => vec![slower],
    };
    // Full only beyond a million queued actions; then the call is an ordinary one.
    let _ = simulator.script_code(&user.code, actions);
    user
}

async fn submit_one(client: &Client, user: &User) -> FinishedJob {
    let begun = Instant::now();
    let submitted = match client.submit(user).await {
        Ok(response) => response.job(),
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
                (Some(phone), _) if phone == expected_number(user) => Ok(phone.to_owned()),
                (Some(phone), _) => Err(format!("{phone} instead of {}", expected_number(user))),
                (None, Some(error)) => Err(error.code.clone()),
                (None, None) => Err("no phone number".to_owned()),
            };
            (job.worked(), end)
        }
        Err(error) => (None, Err(format!("{error:#}"))),
    };
    FinishedJob { id, end, accepted, worked, total, calls: 0 }
}
