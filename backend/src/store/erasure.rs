//! Erasure: what goes, and what is remembered so that nothing in flight brings it back.

use time::OffsetDateTime;

use quhao_common::{
    crypto::vault::KeyedHash,
    domain::{
        app::{AppId, ClientName},
        id::JobKey,
    },
};

/// The end of one job's answer, whether or not there is one yet.
#[derive(Debug, Clone)]
pub struct Tombstone {
    /// The job.
    pub key: JobKey,
    /// Whose it is.
    pub client: ClientName,
    /// For which app.
    pub app: AppId,
    /// When it was asked for.
    pub erased_at: OffsetDateTime,
    /// Until when a late outcome is kept out, if there is no row that says it better.
    pub purge_at: OffsetDateTime,
}

/// The end of everything about a person.
#[derive(Debug, Clone)]
pub struct Erasure {
    /// Whose guest it is.
    pub client: ClientName,
    /// In which app.
    pub app: AppId,
    /// The person's ids at the platform.
    pub openids: Vec<String>,
    /// The person's number, hashed under every accepted key.
    pub phone_hashes: Vec<KeyedHash>,
    /// What keeps outcomes of earlier jobs out: keyed hashes of the openids and of the
    /// number, under every accepted key.
    pub subjects: Vec<KeyedHash>,
    /// When it was asked for: jobs that were created later are another matter.
    pub erased_at: OffsetDateTime,
    /// Until when earlier jobs are kept out.
    pub purge_at: OffsetDateTime,
}

/// The end of everything of an app, a part at a time.
#[derive(Debug, Clone)]
pub struct AppErasure {
    /// The app, whoever owns it.
    pub app: AppId,
    /// When it was asked for.
    pub erased_at: OffsetDateTime,
    /// Until when earlier jobs are kept out.
    pub purge_at: OffsetDateTime,
    /// Where the last part ended; `None` for the first.
    pub after: Option<AppCursor>,
}

/// Where a part of an app's erasure ended, for whoever asks for the next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AppCursor {
    /// After this session; answers are still to come.
    Session {
        /// Whose it was.
        client: String,
        /// For which app.
        app: String,
        /// The guest.
        openid: String,
    },
    /// After this job, and all sessions; `None` is before the first.
    Job(Option<JobKey>),
}

impl AppCursor {
    /// Before everything.
    pub(super) fn first() -> Self {
        Self::Session { client: String::new(), app: String::new(), openid: String::new() }
    }
}

/// The subject that stands for a whole app.
pub const WHOLE_APP: KeyedHash = [0; 16];

/// Rows that one part of an app's erasure looks at.
pub const APP_PART_ROWS_MAX: u32 = 1000;

/// Guests that one number may have. Families share one; beyond this it is a switchboard's.
pub const GUESTS_OF_PHONE_MAX: u32 = 1000;

/// How much went.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Erased {
    /// Answers.
    pub answers: u64,
    /// Sessions.
    pub sessions: u64,
}

/// What a part of an app's erasure looked at last, if there may be more, and how many rows
/// went.
pub(super) struct Part<T> {
    pub(super) last: Option<T>,
    pub(super) erased: u64,
}

impl<T> Part<T> {
    pub(super) fn new(scanned: Vec<T>, erased: u64) -> Self {
        let more = scanned.len() == APP_PART_ROWS_MAX as usize;
        Self { last: scanned.into_iter().last().filter(|_| more), erased }
    }
}

/// How much of an app went with this part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AppErased {
    /// How much.
    pub erased: Erased,
    /// Where to go on; `None` when everything is gone.
    pub next: Option<AppCursor>,
}
