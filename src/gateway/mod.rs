//! The life of the process: what is started, in which order, and how it ends. Has no rules of its own.

mod background;
mod front;
mod operate;
mod reload;
mod serve;
mod state;
mod watch;

pub use reload::Reloader;
pub use state::{State, StateFailure, open_login, open_store};

use crate::admin::{self, Operate};
use crate::audit::{Event, Recorder};
use crate::config::{self, Environment, Loaded, Problems};
use crate::edge::{Decisions, Edge, Tethers};
use crate::edition::{Edition, Live};
use crate::listen::{Certificates, ListenFailure, Listeners, Meter};
use crate::pool::Fleet;
use crate::portal::Portal;
use crate::session::{HandOffs, Keeper, Reader};
use crate::stdx::clock::{Clock, SystemClock};
use crate::stdx::task::Tasks;
use crate::telemetry::{AccessLog, Metrics};
use crate::token::Tickets;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

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
    Listen(Vec<ListenFailure>),
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
        let loaded = config::load(path, &surroundings.environment).map_err(StartFailure::Configuration)?;
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
        let began = Instant::now();
        self.reloader.leave();
        let drain = self.reloader.live().hold().plan.gateway.drain;
        let drained = self.listeners.drain(drain).await;
        self.feed_end.write().await;
        let now = self.edge.clock.now();
        self.edge.recorder.report(now, Event::Lifecycle { what: "stopped" });
        self.feed_end.flush().await;
        if let Some(access) = self.edge.access.clone() {
            // It ends even if the log's reader does not read: the flush gives up by itself.
            self.tasks.blocking(move || access.flush()).await;
        }
        self.tasks.stop().await;
        tracing::info!(cut = drained.left, seconds = began.elapsed().as_secs_f32(), "stopped");
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
    meter: Meter,
    fingerprint: [u8; 32],
    events: background::Queue,
}

impl Parts {
    async fn open(
        path: &Path,
        loaded: Loaded,
        surroundings: Surroundings,
        tasks: &Tasks,
    ) -> Result<Self, StartFailure> {
        let Surroundings { clock, environment, access } = surroundings;
        loaded.warnings.iter().for_each(|warning| tracing::warn!("{warning}"));
        let now = clock.now();
        let state = State::open(&loaded.plan.gateway.state, now).await?;
        let (recorder, events) = Recorder::new();
        let metrics = Arc::new(Metrics::new());
        let meter = Meter::default();
        metrics.extend(|registry| meter.register(registry));
        let reader = Arc::new(Reader::new(state.store.sessions.clone()));
        let fleet = Fleet::new(clock.clone(), tasks.clone());
        let plan = Arc::new(loaded.plan);
        let pools = fleet.compile(&plan.pools, None);
        let certificates = plan.certificates.iter().map(|certificate| (**certificate).clone()).collect();
        let edition =
            Edition::assemble(1, (plan.clone(), loaded.routes), pools, &metrics).ok_or(StartFailure::Inconsistent)?;
        let tickets = Arc::new(Tickets::new(state.master.seal("ticket")));
        let login = Arc::new(state.login(&plan, recorder.clone()));
        let edge = Arc::new(Edge {
            clock,
            reader: reader.clone(),
            mint: arc_swap::ArcSwapOption::from(state.mint(&plan)),
            tickets: tickets.clone(),
            decisions: Decisions::new(),
            tethers: Arc::new(Tethers::default()),
            recorder: recorder.clone(),
            metrics,
            ports: arc_swap::ArcSwap::default(),
            access,
            render: front::render,
        });
        let portal = Arc::new(Portal {
            login,
            keeper: Keeper::new(state.store.sessions.clone(), reader.clone()),
            reader,
            hand_offs: HandOffs::new(state.store.once.clone()),
            tickets,
            keys: state.keys.clone(),
            forms: state.master.mac("form"),
            recorder,
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
            meter,
            fingerprint: loaded.fingerprint,
            events: background::Queue::new(events),
        })
    }

    async fn start(self, tasks: &Tasks) -> Result<Gateway, StartFailure> {
        let edition = self.live.hold();
        let plan = edition.plan.clone();
        let front = front::Front { live: self.live.clone(), edge: self.edge.clone(), portal: self.portal.clone() };
        let engine = Arc::new(serve::Engine::new(front, &plan));
        let listeners =
            Arc::new(Listeners::new(engine.clone(), self.certificates.clone(), plan.limits, self.meter.clone()));
        let feed_end = background::start(&self, tasks).await?;
        let reloader = Arc::new(Reloader::new(self, engine, listeners.clone(), tasks.clone()));
        let operate: Arc<dyn Operate> = reloader.clone();
        let (address, socket) = (plan.gateway.admin, plan.gateway.admin_socket.as_deref());
        let bound = admin::listen(address, socket, operate, tasks);
        let bound = bound.map_err(|error| StartFailure::Admin(error.to_string()))?;
        listeners.apply(&plan.listeners).await.map_err(StartFailure::Listen)?;
        reloader.opened(&edition);
        watch::start(&reloader, tasks);
        let edge = reloader.edge().clone();
        edge.recorder.report(edge.clock.now(), Event::Lifecycle { what: "started" });
        Ok(Gateway { reloader, edge, feed_end, listeners, admin: bound.address, tasks: tasks.clone() })
    }
}

/// Runs a gateway in the foreground until it is told to stop. Blocks.
///
/// # Errors
/// Why it does not start.
pub fn run(path: &Path) -> Result<(), StartFailure> {
    let began = Instant::now();
    let environment = Environment::of_process();
    // Threads and the log's level are needed before anything else is; whatever is wrong is reported by the start itself.
    let early = config::load(path, &environment).map_err(StartFailure::Configuration)?;
    let gateway = &early.plan.gateway;
    crate::telemetry::set_up(gateway.log_level.as_str());
    let threads = match gateway.threads {
        0 => std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
        threads => threads,
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(threads)
        // Only reading files and opening the store block; nothing a client does.
        .max_blocking_threads(16)
        .enable_all()
        .thread_name("edge")
        .build()
        .map_err(|error| StartFailure::System { what: "threads cannot be started", error })?;
    let access = AccessLog::start(Box::new(std::io::stdout()))
        .map_err(|error| StartFailure::System { what: "the access log's thread cannot be started", error })?;
    let surroundings = Surroundings { clock: Arc::new(SystemClock), environment, access: Some(access) };
    drop(early);
    runtime.block_on(serve_until_told(path, surroundings, began))
}

async fn serve_until_told(path: &Path, surroundings: Surroundings, began: Instant) -> Result<(), StartFailure> {
    let signal = |kind| {
        tokio::signal::unix::signal(kind)
            .map_err(|error| StartFailure::System { what: "signals cannot be received", error })
    };
    use tokio::signal::unix::SignalKind;
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let mut hang_up = signal(SignalKind::hangup())?;
    let gateway = Gateway::start(path, surroundings).await?;
    gateway.reloader.announce(began.elapsed());
    let _ = sd_notify::notify(&[sd_notify::NotifyState::Ready]);
    loop {
        tokio::select! {
            _ = terminate.recv() => break,
            _ = interrupt.recv() => break,
            _ = hang_up.recv() => { gateway.reload().await; }
        }
    }
    let _ = sd_notify::notify(&[sd_notify::NotifyState::Stopping]);
    tracing::info!("stopping: no new connections, requests under way may end");
    gateway.stop().await;
    Ok(())
}
