//! What became of the jobs of one load.

use std::{
    collections::BTreeMap,
    io,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use crate::{latencies::Latencies, load::connection::Reply};

/// Counts and times of one load.
#[derive(Debug, Clone)]
pub(crate) struct Tally {
    /// Jobs that were to be sent.
    pub(crate) offered: u64,
    /// Jobs that came too late to be sent: all connections were busy for too long.
    pub(crate) not_in_time: u64,
    /// Answered 202: the queue has them.
    pub(crate) accepted: u64,
    /// Answered with the result of a success, to requests that waited.
    pub(crate) succeeded: u64,
    /// Those of them before the job's deadline, counted from the arrival.
    pub(crate) in_deadline: u64,
    /// Answered with the result of a failure.
    pub(crate) failed: u64,
    /// Answered otherwise, by status.
    pub(crate) refused: BTreeMap<u16, u64>,
    /// Not answered, by what was in the way.
    pub(crate) unanswered: BTreeMap<String, u64>,
    /// From the arrival to the answer that the queue has it.
    pub(crate) submit: Latencies,
    /// From the arrival to the result.
    pub(crate) result: Latencies,
    /// From the arrival to the moment at which it was sent: the generator's own delay.
    pub(crate) delay: Latencies,
    /// From the start to the last answer.
    pub(crate) took: Duration,
}

impl Tally {
    fn new(offered: u64) -> Self {
        Self {
            offered,
            not_in_time: 0,
            accepted: 0,
            succeeded: 0,
            in_deadline: 0,
            failed: 0,
            refused: BTreeMap::new(),
            unanswered: BTreeMap::new(),
            submit: Latencies::new(),
            result: Latencies::new(),
            delay: Latencies::new(),
            took: Duration::ZERO,
        }
    }

    /// Returns jobs that the queue took, whatever became of them.
    pub(crate) fn taken(&self) -> u64 {
        self.accepted + self.succeeded + self.failed
    }

    /// Describes what did not succeed; empty if all went well.
    pub(crate) fn problems(&self) -> String {
        let mut words = Vec::new();
        if self.not_in_time > 0 {
            words.push(format!("{} not sent in time", self.not_in_time));
        }
        if self.failed > 0 {
            words.push(format!("{} failed", self.failed));
        }
        words.extend(self.refused.iter().map(|(status, jobs)| format!("{jobs} answered {status}")));
        words.extend(self.unanswered.iter().map(|(why, jobs)| format!("{jobs} unanswered: {why}")));
        words.join(", ")
    }
}

/// One job on its way.
#[derive(Debug, Clone, Copy)]
pub(super) struct Arrival {
    /// When it was meant to be sent.
    pub(super) due: Instant,
    /// When it was.
    pub(super) sent: Instant,
}

/// A tally that many connections write.
#[derive(Debug, Clone)]
pub(super) struct Book {
    tally: Arc<Mutex<Tally>>,
    deadline: Duration,
    started: Instant,
}

impl Book {
    /// Creates a book for a load that started at `started`.
    pub(super) fn new(offered: u64, deadline: Duration, started: Instant) -> Self {
        Self { tally: Arc::new(Mutex::new(Tally::new(offered))), deadline, started }
    }

    /// Counts a job that could not be sent in time.
    pub(super) fn missed(&self) {
        self.locked().not_in_time += 1;
    }

    /// Counts a job by its answer.
    pub(super) fn answered(&self, arrival: Arrival, answer: &io::Result<Reply>) {
        let (now, mut tally) = (Instant::now(), self.locked());
        let took = now.duration_since(arrival.due);
        tally.took = now.duration_since(self.started);
        tally.delay.record(arrival.sent.duration_since(arrival.due));
        match answer {
            Ok(Reply { status: 202, .. }) => {
                tally.accepted += 1;
                tally.submit.record(took);
            }
            Ok(Reply { status: 200, succeeded: true }) => {
                tally.succeeded += 1;
                tally.in_deadline += u64::from(took <= self.deadline);
                tally.result.record(took);
            }
            Ok(Reply { status: 200, succeeded: false }) => tally.failed += 1,
            Ok(Reply { status, .. }) => *tally.refused.entry(*status).or_default() += 1,
            Err(error) => {
                *tally.unanswered.entry(error.kind().to_string()).or_default() += 1;
            }
        }
    }

    /// Returns all counts and times.
    pub(super) fn close(self) -> Tally {
        self.locked().clone()
    }

    fn locked(&self) -> MutexGuard<'_, Tally> {
        self.tally.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reply(status: u16, succeeded: bool) -> Reply {
        Reply { status, succeeded }
    }

    #[test]
    fn every_answer_is_counted_where_it_belongs() {
        let now = Instant::now();
        let book = Book::new(7, Duration::from_secs(5), now);
        let arrival = Arrival { due: now, sent: now };
        for answer in [reply(202, false), reply(200, true), reply(200, false), reply(503, false)] {
            book.answered(arrival, &Ok(answer));
        }
        book.answered(arrival, &Err(io::ErrorKind::TimedOut.into()));
        book.missed();
        let tally = book.close();
        assert_eq!((tally.offered, tally.taken(), tally.not_in_time), (7, 3, 1));
        assert_eq!((tally.accepted, tally.succeeded, tally.failed), (1, 1, 1));
        assert_eq!((tally.submit.count(), tally.result.count()), (1, 1));
        let problems = tally.problems();
        for words in ["1 not sent in time", "1 failed", "1 answered 503", "1 unanswered: timed out"]
        {
            assert!(problems.contains(words), "{problems}");
        }
    }

    #[test]
    fn result_latency_counts_from_the_due_arrival() {
        let now = Instant::now();
        let Some(due) = now.checked_sub(Duration::from_secs(2)) else { return };
        let book = Book::new(1, Duration::from_secs(1), due);
        // Sent a moment ago, but it should have been two seconds ago.
        book.answered(Arrival { due, sent: now }, &Ok(reply(200, true)));
        let tally = book.close();
        assert_eq!((tally.succeeded, tally.in_deadline), (1, 0));
        assert!(tally.result.milliseconds_at(0.5).unwrap() >= 1990.0);
        assert!(tally.delay.milliseconds_at(0.5).unwrap() >= 1990.0);
    }
}
