//! What listens where, after every default was applied; knows no file.

use super::certificate::ClientCertificates;
use std::net::SocketAddr;
use std::time::Duration;

/// One listener. Its identity across reloads is its address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListenPlan {
    /// Where; port 0 lets the system choose.
    pub address: SocketAddr,
    /// Whether connections begin with TLS (HTTP/2 and HTTP/1.1 by ALPN).
    pub tls: bool,
    /// Whether every request is answered with a redirect to `https://`.
    pub redirect_to_https: bool,
    /// Whether clients are asked for a certificate, which they need not have.
    pub client_certificates: bool,
}

impl ListenPlan {
    pub(super) fn client_certificates(&self) -> ClientCertificates {
        if self.client_certificates { ClientCertificates::Asked } else { ClientCertificates::Unasked }
    }
}

/// Caps and deadlines of connections, over all listeners.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConnectionLimits {
    /// Connections open at once.
    pub connections: usize,
    /// Connections open at once from one IPv4 address or one IPv6 /64.
    pub per_address: usize,
    /// From accept to the end of the TLS handshake.
    pub handshake: Duration,
    /// From the first byte of a request's header to its last, and from accept to the first header.
    pub header: Duration,
    /// Bytes of one request header.
    pub header_bytes: usize,
    /// How long a connection may stay open without a request on it.
    pub idle: Duration,
    /// Requests on one HTTP/1.1 connection, after which it is closed.
    pub requests: u32,
}

impl ConnectionLimits {
    /// The secure defaults: header 15 s and 32 KiB, handshake 10 s, idle 60 s.
    pub const DEFAULT: ConnectionLimits = ConnectionLimits {
        connections: 20_000,
        per_address: 1_000,
        handshake: Duration::from_secs(10),
        header: Duration::from_secs(15),
        header_bytes: 32 * 1024,
        idle: Duration::from_secs(60),
        requests: 10_000,
    };
}
