//! What is known of one client connection, and whether a request is on it; knows nothing of the bytes.

use crate::stdx::lifeline::Lifeline;
use pingora::protocols::Digest;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::time::Duration;
use tokio::time::Instant;

/// One client connection.
#[derive(Debug)]
pub struct Connection {
    /// The client's end.
    pub peer: SocketAddr,
    /// Our end.
    pub local: SocketAddr,
    /// Whether it began with TLS.
    pub tls: bool,
    /// The name the client asked for in its TLS hello, in lower case.
    pub sni: Option<Box<str>>,
    /// Whether its listener answers every request with a redirect to `https://`.
    pub redirect_to_https: bool,
    /// Cutting it ends the connection at once, whatever it is doing.
    pub lifeline: Lifeline,
    pub(super) accepted: Instant,
    requests: Requests,
    /// Set by the connection's stream before the engine sees the line, read when its request is judged; never taken
    /// back, because that request is refused and the connection closed.
    odd_line: AtomicBool,
}

/// Written by the phase callbacks through [`Underway`], read by the connection's stream, which holds the deadlines.
#[derive(Debug, Default)]
struct Requests {
    underway: AtomicU32,
    begun: AtomicU32,
    /// Milliseconds from accept to the end of the last request that ended.
    quiet: AtomicU64,
}

/// A request that is on the connection. While one lives, neither the header deadline nor the idle limit runs; the last
/// one dropped starts the idle limit.
///
/// Take it when the header is complete and keep it in the request's context to the very end, past `logging`: Pingora
/// may read the rest of a body after that, and those bytes are not the next header.
#[derive(Debug)]
#[must_use = "the request counts as ended when this is dropped"]
pub struct Underway(Arc<Connection>);

impl Connection {
    pub(super) fn new(
        (peer, local): (SocketAddr, SocketAddr),
        accepted: Instant,
        lifeline: Lifeline,
        redirect_to_https: RedirectToHttps,
    ) -> Connection {
        let RedirectToHttps(redirect_to_https) = redirect_to_https;
        let requests = Requests::default();
        let odd_line = AtomicBool::new(false);
        Connection { peer, local, tls: false, sni: None, redirect_to_https, lifeline, accepted, requests, odd_line }
    }

    /// The same connection, after its TLS handshake.
    pub(super) fn secured(self, sni: Option<Box<str>>) -> Connection {
        Connection { tls: true, sni, ..self }
    }

    /// The connection behind a Pingora digest, on HTTP/1.1 and HTTP/2 alike; none if it did not come through our
    /// listeners.
    pub fn of(digest: &Digest) -> Option<&Arc<Connection>> {
        digest.proxy_digest.as_ref()?.user_data.as_ref()?.downcast_ref()
    }

    /// Notes that a request's header is complete.
    pub fn request_began(self: &Arc<Self>) -> Underway {
        self.requests.underway.fetch_add(1, Ordering::AcqRel);
        self.requests.begun.fetch_add(1, Ordering::AcqRel);
        Underway(Arc::clone(self))
    }

    /// Whether a request line came that is none, and that the engine will have mended.
    pub fn had_odd_line(&self) -> bool {
        self.odd_line.load(Ordering::Acquire)
    }

    pub(super) fn note_odd_line(&self) {
        self.odd_line.store(true, Ordering::Release);
    }

    /// Whether a request is on it now.
    pub fn is_busy(&self) -> bool {
        self.requests.underway.load(Ordering::Acquire) > 0
    }

    /// Requests begun so far.
    pub fn requests(&self) -> u32 {
        self.requests.begun.load(Ordering::Acquire)
    }

    /// When the last request ended; when it was accepted if there was none.
    pub(super) fn quiet_since(&self) -> Instant {
        self.accepted + Duration::from_millis(self.requests.quiet.load(Ordering::Acquire))
    }
}

impl Drop for Underway {
    fn drop(&mut self) {
        let Connection { accepted, requests, .. } = &*self.0;
        // Before the count falls, so that whoever sees an idle connection sees since when.
        let quiet = u64::try_from(accepted.elapsed().as_millis()).unwrap_or(u64::MAX);
        requests.quiet.store(quiet, Ordering::Release);
        requests.underway.fetch_sub(1, Ordering::AcqRel);
    }
}

/// The listener's flag, named.
#[derive(Clone, Copy, Debug)]
pub(super) struct RedirectToHttps(pub(super) bool);
