//! Rows into Postgres: one at a time, or what is there at once.

use std::time::Duration;

use anyhow::{Context, Result};
use sqlx::{PgPool, postgres::PgPoolOptions};
use tokio::sync::{mpsc, oneshot};

use super::process::{DATABASE_URL, variable};

/// The size of most programs' pools.
const CONNECTIONS_MAX: u32 = 16;
const ACQUIRE_LIMIT: Duration = Duration::from_secs(30);

/// Rows of one statement at most, as quhao's worker has them.
const BATCH_MAX: usize = 200;

/// The row of a result.
pub(super) struct ResultRow {
    pub(super) id: String,
    pub(super) app: String,
    pub(super) openid: String,
    pub(super) phone: String,
}

/// A row, and the channel to the task that waits for its commit.
type Waiting = (ResultRow, oneshot::Sender<bool>);

/// The way in which rows are inserted. Either way a row is committed when the call returns.
pub(super) enum Insert {
    /// Each by a statement of its own.
    Single(PgPool),
    /// By one task that inserts all that came while it inserted the last batch.
    Batched(mpsc::Sender<Waiting>),
}

impl Insert {
    pub(super) async fn connect(batched: bool) -> Result<Self> {
        let pool = PgPoolOptions::new()
            .max_connections(CONNECTIONS_MAX)
            .acquire_timeout(ACQUIRE_LIMIT)
            .test_before_acquire(false)
            .connect(&variable(DATABASE_URL)?)
            .await?;
        if !batched {
            return Ok(Self::Single(pool));
        }
        let (rows, waiting) = mpsc::channel(BATCH_MAX * 4);
        tokio::spawn(insert_batches(pool, waiting));
        Ok(Self::Batched(rows))
    }

    /// Inserts a row; it is committed when this returns.
    pub(super) async fn row(&self, row: ResultRow) -> Result<()> {
        match self {
            Self::Single(pool) => {
                let query = sqlx::query(
                    "insert into baseline_results (id, app, openid, phone) values ($1, $2, $3, $4)",
                );
                let query = query.bind(row.id).bind(row.app).bind(row.openid).bind(row.phone);
                query.execute(pool).await?;
            }
            Self::Batched(rows) => {
                let (sender, inserted) = oneshot::channel();
                rows.send((row, sender)).await.ok().context("the writer has ended")?;
                anyhow::ensure!(inserted.await?, "a batch could not be inserted");
            }
        }
        Ok(())
    }
}

async fn insert_batches(pool: PgPool, mut waiting: mpsc::Receiver<Waiting>) {
    let mut batch = Vec::with_capacity(BATCH_MAX);
    while waiting.recv_many(&mut batch, BATCH_MAX).await > 0 {
        let (rows, senders): (Vec<ResultRow>, Vec<_>) = batch.drain(..).unzip();
        let inserted = insert_all(&pool, rows).await.is_ok();
        for sender in senders {
            // A task that has ended needs no answer.
            let _ = sender.send(inserted);
        }
    }
}

async fn insert_all(pool: &PgPool, rows: Vec<ResultRow>) -> Result<()> {
    let (mut ids, mut apps, mut openids, mut phones) = (vec![], vec![], vec![], vec![]);
    for row in rows {
        ids.push(row.id);
        apps.push(row.app);
        openids.push(row.openid);
        phones.push(row.phone);
    }
    let query = sqlx::query(
        "insert into baseline_results (id, app, openid, phone) \
         select * from unnest($1::text[], $2::text[], $3::text[], $4::text[])",
    );
    query.bind(ids).bind(apps).bind(openids).bind(phones).execute(pool).await?;
    Ok(())
}
