//! What is published.

use quhao_common::domain::id::JobId;
use time::OffsetDateTime;

/// One envelope to publish.
#[derive(Debug, Clone)]
pub struct Message {
    /// The job that it is about. Outside the body the id travels without its tag.
    pub id: JobId,
    /// The sealed envelope.
    pub body: Vec<u8>,
    /// What the envelope holds.
    pub kind: MessageKind,
}

/// What a published envelope holds.
#[derive(Debug, Clone)]
pub enum MessageKind {
    /// A job, sealed by [`quhao_common::envelope::job::seal`].
    Job {
        /// The job's deadline: nobody needs to run it later.
        expires_at: OffsetDateTime,
        /// The W3C trace context, carried beside the body.
        traceparent: Option<String>,
    },
    /// An outcome that its worker could not commit, sealed by
    /// [`quhao_common::envelope::outcome::seal`]. It never expires.
    Outcome,
}
