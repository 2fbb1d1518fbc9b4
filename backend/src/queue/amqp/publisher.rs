//! Publishing, the callers' side: a place in the window, a request to the owner of the
//! channel, and a wait with a limit.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use lapin::Connection;
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot, watch},
    task::JoinSet,
    time::timeout,
};

use self::owner::Owner;
use super::{
    frame::Letter,
    mean_jobs::MeanJobs,
    supervisor::{Link, Standing},
    topology::Topology,
};
use crate::queue::error::PublishError;
use quhao_common::{config, process::metrics};

mod owner;
mod batch;

/// What publishes.
pub(super) struct Publisher {
    pub(super) standing: watch::Receiver<Standing<Lane>>,
    window: Arc<Semaphore>,
    confirm_timeout: Duration,
}

/// The means to publish while the link is up.
pub(super) struct Lane {
    requests: mpsc::Sender<Request>,
    pub(super) connection: Arc<Connection>,
}

impl Lane {
    /// Whether the connection is still there: it can end before its owner has noticed.
    pub(super) fn connected(&self) -> bool {
        self.connection.status().connected()
    }

    /// Whether the broker has asked publishers to stop.
    pub(super) fn blocked(&self) -> bool {
        self.connection.status().blocked()
    }
}

/// Who waits for a publish, and the place in the window that it takes.
type Caller = (oneshot::Sender<Result<(), PublishError>>, OwnedSemaphorePermit);

/// One publish on its way to the owner.
struct Request {
    letter: Letter,
    /// Whoever sets it first has the say: the owner publishes, or the caller has given up
    /// before anything was sent.
    claimed: Arc<AtomicBool>,
    reply: oneshot::Sender<Result<(), PublishError>>,
    /// A place in the window, held until the broker has answered.
    place: OwnedSemaphorePermit,
}

impl Request {
    /// The owner's claim; `false` if nobody waits any more.
    fn claim(&self) -> bool {
        !self.reply.is_closed() && !self.claimed.swap(true, Ordering::AcqRel)
    }

    /// What to publish, and whom to tell.
    fn split(self) -> (Letter, Caller) {
        (self.letter, (self.reply, self.place))
    }
}

impl Publisher {
    /// Starts the owner task.
    pub(super) fn start(
        settings: &config::Queue,
        (topology, mean_jobs): (&Topology, &Arc<MeanJobs>),
        (link, standing): (Link<Lane>, watch::Receiver<Standing<Lane>>),
        tasks: &mut JoinSet<()>,
    ) -> Self {
        // The semaphore's own limit is far above any window that fits into memory.
        let window = settings.publish_window.clamp(1, Semaphore::MAX_PERMITS);
        let exchange = topology.exchange.clone();
        let times = (settings.confirm_timeout, window);
        let owner = Owner::new(link, exchange, times, Arc::clone(mean_jobs));
        tasks.spawn(owner.run());
        let window = Arc::new(Semaphore::new(window));
        Self { standing, window, confirm_timeout: settings.confirm_timeout }
    }

    pub(super) async fn publish(&self, letter: Letter) -> Result<(), PublishError> {
        let published = self.attempt(letter).await;
        if let Err(refusal) = published {
            metrics::publish_refused(refusal.as_str());
        }
        published
    }

    async fn attempt(&self, letter: Letter) -> Result<(), PublishError> {
        let requests = match &*self.standing.borrow() {
            Standing::Up(lane) if lane.connected() && !lane.blocked() => lane.requests.clone(),
            _ => return Err(PublishError::Unavailable),
        };
        let place = self.window.clone().try_acquire_owned().map_err(|_| PublishError::Full)?;
        let claimed = Arc::new(AtomicBool::new(false));
        let (reply, answer) = oneshot::channel();
        let request = Request { letter, claimed: claimed.clone(), reply, place };
        requests.try_send(request).map_err(|refused| match refused {
            mpsc::error::TrySendError::Full(_) => PublishError::Full,
            mpsc::error::TrySendError::Closed(_) => PublishError::Unavailable,
        })?;
        match timeout(self.confirm_timeout, answer).await {
            Ok(Ok(answer)) => answer,
            // No answer: it was sent unless nobody had claimed it yet.
            Ok(Err(_)) | Err(_) if claimed.swap(true, Ordering::AcqRel) => {
                Err(PublishError::Unconfirmed)
            }
            Ok(Err(_)) | Err(_) => Err(PublishError::Unavailable),
        }
    }
}
