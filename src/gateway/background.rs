//! The tasks that run beside requests: the feed of changes, the writer of security events, streams' ends, rotation and
//! sweeping.

use super::guard::Guard;
use super::{Parts, StartFailure, StateFailure};
use crate::audit::{Event, Reported};
use crate::edge::{Edge, Tethers};
use crate::login::THROTTLES_KEPT;
use crate::session::{Feed, Reader};
use crate::stdx::clock::Time;
use crate::stdx::task::Tasks;
use crate::store::{Change, EventRow, Events, Store};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};

/// How often streams are looked at whose permit may be over. A revoked session's are cut at once, by the feed.
const LAPSE_EVERY: Duration = Duration::from_millis(250);

/// How often all streams are decided about again, in such looks, if no edition was published meanwhile: hours are given
/// to the minute, so once a second is prompt.
const DECIDE_EVERY: u32 = 4;

/// How often one-time values, counters and keys are swept and rotated.
const SWEEP_EVERY: Duration = Duration::from_secs(60);

/// Security events written at once.
const BATCH: usize = 256;

/// What has to be written before the process ends.
pub struct LastWords {
    reader: Arc<Reader>,
    store: Store,
    flush: mpsc::Sender<oneshot::Sender<()>>,
}

impl LastWords {
    /// Writes down when sessions were last used.
    pub async fn write(&self) {
        let uses = self.reader.take_uses();
        if let Err(error) = self.store.sessions.touch(&uses).await {
            tracing::warn!(%error, "cannot write down when sessions were used");
        }
    }

    /// Waits until the security events reported so far are written.
    pub async fn flush(&self) {
        let (done, written) = oneshot::channel();
        if self.flush.send(done).await.is_ok() {
            let _ = written.await;
        }
    }
}

/// Starts everything.
pub(super) async fn start(parts: &Parts, tasks: &Tasks) -> Result<LastWords, StartFailure> {
    let (store, edge) = (&parts.state.store, &parts.edge);
    let unreadable = |error: crate::store::Unavailable| {
        StartFailure::State(StateFailure::Store { path: parts.path.clone(), why: error.0 })
    };
    let feed = Feed {
        reader: edge.reader.clone(),
        changes: store.changes.clone(),
        sessions: store.sessions.clone(),
        clock: edge.clock.clone(),
        after: store.changes.newest().await.map_err(unreadable)?,
    };
    let (tethers, live) = (edge.tethers.clone(), parts.live.clone());
    tasks.spawn("session feed", async move {
        let rules = move || live.hold().sessions();
        feed.run(|change| cut(&tethers, change), rules).await;
    });
    let (tethers, live, clock) = (edge.tethers.clone(), parts.live.clone(), edge.clock.clone());
    tasks.spawn("stream ends", async move {
        let mut ticks = tokio::time::interval(LAPSE_EVERY);
        let (mut looks, mut decided) = (0_u32, 0);
        loop {
            ticks.tick().await;
            let (now, edition) = (clock.now(), live.hold());
            tethers.cut_lapsed(now, edition.sessions());
            looks = looks.wrapping_add(1);
            if decided != edition.number || looks.is_multiple_of(DECIDE_EVERY) {
                tethers.cut_withdrawn(&edition, now);
                decided = edition.number;
            }
        }
    });
    let (keys, sweeper) = (parts.state.keys.clone(), store.clone());
    let clock = edge.clock.clone();
    tasks.spawn("sweeper", async move {
        let mut ticks = tokio::time::interval(SWEEP_EVERY);
        loop {
            ticks.tick().await;
            sweep(&sweeper, clock.now()).await;
            if let Err(error) = keys.rotate(clock.now()).await {
                tracing::error!(%error, "signing keys cannot be rotated; the current one goes on signing");
            }
        }
    });
    let guard = Guard::new(edge.clone(), store.clone()).await.map_err(unreadable)?;
    tasks.spawn("guard", guard.run());
    Ok(LastWords { reader: edge.reader.clone(), store: store.clone(), flush: write_events(parts, tasks) })
}

fn cut(tethers: &Tethers, change: Change) {
    match change {
        Change::SessionEnded(session) => tethers.cut_session(session),
        Change::Account(account) => tethers.cut_account(account),
        // A raise takes nothing away.
        Change::SessionRaised(_) => {}
    }
}

async fn sweep(store: &Store, now: Time) {
    let swept = async {
        store.once.sweep(now).await?;
        store.throttles.sweep(now, THROTTLES_KEPT).await
    };
    if let Err(error) = swept.await {
        tracing::warn!(%error, "cannot sweep the store");
    }
}

/// The queue of reported events, until the one task that reads it takes it.
#[derive(Clone)]
pub struct Queue(Arc<Mutex<Option<Reported>>>);

impl Queue {
    pub(super) fn new(reported: Reported) -> Self {
        Queue(Arc::new(Mutex::new(Some(reported))))
    }

    fn take(&self) -> Option<Reported> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// Takes the queue of reported events to the store, and answers flushes.
fn write_events(parts: &Parts, tasks: &Tasks) -> mpsc::Sender<oneshot::Sender<()>> {
    let (flush, flushes) = mpsc::channel(1);
    let (events, reported, edge) = (parts.state.store.events.clone(), parts.events.clone(), parts.edge.clone());
    tasks.spawn("event writer", async move {
        let Some(reported) = reported.take() else { return };
        Writer { events, edge }.run(reported, flushes).await;
    });
    flush
}

struct Writer {
    events: Arc<dyn Events>,
    edge: Arc<Edge>,
}

impl Writer {
    async fn run(&self, mut reported: Reported, mut flushes: mpsc::Receiver<oneshot::Sender<()>>) {
        let mut batch = Vec::with_capacity(BATCH);
        loop {
            tokio::select! {
                biased;
                count = reported.recv_many(&mut batch, BATCH) => {
                    if count == 0 {
                        return;
                    }
                    self.write(&mut batch).await;
                }
                Some(done) = flushes.recv() => {
                    let _ = done.send(());
                }
            }
        }
    }

    async fn write(&self, batch: &mut Vec<(Time, Event)>) {
        batch.iter().filter_map(|(_, event)| step(event)).for_each(|result| self.edge.metrics.sign_in(result));
        let rows: Vec<EventRow> = batch.iter().map(|(at, event)| event_row(*at, event, &[])).collect();
        let count = rows.len() as u64;
        batch.clear();
        if let Err(error) = self.events.append(&rows).await {
            self.edge.recorder.lose(count);
            tracing::error!(%error, count, at = %self.edge.clock.now(), "security events could not be written");
            rows.iter().for_each(|row| tracing::error!(event = row.name, body = row.body, at = %row.at, "not written"));
        }
    }
}

/// How an event counts as an answer in a sign-in, if it is one. Tries that were refused unseen are counted where they
/// are refused, for only some of them are events.
fn step(event: &Event) -> Option<&'static str> {
    match event {
        Event::SignedIn { .. } | Event::SteppedUp { .. } => Some("succeeded"),
        Event::SignInFailed { why: "throttled", .. } => None,
        Event::SignInFailed { why, .. } => Some(why),
        Event::Entered { .. }
        | Event::EntryRefused { .. }
        | Event::SessionEnded { .. }
        | Event::SessionsEnded { .. }
        | Event::Recovered { .. }
        | Event::Enrolled { .. }
        | Event::FactorRemoved { .. }
        | Event::AccountAdded { .. }
        | Event::EnrolmentOffered { .. }
        | Event::AccountChanged { .. }
        | Event::Denied { .. }
        | Event::Reloaded { .. }
        | Event::Lifecycle { .. } => None,
    }
}

/// An event as the store keeps it, with `more` fields behind its own.
pub fn event_row(at: Time, event: &Event, more: &[(&str, String)]) -> EventRow {
    let more = more.iter().map(|(name, value)| (*name, value.clone()));
    let fields = event.fields().into_iter().chain(more).map(|(name, value)| (name.to_owned(), value.into()));
    let body = serde_json::Value::Object(fields.collect()).to_string();
    EventRow { at, name: event.name().to_owned(), account: event.account(), body }
}
