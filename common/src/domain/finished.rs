//! What a worker commits: an outcome with the session that its exchange gave.

use time::OffsetDateTime;

use crate::{
    crypto::vault::{KeyedHash, Sealed},
    domain::{
        app::{AppId, ClientName},
        failure::FailureCode,
        id::JobKey,
        session_handle::HandleKey,
    },
};

/// How a job ended, as far as the store has to know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FinalState {
    /// With a failure.
    Failed(FailureCode),
    /// With what was asked for.
    Succeeded,
}

impl FinalState {
    /// Whether an answer with this state takes the place of one with `earlier`.
    pub fn replaces(self, earlier: Self) -> bool {
        match (self, earlier) {
            (Self::Succeeded, Self::Failed(_)) => true,
            (Self::Failed(code), Self::Failed(earlier)) => code.replaces(earlier),
            (_, Self::Succeeded) => false,
        }
    }
}

/// One outcome to be committed.
#[derive(Debug, Clone)]
pub struct Finished {
    /// The job.
    pub key: JobKey,
    /// Whose it is.
    pub client: ClientName,
    /// For which app.
    pub app: AppId,
    /// How it ended.
    pub final_state: FinalState,
    /// When it was accepted.
    pub created_at: OffsetDateTime,
    /// Its deadline.
    pub expires_at: OffsetDateTime,
    /// When a worker took it from the queue; `None` if that tells nothing of how long jobs
    /// wait there: it had been taken before, or did not come as a job.
    pub taken_at: Option<OffsetDateTime>,
    /// When the outcome was known.
    pub finished_at: OffsetDateTime,
    /// When the row may go.
    pub purge_at: OffsetDateTime,
    /// The sealed [`crate::domain::answer::Answer`].
    pub answer: Sealed,
    /// The guest, for erasure.
    pub openid: Option<String>,
    /// The guest's keyed hash: an erasure that came in between knows it.
    pub guest_hash: Option<KeyedHash>,
    /// The number's keyed hash, for look-up and erasure.
    pub phone_hash: Option<KeyedHash>,
    /// Word of it has to be sent, but not before this: a time that is over means at once.
    pub callback: Option<OffsetDateTime>,
    /// The session that the exchange gave, to be kept with the same commit.
    pub session: Option<NewSession>,
}

/// A hash of a session key, unkeyed: 128 random bits cannot be found by trying.
pub type KeyFingerprint = [u8; 16];

/// A session as an exchange gave it. Belongs to the client and app of its [`Finished`].
#[derive(Debug, Clone)]
pub struct NewSession {
    /// The guest.
    pub openid: String,
    /// What clients know it by.
    pub handle: HandleKey,
    /// The guest across apps.
    pub unionid: Option<String>,
    /// The sealed session key.
    pub key: Sealed,
    /// What tells whether the key was rotated: the same for the same key, whatever it is
    /// sealed with.
    pub key_hash: KeyFingerprint,
    /// The keyed hash of the login code that gave it.
    pub code_hash: KeyedHash,
    /// When the platform gave it.
    pub exchanged_at: OffsetDateTime,
    /// When the row may go.
    pub purge_at: OffsetDateTime,
}
