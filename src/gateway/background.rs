//! The tasks that run beside requests: the feed of changes, the writer of security events, streams' ends, rotation and
//! sweeping.

use super::event_writer::{EventWriter, Flush};
use super::guard::Guard;
use super::notice::Notices;
use super::orders::Orders;
use super::{Parts, StartFailure, StateFailure};
use crate::audit::{Event, Reported};
use crate::edge::Tethers;
use crate::factor::message::Keys;
use crate::login::THROTTLES_KEPT;
use crate::session::{Feed, Reader};
use crate::stdx::clock::Time;
use crate::stdx::task::Tasks;
use crate::store::{Change, EventRow, Store};
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

/// What has to be written before the process ends.
pub struct LastWords {
    reader: Arc<Reader>,
    store: Store,
    flush: mpsc::Sender<Flush>,
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
    let orders = Orders::new(edge.reader.clone(), store.sessions.clone());
    tasks.spawn("orders in memory", orders.clone().run());
    let (tethers, live) = (edge.tethers.clone(), parts.live.clone());
    tasks.spawn("session feed", async move {
        let rules = move || live.hold().sessions();
        let on_change = |change| {
            cut(&tethers, change);
            orders.hear(change);
        };
        feed.run(on_change, rules).await;
    });
    let (writing, once) = (parts.writing.clone(), store.once.clone());
    tasks.spawn("trial of writing", async move { writing.run(once).await });
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
    let keys = Keys::of(&parts.state.master);
    let notices = Notices::new(parts, keys).await.map_err(unreadable)?;
    tasks.spawn("notices", notices.run());
    let guard = Guard::new(edge.clone(), store.clone(), parts.live.clone()).await.map_err(unreadable)?;
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
fn write_events(parts: &Parts, tasks: &Tasks) -> mpsc::Sender<Flush> {
    let (flush, flushes) = mpsc::channel(1);
    let (reported, edge) = (parts.events.clone(), &parts.edge);
    let (recorder, metrics, clock) = (edge.recorder.clone(), edge.metrics.clone(), edge.clock.clone());
    let writer = EventWriter::new(parts.state.store.events.clone(), recorder, metrics, clock);
    tasks.spawn("event writer", async move {
        let Some(reported) = reported.take() else { return };
        writer.run(reported, flushes).await;
    });
    flush
}

/// An event as the store keeps it, with `more` fields behind its own.
pub fn event_row(at: Time, event: &Event, more: &[(&str, String)]) -> EventRow {
    let more = more.iter().map(|(name, value)| (*name, value.clone()));
    let fields = event.fields().into_iter().chain(more).map(|(name, value)| (name.to_owned(), value.into()));
    let body = serde_json::Value::Object(fields.collect()).to_string();
    EventRow { at, name: event.name().to_owned(), account: event.account(), body }
}
