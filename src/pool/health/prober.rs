//! The one prober of the process: runs every wanted check once per interval, however many pools want it; knows pools
//! by their names alone.

use super::{Check, Turn};
use crate::pool::tally::Tally;
use crate::stdx::clock::Clock;
use crate::stdx::sparing::Sparing;
use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::{self, JoinError, JoinSet};
use tokio::time::{Instant, sleep_until};

/// Probes under way at once. A hundred thousand members probed every 5 s, each answering within 5 ms, keep a hundred
/// busy; and it is few enough file descriptors not to matter. Where members hang until their timeout, intervals
/// stretch.
const PROBES_AT_ONCE: usize = 128;

/// New checks begin within this time: soon enough for a new member to get traffic, spread enough for a reload not to be
/// a burst.
const FIRST_WITHIN: Duration = Duration::from_secs(1);

/// Longer intervals count as this one, so that no date ever overflows; what is asked less often is not watched at all.
const LONGEST: Duration = Duration::from_secs(24 * 3600);

/// How far an interval may be off, as a fraction of it, so that gateways started together drift apart.
const JITTER: f64 = 0.1;

/// The checks that are wanted, as the prober is told.
pub type Wanted = Arc<[Watched]>;

/// A check and who wants it.
#[derive(Clone)]
pub struct Watched {
    /// The check.
    pub check: Arc<Check>,
    /// The pools that want it, for the log.
    pub pools: Arc<str>,
}

/// The state of the prober's one task. Between probes a check costs an entry in a map and one in a heap.
pub struct Prober {
    clock: Arc<dyn Clock>,
    tally: Arc<Tally>,
    rng: fastrand::Rng,
    checks: HashMap<u64, Watched>,
    /// Each check that is not under way, by when it is due.
    due: BinaryHeap<Reverse<(Instant, u64)>>,
    under_way: HashMap<task::Id, (Arc<Check>, Instant)>,
    /// Ends them all when the prober ends.
    probes: JoinSet<Asked>,
    /// When it is told again that members cannot be asked.
    unasked: Sparing,
}

/// What came of asking a member; `None` if it could not be asked.
type Asked = Option<Result<(), String>>;

type Joined = Result<(task::Id, Asked), JoinError>;

impl Prober {
    /// A prober that probes nothing yet.
    pub fn new(clock: Arc<dyn Clock>, tally: Arc<Tally>) -> Self {
        Prober {
            clock,
            tally,
            rng: fastrand::Rng::new(),
            checks: HashMap::new(),
            due: BinaryHeap::new(),
            under_way: HashMap::new(),
            probes: JoinSet::new(),
            unasked: Sparing::new(),
        }
    }

    /// Probes what is wanted, until nobody is left who could want anything.
    pub async fn run(mut self, mut wanted: watch::Receiver<Wanted>) {
        wanted.mark_changed();
        loop {
            let next = self.next_due();
            tokio::select! {
                changed = wanted.changed() => match changed {
                    Ok(()) => {
                        let checks = wanted.borrow_and_update().clone();
                        self.adopt(&checks);
                    }
                    Err(_closed) => return,
                },
                Some(joined) = self.probes.join_next_with_id() => self.finish(joined),
                () = sleep_until(next.unwrap_or_else(Instant::now)), if next.is_some() => self.begin_due(),
            }
        }
    }

    /// When the next probe may begin; `None` if none is due or there is no room for one.
    fn next_due(&self) -> Option<Instant> {
        let has_room = self.probes.len() < PROBES_AT_ONCE;
        self.due.peek().filter(|_| has_room).map(|Reverse((at, _))| *at)
    }

    /// Takes up checks that are new, drops those no longer wanted, and leaves the others as they are.
    fn adopt(&mut self, wanted: &[Watched]) {
        let wanted = wanted.iter().map(|watched| (watched.check.id(), watched.clone())).collect();
        let before = std::mem::replace(&mut self.checks, wanted);
        self.due.retain(|Reverse((_, id))| self.checks.contains_key(id));
        let under_way: HashSet<u64> = self.under_way.values().map(|(check, _)| check.id()).collect();
        let now = Instant::now();
        for (id, Watched { check, .. }) in self.checks.iter().filter(|(id, _)| !before.contains_key(id)) {
            check.forget();
            if !under_way.contains(id) {
                let within = check.plan().every.min(FIRST_WITHIN);
                self.due.push(Reverse((now + within.mul_f64(self.rng.f64()), *id)));
            }
        }
    }

    fn begin_due(&mut self) {
        let now = Instant::now();
        while self.next_due().is_some_and(|at| at <= now) {
            let next = self.due.pop().and_then(|Reverse((_, id))| self.checks.get(&id).cloned());
            if let Some(Watched { check, .. }) = next {
                let asked = Arc::clone(&check);
                let probe = self.probes.spawn(async move { asked.ask().await });
                self.under_way.insert(probe.id(), (check, now));
            }
        }
    }

    fn finish(&mut self, joined: Joined) {
        let (task, answer) = match joined {
            Ok(ended) => ended,
            Err(error) => (error.id(), Some(Err(String::from("the probe itself failed")))),
        };
        let Some((check, began)) = self.under_way.remove(&task) else { return };
        if let Some(watched) = self.checks.get(&check.id()) {
            match &answer {
                Some(answer) => self.note(watched, answer),
                None if self.unasked.due() => {
                    tracing::warn!("members cannot be probed: this process has no descriptor left or no memory");
                }
                None => {}
            }
            let stretch = 1.0 + JITTER * (2.0 * self.rng.f64() - 1.0);
            let every = check.plan().every.min(LONGEST).mul_f64(stretch);
            self.due.push(Reverse((began + every, check.id())));
        }
    }

    fn note(&self, Watched { check, pools }: &Watched, answer: &Result<(), String>) {
        let (member, reason) = (check.address(), answer.as_ref().err().map_or("", String::as_str));
        if answer.is_ok() {
            self.tally.good_probes.inc();
        } else {
            self.tally.bad_probes.inc();
        }
        match check.settle(answer, self.clock.now()) {
            Turn::None => {}
            Turn::Rose => {
                self.tally.rises.inc();
                tracing::info!(%member, pool = %pools, "member is healthy");
            }
            Turn::Fell => {
                self.tally.falls.inc();
                tracing::warn!(%member, pool = %pools, reason, "member is unhealthy");
            }
        }
    }
}
