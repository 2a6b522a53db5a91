//! What the listeners count; knows nothing of how it is shown.

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

/// Counts of connections. Clones share them.
#[derive(Clone, Debug, Default)]
pub struct Meter {
    /// Connections open now.
    pub(super) open: Gauge,
    /// Connections that were admitted.
    pub(super) accepted: Counter,
    refused: Family<Reason, Counter>,
    handshakes: Family<Reason, Counter>,
    /// Times the system could not give us a connection.
    pub(super) exhausted: Counter,
}

type Reason = [(&'static str, &'static str); 1];

/// The cap that a refused connection ran into.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Overload {
    /// Connections in all.
    Connections,
    /// Connections from one source.
    PerAddress,
}

/// Why a TLS handshake came to nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum HandshakeEnd {
    /// It took longer than allowed.
    Late,
    /// The client asked for a name that no certificate has.
    UnknownName,
    /// The client's side of it was wrong, or it went away.
    Broken,
}

impl Meter {
    /// Shows the counts in `registry`, those by reason from zero.
    pub fn register(&self, registry: &mut Registry) {
        registry.register("connections_open", "Client connections open now", self.open.clone());
        registry.register("connections_accepted", "Client connections admitted", self.accepted.clone());
        registry.register("connections_refused", "Client connections refused at a cap", self.refused.clone());
        registry.register("tls_handshakes_failed", "TLS handshakes that failed", self.handshakes.clone());
        for overload in Overload::ALL {
            drop(self.refused.get_or_create(&[("reason", overload.word())]));
        }
        for end in HandshakeEnd::ALL {
            drop(self.handshakes.get_or_create(&[("reason", end.word())]));
        }
        registry.register("accept_failures", "Times the system ran out while accepting", self.exhausted.clone());
    }

    pub(super) fn refused(&self, overload: Overload) {
        self.refused.get_or_create(&[("reason", overload.word())]).inc();
    }

    pub(super) fn handshake_failed(&self, end: HandshakeEnd) {
        self.handshakes.get_or_create(&[("reason", end.word())]).inc();
    }
}

impl Overload {
    const ALL: [Overload; 2] = [Overload::Connections, Overload::PerAddress];

    const fn word(self) -> &'static str {
        match self {
            Overload::Connections => "connections",
            Overload::PerAddress => "per_address",
        }
    }
}

impl HandshakeEnd {
    const ALL: [HandshakeEnd; 3] = [HandshakeEnd::Late, HandshakeEnd::UnknownName, HandshakeEnd::Broken];

    const fn word(self) -> &'static str {
        match self {
            HandshakeEnd::Late => "late",
            HandshakeEnd::UnknownName => "unknown_name",
            HandshakeEnd::Broken => "broken",
        }
    }
}
