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
use crate::stdx::seal::MasterKey;
use crate::stdx::task::Tasks;
use crate::token::{Keyring, Mint};
use std::collections::HashSet;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// What a reload works with.
pub struct Reloader {
    path: PathBuf,
    environment: Environment,
    edge: Arc<Edge>,
    live: Arc<Live>,
    fleet: Arc<Fleet>,
    login: Arc<Login>,
    master: MasterKey,
    keys: Arc<Keyring>,
    engine: Arc<Engine>,
    listeners: Arc<Listeners>,
    certificates: Arc<Certificates>,
    tasks: Tasks,
    /// What the current edition was read from. Held through a whole reload, so that two never mix.
    fingerprint: tokio::sync::Mutex<[u8; 32]>,
    /// Whether the last reload was refused. Written by reloads, read by metrics and status.
    refused: Mutex<Vec<String>>,
    /// What the last reload was read from, if it was refused. Written by reloads, read by the watcher.
    refused_from: Mutex<Sources>,
    /// Set when the gateway leaves: it is not ready any more.
    leaving: AtomicBool,
}

impl Reloader {
    pub(super) fn new(parts: Parts, engine: Arc<Engine>, listeners: Arc<Listeners>, tasks: Tasks) -> Self {
        Reloader {
            path: parts.path,
            environment: parts.environment,
            edge: parts.edge,
            live: parts.live,
            fleet: parts.fleet,
            login: parts.portal.login.clone(),
            master: parts.state.master,
            keys: parts.state.keys,
            engine,
            listeners,
            certificates: parts.certificates,
            tasks,
            fingerprint: tokio::sync::Mutex::new(parts.fingerprint),
            refused: Mutex::default(),
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

    /// Why the last reload was refused; empty if it was not.
    pub(super) fn refusal(&self) -> Vec<String> {
        self.refused.lock().unwrap_or_else(PoisonError::into_inner).clone()
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

    /// The line that says what serves now.
    pub(super) fn announce(&self, took: Duration) {
        let edition = self.live.hold();
        let plan = &edition.plan;
        for (listener, actual) in self.listeners.addresses() {
            let scheme = if listener.tls { "https" } else { "http" };
            tracing::info!(address = %actual, scheme, redirect_to_https = listener.redirect_to_https, "listening");
        }
        tracing::info!(
            version = env!("CARGO_PKG_VERSION"),
            edition = edition.number,
            routes = plan.routes.len(),
            pools = plan.pools.len(),
            certificates = plan.certificates.len(),
            portal = plan.portal.as_ref().map_or("none", |portal| &portal.origin),
            state = %plan.gateway.state.display(),
            milliseconds = took.as_millis(),
            "ready"
        );
    }

    /// Loads the configuration again and publishes it, if nothing at all is wrong with it.
    pub async fn reload(&self) -> Reloaded {
        let mut fingerprint = self.fingerprint.lock().await;
        let (path, environment) = (self.path.clone(), self.environment.clone());
        let loading = self.tasks.blocking(move || config::load(&path, &environment));
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
        let mint = plan.portal.as_ref();
        let mint = mint.map(|portal| Arc::new(Mint::new(self.keys.clone(), portal.origin.as_str().into())));
        self.edge.mint.store(mint);
    }

    fn forget_routes(&self, old: &Plan, new: &Plan) {
        let kept: HashSet<&str> = new.routes.iter().map(|route| &*route.name).collect();
        let gone = old.routes.iter().filter(|route| !kept.contains(&*route.name));
        gone.for_each(|route| self.edge.metrics.forget_route(&route.name));
    }

    fn conclude(&self, outcome: Result<Reloaded, Vec<String>>, current: u64) -> Reloaded {
        let mut refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        refused.clear();
        let (metrics, now) = (&self.edge.metrics, self.edge.clock.now());
        match outcome {
            Ok(reloaded) => {
                if let Reloaded::Applied { edition, notes } = &reloaded {
                    tracing::info!(edition, "configuration reloaded");
                    notes.iter().for_each(|note| tracing::warn!("{note}"));
                    metrics.edition.set(i64::try_from(*edition).unwrap_or(i64::MAX));
                    metrics.reload("applied");
                    self.edge.recorder.report(now, Event::Reloaded { edition: *edition, outcome: "applied" });
                }
                reloaded
            }
            Err(problems) => {
                problems.iter().for_each(|problem| tracing::error!("{problem}"));
                tracing::error!(edition = current, "configuration refused: the old one goes on serving");
                metrics.reload("refused");
                self.edge.recorder.report(now, Event::Reloaded { edition: current, outcome: "refused" });
                refused.clone_from(&problems);
                Reloaded::Refused { edition: current, problems }
            }
        }
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
