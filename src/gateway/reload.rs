//! Loading the configuration again: compile, compare, publish one new edition; anything wrong leaves the old one
//! serving.

use super::Parts;
use super::serve::Engine;
use super::setback::{Cure, Setback};
use super::state;
use super::writing::Writing;
use crate::admin::Reloaded;
use crate::audit::Event;
use crate::config::{self, Bookmark, Environment, Loaded, Sources};
use crate::courier::{Outbox, Tally};
use crate::edge::Edge;
use crate::edition::{Edition, Live, Plan};
use crate::listen::{Certificates, Listeners};
use crate::login::Login;
use crate::pool::Fleet;
use crate::stdx::clock::Time;
use crate::stdx::seal::MasterKey;
use crate::stdx::task::Tasks;
use crate::store::Store;
use std::collections::HashSet;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// How long reading the configuration may take before it is told: a hundred thousand routes take seconds.
const LONG: Duration = Duration::from_secs(5);

/// What a reload works with.
pub struct Reloader {
    path: PathBuf,
    environment: Environment,
    edge: Arc<Edge>,
    live: Arc<Live>,
    fleet: Arc<Fleet>,
    login: Arc<Login>,
    master: MasterKey,
    codes: Outbox,
    engine: Arc<Engine>,
    listeners: Arc<Listeners>,
    certificates: Arc<Certificates>,
    tasks: Tasks,
    /// What the current edition was read from. Held through a whole reload, so that two never mix.
    fingerprint: tokio::sync::Mutex<[u8; 32]>,
    /// What survives a restart, and whether it can be written; for the status.
    store: Store,
    writing: Arc<Writing>,
    /// When the gateway was started.
    started: Time,
    /// Written by reloads, read by the status.
    history: Mutex<History>,
    /// Written by reloads, read by them, the watcher and the status; never held across an await.
    known: Mutex<Known>,
    /// Set when the gateway leaves: it is not ready any more.
    leaving: AtomicBool,
}

/// What reloads left behind.
#[derive(Clone, Debug)]
pub(super) struct History {
    /// When the current edition went live.
    pub published: Time,
    /// When the configuration was last loaded again, and what became of it.
    pub last: Option<(Time, Reloaded)>,
    /// Keys whose values in the current edition's file wait for the next start.
    pub waiting: Vec<&'static str>,
}

/// What is known of the configuration's files.
struct Known {
    /// What the current edition was read from.
    serving: Sources,
    /// Why the last reload was refused, if it was.
    refused: Option<Setback>,
    /// The reading that is under way.
    reading: Option<Reading>,
}

/// A reading of the configuration that is under way.
#[derive(Clone)]
pub(super) struct Reading {
    /// Since when.
    pub since: Time,
    /// Where it is.
    pub bookmark: Bookmark,
}

/// Why the configuration is loaded again.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Occasion {
    /// Somebody asked, and is answered.
    Order,
    /// Something about the files looks different; what was said of the same content is not said again.
    Look,
}

impl Reloader {
    pub(super) fn new(parts: Parts, engine: Arc<Engine>, listeners: Arc<Listeners>, tasks: Tasks) -> Self {
        let started = parts.edge.clock.now();
        Reloader {
            path: parts.path,
            environment: parts.environment,
            edge: parts.edge,
            live: parts.live,
            fleet: parts.fleet,
            login: parts.portal.login.clone(),
            master: parts.state.master,
            codes: parts.codes,
            engine,
            listeners,
            certificates: parts.certificates,
            tasks,
            fingerprint: tokio::sync::Mutex::new(parts.fingerprint),
            store: parts.state.store,
            writing: parts.writing,
            started,
            history: Mutex::new(History { published: started, last: None, waiting: Vec::new() }),
            known: Mutex::new(Known { serving: parts.sources, refused: None, reading: None }),
            leaving: AtomicBool::new(false),
        }
    }

    /// The hot path.
    pub fn edge(&self) -> &Arc<Edge> {
        &self.edge
    }

    /// The current edition's publisher.
    pub fn live(&self) -> &Arc<Live> {
        &self.live
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn store(&self) -> &Store {
        &self.store
    }

    pub(super) fn writing(&self) -> &Writing {
        &self.writing
    }

    /// How messages to people are delivered.
    pub(super) fn deliveries(&self) -> &Tally {
        self.codes.tally()
    }

    pub(super) fn started(&self) -> Time {
        self.started
    }

    pub(super) fn listeners(&self) -> &Arc<Listeners> {
        &self.listeners
    }

    /// From now on the gateway is not ready.
    pub(super) fn leave(&self) {
        self.leaving.store(true, Ordering::Release);
    }

    pub(super) fn is_leaving(&self) -> bool {
        self.leaving.load(Ordering::Acquire)
    }

    pub(super) fn history(&self) -> History {
        self.history.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Where a change matters: what the current edition was read from, and what the last reload was if it was refused,
    /// so that a mistake is noticed to be mended wherever it is.
    pub(super) fn sources(&self) -> Sources {
        let known = self.known();
        let mut sources = known.serving.clone();
        if let Some(refused) = &known.refused {
            sources.files.extend(refused.sources.files.clone());
            sources.directories.extend_from_slice(&refused.sources.directories);
        }
        sources
    }

    /// The reading of the configuration that is under way, if there is one.
    pub(super) fn reading(&self) -> Option<Reading> {
        self.known().reading.clone()
    }

    /// Whether the last reload was refused.
    pub(super) fn is_refused(&self) -> bool {
        self.known().refused.is_some()
    }

    /// Whether it was refused for something that may be over by itself.
    pub(super) fn may_mend_itself(&self) -> bool {
        self.known().refused.as_ref().is_some_and(|refused| refused.cure == Cure::Time)
    }

    /// The first edition's sockets are open: the prober starts, and ports that the system chose become known.
    pub(super) fn opened(&self, edition: &Edition) {
        self.fleet.watch(&edition.pools);
        self.edge.metrics.edition.set(1);
        let actual: Vec<SocketAddr> = self.listeners.addresses().into_iter().map(|(_, actual)| actual).collect();
        self.edge.ports.store(Arc::new(ports(&edition.plan, &actual)));
    }

    /// Loads the configuration again, because somebody asked, and publishes it if nothing at all is wrong with it.
    pub async fn reload(&self) -> Reloaded {
        self.load(Occasion::Order).await
    }

    /// The same because the files look different, which need not mean that they hold anything else, or because what
    /// refused them may be over.
    pub(super) async fn look(&self) {
        self.load(Occasion::Look).await;
    }

    async fn load(&self, occasion: Occasion) -> Reloaded {
        let mut fingerprint = self.fingerprint.lock().await;
        let current = self.live.hold();
        let outcome = match self.read().await {
            Ok(loaded) if loaded.fingerprint == *fingerprint => {
                // Other files may hold the same.
                self.known().serving = loaded.sources;
                Ok(Reloaded::Unchanged { edition: current.number })
            }
            Ok(loaded) => {
                let read = loaded.fingerprint;
                self.publish(loaded, &current).await.inspect(|_| *fingerprint = read)
            }
            Err(setback) => Err(setback),
        };
        let before = std::mem::replace(&mut self.known().refused, outcome.as_ref().err().cloned());
        match outcome {
            Err(setback) if occasion == Occasion::Look && before.as_ref() == Some(&setback) => {
                refused(setback, current.number)
            }
            Ok(_) | Err(_) => self.conclude(outcome, (current.number, occasion), before.as_ref()),
        }
    }

    /// Reads and compiles what is written now.
    async fn read(&self) -> Result<Loaded, Setback> {
        let (path, environment, now) = (self.path.clone(), self.environment.clone(), self.edge.clock.now());
        let bookmark = Bookmark::default();
        self.known().reading = Some(Reading { since: now, bookmark: bookmark.clone() });
        let marked = bookmark.clone();
        let read = move || config::load_marked(&path, &environment, now, marked).map_err(Setback::read);
        let loaded = told_if_long(self.tasks.blocking(read), &bookmark).await;
        self.known().reading = None;
        loaded.unwrap_or_else(|| Err(Setback::defect("reading the configuration panicked; please report this")))
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn publish(&self, loaded: Loaded, current: &Edition) -> Result<Reloaded, Setback> {
        let Loaded { mut plan, routes, warnings, sources, places, .. } = loaded;
        let mut notes: Vec<String> = warnings.iter().map(ToString::to_string).collect();
        let waiting = config::needs_restart(&current.plan, &plan);
        for key in &waiting {
            notes.push(format!("{key}: a change takes effect at the next start; until then the old value holds"));
        }
        plan.gateway.keep_started(&current.plan.gateway);
        let listened = self.listeners.apply(&plan.listeners).await;
        listened.map_err(|failures| Setback::unheard(&super::unheard(&failures, &places), sources.clone()))?;
        let actual: Vec<SocketAddr> = self.listeners.addresses().into_iter().map(|(_, actual)| actual).collect();
        let (number, plan) = (current.number + 1, Arc::new(plan));
        let pools = self.fleet.compile(&plan.pools, Some(&current.pools));
        let next = Edition::assemble(number, (plan.clone(), routes), pools.clone(), &self.edge.metrics);
        let next = next.ok_or_else(|| Setback::defect("compiled inconsistently; please report this"))?;
        self.edge.ports.store(Arc::new(ports(&plan, &actual)));
        self.adopt(&plan);
        self.live.publish(next);
        self.fleet.watch(&pools);
        self.forget_routes(&current.plan, &plan);
        self.history.lock().unwrap_or_else(PoisonError::into_inner).waiting = waiting;
        self.known().serving = sources;
        Ok(Reloaded::Applied { edition: number, notes })
    }

    /// What outlives editions takes the new settings.
    fn adopt(&self, plan: &Plan) {
        self.certificates.replace(plan.certificates.iter().map(|certificate| (**certificate).clone()).collect());
        self.listeners.set_limits(plan.limits);
        self.engine.set_options(plan);
        self.login.set_factors(state::factors(plan, &self.master, &self.codes));
    }

    fn forget_routes(&self, old: &Plan, new: &Plan) {
        let kept: HashSet<&str> = new.routes.iter().map(|route| &*route.name).collect();
        let gone = old.routes.iter().filter(|route| !kept.contains(&*route.name));
        gone.for_each(|route| self.edge.metrics.forget_route(&route.name));
    }

    /// Tells everybody what became of a reload, `before` which another one may have been refused.
    fn conclude(
        &self,
        outcome: Result<Reloaded, Setback>,
        (current, occasion): (u64, Occasion),
        before: Option<&Setback>,
    ) -> Reloaded {
        let (metrics, now) = (&self.edge.metrics, self.edge.clock.now());
        let reloaded = outcome.unwrap_or_else(|setback| refused(setback, current));
        match &reloaded {
            Reloaded::Applied { edition, notes } => {
                tracing::info!(edition, "configuration reloaded");
                notes.iter().for_each(|note| tracing::warn!("{note}"));
                metrics.edition.set(i64::try_from(*edition).unwrap_or(i64::MAX));
                metrics.reload("applied");
                self.edge.recorder.report(now, Event::Reloaded { edition: *edition, outcome: "applied" });
            }
            Reloaded::Unchanged { edition } => match (before, occasion) {
                (Some(_), _) => tracing::info!("the files are as they were: edition {edition} goes on"),
                (None, Occasion::Order) => tracing::info!(edition, "nothing has changed"),
                (None, Occasion::Look) => {}
            },
            Reloaded::Refused { edition, problems, tried_again } => {
                problems.iter().for_each(|problem| tracing::error!("{problem}"));
                tracing::error!(edition, "configuration refused: the old one goes on serving");
                if *tried_again {
                    tracing::warn!("this may be over by itself: the configuration is tried again now and then");
                }
                metrics.reload("refused");
                self.edge.recorder.report(now, Event::Reloaded { edition: *edition, outcome: "refused" });
            }
        }
        let mut history = self.history.lock().unwrap_or_else(PoisonError::into_inner);
        if matches!(reloaded, Reloaded::Applied { .. }) {
            history.published = now;
        }
        history.last = Some((now, reloaded.clone()));
        reloaded
    }
}

/// A refusal as whoever asked is told.
fn refused(Setback { problems, cure, .. }: Setback, edition: u64) -> Reloaded {
    Reloaded::Refused { edition, problems, tried_again: cure == Cure::Time }
}

/// Waits for a reading, and says once where it is if that takes long.
async fn told_if_long<T>(reading: impl Future<Output = T>, bookmark: &Bookmark) -> T {
    let mut reading = pin!(reading);
    if let Ok(read) = tokio::time::timeout(LONG, &mut reading).await {
        return read;
    }
    let seconds = LONG.as_secs();
    match bookmark.file() {
        Some(file) => {
            let file = file.display();
            tracing::warn!(%file, "the configuration is being read for more than {seconds} s, and is at {file}");
        }
        None => tracing::warn!("the configuration is being compiled for more than {seconds} s"),
    }
    reading.await
}

/// Ports that people reach us by.
fn ports(plan: &Plan, actual: &[SocketAddr]) -> HashSet<u16> {
    let configured = plan.listeners.iter().map(|listener| listener.address.port());
    let portal = plan.portal.iter().filter_map(|portal| portal.port);
    configured.chain(actual.iter().map(SocketAddr::port)).chain(portal).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{self, Write};

    #[derive(Clone, Default)]
    struct Log(Arc<Mutex<Vec<u8>>>);

    impl Write for Log {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_reading_that_takes_long_is_told_once() {
        let log = Log::default();
        let writer = log.clone();
        let subscriber = tracing_subscriber::fmt().with_writer(move || writer.clone()).with_ansi(false);
        let _guard = tracing::subscriber::set_default(subscriber.finish());
        let bookmark = Bookmark::default();
        told_if_long(tokio::time::sleep(LONG / 2), &bookmark).await;
        told_if_long(tokio::time::sleep(10 * LONG), &bookmark).await;
        let text = String::from_utf8(log.0.lock().unwrap_or_else(PoisonError::into_inner).clone()).expect("text");
        assert_eq!(text.matches("for more than 5 s").count(), 1, "{text}");
        assert!(text.contains("WARN"), "{text}");
    }
}
