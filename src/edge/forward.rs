//! From an admission to a member: the pick, the peer, and the header fields that say who is asking, stamped here and
//! nowhere earlier, because earlier ones can be removed by a client's `Connection` field.

use super::upgrade::Early;
use super::{Admission, Arrival, Edge, Failure, Forwarding, Passage};
use crate::edition::Edition;
use crate::pool::{NoMember, peer};
use crate::session::cookie::{self, Transport};
use crate::stdx::clock::Time;
use http::header::{self, HeaderName, HeaderValue};
use pingora::Result;
use pingora::http::RequestHeader;
use pingora::upstreams::peer::HttpPeer;
use pingora::{BError, Error, ErrorSource, ErrorType};
use std::borrow::Cow;

// Text and not `HeaderName`: the engine keeps the spelling beside the name, and copies what is not static text.
const ACCOUNT: &str = "X-Portcullis-Account";
const GROUPS: &str = "X-Portcullis-Groups";
const ASSURANCE: &str = "X-Portcullis-Assurance";
const ASSERTION: &str = "X-Portcullis-Assertion";
/// Names a request, to services and to callers.
pub const REQUEST_ID: &str = "X-Request-Id";
const FORWARDED_FOR: &str = "X-Forwarded-For";
const FORWARDED_PROTO: &str = "X-Forwarded-Proto";
const FORWARDED_HOST: &str = "X-Forwarded-Host";
const FORWARDED_PORT: &str = "X-Forwarded-Port";

/// Fields that say where a request comes from or what it is, under names that services believe: whoever sent them, they
/// do not arrive. Those that begin with `x-portcullis` or `x-forwarded` are not listed, they all go.
const CLAIMS: [&str; 15] = [
    "forwarded",
    "x-real-ip",
    "true-client-ip",
    "x-client-ip",
    "x-cluster-client-ip",
    "x-original-url",
    "x-rewrite-url",
    "x-original-host",
    "x-host",
    "x-http-method",
    "x-http-method-override",
    "x-method-override",
    "cf-connecting-ip",
    "fastly-client-ip",
    "x-request-id",
];

impl Passage {
    /// Picks a member for the admitted request.
    ///
    /// # Errors
    /// If none can be used; then [`Passage::failure`] says which members there are.
    pub fn pick(&mut self, now: Time) -> Result<Box<HttpPeer>> {
        let Some(ready) = self.admission.as_ref().and_then(|admission| self.edition.ready(&admission.route)) else {
            self.failure = Some(Failure::Internal);
            return Err(internal("a request without an admission reached its forwarding"));
        };
        let retries_left = ready.pool.plan().retries;
        let forwarding = self.forwarding.get_or_insert_with(|| Forwarding { retries_left, ..Forwarding::default() });
        // The old pick is let go first: its member is not busy with us any more.
        forwarding.pick = None;
        // What the client said already is told again to whoever is asked next.
        forwarding.early = Early::default();
        match ready.pool.pick(now, &forwarding.tried) {
            Ok(pick) => {
                let stream = self.arrival.as_ref().is_some_and(|arrival| arrival.upgrade || arrival.events);
                let protocol = if stream { peer::Protocol::Stream } else { peer::Protocol::Http };
                let peer = peer::peer(&pick, protocol);
                forwarding.pick = Some(pick);
                forwarding.tries += 1;
                Ok(peer)
            }
            Err(none) => {
                forwarding.leave_out(&ready.pool.status(now));
                self.failure = Some(after(none));
                Err(Error::explain(ErrorType::HTTPStatus(503), "no member can be used"))
            }
        }
    }

    /// A member could not be reached; nothing was sent. `true` if another one may be tried.
    pub fn connect_failed(&mut self, error: &Error, now: Time) -> bool {
        self.failure = Some(Failure::Unreachable);
        let Some(forwarding) = self.forwarding.as_mut() else { return false };
        forwarding.give_up(error, self.began);
        let Some(pick) = forwarding.pick.take() else { return false };
        pick.connect_failed(now);
        forwarding.tried.add(&pick);
        let again = forwarding.retries_left > 0;
        forwarding.retries_left = forwarding.retries_left.saturating_sub(1);
        again
    }

    /// A member was reached and then did not answer, or not to the end; if it was the client that did not go on, there
    /// is nothing to note.
    pub fn answer_failed(&mut self, error: &Error) {
        if *error.esource() == ErrorSource::Downstream {
            return;
        }
        self.failure = Some(match error.etype() {
            ErrorType::ReadTimedout | ErrorType::WriteTimedout => Failure::TimedOut,
            _ => Failure::Unreachable,
        });
        if let Some(forwarding) = self.forwarding.as_mut() {
            forwarding.give_up(error, self.began);
        }
    }

    /// A member was reached.
    pub fn connected(&mut self) {
        self.failure = None;
        if let Some(pick) = self.forwarding.as_ref().and_then(|forwarding| forwarding.pick.as_ref()) {
            pick.connected();
        }
    }
}

/// What to say when no member is left: one that was tried is unreachable, the others were not usable to begin with.
fn after(none: NoMember) -> Failure {
    if none.tried > 0 { Failure::Unreachable } else { Failure::NoMember(none) }
}

impl Edge {
    /// Writes what the service is told, and removes whatever a client said under the same names.
    ///
    /// # Errors
    /// If the request was not admitted, or the assertion cannot be signed: then it must not go on.
    pub fn stamp(&self, request: &mut RequestHeader, passage: &Passage) -> Result<()> {
        let (Some(arrival), Some(admission)) = (&passage.arrival, &passage.admission) else {
            return Err(internal("a request without an admission reached its stamping"));
        };
        remove_claims(request, arrival);
        remove_cookies(request)?;
        if arrival.upgrade {
            request.insert_header(header::CONTENT_LENGTH, HeaderValue::from_static("0"))?;
        }
        self.identify(request, &passage.edition, (arrival, admission))?;
        origin(request, passage, arrival)
    }

    fn identify(
        &self,
        request: &mut RequestHeader,
        edition: &Edition,
        (arrival, admission): (&Arrival, &Admission),
    ) -> Result<()> {
        let Some(session) = &admission.session else { return Ok(()) };
        let ready = edition.ready(&admission.route).ok_or_else(|| internal("a route without its pool"))?;
        let Some(audience) = &ready.audience else { return Ok(()) };
        let stamp = self.mint.stamp(session, audience, arrival.now);
        let stamp = stamp.ok_or_else(|| internal("an assertion could not be signed"))?;
        request.insert_header(ACCOUNT, stamp.account)?;
        if let Some(groups) = stamp.groups {
            request.insert_header(GROUPS, groups)?;
        }
        request.insert_header(ASSURANCE, stamp.assurance)?;
        request.insert_header(ASSERTION, stamp.assertion)
    }
}

fn remove_claims(request: &mut RequestHeader, arrival: &Arrival) {
    let claims = |name: &HeaderName| {
        let name = &*plain(name.as_str());
        // A trusted proxy's chain is continued, not replaced.
        let continued = arrival.by_proxy && name.eq_ignore_ascii_case(FORWARDED_FOR);
        let begins = name.starts_with("x-portcullis") || name.starts_with("x-forwarded");
        (begins || CLAIMS.contains(&name)) && !continued
    };
    // Almost no request has any: look before collecting.
    if !request.headers.keys().any(claims) {
        return;
    }
    let found: Vec<HeaderName> = request.headers.keys().filter(|name| claims(name)).cloned().collect();
    found.iter().for_each(|name| {
        request.remove_header(name);
    });
}

/// A field's name as the most forgiving service reads it: there are some that take every other character for a dash.
fn plain(name: &str) -> Cow<'_, str> {
    let odd = |letter: char| !letter.is_ascii_alphanumeric() && letter != '-';
    if name.contains(odd) { Cow::Owned(name.replace(odd, "-")) } else { Cow::Borrowed(name) }
}

/// Takes our cookies out and joins what HTTP/2 split (RFC 9113 §8.2.3).
fn remove_cookies(request: &mut RequestHeader) -> Result<()> {
    let mut fields = request.headers.get_all(header::COOKIE).iter();
    let untouched = match (fields.next(), fields.next()) {
        (None, _) => true,
        (Some(only), None) => cookie::is_foreign(only.as_bytes()),
        (Some(_), Some(_)) => false,
    };
    if untouched {
        return Ok(());
    }
    let all = request.headers.get_all(header::COOKIE).iter().map(HeaderValue::as_bytes);
    let left = cookie::without_ours(all);
    request.remove_header(&header::COOKIE);
    match left.and_then(|left| HeaderValue::from_bytes(&left).ok()) {
        Some(left) => request.insert_header("Cookie", left),
        None => Ok(()),
    }
}

/// `X-Request-Id`, `Forwarded` (RFC 7239), the `X-Forwarded-*` family and `Via` (RFC 9110 §7.6.3).
fn origin(request: &mut RequestHeader, passage: &Passage, arrival: &Arrival) -> Result<()> {
    use std::fmt::Write as _;
    let proto = match arrival.transport {
        Transport::Secure => "https",
        Transport::Plain => "http",
    };
    let port = arrival.port.unwrap_or(match arrival.transport {
        Transport::Secure => 443,
        Transport::Plain => 80,
    });
    let mut text = String::with_capacity(96);
    let mut value = |arguments: std::fmt::Arguments<'_>| -> Result<HeaderValue> {
        text.clear();
        text.write_fmt(arguments).map_err(|_| internal("a header field could not be written"))?;
        HeaderValue::from_str(&text).map_err(|_| internal("a header field could not be written"))
    };
    request.insert_header(REQUEST_ID, value(format_args!("{}", passage.id))?)?;
    let client = arrival.client;
    let quoted = if client.is_ipv6() { format_args!("\"[{client}]\"") } else { format_args!("{client}") };
    let host = &arrival.host;
    let named = if host.contains(':') { format_args!("\"{host}\"") } else { format_args!("{host}") };
    request.insert_header("Forwarded", value(format_args!("for={quoted};host={named};proto={proto}"))?)?;
    let peer = arrival.connection.peer.ip().to_canonical();
    let chain = request.headers.get_all(FORWARDED_FOR).iter().filter_map(|field| field.to_str().ok());
    let chain: Vec<&str> = chain.filter(|_| arrival.by_proxy).collect();
    let forwarded_for = match chain.as_slice() {
        [] => value(format_args!("{peer}"))?,
        chain => value(format_args!("{}, {peer}", chain.join(", ")))?,
    };
    request.insert_header(FORWARDED_FOR, forwarded_for)?;
    request.insert_header(FORWARDED_PROTO, HeaderValue::from_static(proto))?;
    request.insert_header(FORWARDED_HOST, value(format_args!("{host}"))?)?;
    request.insert_header(FORWARDED_PORT, HeaderValue::from(port))?;
    request.append_header("Via", HeaderValue::from_static("1.1 portcullis"))?;
    Ok(())
}

fn internal(what: &'static str) -> BError {
    tracing::error!(what, "an invariant does not hold; the request is refused");
    Error::explain(ErrorType::InternalError, what)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn crumbs_of_cookies_are_joined_and_ours_are_gone() {
        let mut request = RequestHeader::build("GET", b"/", None).expect("a request");
        request.append_header("cookie", "a=1").expect("a field");
        request.append_header("cookie", "__Host-portcullis=secret").expect("a field");
        request.append_header("cookie", "b=2").expect("a field");
        remove_cookies(&mut request).expect("cookies");
        let left: Vec<_> = request.headers.get_all("cookie").iter().collect();
        assert_eq!(left, ["a=1; b=2"]);
    }

    #[test]
    fn a_single_foreign_cookie_field_is_not_touched() {
        let mut request = RequestHeader::build("GET", b"/", None).expect("a request");
        request.append_header("cookie", "a=1;b = 2").expect("a field");
        remove_cookies(&mut request).expect("cookies");
        assert_eq!(request.headers.get("cookie").expect("kept"), "a=1;b = 2");
    }
}
