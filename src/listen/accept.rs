//! The accept loop and the life of a connection from accept to close; knows nothing of what is said on it.

use super::admission::{Admission, Admitted};
use super::certificate::ClientCertificates;
use super::connection::RedirectToHttps;
use super::io::{Io, Seals};
use super::meter::{HandshakeEnd, Meter, Overload};
use super::tls::{self, HandshakeError};
use super::{Certificates, Connection, ConnectionLimits, ListenPlan, LoopNumber, Loops, Serve, Unreadable};
use crate::stdx::sparing::Sparing;
use arc_swap::ArcSwap;
use pingora::protocols::Stream;
use pingora::server::ShutdownWatch;
use std::io::{self, ErrorKind};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, sleep, timeout_at};
use tokio_util::task::TaskTracker;

/// What every accepted connection needs.
pub(super) struct Reception {
    pub(super) serve: Arc<dyn Serve>,
    certificates: Arc<Certificates>,
    pub(super) loops: Loops,
    /// Written by a reload, read at each accept.
    pub(super) limits: ArcSwap<ConnectionLimits>,
    pub(super) admission: Arc<Admission>,
    /// Owns the connections' tasks.
    pub(super) connections: TaskTracker,
    meter: Meter,
    stop: ShutdownWatch,
    exhausted: Sparing,
    refused: Sparing,
    unnamed: Sparing,
}

/// How long accepting pauses when the system has no descriptor or memory for another connection: short enough not to
/// be felt once there is one, long enough not to spin.
const PAUSE: Duration = Duration::from_millis(50);

/// Accepts connections until it is dropped.
pub(super) async fn accept(listener: TcpListener, plan: Arc<ArcSwap<ListenPlan>>, reception: Arc<Reception>) {
    let listener = match tokio::net::TcpListener::from_std(listener) {
        Ok(listener) => listener,
        Err(error) => return tracing::error!(%error, "a listening socket cannot be waited for"),
    };
    loop {
        // It is taken off this loop again, because it may live on another.
        let accepted = listener.accept().await.and_then(|(stream, peer)| Ok((stream.into_std()?, peer)));
        match accepted {
            Ok((stream, peer)) => reception.receive(stream, peer, &plan.load()),
            Err(error) if concerns_one_connection(&error) => {}
            Err(error) => {
                reception.meter.exhausted.inc();
                if reception.exhausted.due() {
                    tracing::warn!(%error, "cannot accept connections; is the limit of open files too low?");
                }
                sleep(PAUSE).await;
            }
        }
    }
}

/// Whether only the connection being accepted was lost. Everything else (no descriptors, no memory) would come again
/// at once, so the loop pauses for it, known or not.
fn concerns_one_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::ConnectionAborted
            | ErrorKind::ConnectionRefused
            | ErrorKind::ConnectionReset
            | ErrorKind::Interrupted
            | ErrorKind::WouldBlock
            | ErrorKind::TimedOut
            | ErrorKind::HostUnreachable
            | ErrorKind::NetworkUnreachable
            | ErrorKind::NetworkDown
    )
}

impl Reception {
    pub(super) fn new(
        (serve, certificates): (Arc<dyn Serve>, Arc<Certificates>),
        loops: Loops,
        limits: ConnectionLimits,
        (meter, stop): (Meter, ShutdownWatch),
    ) -> Reception {
        Reception {
            serve,
            certificates,
            loops,
            limits: ArcSwap::from_pointee(limits),
            admission: Arc::new(Admission::new(meter.clone())),
            connections: TaskTracker::new(),
            meter,
            stop,
            exhausted: Sparing::new(),
            refused: Sparing::new(),
            unnamed: Sparing::new(),
        }
    }

    /// Admits a connection and gives it a task of its own, or closes it.
    fn receive(self: &Arc<Self>, stream: TcpStream, peer: SocketAddr, plan: &Arc<ListenPlan>) {
        let limits = **self.limits.load();
        match self.admission.admit(peer.ip(), &limits) {
            Ok(admitted) => {
                self.meter.accepted.inc();
                let opened = Opened { stream, peer, plan: Arc::clone(plan), limits, accepted: Instant::now() };
                let reception = Arc::clone(self);
                let (number, handle) = self.loops.next();
                let conversation = async move { reception.converse(opened, number, admitted).await };
                self.connections.spawn_on(conversation, handle);
            }
            Err(overload) => self.refuse(peer, overload),
        }
    }

    fn refuse(&self, peer: SocketAddr, overload: Overload) {
        self.meter.refused(overload);
        if self.refused.due() {
            match overload {
                Overload::Connections => tracing::warn!("connections refused: as many are open as allowed"),
                Overload::PerAddress => tracing::warn!(%peer, "connections refused: too many from one address"),
            }
        }
    }

    /// One connection, to its end. `admitted` is dropped last: the place is free when the socket is closed.
    async fn converse(&self, opened: Opened, on: LoopNumber, admitted: Admitted) {
        let peer = opened.peer;
        match self.establish(opened, &admitted).await {
            Ok(io) => self.serve.serve(io, on, &self.stop).await,
            Err(Unestablished::Gone) => {}
            Err(Unestablished::Handshake(end, why)) => self.tell_of_handshake(peer, end, &why),
        }
    }

    /// A name without a certificate is a slip of the operator as often as of the client, so it is told aloud.
    fn tell_of_handshake(&self, peer: SocketAddr, end: HandshakeEnd, why: &str) {
        self.meter.handshake_failed(end);
        if end == HandshakeEnd::UnknownName && self.unnamed.due() {
            tracing::warn!(%peer, why, "a TLS handshake failed");
        } else {
            tracing::debug!(%peer, why, "a TLS handshake failed");
        }
    }

    /// The connection as a stream that Pingora can drive.
    async fn establish(&self, opened: Opened, admitted: &Admitted) -> Result<Stream, Unestablished> {
        let Opened { stream, peer, plan, limits, accepted } = opened;
        let stream = tokio::net::TcpStream::from_std(stream)?;
        let local = stream.local_addr()?;
        let lifeline = admitted.lifeline();
        let redirect = RedirectToHttps(plan.redirect_to_https);
        let ends = (lifeline.clone(), self.stop.clone());
        let connection = Connection::new((peer, local), accepted, ends, redirect);
        let descriptor = stream.as_raw_fd();
        if !plan.tls {
            let connection = Arc::new(connection);
            let seals = Seals::new(descriptor, &connection, None);
            return Ok(Box::new(Io::new(stream, (connection, Arc::clone(&self.serve)), limits, seals)));
        }
        let handshake =
            timeout_at(accepted + limits.handshake, self.shake_hands(stream, &connection, plan.client_certificates()));
        let shaken = tokio::select! {
            shaken = handshake => shaken,
            () = lifeline.severed() => return Err(Unestablished::Gone),
        };
        let Some(secured) = shaken.map_err(|_| Unestablished::late())?? else { return Err(Unestablished::Gone) };
        let connection = Arc::new(connection.secured(secured.encryption));
        let seals = Seals::new(descriptor, &connection, Some((secured.digest, secured.version)));
        Ok(Box::new(Io::new(secured.stream, (connection, Arc::clone(&self.serve)), limits, seals)))
    }

    /// `None` if the client spoke in the clear, and was answered so.
    async fn shake_hands(
        &self,
        mut stream: tokio::net::TcpStream,
        connection: &Connection,
        asked: ClientCertificates,
    ) -> Result<Option<tls::Secured>, HandshakeError> {
        if tls::is_in_the_clear(&stream).await? {
            let answer = self.serve.refuse(connection, Unreadable::Clear);
            tls::answer_in_the_clear(&mut stream, &answer).await?;
            return Ok(None);
        }
        tls::handshake(stream, &self.certificates, asked).await.map(Some)
    }
}

/// A connection that was just accepted.
struct Opened {
    stream: TcpStream,
    peer: SocketAddr,
    plan: Arc<ListenPlan>,
    limits: ConnectionLimits,
    accepted: Instant,
}

/// Why a connection ended before anything could be said on it.
enum Unestablished {
    /// The client left, or the connection was cut.
    Gone,
    Handshake(HandshakeEnd, String),
}

impl Unestablished {
    fn late() -> Self {
        Unestablished::Handshake(HandshakeEnd::Late, "it took too long".to_owned())
    }
}

impl From<io::Error> for Unestablished {
    fn from(_: io::Error) -> Self {
        Unestablished::Gone
    }
}

impl From<HandshakeError> for Unestablished {
    fn from(error: HandshakeError) -> Self {
        let end = match error {
            HandshakeError::UnknownName(_) => HandshakeEnd::UnknownName,
            HandshakeError::Broken(_) => HandshakeEnd::Broken,
        };
        Unestablished::Handshake(end, error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn running_out_of_descriptors_makes_the_loop_pause() {
        // EMFILE, ENFILE, ENOBUFS, ENOMEM on Linux.
        for code in [24, 23, 105, 12] {
            assert!(!concerns_one_connection(&io::Error::from_raw_os_error(code)));
        }
        assert!(concerns_one_connection(&ErrorKind::ConnectionAborted.into()));
    }
}
