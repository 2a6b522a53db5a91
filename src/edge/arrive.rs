//! From the engine's request to an [`Arrival`]: strictness, canonical host, client address; no I/O and no judgement.

use super::origin::Origin;
use super::survey::Survey;
use super::{Arrival, Edge, Fault, Passage, Refusal, stamp, strict};
use crate::edition::TrustedProxies;
use crate::listen::{Connection, Unreadable};
use crate::session::cookie::Transport;
use pingora::http::RequestHeader;
use pingora::proxy::Session;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

/// How long a client may take to accept a part of an answer. Slow readers are ended, not waited for.
const WRITE_TIMEOUT: Duration = Duration::from_secs(60);

/// How long the rest of an unwanted body is read before the connection is closed.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(5);

/// Sets the connection's own limits, which the engine leaves open, and reads the request.
///
/// # Errors
/// [`Refusal::Malformed`] if it cannot be read safely, [`Refusal::NotEncrypted`] if it only gets a redirect,
/// [`Refusal::AboutServer`] if it is about no service.
pub fn arrive(edge: &Edge, http: &mut Session, passage: &Passage) -> Result<Arrival, Refusal> {
    // Without this guard a keep-alive that the engine switched off because of odd framing would be switched on again.
    // It sets no time: the connection's own stream ends it when it is idle, without a timer for each request.
    if http.get_keepalive().is_some() {
        http.set_keepalive(Some(0));
    }
    http.set_write_timeout(Some(WRITE_TIMEOUT));
    http.set_total_drain_timeout(Some(DRAIN_TIMEOUT));
    // RFC 9110 §15.2: a client of HTTP/1.0 would take an interim answer for the answer.
    if http.req_header().version == http::Version::HTTP_10 {
        http.set_ignore_info_resp(true);
    }
    let connection = http.digest().and_then(Connection::of).cloned();
    let connection = connection.ok_or(Refusal::Broken(super::Failure::Internal))?;
    if connection.had_odd_line() {
        return Err(Refusal::Malformed(Fault::Header(Unreadable::Line)));
    }
    let proxies = &passage.edition.plan.gateway.trusted_proxies;
    let transport = transport(http.req_header(), &connection, proxies)?;
    to_origin_form(http.req_header_mut(), transport)?;
    let arrival = read(edge, http, (&connection, transport), proxies)?;
    if connection.redirect_to_https && arrival.transport == Transport::Plain {
        return Err(Refusal::NotEncrypted);
    }
    stamp::forget_spelling(http.req_header_mut());
    if arrival.upgrade || (arrival.events && http.is_body_empty()) {
        // A stream may be silent for as long as its permit lasts; the tether ends it.
        http.set_read_timeout(None);
    }
    Ok(arrival)
}

/// How the client reaches us: encrypted itself, or as a trusted proxy says of its own client.
///
/// # Errors
/// If a trusted proxy does not say exactly one thing: part of it may be the client's own words.
fn transport(request: &RequestHeader, connection: &Connection, proxies: &TrustedProxies) -> Result<Transport, Refusal> {
    let direct = if connection.tls.is_some() { Transport::Secure } else { Transport::Plain };
    if !proxies.has(connection.peer.ip().to_canonical()) {
        return Ok(direct);
    }
    let mut said = request.headers.get_all("x-forwarded-proto").iter().map(http::HeaderValue::as_bytes);
    let of_client = match (said.next(), said.next()) {
        (None, _) => Transport::Plain,
        (Some(proto), None) if is_any_of(proto, [b"https", b"wss"]) => Transport::Secure,
        (Some(proto), None) if is_any_of(proto, [b"http", b"ws"]) => Transport::Plain,
        (Some(_), _) => {
            let unclear = Fault::Fields("X-Forwarded-Proto of a trusted proxy is not one of http and https, said once");
            return Err(Refusal::Malformed(unclear));
        }
    };
    Ok(if connection.tls.is_some() { direct } else { of_client })
}

fn is_any_of(value: &[u8], words: [&[u8]; 2]) -> bool {
    words.iter().any(|word| value.eq_ignore_ascii_case(word))
}

/// A target in absolute form goes on in origin form, which is what is matched and what services expect.
fn to_origin_form(request: &mut RequestHeader, transport: Transport) -> Result<(), Refusal> {
    if request.raw_path().starts_with(b"/") {
        return Ok(());
    }
    let host = strict::host(request).map_err(Refusal::Malformed)?;
    let Some(target) = strict::origin_form(request, &host, transport).map_err(Refusal::Malformed)? else {
        return Ok(());
    };
    let unreadable = |_| Refusal::Malformed(Fault::Framing("the target cannot be read"));
    request.set_raw_path(&target).map_err(unreadable)
}

fn read(
    edge: &Edge,
    http: &Session,
    (connection, transport): (&Arc<Connection>, Transport),
    proxies: &TrustedProxies,
) -> Result<Arrival, Refusal> {
    let (request, http1) = (http.req_header(), http.as_http1());
    let survey = Survey::of(&request.headers);
    let (host, port) = host(request, &survey, connection).map_err(Refusal::Malformed)?;
    strict::fields(request, &survey, http1).map_err(Refusal::Malformed)?;
    if strict::is_about_server(request) {
        return Err(Refusal::AboutServer);
    }
    strict::target(request).map_err(Refusal::Malformed)?;
    let peer = connection.peer.ip().to_canonical();
    let by_proxy = proxies.has(peer);
    // A proxy of ours speaks for many hosts on one connection, and we trust it with that.
    if !by_proxy && !connection.is_for(&host) {
        return Err(Refusal::Misdirected);
    }
    let upgrade = strict::is_upgrade(request, &survey);
    if upgrade {
        strict::origin(request, (&host, port), transport).map_err(Refusal::Malformed)?;
    }
    Ok(Arrival {
        now: edge.clock.now(),
        connection: connection.clone(),
        port,
        host,
        transport,
        client: if by_proxy { forwarded_client(request, proxies)?.unwrap_or(peer) } else { peer },
        by_proxy,
        upgrade,
        events: strict::asks_for_events(request, &survey),
    })
}

/// The canonical host and the port. An earlier request on the connection that was for the same one has read it already.
fn host(
    request: &RequestHeader,
    survey: &Survey<'_>,
    connection: &Connection,
) -> Result<(Arc<str>, Option<u16>), Fault> {
    let known = strict::named_host(request, survey).and_then(|named| Origin::known(connection)?.host_named(named));
    if let Some(known) = known {
        return Ok(known);
    }
    let host = strict::host(request)?;
    Ok((host.name().into(), host.port()))
}

/// The rightmost address in `X-Forwarded-For` that is not itself a trusted proxy: everything left of it was written by
/// somebody we do not know. `None` if the field is not there.
///
/// # Errors
/// If the entry that decides is no address: the client must not choose one by making it unreadable.
fn forwarded_client(request: &RequestHeader, proxies: &TrustedProxies) -> Result<Option<IpAddr>, Refusal> {
    let fields = request.headers.get_all("x-forwarded-for").iter().rev();
    let mut last = None;
    for entry in fields.flat_map(|field| field.as_bytes().rsplit(|byte| *byte == b',')) {
        let unreadable = Fault::Fields("X-Forwarded-For of a trusted proxy holds something that is no address");
        let address = forwarded_address(entry.trim_ascii()).ok_or(Refusal::Malformed(unreadable))?;
        last = Some(address);
        if !proxies.has(address) {
            break;
        }
    }
    Ok(last)
}

/// An address, with or without the port that some proxies add.
fn forwarded_address(entry: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(entry).ok()?;
    let with_port = || text.parse::<SocketAddr>().ok().map(|address| address.ip());
    Some(text.parse().ok().or_else(with_port)?.to_canonical())
}
