//! What listeners hear.

use super::throughput::{Heard, Pace};
use quhao_common::domain::id::JobKey;

/// Unread keys beyond this become "look at all".
const KEYS_MAX: usize = 10_000;
/// Unread paces beyond this are as good as lost: they tell of a time that is over.
const PACES_MAX: usize = 1_000;

/// What was told since the last time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct News {
    /// Who has an answer.
    pub told: Told,
    /// What commits told of the queue, oldest first.
    pub paces: Vec<Heard>,
    /// Whether word of earlier commits may have been lost.
    pub after_loss: bool,
}

/// Which jobs have an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Told {
    /// These.
    Finished(Vec<JobKey>),
    /// Some: look at all.
    Anything,
}

impl News {
    /// News of one commit, heard now.
    pub fn of(told: Told, pace: Option<Pace>) -> Self {
        let at = tokio::time::Instant::now();
        let paces = pace.into_iter().map(|pace| Heard { at, pace }).collect();
        Self { told, paces, after_loss: false }
    }

    /// What there is to say when news may have been lost.
    pub fn lost() -> Self {
        Self { told: Told::Anything, paces: Vec::new(), after_loss: true }
    }

    /// Both, bounded.
    #[must_use]
    pub fn then(mut self, later: Self) -> Self {
        if later.after_loss {
            self.paces.clear();
        }
        self.after_loss |= later.after_loss;
        self.paces.extend(later.paces);
        if self.paces.len() > PACES_MAX {
            self.paces.clear();
            self.after_loss = true;
        }
        let told = match (self.told, later.told) {
            (Told::Finished(mut keys), Told::Finished(more))
                if keys.len() + more.len() <= KEYS_MAX =>
            {
                keys.extend(more);
                Told::Finished(keys)
            }
            _ => Told::Anything,
        };
        Self { told, ..self }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn finished(count: usize) -> News {
        let keys = vec![JobKey::from_bytes([7; 16]); count];
        News::of(Told::Finished(keys), None)
    }

    fn paced(jobs: u32) -> News {
        let pace = Pace { jobs, waited: Duration::ZERO, worked: Duration::ZERO };
        News::of(Told::Anything, Some(pace))
    }

    #[test]
    fn keys_join_and_fold_beyond_the_bound() {
        assert_eq!(finished(2).then(finished(3)), finished(5));
        assert_eq!(finished(KEYS_MAX).then(finished(1)).told, Told::Anything);
        assert_eq!(News::lost().then(finished(1)).told, Told::Anything);
        assert_eq!(finished(1).then(News::lost()).told, Told::Anything);
    }

    #[test]
    fn paces_stay_in_order_and_end_at_a_loss() {
        let jobs = |news: &News| news.paces.iter().map(|heard| heard.pace.jobs).collect::<Vec<_>>();
        let both = paced(1).then(paced(2));
        assert_eq!((jobs(&both), both.after_loss), (vec![1, 2], false));
        let lost = both.then(News::lost()).then(paced(3));
        assert_eq!((jobs(&lost), lost.after_loss), (vec![3], true));
        let full = (0..PACES_MAX).fold(News::lost(), |news, _| news.then(paced(1)));
        assert_eq!(full.paces.len(), PACES_MAX);
        let beyond = full.then(paced(1));
        assert_eq!((jobs(&beyond), beyond.after_loss), (vec![], true));
    }
}
