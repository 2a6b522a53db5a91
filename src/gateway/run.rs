//! The process in the foreground: threads, signals, the service manager, and the lines it begins with; knows no request.

use super::{Gateway, StartFailure, Surroundings, watchdog};
use crate::config::{self, Environment};
use crate::listen::Loops;
use crate::stdx::clock::{Clock, SystemClock};
use crate::stdx::descriptors;
use crate::telemetry::{self, AccessLog};
use sd_notify::NotifyState;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::runtime::Runtime;
use tokio::signal::unix::{Signal, SignalKind};

/// What a stop may take beyond the drain: the last security events and uses are written to the store, which gives up
/// after 5 s each.
const LAST_WORDS: Duration = Duration::from_secs(15);

/// What threads that wait in the kernel are given to come back once everything else has ended; then the process ends with
/// them.
const LAST_THREADS: Duration = Duration::from_secs(1);

/// Threads for everything that is no client's, so that a reload or a health check never holds a request up. Two: the
/// operator is answered while a configuration is compiled.
const BACKGROUND_THREADS: usize = 2;

/// Runs a gateway in the foreground until it is told to stop. Blocks.
///
/// # Errors
/// Why it does not start.
pub fn run(path: &Path) -> Result<(), StartFailure> {
    let began = Instant::now();
    let open_files = descriptors::raise();
    let environment = Environment::of_process().with_descriptors(open_files);
    // Threads and the log's level are needed before anything else is; whatever is wrong is reported by the start itself.
    let early = config::load(path, &environment, SystemClock.now()).map_err(StartFailure::Configuration)?;
    let gateway = &early.plan.gateway;
    let no_threads = |error| StartFailure::System { what: "threads cannot be started", error };
    let log = telemetry::set_up(gateway.log_level.as_str()).map_err(no_threads)?;
    let threads = match gateway.threads {
        0 => std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
        threads => threads,
    };
    let (loops, loop_threads) = Loops::start(threads).map_err(no_threads)?;
    let runtime = background().map_err(no_threads)?;
    let access = AccessLog::start(Box::new(std::io::stdout()))
        .map_err(|error| StartFailure::System { what: "the access log's thread cannot be started", error })?;
    let surroundings = Surroundings { clock: Arc::new(SystemClock), environment, access: Some(access), loops };
    drop(early);
    let served = runtime.block_on(serve_until_told(path, surroundings, (began, open_files)));
    drop(loop_threads);
    runtime.shutdown_timeout(LAST_THREADS);
    log.flush();
    served
}

/// What everything runs on that is no client's.
fn background() -> std::io::Result<Runtime> {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    builder.worker_threads(BACKGROUND_THREADS).max_blocking_threads(16).enable_all().thread_name("background").build()
}

async fn serve_until_told(
    path: &Path,
    surroundings: Surroundings,
    (began, open_files): (Instant, u64),
) -> Result<(), StartFailure> {
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let mut hang_up = signal(SignalKind::hangup())?;
    let loops = surroundings.loops.clone();
    let gateway = Gateway::start(path, surroundings).await?;
    gateway.announce(path, (began.elapsed(), open_files));
    tell(&[NotifyState::Ready]);
    if let Some(period) = sd_notify::watchdog_enabled() {
        gateway.tasks.spawn("watchdog", watchdog::run(loops, period, || tell(&[NotifyState::Watchdog])));
    }
    let reloader = gateway.reloader.clone();
    // In a task of its own: nothing that a reload waits for may keep a stop waiting. Signals that come during one are one.
    gateway.tasks.spawn("hang-up", async move {
        while hang_up.recv().await.is_some() {
            reloader.reload().await;
        }
    });
    let mut told = async || {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    };
    told().await;
    let longest = gateway.reloader.live().hold().plan.gateway.drain + LAST_WORDS;
    // However long the drain is configured, the service manager waits for it.
    let wait = format!("EXTEND_TIMEOUT_USEC={}", longest.as_micros());
    tell(&[NotifyState::Stopping, NotifyState::Custom(&wait)]);
    tracing::info!("stopping: no new connections, requests under way may end; another SIGTERM or SIGINT cuts them");
    gateway.stop_or_cut(told()).await;
    Ok(())
}

fn signal(kind: SignalKind) -> Result<Signal, StartFailure> {
    let signal = tokio::signal::unix::signal(kind);
    signal.map_err(|error| StartFailure::System { what: "signals cannot be received", error })
}

/// Tells the service manager, if there is one.
fn tell(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::warn!(%error, "the service manager cannot be told how the gateway stands");
    }
}

impl Gateway {
    /// The lines that say what serves now, and where everything is.
    fn announce(&self, file: &Path, (took, open_files): (Duration, u64)) {
        for (listener, actual) in self.listeners.addresses() {
            let scheme = if listener.tls { "https" } else { "http" };
            tracing::info!(address = %actual, scheme, redirect_to_https = listener.redirect_to_https, "listening");
        }
        let edition = self.reloader.live().hold();
        let plan = &edition.plan;
        let shown = |path: &Path| path.display().to_string();
        tracing::info!(
            version = env!("CARGO_PKG_VERSION"),
            edition = edition.number,
            routes = plan.routes.len(),
            pools = plan.pools.len(),
            certificates = plan.certificates.len(),
            connections = plan.limits.connections,
            open_files,
            portal = plan.portal.as_ref().map_or("none", |portal| &portal.origin),
            configuration = shown(file),
            state = shown(&plan.gateway.state),
            admin = self.admin.map_or_else(|| "none".to_owned(), |address| address.to_string()),
            admin_socket = plan.gateway.admin_socket.as_deref().map_or_else(|| "none".to_owned(), shown),
            milliseconds = u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
            "ready"
        );
    }
}

#[cfg(test)]
mod tests {
    use super::super::end;
    use super::*;
    use crate::stdx::task::Tasks;
    use std::sync::mpsc;

    #[test]
    fn a_file_that_is_never_read_to_its_end_does_not_hold_the_exit_up() {
        let runtime = background().expect("threads");
        let (let_go, never) = mpsc::channel::<()>();
        let (tell, begun) = mpsc::channel();
        let tasks = Tasks::new();
        let reading = tasks.clone();
        runtime.block_on(async {
            tasks.spawn("reading", async move {
                reading.blocking(move || (tell.send(()), never.recv())).await;
            });
        });
        begun.recv().expect("it begins");
        let began = Instant::now();
        runtime.block_on(end(&tasks));
        runtime.shutdown_timeout(LAST_THREADS);
        assert!(began.elapsed() < LAST_WORDS, "{:?}", began.elapsed());
        drop(let_go);
    }
}
