//! How a command ends, when it does not end well.

use std::{
    io::{self, Write},
    process::ExitCode,
};

use anyhow::anyhow;
use quhao_common::{
    config::ConfigErrors,
    process::{error_chain::with_causes, telemetry::TelemetryError},
};

/// Why a command ended early. `Ok(())` is exit code 0. Without an error, everything has
/// been said already.
#[derive(Debug)]
pub(crate) enum Exit {
    /// What was asked for did not come about, or a check says no. Exit code 1.
    Failed(Option<anyhow::Error>),
    /// The command line or the configuration is wrong. Exit code 2.
    Misused(Option<anyhow::Error>),
}

/// What every command returns.
pub(crate) type Done = Result<(), Exit>;

impl Exit {
    /// A failure in words.
    pub(crate) fn failed(words: impl Into<String>) -> Self {
        Self::Failed(Some(anyhow!(words.into())))
    }

    /// Wrong usage in words.
    pub(crate) fn misused(words: impl Into<String>) -> Self {
        Self::Misused(Some(anyhow!(words.into())))
    }

    /// Says on standard error what has not been said yet, and gives the exit code.
    pub(crate) fn report(self) -> ExitCode {
        let (code, error) = match self {
            Self::Failed(error) => (1, error),
            Self::Misused(error) => (2, error),
        };
        if let Some(error) = error {
            // Nobody is left to hear of a closed standard error.
            let _ = writeln!(io::stderr().lock(), "quhao: {}", with_causes(error.as_ref()));
        }
        ExitCode::from(code)
    }
}

impl<E: Into<anyhow::Error>> From<E> for Exit {
    fn from(error: E) -> Self {
        let error = error.into();
        if is_of_the_configuration(&error) {
            return Self::Misused(Some(error));
        }
        // Whoever read our output has had enough: `quhao config --defaults | head`.
        let closed = error
            .downcast_ref::<io::Error>()
            .is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe);
        Self::Failed((!closed).then_some(error))
    }
}

/// Whether the configuration is wrong: reading it finds everything that is. That a file is
/// in use, say, is none of it.
fn is_of_the_configuration(error: &anyhow::Error) -> bool {
    let filter = matches!(error.downcast_ref(), Some(TelemetryError::Filter));
    filter || error.is::<ConfigErrors>()
}
