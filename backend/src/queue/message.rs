//! What is published.

use quhao_common::domain::id::JobId;
use time::OffsetDateTime;

/// One envelope to be carried.
#[derive(Debug, Clone)]
pub struct Message {
    /// Whose it is. Only its tagless form goes along outside the body.
    pub id: JobId,
    /// What [`quhao_common::envelope::job::seal`] made.
    pub body: Vec<u8>,
    /// After this nobody needs to work on it.
    pub expires_at: OffsetDateTime,
    /// W3C trace context, carried beside the body.
    pub traceparent: Option<String>,
}
