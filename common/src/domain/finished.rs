//! What a worker commits: an outcome, with the session that its exchange gave.

use time::OffsetDateTime;

use crate::{
    crypto::vault::{KeyedHash, Sealed},
    domain::{
        app::AppId, client::ClientName, failure::FailureCode, id::JobKey, session_handle::HandleKey,
    },
};

/// How a job ended, as far as the store must know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FinalState {
    /// The job failed.
    Failed(FailureCode),
    /// The job gave what was asked for.
    Succeeded,
}

impl FinalState {
    /// Returns whether an answer in this state replaces one in state `earlier`.
    pub fn replaces(self, earlier: Self) -> bool {
        match (self, earlier) {
            (Self::Succeeded, Self::Failed(_)) => true,
            (Self::Failed(code), Self::Failed(earlier)) => code.replaces(earlier),
            (_, Self::Succeeded) => false,
        }
    }
}

/// An outcome to be committed.
#[derive(Debug, Clone)]
pub struct Finished {
    /// The job.
    pub key: JobKey,
    /// The client that owns it.
    pub client: ClientName,
    /// The app that it is for.
    pub app: AppId,
    /// How it ended.
    pub final_state: FinalState,
    /// When it was accepted.
    pub created_at: OffsetDateTime,
    /// Its deadline.
    pub expires_at: OffsetDateTime,
    /// When a worker took it from the queue. `None` where this says nothing about how long
    /// jobs wait there: it had been taken before, or did not arrive as a job.
    pub taken_at: Option<OffsetDateTime>,
    /// When the outcome was known.
    pub finished_at: OffsetDateTime,
    /// When the row may be deleted.
    pub purge_at: OffsetDateTime,
    /// The sealed [`crate::domain::answer::Answer`].
    pub answer: Sealed,
    /// The guest's openid, for erasure.
    pub openid: Option<String>,
    /// The guest's keyed hash, by which an erasure that came in between is recognised.
    pub guest_hash: Option<KeyedHash>,
    /// The phone number's keyed hash, for look-up and erasure.
    pub phone_hash: Option<KeyedHash>,
    /// When its event may first be sent (a past time: at once); `None`: no event is sent.
    pub callback: Option<OffsetDateTime>,
    /// The session that the exchange gave, kept with the same commit.
    pub session: Option<NewSession>,
}

/// A hash of a session key. It needs no secret: 128 random bits cannot be guessed.
pub type KeyFingerprint = [u8; 16];

/// A session as an exchange gave it. It belongs to the client and app of its [`Finished`].
#[derive(Debug, Clone)]
pub struct NewSession {
    /// The guest's openid.
    pub openid: String,
    /// The key of its handle, by which clients name it.
    pub handle: HandleKey,
    /// The guest's id across the apps of one owner.
    pub unionid: Option<String>,
    /// The sealed session key.
    pub key: Sealed,
    /// The hash that shows whether the key was rotated: the same for the same key, whatever it
    /// is sealed with.
    pub key_hash: KeyFingerprint,
    /// The keyed hash of the login code that gave it.
    pub code_hash: KeyedHash,
    /// When the platform gave it.
    pub exchanged_at: OffsetDateTime,
    /// When the row may be deleted.
    pub purge_at: OffsetDateTime,
}
