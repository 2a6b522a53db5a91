//! Whether the store can be written, as far as is known: from what failed, and, while it fails, from trying now and then.
//! Writes nothing of its own while all is well.

use crate::stdx::clock::{Clock, Time};
use crate::stdx::entropy;
use crate::store::{Once, OnceKind, Operation, Unavailable};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// How often something is written to see whether it can be, while the last write is known to have failed.
const TRY_EVERY: Duration = Duration::from_secs(5);

/// What is known of writing to one store.
pub(super) struct Writing {
    clock: Arc<dyn Clock>,
    /// Written by the store's observer and by the trial, read by status and metrics; never held across an await.
    known: Mutex<Known>,
}

/// What is known.
#[derive(Clone, Debug, Default)]
pub(super) struct Known {
    /// The last operation of any sort that failed, however long ago.
    pub latest: Option<Failed>,
    /// The last write that failed, however long ago.
    pub last: Option<Failed>,
    /// Since when none is known to have gone through; `None` while all is well.
    pub failing_since: Option<Time>,
}

/// An operation that failed.
#[derive(Clone, Debug)]
pub(super) struct Failed {
    /// When.
    pub at: Time,
    /// Why.
    pub error: String,
}

impl Writing {
    /// As far as is known, everything can be written.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Writing { clock, known: Mutex::default() }
    }

    /// What is known now.
    pub fn known(&self) -> Known {
        self.lock().clone()
    }

    /// Takes note of an operation that failed.
    pub fn hear(&self, operation: Operation, error: &Unavailable) {
        let at = self.clock.now();
        let mut known = self.lock();
        let failed = Failed { at, error: error.0.clone() };
        known.latest = Some(failed.clone());
        if !writes(operation) {
            return;
        }
        known.last = Some(failed);
        if known.failing_since.is_none() {
            known.failing_since = Some(at);
            tracing::error!(%error, "the store cannot be written: nobody can sign in or enrol until it can");
        }
    }

    /// Tries again what fails, until the caller drops it. That many writes go through without a word is no sign that they
    /// wrote anything, so the trial writes something: a one-time value that nobody has and that is over already.
    pub async fn run(&self, once: Arc<dyn Once>) {
        let mut ticks = tokio::time::interval(TRY_EVERY);
        loop {
            ticks.tick().await;
            if self.lock().failing_since.is_none() {
                continue;
            }
            let key = entropy::bytes();
            // One that fails is heard of by the observer, as every other is.
            if once.put(OnceKind::HandOff, key, None, &[], self.clock.now()).await.is_ok() {
                self.lock().failing_since = None;
                tracing::info!("the store is written again");
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether operations of this sort write.
fn writes(operation: Operation) -> bool {
    match operation {
        Operation::Write | Operation::Events | Operation::Sweep => true,
        Operation::Read | Operation::Feed => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stdx::clock::ManualClock;
    use crate::stdx::task::Tasks;
    use crate::store::memory;

    fn locked() -> Unavailable {
        Unavailable("locked".to_owned())
    }

    #[test]
    fn a_reading_that_failed_says_nothing_of_writing() {
        let writing = Writing::new(Arc::new(ManualClock::new(Time::from_secs(9))));
        writing.hear(Operation::Read, &locked());
        writing.hear(Operation::Feed, &locked());
        let known = writing.known();
        assert!(known.last.is_none() && known.failing_since.is_none(), "{known:?}");
        assert_eq!(known.latest.map(|failed| failed.error).as_deref(), Some("locked"), "but it failed all the same");
    }

    #[tokio::test(start_paused = true)]
    async fn writing_fails_from_the_first_failure_until_something_was_written_and_the_last_failure_stays_known() {
        let clock = Arc::new(ManualClock::new(Time::from_secs(9)));
        let writing = Arc::new(Writing::new(clock.clone()));
        writing.hear(Operation::Write, &locked());
        clock.advance(Duration::from_secs(3));
        writing.hear(Operation::Events, &Unavailable("full".to_owned()));
        let known = writing.known();
        assert_eq!(known.failing_since, Some(Time::from_secs(9)));
        assert_eq!(known.last.map(|failed| (failed.at, failed.error)), Some((Time::from_secs(12), "full".to_owned())));
        let (tasks, trial) = (Tasks::new(), writing.clone());
        tasks.spawn("trial", async move { trial.run(memory::open().once).await });
        tokio::time::sleep(TRY_EVERY).await;
        let known = writing.known();
        assert!(known.failing_since.is_none() && known.last.is_some(), "{known:?}");
    }
}
