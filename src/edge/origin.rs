//! Where requests come from, as services are told: made by a connection's first request and kept for the others.

use super::Arrival;
use crate::listen::Connection;
use crate::session::cookie::Transport;
use http::HeaderValue;
use std::net::IpAddr;
use std::sync::Arc;

/// What services are told of where a request comes from. It is the same for all requests of a connection for one host,
/// so the first of them makes it for the others.
pub struct Origin {
    host: Arc<str>,
    /// The port, if the request named one.
    port: Option<u16>,
    pub transport: Transport,
    client: IpAddr,
    /// `Forwarded` (RFC 7239).
    pub forwarded: HeaderValue,
    /// The peer, as it goes into `X-Forwarded-For`.
    pub peer: HeaderValue,
    /// `X-Forwarded-Host`: the host as the client named it, if that was canonical.
    pub host_field: HeaderValue,
    /// `X-Forwarded-Port`.
    pub port_field: HeaderValue,
}

impl Origin {
    /// The one that the connection keeps, if a request has left one.
    pub fn known(connection: &Connection) -> Option<&Origin> {
        connection.kept()
    }

    /// The one that the connection keeps, made by the first request; not always that of this one.
    pub fn kept(arrival: &Arrival) -> Option<&Origin> {
        arrival.connection.keepsake(|| Origin::of(arrival))
    }

    /// The canonical host and its port, if `named` is just what would be made of them.
    pub fn host_named(&self, named: &[u8]) -> Option<(Arc<str>, Option<u16>)> {
        (self.host_field == *named).then(|| (Arc::clone(&self.host), self.port))
    }

    /// Where a request comes from.
    pub fn of(arrival: &Arrival) -> Origin {
        let (host, client) = (&arrival.host, arrival.client);
        let quoted = if client.is_ipv6() { format!("\"[{client}]\"") } else { client.to_string() };
        // RFC 7239 §5.3: what the `Host` field said, so with the port if one was said there.
        let named = arrival.port.map_or_else(|| host.to_string(), |port| format!("{host}:{port}"));
        let told = if named.contains(':') { format!("\"{named}\"") } else { named.clone() };
        let forwarded = format!("for={quoted};host={told};proto={}", scheme(arrival.transport));
        let value = |text: String| HeaderValue::try_from(text).expect("addresses and canonical hosts are plain text");
        Origin {
            host: host.clone(),
            port: arrival.port,
            transport: arrival.transport,
            client,
            forwarded: value(forwarded),
            peer: value(arrival.connection.peer.ip().to_canonical().to_string()),
            host_field: value(named),
            port_field: port(arrival).into(),
        }
    }

    /// Whether it is where a request comes from.
    pub fn is_of(&self, arrival: &Arrival) -> bool {
        (&self.host, self.port, self.transport, self.client)
            == (&arrival.host, arrival.port, arrival.transport, arrival.client)
    }
}

/// The scheme, in a word.
pub fn scheme(transport: Transport) -> &'static str {
    match transport {
        Transport::Secure => "https",
        Transport::Plain => "http",
    }
}

fn port(arrival: &Arrival) -> u16 {
    arrival.port.unwrap_or(match arrival.transport {
        Transport::Secure => 443,
        Transport::Plain => 80,
    })
}
