//! Signals that end a process: the first SIGTERM or SIGINT drains, a second one exits at once.

use std::io;

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// A signal that asks this process to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Request {
    Terminate,
    Interrupt,
}

impl Request {
    fn name(self) -> &'static str {
        match self {
            Self::Terminate => "SIGTERM",
            Self::Interrupt => "SIGINT",
        }
    }

    /// Returns the exit code of a process that this signal ended: 128 plus its number.
    fn exit_code(self) -> i32 {
        match self {
            Self::Terminate => 143,
            Self::Interrupt => 130,
        }
    }
}

/// Returns a token that the first SIGTERM or SIGINT cancels. The second signal exits the
/// process with 143 or 130. Call it once, inside a Tokio runtime, before anything else starts.
pub(crate) fn signals() -> io::Result<CancellationToken> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let token = CancellationToken::new();
    let next = async move || {
        tokio::select! {
            Some(()) = terminate.recv() => Some(Request::Terminate),
            Some(()) = interrupt.recv() => Some(Request::Interrupt),
            else => None,
        }
    };
    let watch = watch(next, token.clone(), |code| std::process::exit(code));
    tokio::spawn(watch);
    Ok(token)
}

async fn watch(
    mut next: impl AsyncFnMut() -> Option<Request>,
    token: CancellationToken,
    exit: impl FnOnce(i32),
) {
    let Some(first) = next().await else { return };
    tracing::info!(signal = first.name(), "draining; a second signal exits at once");
    token.cancel();
    let Some(second) = next().await else { return };
    tracing::warn!(signal = second.name(), "second signal: exiting without draining");
    exit(second.exit_code());
}

#[cfg(test)]
mod tests {
    use std::{process::Command, time::Duration};

    use tokio::{sync::mpsc, time::timeout};

    use super::*;

    const LIMIT: Duration = Duration::from_secs(10);

    #[tokio::test]
    async fn first_signal_drains_and_second_exits() {
        let (send, mut requests) = mpsc::channel(2);
        let (exited, mut exit) = mpsc::channel(1);
        let token = CancellationToken::new();
        let next = async move || requests.recv().await;
        let watching =
            tokio::spawn(watch(next, token.clone(), move |code| exited.try_send(code).unwrap()));

        assert!(!token.is_cancelled());
        send.send(Request::Terminate).await.unwrap();
        timeout(LIMIT, token.cancelled()).await.unwrap();
        assert!(exit.try_recv().is_err());

        send.send(Request::Interrupt).await.unwrap();
        timeout(LIMIT, watching).await.unwrap().unwrap();
        assert_eq!(exit.recv().await, Some(130));
    }

    #[tokio::test]
    async fn sigterm_cancels_the_token() {
        let token = signals().unwrap();
        let pid = std::process::id().to_string();
        let sent = Command::new("kill").args(["-TERM", &pid]).status().unwrap();
        assert!(sent.success());
        timeout(LIMIT, token.cancelled()).await.unwrap();
    }
}
