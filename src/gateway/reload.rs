//! Loading the configuration again: compile, compare, publish one new edition; anything wrong leaves the old one
//! serving.

use super::Parts;
use super::content::Content;
use super::serve::Engine;
use super::state;
use super::writing::Writing;
use crate::admin::{Place, Problem, Reloaded};
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
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

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
    /// What survives a restart, and whether it can be written; for the status.
    store: Store,
    writing: Arc<Writing>,
    /// When the gateway was started.
    started: Time,
    /// Written by reloads, read by the status.
    history: Mutex<History>,
    /// The last reload, if it was refused. Written by reloads, read by them and by the watcher.
    refused: Mutex<Option<Refused>>,
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

/// A reload that was refused.
#[derive(Clone)]
struct Refused {
    /// What lay there, as far as it was known before.
    content: Content,
    /// Why that was refused.
    setback: Setback,
}

/// Why a configuration cannot be put to use.
#[derive(Clone)]
struct Setback {
    problems: Vec<Problem>,
    /// What it was read from.
    sources: Sources,
    cure: Cure,
}

/// What it takes until a refused configuration may be put to use.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Cure {
    /// Somebody has to change it.
    Change,
    /// Perhaps only time: a port is taken, or a file cannot be read.
    Time,
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
            engine,
            listeners,
            certificates: parts.certificates,
            tasks,
            fingerprint: tokio::sync::Mutex::new(parts.fingerprint),
            store: parts.state.store,
            writing: parts.writing,
            started,
            history: Mutex::new(History { published: started, last: None, waiting: Vec::new() }),
            refused: Mutex::default(),
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
        let refused = self.refused().as_ref().map(|refused| refused.setback.sources.clone());
        let mut sources = refused.unwrap_or_default();
        sources.files.extend_from_slice(&plan.files);
        sources.directories.extend_from_slice(&plan.directories);
        sources
    }

    /// Whether the last reload was refused for something that may be over by itself.
    pub(super) fn may_mend_itself(&self) -> bool {
        self.refused().as_ref().is_some_and(|refused| refused.setback.cure == Cure::Time)
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
        let (path, environment, now) = (self.path.clone(), self.environment.clone(), self.edge.clock.now());
        // Before the reading, so that a change in the middle of it counts as one.
        let files = self.sources().files;
        let read = move || {
            let content = Content::of(&files);
            (content, config::load(&path, &environment, now).map_err(Setback::read))
        };
        let current = self.live.hold();
        let (content, loaded) = self.tasks.blocking(read).await.unwrap_or_else(|| {
            (Content::default(), Err(Setback::defect("reading the configuration panicked; please report this")))
        });
        let outcome = match loaded {
            Ok(loaded) if loaded.fingerprint == *fingerprint => Ok(Reloaded::Unchanged { edition: current.number }),
            Ok(loaded) => {
                let read = loaded.fingerprint;
                self.publish(loaded, &current).await.inspect(|_| *fingerprint = read)
            }
            Err(setback) => Err(setback),
        };
        let refused = outcome.as_ref().err().map(|setback| Refused { content, setback: setback.clone() });
        let before = std::mem::replace(&mut *self.refused(), refused.clone());
        let again = matches!((&before, &refused), (Some(before), Some(now)) if now.repeats(before));
        match outcome {
            Err(Setback { problems, .. }) if again && occasion == Occasion::Look => {
                Reloaded::Refused { edition: current.number, problems }
            }
            Ok(_) | Err(_) => self.conclude(outcome, current.number, occasion),
        }
    }

    fn refused(&self) -> MutexGuard<'_, Option<Refused>> {
        self.refused.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn publish(&self, loaded: Loaded, current: &Edition) -> Result<Reloaded, Setback> {
        let Loaded { mut plan, routes, warnings, places, .. } = loaded;
        let mut notes: Vec<String> = warnings.iter().map(ToString::to_string).collect();
        let waiting = config::needs_restart(&current.plan, &plan);
        for key in &waiting {
            notes.push(format!("{key}: a change takes effect at the next start; until then the old value holds"));
        }
        plan.gateway.keep_started(&current.plan.gateway);
        let listened = self.listeners.apply(&plan.listeners).await;
        listened.map_err(|failures| Setback::unheard(&super::unheard(&failures, &places), &plan))?;
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

    fn conclude(&self, outcome: Result<Reloaded, Setback>, current: u64, occasion: Occasion) -> Reloaded {
        let (metrics, now) = (&self.edge.metrics, self.edge.clock.now());
        let cure = outcome.as_ref().map_or_else(|setback| setback.cure, |_| Cure::Change);
        let reloaded =
            outcome.unwrap_or_else(|Setback { problems, .. }| Reloaded::Refused { edition: current, problems });
        match &reloaded {
            Reloaded::Applied { edition, notes } => {
                tracing::info!(edition, "configuration reloaded");
                notes.iter().for_each(|note| tracing::warn!("{note}"));
                metrics.edition.set(i64::try_from(*edition).unwrap_or(i64::MAX));
                metrics.reload("applied");
                self.edge.recorder.report(now, Event::Reloaded { edition: *edition, outcome: "applied" });
            }
            Reloaded::Unchanged { edition } => match occasion {
                Occasion::Order => tracing::info!(edition, "nothing has changed"),
                Occasion::Look => {}
            },
            Reloaded::Refused { edition, problems } => {
                problems.iter().for_each(|problem| tracing::error!("{problem}"));
                tracing::error!(edition, "configuration refused: the old one goes on serving");
                if cure == Cure::Time {
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

/// Ports that people reach us by.
fn ports(plan: &Plan, actual: &[SocketAddr]) -> HashSet<u16> {
    let configured = plan.listeners.iter().map(|listener| listener.address.port());
    let portal = plan.portal.iter().filter_map(|portal| portal.port);
    configured.chain(actual.iter().map(SocketAddr::port)).chain(portal).collect()
}

impl Setback {
    /// A configuration that cannot be read, or not be used as it is written. Blocks.
    fn read(problems: Problems) -> Self {
        let unread = problems.sources.files.iter().any(|file| std::fs::File::open(file).is_err());
        let cure = if unread { Cure::Time } else { Cure::Change };
        Setback { problems: told(problems.iter()), sources: problems.sources, cure }
    }

    /// One whose addresses cannot be listened on.
    fn unheard(problems: &[config::Problem], plan: &Plan) -> Self {
        let sources = Sources { files: plan.files.clone(), directories: plan.directories.clone() };
        Setback { problems: told(problems.iter()), sources, cure: Cure::Time }
    }

    /// One that shows a mistake of ours.
    fn defect(what: &str) -> Self {
        Setback { problems: vec![Problem::nowhere(what.to_owned())], sources: Sources::default(), cure: Cure::Change }
    }
}

/// As the operator is told.
fn told<'a>(problems: impl Iterator<Item = &'a config::Problem>) -> Vec<Problem> {
    let told = |problem: &config::Problem| {
        let place = Place { file: problem.file.display().to_string(), line: problem.line, column: problem.column };
        Problem { place: Some(place), key: problem.key.clone(), what: problem.what.clone() }
    };
    problems.map(told).collect()
}

impl Refused {
    /// Whether it is the same refusal of the same content. Files that only this one knows of were read by the other too:
    /// that it named them is what made them known.
    fn repeats(&self, before: &Refused) -> bool {
        self.content.agrees_with(&before.content) && self.setback.problems == before.setback.problems
    }
}
