//! Takes reported security events from their queue to the store, and holds them until they are written; knows nothing of
//! who reported them.

use super::background::event_row;
use crate::audit::{Event, Recorder, Reported};
use crate::identity::FactorName;
use crate::stdx::clock::{Clock, Time};
use crate::stdx::sparing::Sparing;
use crate::store::{EventRow, Events, Unavailable};
use crate::telemetry::Metrics;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};

/// Security events written at once.
const BATCH: usize = 256;

/// Pause before events are written again that could not be. The queue holds what comes meanwhile.
const AGAIN_AFTER: Duration = Duration::from_secs(1);

/// Whoever waits until everything reported so far is written.
pub(super) type Flush = oneshot::Sender<()>;

/// The one task that writes events. It takes no more from the queue before what it holds is written, so events are lost
/// only when the queue is full. A write that timed out may have happened all the same: such events are in the record
/// twice, rather than not at all.
pub(super) struct EventWriter {
    events: Arc<dyn Events>,
    recorder: Recorder,
    metrics: Arc<Metrics>,
    clock: Arc<dyn Clock>,
    /// Taken from the queue and not written yet.
    held: Vec<EventRow>,
    /// Lost events that the record tells of.
    told: u64,
    /// When a failure is told again; `None` while the store is written to.
    failing: Option<Sparing>,
}

impl EventWriter {
    /// A writer that has taken nothing yet.
    pub fn new(events: Arc<dyn Events>, recorder: Recorder, metrics: Arc<Metrics>, clock: Arc<dyn Clock>) -> Self {
        EventWriter { events, recorder, metrics, clock, held: Vec::new(), told: 0, failing: None }
    }

    /// Writes what is reported until nobody can report any more. Answers each flush once everything reported before it
    /// is written or, where that fails, given up.
    pub async fn run(mut self, mut reported: Reported, mut flushes: mpsc::Receiver<Flush>) {
        let mut batch = Vec::with_capacity(BATCH);
        loop {
            tokio::select! {
                biased;
                count = reported.recv_many(&mut batch, BATCH), if self.held.is_empty() => {
                    if count == 0 {
                        return;
                    }
                    self.hold(&mut batch);
                    self.write().await;
                }
                Some(done) = flushes.recv() => {
                    self.write_all(&mut reported).await;
                    let _ = done.send(());
                }
                () = tokio::time::sleep(AGAIN_AFTER), if !self.held.is_empty() => self.write().await,
            }
        }
    }

    fn hold(&mut self, batch: &mut Vec<(Time, Event)>) {
        for (at, event) in batch.drain(..) {
            if let Some((factor, result)) = step(&event) {
                self.metrics.sign_in(factor.0, result);
            }
            self.held.push(event_row(at, &event, &[]));
        }
    }

    /// Writes what is held, and behind it how many events were lost before. After a failure all of it is still held.
    async fn write(&mut self) {
        let lost = self.recorder.lost();
        if lost > self.told {
            let event = Event::Lost { count: lost - self.told };
            self.held.push(event_row(self.clock.now(), &event, &[]));
        }
        match self.events.append(&self.held).await {
            Ok(()) => {
                self.held.clear();
                self.told = lost;
                if self.failing.take().is_some() {
                    tracing::info!("security events are written again");
                }
            }
            Err(error) => {
                if lost > self.told {
                    self.held.pop();
                }
                self.complain(&error);
            }
        }
    }

    fn complain(&mut self, error: &Unavailable) {
        if self.failing.get_or_insert_default().due() {
            let held = self.held.len();
            tracing::error!(%error, held, "security events cannot be written; they are kept and tried again");
        }
    }

    /// Writes everything that was reported. Whoever asks for it is about to end the process, so what fails now is lost
    /// to the record, and goes to the log.
    async fn write_all(&mut self, reported: &mut Reported) {
        loop {
            if !self.held.is_empty() {
                self.write().await;
            }
            let mut batch = Vec::new();
            while let Ok(event) = reported.try_recv() {
                batch.push(event);
            }
            let is_failing = !self.held.is_empty();
            self.hold(&mut batch);
            if is_failing {
                return self.give_up();
            }
            if self.held.is_empty() {
                return;
            }
        }
    }

    fn give_up(&mut self) {
        let count = self.held.len() as u64;
        self.recorder.lose(count);
        tracing::error!(count, "security events could not be written before the end");
        for row in self.held.drain(..) {
            tracing::error!(event = row.name, body = row.body, at = %row.at, "not written");
        }
    }
}

/// How an event counts as an answer in a sign-in, if it is one. Tries that were refused unseen are counted where they
/// are refused, for only some of them are events.
fn step(event: &Event) -> Option<(FactorName, &'static str)> {
    match event {
        // The last one decided.
        Event::SignedIn { factors, .. } => factors.last().map(|factor| (*factor, "succeeded")),
        Event::SteppedUp { factor, .. } => Some((*factor, "succeeded")),
        Event::SignInFailed { why: "throttled", .. } => None,
        Event::SignInFailed { factor, why, .. } => Some((*factor, why)),
        // Programs are counted where they are answered.
        Event::ProgramSignedIn { .. } | Event::ProgramSignInFailed { .. } => None,
        Event::Entered { .. }
        | Event::EntryRefused { .. }
        | Event::SessionEnded { .. }
        | Event::SessionsEnded { .. }
        | Event::ProgramApproved { .. }
        | Event::ProgramDenied { .. }
        | Event::SecretReused { .. }
        | Event::CodeSent { .. }
        | Event::CodeRefused { .. }
        | Event::Recovered { .. }
        | Event::Enrolled { .. }
        | Event::FactorRemoved { .. }
        | Event::AccountAdded { .. }
        | Event::EnrolmentOffered { .. }
        | Event::AccountChanged { .. }
        | Event::Denied { .. }
        | Event::Reloaded { .. }
        | Event::Lost { .. }
        | Event::Lifecycle { .. } => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::AccountId;
    use crate::stdx::clock::ManualClock;
    use crate::stdx::task::Tasks;
    use crate::store::{Chain, Chained, Result, Seal, memory};
    use async_trait::async_trait;
    use std::sync::atomic::{AtomicBool, Ordering};

    /// A store that is locked until somebody lets go of it.
    struct Lockable {
        inner: Arc<dyn Events>,
        locked: AtomicBool,
    }

    #[async_trait]
    impl Events for Lockable {
        fn bind(&self, chain: Chain) {
            self.inner.bind(chain);
        }
        fn chain(&self) -> Result<Chain> {
            self.inner.chain()
        }
        async fn append(&self, events: &[EventRow]) -> Result<()> {
            if self.locked.load(Ordering::SeqCst) {
                return Err(Unavailable("locked".to_owned()));
            }
            self.inner.append(events).await
        }
        async fn after(&self, after: u64, limit: usize) -> Result<Vec<(u64, EventRow)>> {
            self.inner.after(after, limit).await
        }
        async fn chained(&self, after: u64, limit: usize) -> Result<Vec<Chained>> {
            self.inner.chained(after, limit).await
        }
        async fn seal(&self) -> Result<Option<Seal>> {
            self.inner.seal().await
        }
        async fn of(&self, account: AccountId, name: &str, limit: usize) -> Result<Vec<EventRow>> {
            self.inner.of(account, name, limit).await
        }
        async fn before(&self, at: Time) -> Result<u64> {
            self.inner.before(at).await
        }
        async fn newest(&self) -> Result<u64> {
            self.inner.newest().await
        }
    }

    struct Desk {
        store: Arc<Lockable>,
        recorder: Recorder,
        flush: mpsc::Sender<Flush>,
        _tasks: Tasks,
    }

    impl Desk {
        fn locked() -> Self {
            let store = Arc::new(Lockable { inner: memory::open().events, locked: AtomicBool::new(true) });
            let (recorder, reported) = Recorder::new();
            let (flush, flushes) = mpsc::channel(1);
            let clock = Arc::new(ManualClock::new(Time::from_secs(9)));
            let writer = EventWriter::new(store.clone(), recorder.clone(), Arc::new(Metrics::new()), clock);
            let tasks = Tasks::new();
            tasks.spawn("event writer", writer.run(reported, flushes));
            Desk { store, recorder, flush, _tasks: tasks }
        }

        fn report(&self, edition: u64) {
            self.recorder.report(Time::from_secs(1), Event::Reloaded { edition, outcome: "applied" });
        }

        async fn unlock(&self) {
            self.store.locked.store(false, Ordering::SeqCst);
            tokio::time::sleep(2 * AGAIN_AFTER).await;
        }

        async fn written(&self) -> Vec<EventRow> {
            let written = self.store.after(0, 100_000).await.expect("the store answers");
            written.into_iter().map(|(_, row)| row).collect()
        }
    }

    #[tokio::test(start_paused = true)]
    async fn events_that_could_not_be_written_are_written_in_order_when_the_store_answers_again() {
        let desk = Desk::locked();
        for edition in 1..=3 {
            desk.report(edition);
            tokio::time::sleep(3 * AGAIN_AFTER).await;
        }
        desk.unlock().await;
        let bodies: Vec<_> = desk.written().await.into_iter().map(|row| row.body).collect();
        assert_eq!(bodies.len(), 3, "{bodies:?}");
        assert!((1..).zip(&bodies).all(|(edition, body)| body.contains(&format!("\"{edition}\""))), "{bodies:?}");
        assert_eq!(desk.recorder.lost(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn the_record_tells_how_many_events_found_the_queue_full() {
        let desk = Desk::locked();
        (0..20_000).for_each(|edition| desk.report(edition));
        let lost = desk.recorder.lost();
        assert!(lost > 0);
        desk.unlock().await;
        let written = desk.written().await;
        let told: Vec<_> = written.iter().filter(|row| row.name == "events.lost").collect();
        assert_eq!(told.len(), 1, "they are told of once");
        assert_eq!(told[0].body, format!(r#"{{"count":"{lost}"}}"#));
        assert_eq!(written.len() as u64, 20_000 - lost + 1, "and no other was lost");
    }

    #[tokio::test(start_paused = true)]
    async fn the_end_does_not_wait_for_a_store_that_stays_locked() {
        let desk = Desk::locked();
        desk.report(1);
        tokio::time::sleep(AGAIN_AFTER).await;
        desk.report(2);
        let (done, written) = oneshot::channel();
        desk.flush.send(done).await.expect("the writer runs");
        written.await.expect("the writer answers");
        assert_eq!(desk.recorder.lost(), 2, "they are counted as lost");
    }
}
