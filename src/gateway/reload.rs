//! Loading the configuration again: compile, compare, publish one new edition; anything wrong leaves the old one
//! serving.

use super::Parts;
use super::serve::Engine;
use super::state;
use crate::admin::Reloaded;
use crate::audit::Event;
use crate::config::{self, Environment, Loaded, Problems, Sources};
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
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// What a reload works with.
pub struct Reloader {
    path: PathBuf,
    environment: Environment,
    edge: Arc<Edge>,
    live: Arc<Live>,
    fleet: Arc<Fleet>,
    login: Arc<Login>,
    master: MasterKey,
    engine: Arc<Engine>,
    listeners: Arc<Listeners>,
    certificates: Arc<Certificates>,
    tasks: Tasks,
    /// What the current edition was read from. Held through a whole reload, so that two never mix.
    fingerprint: tokio::sync::Mutex<[u8; 32]>,
    /// What survives a restart, for the status.
    store: Store,
    /// When the gateway was started.
    started: Time,
    /// Written by reloads, read by the status.
    history: Mutex<History>,
    /// What the last reload was read from, if it was refused. Written by reloads, read by the watcher.
    refused_from: Mutex<Sources>,
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
            engine,
            listeners,
            certificates: parts.certificates,
            tasks,
            fingerprint: tokio::sync::Mutex::new(parts.fingerprint),
            store: parts.state.store,
            started,
            history: Mutex::new(History { published: started, last: None }),
            refused_from: Mutex::default(),
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
        let plan = self.live.hold().plan.clone();
        let mut sources = self.refused_from.lock().unwrap_or_else(PoisonError::into_inner).clone();
        sources.files.extend_from_slice(&plan.files);
        sources.directories.extend_from_slice(&plan.directories);
        sources
    }

    /// The first edition's sockets are open: the prober starts, and ports that the system chose become known.
    pub(super) fn opened(&self, edition: &Edition) {
        self.fleet.watch(&edition.pools);
        self.edge.metrics.edition.set(1);
        let actual: Vec<SocketAddr> = self.listeners.addresses().into_iter().map(|(_, actual)| actual).collect();
        self.edge.ports.store(Arc::new(ports(&edition.plan, &actual)));
    }

    /// Loads the configuration again and publishes it, if nothing at all is wrong with it.
    pub async fn reload(&self) -> Reloaded {
        let mut fingerprint = self.fingerprint.lock().await;
        let (path, environment, now) = (self.path.clone(), self.environment.clone(), self.edge.clock.now());
        let loading = self.tasks.blocking(move || config::load(&path, &environment, now));
        let current = self.live.hold();
        let loaded = loading.await;
        let sources = match &loaded {
            Some(Err(problems)) => problems.sources.clone(),
            Some(Ok(_)) | None => Sources::default(),
        };
        *self.refused_from.lock().unwrap_or_else(PoisonError::into_inner) = sources;
        let outcome = match loaded {
            Some(Ok(loaded)) if loaded.fingerprint == *fingerprint => {
                Ok(Reloaded::Unchanged { edition: current.number })
            }
            Some(Ok(loaded)) => {
                let read = loaded.fingerprint;
                self.publish(loaded, &current).await.inspect(|_| *fingerprint = read)
            }
            Some(Err(problems)) => Err(lines(&problems)),
            None => Err(vec!["reading the configuration panicked; please report this".to_owned()]),
        };
        self.conclude(outcome, current.number)
    }

    async fn publish(&self, loaded: Loaded, current: &Edition) -> Result<Reloaded, Vec<String>> {
        let Loaded { mut plan, routes, warnings, .. } = loaded;
        let mut notes: Vec<String> = warnings.iter().map(ToString::to_string).collect();
        for key in config::needs_restart(&current.plan, &plan) {
            notes.push(format!("{key}: a change takes effect at the next start; until then the old value holds"));
        }
        plan.gateway.keep_started(&current.plan.gateway);
        let listened = self.listeners.apply(&plan.listeners).await;
        listened.map_err(|failures| failures.iter().map(ToString::to_string).collect::<Vec<_>>())?;
        let actual: Vec<SocketAddr> = self.listeners.addresses().into_iter().map(|(_, actual)| actual).collect();
        let (number, plan) = (current.number + 1, Arc::new(plan));
        let pools = self.fleet.compile(&plan.pools, Some(&current.pools));
        let next = Edition::assemble(number, (plan.clone(), routes), pools.clone(), &self.edge.metrics);
        let next = next.ok_or_else(|| vec!["compiled inconsistently; please report this".to_owned()])?;
        self.edge.ports.store(Arc::new(ports(&plan, &actual)));
        self.adopt(&plan);
        self.live.publish(next);
        self.fleet.watch(&pools);
        self.forget_routes(&current.plan, &plan);
        Ok(Reloaded::Applied { edition: number, notes })
    }

    /// What outlives editions takes the new settings.
    fn adopt(&self, plan: &Plan) {
        self.certificates.replace(plan.certificates.iter().map(|certificate| (**certificate).clone()).collect());
        self.listeners.set_limits(plan.limits);
        self.engine.set_options(plan);
        self.login.set_factors(state::factors(plan, &self.master));
    }

    fn forget_routes(&self, old: &Plan, new: &Plan) {
        let kept: HashSet<&str> = new.routes.iter().map(|route| &*route.name).collect();
        let gone = old.routes.iter().filter(|route| !kept.contains(&*route.name));
        gone.for_each(|route| self.edge.metrics.forget_route(&route.name));
    }

    fn conclude(&self, outcome: Result<Reloaded, Vec<String>>, current: u64) -> Reloaded {
        let (metrics, now) = (&self.edge.metrics, self.edge.clock.now());
        let reloaded = outcome.unwrap_or_else(|problems| Reloaded::Refused { edition: current, problems });
        match &reloaded {
            Reloaded::Applied { edition, notes } => {
                tracing::info!(edition, "configuration reloaded");
                notes.iter().for_each(|note| tracing::warn!("{note}"));
                metrics.edition.set(i64::try_from(*edition).unwrap_or(i64::MAX));
                metrics.reload("applied");
                self.edge.recorder.report(now, Event::Reloaded { edition: *edition, outcome: "applied" });
            }
            Reloaded::Unchanged { .. } => {}
            Reloaded::Refused { edition, problems } => {
                problems.iter().for_each(|problem| tracing::error!("{problem}"));
                tracing::error!(edition, "configuration refused: the old one goes on serving");
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

/// Ports that people reach us by.
fn ports(plan: &Plan, actual: &[SocketAddr]) -> HashSet<u16> {
    let configured = plan.listeners.iter().map(|listener| listener.address.port());
    let portal = plan.portal.iter().filter_map(|portal| portal.port);
    configured.chain(actual.iter().map(SocketAddr::port)).chain(portal).collect()
}

fn lines(problems: &Problems) -> Vec<String> {
    problems.iter().map(ToString::to_string).collect()
}
