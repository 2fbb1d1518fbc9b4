//! The two directions of a process's traffic with the broker.

use std::borrow::Cow;

use quhao_common::process::metrics::LabelValue;

/// What a connection is for.
///
/// Publishing and consuming have a connection each: the broker blocks connections that
/// publish when it runs short of memory or disk, and acks must get through then.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Direction {
    Publish,
    Consume,
}

impl Direction {
    /// Returns its name in logs, in metrics and in the broker's list of connections.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Publish => "publish",
            Self::Consume => "consume",
        }
    }
}

impl LabelValue for Direction {
    fn label_value(&self) -> Cow<'static, str> {
        self.as_str().into()
    }
}
