//! The task owner: everything the process spawns is spawned here, named, watched, and ended together.

use std::future::Future;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Owns background tasks. Clones share them.
#[derive(Clone, Debug, Default)]
pub struct Tasks {
    tracker: TaskTracker,
    stop: CancellationToken,
}

impl Tasks {
    /// An owner with no tasks.
    pub fn new() -> Self {
        Self::default()
    }

    /// Runs `task` until it ends or the owner stops. A panic in it is logged under `name` and ends that task only.
    pub fn spawn(&self, name: &'static str, task: impl Future<Output = ()> + Send + 'static) {
        let stop = self.stop.clone();
        let handle = self.tracker.spawn(async move {
            tokio::select! {
                () = task => {}
                () = stop.cancelled() => {}
            }
        });
        self.tracker.spawn(async move {
            if let Err(error) = handle.await
                && error.is_panic()
            {
                tracing::error!(task = name, "a background task panicked");
            }
        });
    }

    /// Runs `work`, which blocks, on a thread that may be blocked. `None` if it panicked.
    pub async fn blocking<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Option<T> {
        self.tracker.spawn_blocking(work).await.ok()
    }

    /// Completes when the owner has been asked to stop.
    pub async fn stopping(&self) {
        self.stop.cancelled().await;
    }

    /// Ends every task at its next await and waits until all have ended.
    pub async fn stop(&self) {
        self.stop.cancel();
        self.tracker.close();
        self.tracker.wait().await;
    }
}
