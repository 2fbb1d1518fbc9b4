//! Exit codes, and the errors that lead to them.

use std::{
    io::{self, Write},
    process::ExitCode,
};

use anyhow::anyhow;
use quhao_common::{
    config::ConfigErrors,
    process::{error_chain::with_causes, telemetry::TelemetryError},
};

/// Why a command failed. Without an error inside, everything has been printed already.
#[derive(Debug)]
pub(crate) enum Exit {
    /// The command failed, or a check found something. Exit code 1.
    Failed(Option<anyhow::Error>),
    /// The command line or the configuration is wrong. Exit code 2.
    Misused(Option<anyhow::Error>),
}

/// The result of a command; `Ok(())` is exit code 0.
pub(crate) type CommandResult = Result<(), Exit>;

impl Exit {
    /// Creates a failure with this message.
    pub(crate) fn failed(message: impl Into<String>) -> Self {
        Self::Failed(Some(anyhow!(message.into())))
    }

    /// Creates a usage error with this message.
    pub(crate) fn misused(message: impl Into<String>) -> Self {
        Self::Misused(Some(anyhow!(message.into())))
    }

    /// Prints the error to standard error, if there is one, and returns the exit code.
    pub(crate) fn report(self) -> ExitCode {
        let (code, error) = match self {
            Self::Failed(error) => (1, error),
            Self::Misused(error) => (2, error),
        };
        if let Some(error) = error {
            // A closed standard error has no reader left to tell.
            let _ = writeln!(io::stderr().lock(), "quhao: {}", with_causes(error.as_ref()));
        }
        ExitCode::from(code)
    }
}

impl<E: Into<anyhow::Error>> From<E> for Exit {
    fn from(error: E) -> Self {
        let error = error.into();
        if is_configuration_error(&error) {
            return Self::Misused(Some(error));
        }
        // The reader of our output closed it: `quhao config --defaults | head`.
        let closed = error
            .downcast_ref::<io::Error>()
            .is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe);
        Self::Failed((!closed).then_some(error))
    }
}

/// Returns whether the configuration is wrong. A file that is in use, for example, is not a
/// configuration error.
fn is_configuration_error(error: &anyhow::Error) -> bool {
    let filter = matches!(error.downcast_ref(), Some(TelemetryError::Filter));
    filter || error.is::<ConfigErrors>()
}
