//! What is known of one client connection, and whether a request is on it; knows nothing of the bytes.

use crate::stdx::lifeline::Lifeline;
use pingora::protocols::Digest;
use pingora::server::ShutdownWatch;
use std::any::Any;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// One client connection.
#[derive(Debug)]
pub struct Connection {
    /// The client's end.
    pub peer: SocketAddr,
    /// Our end.
    pub local: SocketAddr,
    /// What its TLS handshake settled; `None` in the clear.
    pub tls: Option<Encryption>,
    /// Whether its listener answers every request with a redirect to `https://`.
    pub redirect_to_https: bool,
    /// Cutting it ends the connection at once, whatever it is doing.
    pub lifeline: Lifeline,
    pub(super) accepted: Instant,
    /// Turns true when the process drains.
    stop: ShutdownWatch,
    requests: Requests,
    asides: Asides,
}

/// What a TLS handshake settled about names.
#[derive(Clone, Debug)]
pub struct Encryption {
    /// The name the client asked for in its hello, in lower case.
    pub sni: Option<Box<str>>,
    /// The names of the certificate it was shown, in lower case, wildcards included.
    pub(super) names: Arc<[Box<str>]>,
    /// SHA-256 of the certificate that the client showed, and whose key it has; `None` if it showed none.
    pub client: Option<[u8; 32]>,
}

/// What the connection's stream and the phase callbacks tell each other about bytes.
#[derive(Debug, Default)]
struct Asides {
    /// Set by the stream before the engine sees the line, read when its request is judged; never taken back, because
    /// that request is refused and the connection closed.
    odd_line: AtomicBool,
    /// Put there by a phase callback, taken by the stream at its next read.
    given_back: Mutex<Vec<u8>>,
    /// Whether there is anything, so that a read need not lock.
    is_given_back: AtomicBool,
    /// Written by the first request that has something to leave, read by those after it.
    keepsake: OnceLock<Box<dyn Any + Send + Sync>>,
}

/// Written by the phase callbacks through [`Underway`], read by the connection's stream, which holds the deadlines.
#[derive(Debug, Default)]
struct Requests {
    underway: AtomicU32,
    begun: AtomicU32,
    /// Whether all of the one under way has come. Of use with HTTP/1.1 only, which has one at a time.
    whole: AtomicBool,
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
        (lifeline, stop): (Lifeline, ShutdownWatch),
        redirect_to_https: RedirectToHttps,
    ) -> Connection {
        let RedirectToHttps(redirect_to_https) = redirect_to_https;
        let (requests, asides) = (Requests::default(), Asides::default());
        Connection { peer, local, tls: None, redirect_to_https, lifeline, accepted, stop, requests, asides }
    }

    /// The same connection, after its TLS handshake.
    pub(super) fn secured(self, encryption: Encryption) -> Connection {
        Connection { tls: Some(encryption), ..self }
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
        self.requests.whole.store(false, Ordering::Release);
        Underway(Arc::clone(self))
    }

    /// Whether requests for `host`, in its canonical spelling, may come on it: always in the clear and where the client
    /// asked for no name; otherwise if the certificate it was shown is for that host too. That is when a client may use
    /// one connection for several hosts (RFC 9110 §7.4, RFC 9113 §9.1.1).
    pub fn is_for(&self, host: &str) -> bool {
        self.tls.as_ref().is_none_or(|encryption| encryption.is_for(host))
    }

    /// Whether the process drains, so that no further request is wanted on it.
    pub fn is_stopping(&self) -> bool {
        *self.stop.borrow()
    }

    /// Has the next reads bring `bytes` before anything else: for what was read before it could be understood.
    pub fn give_back(&self, bytes: &[u8]) {
        let mut given_back = self.asides.given_back.lock().unwrap_or_else(PoisonError::into_inner);
        given_back.extend_from_slice(bytes);
        self.asides.is_given_back.store(true, Ordering::Release);
    }

    /// What was given back since the last call.
    pub(super) fn take_given_back(&self) -> Option<Vec<u8>> {
        if !self.asides.is_given_back.load(Ordering::Acquire) {
            return None;
        }
        self.asides.is_given_back.store(false, Ordering::Release);
        Some(std::mem::take(&mut *self.asides.given_back.lock().unwrap_or_else(PoisonError::into_inner)))
    }

    /// What one request leaves for those after it on the same connection: the first to ask makes it. `None` if it was
    /// made as something else.
    pub fn keepsake<T: Any + Send + Sync>(&self, make: impl FnOnce() -> T) -> Option<&T> {
        self.asides.keepsake.get_or_init(|| Box::new(make())).downcast_ref()
    }

    /// What was left, if anything was, as `T`.
    pub fn kept<T: Any>(&self) -> Option<&T> {
        self.asides.keepsake.get()?.downcast_ref()
    }

    /// Whether a request line came that is none, and that the engine will have mended.
    pub fn had_odd_line(&self) -> bool {
        self.asides.odd_line.load(Ordering::Acquire)
    }

    pub(super) fn note_odd_line(&self) {
        self.asides.odd_line.store(true, Ordering::Release);
    }

    /// Notes that all of the request under way has come, and that no more will but the next one.
    pub fn request_is_whole(&self) {
        self.requests.whole.store(true, Ordering::Release);
    }

    pub(super) fn is_whole(&self) -> bool {
        self.requests.whole.load(Ordering::Acquire)
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

impl Encryption {
    fn is_for(&self, host: &str) -> bool {
        let Some(sni) = &self.sni else { return true };
        let parent = || host.split_once('.').map(|(_, parent)| parent);
        let covers = |name: &str| name == host || name.strip_prefix("*.").is_some_and(|name| Some(name) == parent());
        **sni == *host || self.names.iter().any(|name| covers(name))
    }
}

impl Underway {
    /// The connection it is on.
    pub fn connection(&self) -> &Connection {
        &self.0
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

#[cfg(test)]
mod tests {
    use super::*;

    fn encryption(sni: Option<&str>, names: &[&str]) -> Encryption {
        Encryption { sni: sni.map(Into::into), names: names.iter().map(|name| (*name).into()).collect(), client: None }
    }

    #[test]
    fn a_connection_is_for_the_hosts_of_the_certificate_it_was_shown() {
        let shown = encryption(Some("a.test"), &["a.test", "b.test", "*.c.test"]);
        for host in ["a.test", "b.test", "x.c.test"] {
            assert!(shown.is_for(host), "{host}");
        }
        for host in ["d.test", "c.test", "x.y.c.test", "a.test.d.test", "test"] {
            assert!(!shown.is_for(host), "{host}");
        }
    }

    #[test]
    fn a_client_that_asked_for_no_name_is_held_to_none() {
        assert!(encryption(None, &["a.test"]).is_for("d.test"));
    }
}
