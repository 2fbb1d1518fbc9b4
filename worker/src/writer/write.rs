//! Takes outcomes, batch by batch, and commits them or hands them over.

use tokio::sync::mpsc;

use super::{PendingOutcome, Writer, batch_size::BatchSize, commit::Commit, hand_over::HandedOver};

impl Writer {
    /// Writes until every sender is gone and everything is committed or handed over.
    pub(crate) async fn run(self, mut outcomes: mpsc::Receiver<PendingOutcome>) {
        let mut size = BatchSize::new(self.batch_max);
        let mut batch = Vec::with_capacity(self.batch_max);
        let mut gave_up = false;
        let mut handed_over = HandedOver::default();
        while outcomes.recv_many(&mut batch, self.batch_max).await > 0 {
            let batch = std::mem::take(&mut batch);
            let uncommitted =
                if gave_up { batch } else { self.commit_or_give_up(batch, &mut size).await };
            gave_up = gave_up || !uncommitted.is_empty();
            if gave_up {
                handed_over += self.hand_over(uncommitted).await;
            }
        }
        handed_over.log();
    }

    /// Commits `outcomes`, however long the store is out of reach. Returns those that are not
    /// committed when a drain has no time left for that.
    async fn commit_or_give_up(
        &self,
        outcomes: Vec<PendingOutcome>,
        size: &mut BatchSize,
    ) -> Vec<PendingOutcome> {
        let mut commit = Commit::new(self, outcomes, size);
        tokio::select! {
            biased;
            () = commit.all() => {}
            () = self.drain.commit_time_over() => {}
        }
        commit.into_uncommitted()
    }
}
