//! `[[listen]]`, `[[certificate]]`, `[limits]`: connections.

use super::doubt::Placed;
use crate::config::raw::{At, Fetched, Place, Reading};
use crate::config::words::Main;
use crate::config::words::gateway::{Certificate, Limits};
use crate::edition::RoutePlan;
use crate::listen::{CertificatePart, Certified, ConnectionLimits, ListenPlan};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

/// Descriptors of a connection: its own, and the member's while it is forwarded.
const DESCRIPTORS_EACH: u64 = 2;

/// Descriptors for everything that is no client's: the store, the log, the operator's connections, health checks.
const OTHER_DESCRIPTORS: u64 = 100;

/// The listeners: at least one, each with an address of its own.
pub fn listeners(main: &Main, reading: &Reading<'_>) -> Vec<ListenPlan> {
    let At { place, value: listeners } = &main.listen;
    if listeners.is_empty() && !reading.report.blames(place.file(), place.key()) {
        reading.problem(place, "nothing listens; at least one [[listen]] with an address is needed");
    }
    let mut places: BTreeMap<SocketAddr, &Place> = BTreeMap::new();
    let mut plans = Vec::new();
    for At { value: listen, .. } in listeners {
        let (tls, redirect) = (&listen.tls, &listen.redirect_to_https);
        if tls.value && redirect.value {
            reading.problem(&redirect.place, "a listener with tls = true cannot redirect to https: it is https");
        }
        if tls.value && main.certificate.value.is_empty() {
            reading.problem(&tls.place, "TLS needs a certificate; at least one [[certificate]] must be given");
        }
        let Some(At { place, value: address }) = &listen.address else { continue };
        if let Some(first) = places.insert(*address, place) {
            reading.problem(place, format!("there is already a listener on {address}, at {first}"));
        }
        let client_certificates = listen.client_certificates.value;
        if client_certificates && !tls.value {
            let place = &listen.client_certificates.place;
            reading.problem(place, "clients show certificates in a TLS handshake; give tls = true too");
        }
        let (tls, redirect_to_https) = (tls.value, redirect.value);
        plans.push(ListenPlan { address: *address, tls, redirect_to_https, client_certificates });
    }
    plans
}

/// The certificates, read and checked, and where each is written.
pub fn certificates<'a>(main: &'a Main, reading: &Reading<'_>) -> Vec<Placed<'a>> {
    let tls = main.listen.value.iter().any(|listen| listen.value.tls.value);
    if let (Some(first), false) = (main.certificate.value.first(), tls) {
        reading.warn(&first.place, "no listener shows this certificate: none has tls = true");
    }
    let opened = |certificate: &'a At<Certificate>| {
        let certified = open(&certificate.value, reading)?;
        let place = certificate.value.cert.as_ref().map_or(&certificate.place, |cert| &cert.place);
        Some((place, Arc::new(certified)))
    };
    main.certificate.value.iter().filter_map(opened).collect()
}

/// Reads a certificate and its key. Both are read even if one cannot be, so that both are told.
fn open(certificate: &Certificate, reading: &Reading<'_>) -> Option<Certified> {
    let chain = certificate.cert.as_ref().and_then(|cert| {
        let chain = reading.bytes(&cert.value).map_err(|what| reading.problem(&cert.place, what)).ok();
        chain.map(|chain| (cert, chain))
    });
    let key =
        certificate.key.as_ref().and_then(|key| key.value.open(&key.place, reading).map(|fetched| (key, fetched)));
    let ((cert, chain), (key, fetched)) = (chain?, key?);
    let refused = |error: crate::listen::InvalidCertificate| match error.part() {
        CertificatePart::Chain => reading.problem(&cert.place, format!("{}: {error}", cert.value.display())),
        CertificatePart::Key => reading.problem(&key.place, error.to_string()),
    };
    let certified = match fetched {
        Fetched::Secret(secret) => Certified::parse(&chain, &secret),
        Fetched::Unseen => Certified::without_key(&chain),
    };
    certified.map_err(refused).ok()
}

/// Caps and deadlines.
pub fn limits(limits: &Limits, reading: &Reading<'_>) -> ConnectionLimits {
    ConnectionLimits {
        connections: connections(limits.connections.as_ref(), reading),
        per_address: limits.per_address.value as usize,
        handshake: limits.handshake.value,
        header: limits.header_deadline.value,
        header_bytes: limits.header_size.value as usize,
        idle: limits.idle.value,
        requests: limits.requests.value,
    }
}

/// As many connections as were asked for, with a warning if the process may not open so many files; by itself no more than
/// it may.
fn connections(written: Option<&At<u32>>, reading: &Reading<'_>) -> usize {
    let allowed = reading.environment.descriptors();
    let room = allowed.map(|allowed| allowed.saturating_sub(OTHER_DESCRIPTORS) / DESCRIPTORS_EACH);
    let room = room.and_then(|room| usize::try_from(room).ok()).unwrap_or(usize::MAX).max(1);
    let Some(At { place, value }) = written else { return ConnectionLimits::DEFAULT.connections.min(room) };
    let wanted = *value as usize;
    if let Some(allowed) = allowed.filter(|_| wanted > room) {
        let needed = u64::from(*value) * DESCRIPTORS_EACH + OTHER_DESCRIPTORS;
        reading.warn(
            place,
            format!(
                "so many need {needed} open files, and this process may have {allowed}: raise the limit (LimitNOFILE=, \
                 ulimit -n), or write {room}"
            ),
        );
    }
    wanted
}

/// Warns of listeners over which sessions would travel in the clear.
pub fn warn_of_plain(main: &Main, routes: &[Arc<RoutePlan>], reading: &Reading<'_>) {
    let sessions = routes.iter().any(|route| route.policy.needs_session());
    let behind_proxy = !main.gateway.value.trusted_proxies.value.is_empty();
    if !sessions || behind_proxy {
        return;
    }
    for At { value: listen, .. } in &main.listen.value {
        let Some(At { place, value: address }) = &listen.address else { continue };
        let protected = listen.tls.value || listen.redirect_to_https.value || address.ip().is_loopback();
        if !protected {
            let remedy = "set tls = true, or redirect_to_https = true, or name the proxy before it in trusted_proxies";
            reading.warn(place, format!("sessions would cross the network in the clear over {address}; {remedy}"));
        }
    }
}
