//! A closed loop: so many connections, each with its next job once its last was answered.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::Result;
use tokio::task::JoinSet;

use super::{
    Target,
    tally::{Arrival, Book, Tally},
};
use crate::load::connection::Connection;

/// After a job was not taken: a refused client that asks again at once measures refusals.
const PAUSE: Duration = Duration::from_millis(10);

/// Sends `jobs` jobs, each once.
pub(crate) async fn send(target: &Target, jobs: u64) -> Result<Tally> {
    let connections = target.connected_clients().await?;
    let book = Book::new(jobs, Duration::MAX, Instant::now());
    let next = Arc::new(AtomicU64::new(0));
    let mut sending = JoinSet::new();
    for connection in connections {
        let load = Load { target: target.clone(), next: Arc::clone(&next), jobs };
        sending.spawn(load.send(connection, book.clone()));
    }
    while let Some(ended) = sending.join_next().await {
        ended?;
    }
    Ok(book.close())
}

/// What one connection needs to know.
struct Load {
    target: Target,
    next: Arc<AtomicU64>,
    jobs: u64,
}

impl Load {
    async fn send(self, mut connection: Connection, book: Book) {
        let mut request = Vec::new();
        loop {
            let number = self.next.fetch_add(1, Ordering::Relaxed);
            if number >= self.jobs {
                return;
            }
            self.target.requests.write(self.target.first + number, &mut request);
            let now = Instant::now();
            let answer = connection.send(&request).await;
            book.answered(Arrival { due: now, sent: now }, &answer);
            if !answer.is_ok_and(|reply| matches!(reply.status, 200 | 202)) {
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}
