//! Orders to end sessions that are held in memory alone: let go of once the store holds them; gives none.

use crate::session::Reader;
use crate::store::{Change, Sessions, Unavailable};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;

/// Pause before a store that did not answer is asked again.
const AGAIN_AFTER: Duration = Duration::from_secs(1);

/// The orders of one gateway. Clones share them.
#[derive(Clone)]
pub(super) struct Orders {
    reader: Arc<Reader>,
    sessions: Arc<dyn Sessions>,
    /// Something changed while there were orders. Told by the feed, waited for by the one task.
    changed: Arc<Notify>,
}

impl Orders {
    /// The orders that `reader` obeys, over the store that they should be in.
    pub fn new(reader: Arc<Reader>, sessions: Arc<dyn Sessions>) -> Self {
        Orders { reader, sessions, changed: Arc::default() }
    }

    /// Takes note of a change in the store: it may be what was ordered.
    pub fn hear(&self, change: Change) {
        if self.reader.barred() == 0 {
            return;
        }
        match change {
            Change::SessionEnded(session) => {
                self.reader.unbar_session(session);
                self.changed.notify_one();
            }
            Change::Account(_) => self.changed.notify_one(),
            // A raise ends nothing.
            Change::SessionRaised(_) => {}
        }
    }

    /// Looks after each change whether the store holds what was ordered about accounts, until the caller drops it.
    pub async fn run(self) {
        loop {
            self.changed.notified().await;
            while self.settle().await.is_err() {
                tokio::time::sleep(AGAIN_AFTER).await;
            }
        }
    }

    async fn settle(&self) -> Result<(), Unavailable> {
        for (account, until) in self.reader.barred_accounts() {
            let left = self.sessions.of(account).await?;
            if left.iter().all(|session| session.created > until) {
                self.reader.unbar_account(account, until);
            }
        }
        Ok(())
    }
}
