//! The life of the process: what is started, in which order, and how it ends. Has no rules of its own.

mod background;
mod event_writer;
mod expiry;
mod front;
mod guard;
mod master;
mod notice;
mod operate;
mod orders;
mod owner;
mod posting;
mod reload;
mod run;
mod serve;
mod setback;
mod state;
mod status;
mod watch;
mod watchdog;
mod writing;

pub use background::event_row;
pub use owner::{Foreign, this_user};
pub use reload::Reloader;
pub use run::run;
pub use state::{State, StateFailure, open_store, open_store_without_key, store_in};

use crate::admin::{self, Operate};
use crate::audit::{Event, Recorder};
use crate::config::{self, Environment, Loaded, Places, Problem, Problems, Sources};
use crate::courier::{Outbox, Sort, Tally};
use crate::edge::{Complaints, Decisions, Denials, Edge, ForeignCredentials, Tethers};
use crate::edition::{Edition, Live};
use crate::factor;
use crate::listen::{Certificates, Drained, ListenFailure, Listeners, Loops, Meter, Unreadable};
use crate::oauth::Grants;
use crate::pool::Fleet;
use crate::portal::Portal;
use crate::session::{HandOffs, Keeper, KeptForms, Reader};
use crate::stdx::clock::Clock;
use crate::stdx::sparing::Sparing;
use crate::stdx::task::Tasks;
use crate::store::{Observer, Operation, observed};
use crate::telemetry::{AccessLog, Metrics};
use crate::token::{AccessTokens, Mint, Proofs, Tickets};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};
use writing::Writing;

/// How long tasks may take to end. They do at their next await; only what waits in the kernel, for a file that lies on a
/// disk that is away, never comes to one.
const LONGEST_END: Duration = Duration::from_secs(1);

/// Why the gateway does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartFailure {
    /// The configuration cannot be used.
    #[error("{0}")]
    Configuration(Problems),
    /// The store or the keys cannot be used.
    #[error(transparent)]
    State(#[from] StateFailure),
    /// Something cannot be listened on.
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
    Listen(Vec<Problem>),
    /// The operator's listener cannot be opened.
    #[error("the operator's listener cannot be opened: {0}")]
    Admin(String),
    /// The operating system refuses something else.
    #[error("{what}: {error}")]
    System {
        /// What was wanted.
        what: &'static str,
        /// What was said.
        error: std::io::Error,
    },
    /// A compiled configuration names a pool that was not compiled.
    #[error("the configuration was compiled inconsistently; please report this")]
    Inconsistent,
}

/// What a gateway is given from outside: tests give it a clock to turn and their own environment.
#[derive(Clone)]
pub struct Surroundings {
    /// The wall clock.
    pub clock: Arc<dyn Clock>,
    /// Variables and credentials.
    pub environment: Environment,
    /// Where request lines go; `None`: nowhere.
    pub access: Option<AccessLog>,
    /// What connections live on.
    pub loops: Loops,
}

/// A running gateway.
pub struct Gateway {
    reloader: Arc<Reloader>,
    edge: Arc<Edge>,
    feed_end: background::LastWords,
    listeners: Arc<Listeners>,
    admin: Option<SocketAddr>,
    tasks: Tasks,
}

impl Gateway {
    /// Starts a gateway from a configuration file. When this returns, it serves.
    ///
    /// # Errors
    /// Why it does not start; then nothing of it is left running.
    pub async fn start(path: &Path, surroundings: Surroundings) -> Result<Self, StartFailure> {
        let loaded = config::load(path, &surroundings.environment, surroundings.clock.now())
            .map_err(StartFailure::Configuration)?;
        let tasks = Tasks::new();
        match Parts::open(path, loaded, surroundings, &tasks).await?.start(&tasks).await {
            Ok(gateway) => Ok(gateway),
            Err(failure) => {
                tasks.stop().await;
                Err(failure)
            }
        }
    }

    /// Where it actually listens, by the address that was configured.
    pub fn addresses(&self) -> Vec<SocketAddr> {
        self.listeners.addresses().into_iter().map(|(_, actual)| actual).collect()
    }

    /// Where the operator's HTTP listener is.
    pub fn admin_address(&self) -> Option<SocketAddr> {
        self.admin
    }

    /// Loads the configuration again.
    pub async fn reload(&self) -> admin::Reloaded {
        self.reloader.reload().await
    }

    /// Stops accepting, lets requests end, and then ends everything. Takes no longer than the configured drain and a
    /// second.
    pub async fn stop(self) {
        self.stop_or_cut(std::future::pending()).await;
    }

    /// The same, but what is still under way when `cut` completes is cut.
    pub async fn stop_or_cut(self, cut: impl Future<Output = ()>) {
        let began = Instant::now();
        self.reloader.leave();
        let drained = self.drain(cut).await;
        self.feed_end.write().await;
        let now = self.edge.clock.now();
        self.edge.recorder.report(now, Event::Lifecycle { what: "stopped" });
        self.feed_end.flush().await;
        if let Some(access) = self.edge.access.clone() {
            // It ends even if the log's reader does not read: the flush gives up by itself.
            self.tasks.blocking(move || access.flush()).await;
        }
        end(&self.tasks).await;
        if let Err(error) = self.reloader.store().ground.write_back().await {
            tracing::error!(%error, "what is in the store's log alone cannot be copied into its file");
        }
        let milliseconds = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
        tracing::info!(cut = drained.left, milliseconds, "stopped");
    }

    async fn drain(&self, cut: impl Future<Output = ()>) -> Drained {
        let longest = self.reloader.live().hold().plan.gateway.drain;
        let told = tokio::select! {
            drained = self.listeners.drain(longest) => return drained,
            () = cut => self.listeners.open(),
        };
        tracing::warn!(connections = told, "told to stop once more: what is under way is cut");
        self.listeners.drain(Duration::ZERO).await
    }
}

/// Everything a gateway consists of, before anything listens.
struct Parts {
    path: PathBuf,
    environment: Environment,
    state: State,
    edge: Arc<Edge>,
    portal: Arc<Portal>,
    fleet: Arc<Fleet>,
    live: Arc<Live>,
    certificates: Arc<Certificates>,
    loops: Loops,
    meter: Meter,
    fingerprint: [u8; 32],
    sources: Sources,
    places: Places,
    writing: Arc<Writing>,
    events: background::Queue,
    codes: Outbox,
    notices: Outbox,
}

impl Parts {
    async fn open(
        path: &Path,
        loaded: Loaded,
        surroundings: Surroundings,
        tasks: &Tasks,
    ) -> Result<Self, StartFailure> {
        let Surroundings { clock, environment, access, loops } = surroundings;
        loaded.warnings.iter().for_each(|warning| tracing::warn!("{warning}"));
        let now = clock.now();
        let mut state = State::open(&loaded.plan.gateway.state, now).await?;
        let (recorder, events) = Recorder::new();
        let metrics = Arc::new(Metrics::new());
        metrics.describe_process(now);
        metrics.expect_factors(factor::ALL.iter().map(|factor| factor.0));
        let writing = Arc::new(Writing::new(clock.clone()));
        state.store = observed(state.store, &failures(&metrics, &writing));
        Unreadable::ALL.iter().for_each(|why| drop(metrics.headers_refused(why.word())));
        let meter = Meter::default();
        metrics.extend(|registry| meter.register(registry));
        let reader = Arc::new(Reader::new(state.store.sessions.clone()));
        let fleet = Fleet::new(clock.clone(), tasks.clone());
        metrics.extend(|registry| fleet.register(registry));
        let plan = Arc::new(loaded.plan);
        let pools = fleet.compile(&plan.pools, None);
        let certificates = plan.certificates.iter().map(|certificate| (**certificate).clone()).collect();
        let edition =
            Edition::assemble(1, (plan.clone(), loaded.routes), pools, &metrics).ok_or(StartFailure::Inconsistent)?;
        let tickets = Arc::new(Tickets::new(state.master.seal("ticket"), factor::named));
        let tally = Tally::new(&metrics);
        // Two, so that a service for news that has broken down keeps nobody from a code.
        let ((codes, deliveries), (notices, news)) =
            (Outbox::new(&tally, Sort::Code), Outbox::new(&tally, Sort::Notice));
        let login = Arc::new(state.login(&plan, recorder.clone(), &codes));
        posting::start(tasks, (deliveries, news), &clock, login.clone());
        let tokens = Arc::new(AccessTokens::new(state.keys.clone()));
        let proofs = Arc::new(Proofs::new(state.master.mac("dpop-nonce")));
        let keeper = Keeper::new(state.store.sessions.clone(), reader.clone(), recorder.clone());
        let held = (keeper.clone(), reader.clone());
        let grants = Grants::new(&state.store, held, tokens.clone(), recorder.clone());
        let edge = Arc::new(Edge {
            clock,
            reader: reader.clone(),
            tokens,
            foreign: ForeignCredentials::default(),
            proofs: proofs.clone(),
            mint: Mint::new(state.keys.clone()),
            tickets: tickets.clone(),
            decisions: Decisions::new(),
            tethers: Arc::new(Tethers::default()),
            recorder: recorder.clone(),
            metrics,
            complaints: Complaints::default(),
            denials: Denials::default(),
            ports: arc_swap::ArcSwap::default(),
            access,
            render: front::render,
        });
        let portal = Arc::new(Portal {
            login,
            grants,
            proofs,
            keeper,
            reader,
            hand_offs: HandOffs::new(state.store.once.clone()),
            kept_forms: Arc::new(KeptForms::new(state.store.once.clone(), state.master.seal("kept-form"))),
            tickets,
            keys: state.keys.clone(),
            forms: state.master.mac("form"),
            recorder,
            store_down: Sparing::new(),
        });
        Ok(Parts {
            path: path.to_owned(),
            environment,
            state,
            edge,
            portal,
            fleet,
            live: Arc::new(Live::new(edition)),
            certificates: Arc::new(Certificates::new(certificates)),
            loops,
            meter,
            fingerprint: loaded.fingerprint,
            sources: loaded.sources,
            places: loaded.places,
            writing,
            events: background::Queue::new(events),
            codes,
            notices,
        })
    }

    async fn start(self, tasks: &Tasks) -> Result<Gateway, StartFailure> {
        let edition = self.live.hold();
        let plan = edition.plan.clone();
        let front = front::Front { live: self.live.clone(), edge: self.edge.clone(), portal: self.portal.clone() };
        let engine = Arc::new(serve::Engine::new(&front, self.loops.count(), &plan));
        let around = (self.loops.clone(), self.meter.clone());
        let listeners = Arc::new(Listeners::new(engine.clone(), self.certificates.clone(), plan.limits, around));
        let (feed_end, places) = (background::start(&self, tasks).await?, self.places.clone());
        let reloader = Arc::new(Reloader::new(self, engine, listeners.clone(), tasks.clone()));
        let operate: Arc<dyn Operate> = reloader.clone();
        let (address, socket) = (plan.gateway.admin, plan.gateway.admin_socket.as_deref());
        let bound = admin::listen(address, socket, operate, tasks);
        let bound = bound.map_err(|error| StartFailure::Admin(error.to_string()))?;
        let listened = listeners.apply(&plan.listeners).await;
        listened.map_err(|failures| StartFailure::Listen(unheard(&failures, &places)))?;
        reloader.opened(&edition);
        watch::start(&reloader, tasks);
        let edge = reloader.edge().clone();
        edge.recorder.report(edge.clock.now(), Event::Lifecycle { what: "started" });
        Ok(Gateway { reloader, edge, feed_end, listeners, admin: bound.address, tasks: tasks.clone() })
    }
}

/// Ends every task, and leaves behind what does not end.
async fn end(tasks: &Tasks) {
    if tokio::time::timeout(LONGEST_END, tasks.stop()).await.is_err() {
        tracing::warn!("something does not end, perhaps the reading of a file; it is left behind");
    }
}

/// Counts what the store did not do, and takes note of it.
fn failures(metrics: &Metrics, writing: &Arc<Writing>) -> Observer {
    let (counters, writing) =
        (Operation::ALL.map(|operation| metrics.store_failures(operation.word())), writing.clone());
    Arc::new(move |operation, error| {
        counters[operation as usize].inc();
        writing.hear(operation, error);
    })
}

/// Addresses that cannot be listened on, each where it is written.
fn unheard(failures: &[ListenFailure], places: &Places) -> Vec<Problem> {
    failures.iter().map(|failure| places.problem(failure.address, failure.to_string())).collect()
}
