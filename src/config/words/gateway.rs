//! The keys of the process: `[gateway]`, `[[listen]]`, `[[certificate]]`, `[limits]`, `[admin]`, `[log]`.

use crate::config::raw::{FilePath, Flag, List, Number, SecretSource, Size, Span, Text, WholePath, table};
use crate::listen::ConnectionLimits;
use ipnet::IpNet;
use std::net::SocketAddr;
use std::time::Duration;
use tracing::Level;

const LIMITS: ConnectionLimits = ConnectionLimits::DEFAULT;

/// A default as the number that its key has; every default below is within the key's bounds.
const fn number(default: usize) -> u32 {
    assert!(default <= u32::MAX as usize, "a default is within the bounds of its key");
    default as u32
}

table! {
    /// The process. `state` and `threads` are read once at start; to change them it is started again.
    Gateway {
        /// The directory of the embedded store and the keys.
        state: WholePath, or("/var/lib/portcullis".into()), r#""/var/lib/portcullis""#;
        /// Threads that clients' connections live on, an event loop each; 0 means one for each core.
        threads: Number<0, 1024>, or(0), "4";
        /// Networks whose `Forwarded` and `X-Forwarded-*` headers are believed.
        trusted_proxies: List<Text<IpNet>>, or(Vec::new()), r#"["10.0.0.0/8", "192.0.2.7"]"#;
        /// How long connections may take to end when the gateway stops.
        drain: Span<0>, or(Duration::from_secs(30)), r#""30s""#;
    }
}

table! {
    /// One listener. At least one is needed.
    Listen {
        /// Where it listens.
        address: Text<SocketAddr>, required, r#""0.0.0.0:443""#;
        /// Whether connections begin with TLS; HTTP/2 and HTTP/1.1 are then chosen by ALPN.
        tls: Flag, or(false), "true";
        /// Whether clients are asked for a certificate, by which service accounts may prove themselves. Browsers that
        /// have one bother people with it: give programs a listener of their own.
        client_certificates: Flag, or(false), "true";
        /// Whether every request is answered with a redirect to `https://`.
        redirect_to_https: Flag, or(false), "true";
    }
}

table! {
    /// One certificate for TLS listeners, chosen by the name that the client asks for. A reload reads it again.
    Certificate {
        /// The certificate and its chain, PEM.
        cert: FilePath, required, r#""/etc/portcullis/tls/example.pem""#;
        /// Where its private key is, PEM.
        key: SecretSource, required, r#"{ file = "/etc/portcullis/tls/example.key" }"#;
    }
}

table! {
    /// Caps and deadlines of clients' connections, over all listeners together.
    Limits {
        /// Connections open at once. If it is not given: 20000, or as many as the limit of open files allows.
        connections: Number<1, 1_000_000>, optional, "20000";
        /// Connections open at once from one IPv4 address or one IPv6 /64.
        per_address: Number<1, 1_000_000>, or(number(LIMITS.per_address)), "1000";
        /// From accepting a connection to the end of its TLS handshake.
        handshake: Span, or(LIMITS.handshake), r#""10s""#;
        /// From the first byte of a request's header to its last.
        header_deadline: Span, or(LIMITS.header), r#""15s""#;
        /// Bytes of one request's header.
        header_size: Size<1024, 1_048_576>, or(number(LIMITS.header_bytes)), r#""32KiB""#;
        /// How long a connection may stay open without a request on it.
        idle: Span, or(LIMITS.idle), r#""60s""#;
        /// Requests on one HTTP/1.1 connection, after which it is closed.
        requests: Number<1, 1_000_000_000>, or(LIMITS.requests), "10000";
    }
}

table! {
    /// The operator's listener and socket, which are never the public ones. Read once at start.
    Admin {
        /// Where `/metrics`, `/healthz` and `/readyz` are answered; nowhere if it is not given.
        address: Text<SocketAddr>, optional, r#""127.0.0.1:9180""#;
        /// The socket that the commands talk to; none if it is not given.
        socket: FilePath, optional, r#""/run/portcullis/admin.sock""#;
    }
}

table! {
    /// What is logged.
    Log {
        /// Whether every request leaves a line.
        access: Flag, or(true), "false";
        /// The least important lines that are logged.
        level: Text<Level>, or(Level::INFO), r#""info""#;
    }
}
