//! Sockets, connections and TLS: who may connect, how long a header may take, which certificate answers; knows no route
//! and no session.

mod accept;
mod admission;
mod bind;
mod certificate;
mod client_certificate;
mod connection;
mod der;
mod io;
mod loops;
mod meter;
mod names;
mod outbox;
mod plan;
mod request_line;
#[cfg(test)]
mod tests;
mod tls;
mod unreadable;
mod unseen_key;
mod validity;
mod watch;

use self::accept::Reception;
use self::bind::Socket;
use arc_swap::ArcSwap;
use async_trait::async_trait;
use pingora::protocols::Stream;
use pingora::server::ShutdownWatch;
use std::fmt;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::watch as channel;
use tokio::time::{Instant, timeout, timeout_at};
use tokio_util::task::TaskTracker;

pub use self::certificate::{CertificateError, CertificatePart, Certificates, Certified, InvalidCertificate};
pub use self::connection::{Connection, Encryption, Underway};
pub use self::loops::{LoopNumber, LoopThreads, Loops};
pub use self::meter::Meter;
pub use self::plan::{ConnectionLimits, ListenPlan};
pub use self::unreadable::Unreadable;
pub use self::validity::{OutOfTime, Validity};

/// What speaks HTTP on a connection. One implementor runs Pingora; the tests bring their own, which need no proxy.
#[async_trait]
pub trait Serve: Send + Sync + 'static {
    /// Serves one connection to its end. `stop` turns true when the process drains: from then on answers ask the
    /// client to close. Each request must be announced through [`Connection::request_began`]; on a connection that
    /// never announces one, the deadline of the first header ends everything.
    async fn serve(&self, io: Stream, on: LoopNumber, stop: &ShutdownWatch);

    /// Closes the connections that wait for a next request; those in the middle of one go on.
    async fn close_idle(&self);

    /// The answer, byte for byte, to a header that never became a request. Asked at most once for a connection, which is
    /// closed when it was sent.
    fn refuse(&self, connection: &Connection, why: Unreadable) -> Vec<u8>;
}

/// How a drain ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Drained {
    /// Connections that were still open at the deadline and had to be cut.
    pub left: usize,
}

/// An address that could not be listened on.
#[derive(Debug)]
pub struct ListenFailure {
    /// The address as it was asked for.
    pub address: SocketAddr,
    /// What the system said.
    pub error: std::io::Error,
}

impl fmt::Display for ListenFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot listen on {}: {}", self.address, self.error)
    }
}

impl std::error::Error for ListenFailure {}

/// All listening sockets and every connection that came through them.
pub struct Listeners {
    reception: Arc<Reception>,
    /// Written by `apply` and `drain`, read by `addresses`; never held across an await.
    sockets: Mutex<Vec<Socket>>,
    /// Turned true once, by `drain`. Kept here because its readers take a lost sender for a stop.
    stop: channel::Sender<bool>,
    /// Owns the accept loops.
    accepting: TaskTracker,
}

/// How long connections without a request may stay once a drain began, so that a client about to send one is answered
/// (with `Connection: close`) instead of reset. Busy clients send within it; silent ones lose nothing by the close.
const IDLE_GRACE: Duration = Duration::from_secs(5);

/// How long a cut connection may take to notice. Its reads and writes fail at once, so this covers only clean-up.
const CUT_GRACE: Duration = Duration::from_secs(1);

impl Listeners {
    /// Listeners without a socket yet; `apply` opens them. Their connections live on `loops`.
    pub fn new(
        serve: Arc<dyn Serve>,
        certificates: Arc<Certificates>,
        limits: ConnectionLimits,
        (loops, meter): (Loops, Meter),
    ) -> Listeners {
        let (stop, watch) = channel::channel(false);
        let reception = Arc::new(Reception::new((serve, certificates), loops, limits, (meter, watch)));
        Listeners { reception, sockets: Mutex::default(), stop, accepting: TaskTracker::new() }
    }

    /// Makes the sockets be those of `plans`. New addresses are bound first; addresses no longer named stop accepting
    /// and are closed when this returns, while their connections go on; unchanged addresses are not touched, and
    /// changed flags hold for the connections that follow.
    ///
    /// # Errors
    /// Every address that could not be bound; then nothing has changed. An address that overlaps one still open (a
    /// wildcard with one of its addresses) is such a failure, as is any address while draining.
    pub async fn apply(&self, plans: &[ListenPlan]) -> Result<(), Vec<ListenFailure>> {
        for socket in self.exchange(plans)? {
            socket.close().await;
        }
        Ok(())
    }

    /// What is listened on, each with its actual address (which differs from the plan's for port 0).
    pub fn addresses(&self) -> Vec<(ListenPlan, SocketAddr)> {
        self.lock().iter().map(|socket| (socket.plan(), socket.local())).collect()
    }

    /// Sets the caps and deadlines of the connections accepted from now on.
    pub fn set_limits(&self, limits: ConnectionLimits) {
        self.reception.limits.store(Arc::new(limits));
    }

    /// Connections open now.
    pub fn open(&self) -> usize {
        self.reception.admission.open()
    }

    /// Closes the sockets, asks every connection to end after its present request, and completes when the last one is
    /// gone or, at the latest, shortly after `deadline`, when the rest have been cut.
    pub async fn drain(&self, deadline: Duration) -> Drained {
        let end = Instant::now() + deadline;
        self.stop.send_replace(true);
        let sockets = std::mem::take(&mut *self.lock());
        for socket in sockets {
            socket.close().await;
        }
        let connections = &self.reception.connections;
        connections.close();
        if timeout(IDLE_GRACE.min(deadline / 4), connections.wait()).await.is_ok() {
            return Drained { left: 0 };
        }
        self.reception.serve.close_idle().await;
        if timeout_at(end, connections.wait()).await.is_ok() {
            return Drained { left: 0 };
        }
        let left = self.reception.admission.cut_all();
        if timeout(CUT_GRACE, connections.wait()).await.is_err() {
            tracing::warn!(connections = self.open(), "connections did not end although they were cut");
        }
        Drained { left }
    }

    /// Puts the sockets of `plans` in place and returns those that are no longer wanted.
    fn exchange(&self, plans: &[ListenPlan]) -> Result<Vec<Socket>, Vec<ListenFailure>> {
        let mut sockets = self.lock();
        if *self.stop.borrow() {
            return Err(plans.iter().map(while_draining).collect());
        }
        let kept = matched(&sockets, plans);
        let mut bound = bind_missing(plans, &kept)?.into_iter();
        let mut old: Vec<Option<Socket>> = std::mem::take(&mut *sockets).into_iter().map(Some).collect();
        for (plan, kept) in plans.iter().zip(kept) {
            if let Some(socket) = kept.and_then(|place| old.get_mut(place)).and_then(Option::take) {
                socket.replan(plan);
                sockets.push(socket);
            } else if let Some((listener, local)) = bound.next() {
                let plan = Arc::new(ArcSwap::from_pointee(plan.clone()));
                sockets.push(Socket::open((listener, local), plan, &self.reception, &self.accepting));
            }
        }
        Ok(old.into_iter().flatten().collect())
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Socket>> {
        self.sockets.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// For each plan the place of the open socket that serves its address already. Port 0 may be asked for repeatedly, so
/// each socket is matched once.
fn matched(sockets: &[Socket], plans: &[ListenPlan]) -> Vec<Option<usize>> {
    let mut free: Vec<Option<SocketAddr>> = sockets.iter().map(|socket| Some(socket.plan().address)).collect();
    let mut places = Vec::with_capacity(plans.len());
    for plan in plans {
        let place = free.iter().position(|address| *address == Some(plan.address));
        if let Some(taken) = place.and_then(|place| free.get_mut(place)) {
            *taken = None;
        }
        places.push(place);
    }
    places
}

type Bound = (std::net::TcpListener, SocketAddr);

fn bind_missing(plans: &[ListenPlan], kept: &[Option<usize>]) -> Result<Vec<Bound>, Vec<ListenFailure>> {
    let mut bound = Vec::new();
    let mut failures = Vec::new();
    for (plan, _) in plans.iter().zip(kept).filter(|(_, kept)| kept.is_none()) {
        match bind::bind(plan.address) {
            Ok(listener) => bound.push(listener),
            Err(error) => failures.push(ListenFailure { address: plan.address, error }),
        }
    }
    if failures.is_empty() { Ok(bound) } else { Err(failures) }
}

fn while_draining(plan: &ListenPlan) -> ListenFailure {
    ListenFailure { address: plan.address, error: std::io::Error::other("the gateway is stopping") }
}
