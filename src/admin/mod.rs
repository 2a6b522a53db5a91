//! The operator's listener and socket: metrics, health, and the few questions and orders the commands have for a running
//! gateway; knows HTTP/1.1 and JSON, and neither routes nor pages.
//!
//! Who may use what: on the network only reading, and only under an IP address or `localhost` as the host, so that no
//! web page can have a browser ask. On the socket, whoever its mode lets in (0660: the gateway's user and its group),
//! which the kernel checks at each connect; the caller's user is written to the log with each order.

mod answer;
mod ask;
mod problem;
mod socket;

#[cfg(test)]
mod tests;

pub use ask::{Unanswered, ask};
pub use problem::{Place, Problem};

use crate::identity::{AccountId, AccountName};
use crate::session::Barred;
use crate::stdx::sparing::Sparing;
use crate::stdx::task::Tasks;
use answer::{Surface, answer};
use async_trait::async_trait;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use socket::Socket;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Connections open at once, on the network and on the socket each. Scrapers and commands are few; the others wait.
const MOST_CONNECTIONS: usize = 64;

/// How long a request's header may take; a connection without a request ends after it too.
const HEADER_LIMIT: Duration = Duration::from_secs(10);

/// How long a connection may live. Longer than any reload takes; a reader that stopped reading is let go after it.
const CONNECTION_LIFE: Duration = Duration::from_secs(300);

/// Bytes of one request's header; no command and no scraper sends a tenth of it.
const HEADER_BYTES: usize = 16 * 1024;

/// Pause after a connection could not be accepted, which is out of file descriptors and passes.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// What the operator's surface asks of the process.
#[async_trait]
pub trait Operate: Send + Sync + 'static {
    /// Every metric, in the text format of OpenMetrics 1.0.
    fn metrics(&self) -> String;

    /// Whether traffic should come here.
    ///
    /// # Errors
    /// Why not, in a sentence.
    fn ready(&self) -> Result<(), String>;

    /// What cannot be done although traffic should come here, in a sentence; `None` if there is nothing.
    fn degraded(&self) -> Option<String>;

    /// Loads the configuration again. It is run to its end even if whoever asked goes away.
    async fn reload(&self) -> Reloaded;

    /// A refusal by its own id or its request's, if it is still remembered: an object with `decision`, `at`, `request`,
    /// `edition`, `what`, `client`, `account`, `route`, `policy`, `pool`, `outcome`, `sentence` (texts, or null),
    /// `members`, a list of texts (what was found out about members of the pool), and `conditions`, a list of objects
    /// with `condition`, `holds`, `has`, `needs`, `remedy`.
    fn decision(&self, id: &str) -> Option<serde_json::Value>;

    /// How the process stands, as an object. Times are RFC 3339; what there is none of is null. docs/operate.md lists its
    /// keys.
    async fn status(&self) -> serde_json::Value;

    /// The account of that name, even where the store's files are not in their place any more.
    ///
    /// # Errors
    /// Why the store does not tell, in a sentence.
    async fn account(&self, name: &AccountName) -> Result<Option<AccountId>, String>;

    /// Refuses sessions from now on, for as long as the process lives: what is left when the store cannot be written.
    fn bar(&self, barred: Barred);
}

/// What became of a reload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reloaded {
    /// A new edition is live.
    Applied {
        /// Its number.
        edition: u64,
        /// Keys that changed and need a restart, and warnings; a sentence each.
        notes: Vec<String>,
    },
    /// Nothing has changed.
    Unchanged {
        /// The edition that stays.
        edition: u64,
    },
    /// The configuration has problems.
    Refused {
        /// The edition that stays.
        edition: u64,
        /// Every problem.
        problems: Vec<Problem>,
        /// Whether it is tried again by itself, because what stands in the way may be over.
        tried_again: bool,
    },
}

/// Where the operator's listener came to listen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bound {
    /// On the network; differs from what was asked for port 0. `None` if nothing was asked for.
    pub address: Option<SocketAddr>,
}

/// Why the operator's listener or socket could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum ListenFailure {
    /// The address cannot be listened on.
    #[error("cannot listen on {address} for [admin]: {error}")]
    Address {
        /// As it was asked for.
        address: SocketAddr,
        /// What the system said.
        error: io::Error,
    },
    /// Another process answers on the socket.
    #[error("cannot listen on {}: a running gateway answers there already", .0.display())]
    Taken(PathBuf),
    /// Something that is no socket lies in the socket's place.
    #[error("cannot listen on {}: there is something else than a socket; move it away", .0.display())]
    NoSocket(PathBuf),
    /// The socket cannot be made.
    #[error("cannot listen on {}: {error}", path.display())]
    Socket {
        /// As it was asked for.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
}

/// Opens what is asked for and serves it until `tasks` stop, which also removes the socket. Needs a Tokio runtime around
/// it.
///
/// # Errors
/// If the address or the socket cannot be opened.
pub fn listen(
    address: Option<SocketAddr>,
    socket: Option<&Path>,
    operate: Arc<dyn Operate>,
    tasks: &Tasks,
) -> Result<Bound, ListenFailure> {
    let network = address.map(bind).transpose()?;
    let socket = socket.map(Socket::open).transpose()?;
    let address = network.as_ref().and_then(|listener| listener.local_addr().ok());
    if let Some(listener) = network {
        tasks.spawn("admin-network", on_network(listener, Reception::new(&operate, tasks)));
    }
    if let Some(socket) = socket {
        tasks.spawn("admin-socket", on_socket(socket, Reception::new(&operate, tasks)));
    }
    Ok(Bound { address })
}

fn bind(address: SocketAddr) -> Result<tokio::net::TcpListener, ListenFailure> {
    let bound = TcpListener::bind(address).and_then(|listener| {
        listener.set_nonblocking(true)?;
        tokio::net::TcpListener::from_std(listener)
    });
    bound.map_err(|error| ListenFailure::Address { address, error })
}

/// What one accept loop works with.
struct Reception {
    operate: Arc<dyn Operate>,
    tasks: Tasks,
    seats: Arc<Semaphore>,
    unaccepted: Sparing,
}

impl Reception {
    fn new(operate: &Arc<dyn Operate>, tasks: &Tasks) -> Self {
        Reception {
            operate: operate.clone(),
            tasks: tasks.clone(),
            seats: Arc::new(Semaphore::new(MOST_CONNECTIONS)),
            unaccepted: Sparing::new(),
        }
    }

    /// A seat for the next connection; until there is one, connections wait in the kernel.
    async fn seat(&self) -> OwnedSemaphorePermit {
        self.seats.clone().acquire_owned().await.expect("the semaphore of this listener is never closed")
    }

    async fn pause(&self, error: &io::Error) {
        if self.unaccepted.due() {
            tracing::warn!(%error, "connections of the operator's cannot be accepted");
        }
        tokio::time::sleep(ACCEPT_PAUSE).await;
    }

    fn serve(&self, io: impl AsyncRead + AsyncWrite + Unpin + Send + 'static, (surface, seat): (Surface, Seat)) {
        let (operate, tasks) = (self.operate.clone(), self.tasks.clone());
        self.tasks.spawn("admin-connection", async move {
            let _seat = seat;
            let service = service_fn(move |request| answer(request, surface, (operate.clone(), tasks.clone())));
            let mut server = http1::Builder::new();
            server.timer(TokioTimer::new()).header_read_timeout(HEADER_LIMIT).max_buf_size(HEADER_BYTES);
            let connection = server.serve_connection(TokioIo::new(io), service);
            // However it ended: the other side knows, and there is nothing to undo.
            drop(tokio::time::timeout(CONNECTION_LIFE, connection).await);
        });
    }
}

type Seat = OwnedSemaphorePermit;

async fn on_network(listener: tokio::net::TcpListener, reception: Reception) {
    loop {
        let seat = reception.seat().await;
        match listener.accept().await {
            Ok((stream, _)) => reception.serve(stream, (Surface::Network, seat)),
            Err(error) => reception.pause(&error).await,
        }
    }
}

async fn on_socket(socket: Socket, reception: Reception) {
    loop {
        let seat = reception.seat().await;
        match socket.accept().await {
            Ok((stream, user)) => reception.serve(stream, (Surface::Socket { user }, seat)),
            Err(error) => reception.pause(&error).await,
        }
    }
}
