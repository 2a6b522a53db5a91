//! From a member's response to the client's: what belongs to one hop is removed, what belongs to the gateway is not
//! accepted from a service, and streams are tied to their permit.

use super::tether::Stream;
use super::{Edge, Passage, stamp};
use crate::session::cookie;
use crate::stdx::clock::Time;
use http::header::{self, HeaderName, HeaderValue};
use pingora::http::{RequestHeader, ResponseHeader};
use pingora::{Error, ErrorType, Result};
use std::time::Duration;

/// Fields of one hop that the engine leaves in responses (RFC 9110 §7.6.1).
const HOP_BY_HOP: [HeaderName; 5] = [
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    header::PROXY_AUTHENTICATE,
    header::TE,
    header::TRAILER,
];

/// What a member may name in `Connection` without having it removed: usual words that are no fields of ours to remove,
/// what frames the body, and what is judged by itself.
const NOT_NOMINATED: [&[u8]; 5] = [b"close", b"keep-alive", b"upgrade", b"content-length", b"transfer-encoding"];

/// How long an answer may be on its way and not be tied to its permit: it saves most answers the trouble, and the rest
/// is tied soon enough for whoever ends a session.
const LONG: Duration = Duration::from_secs(1);

impl Edge {
    /// Cleans a member's response and ties it to its permit if it is a stream.
    ///
    /// # Errors
    /// If nobody can say where the response ends, it switches protocols unasked, or its header cannot be written.
    pub fn deliver(&self, request: &RequestHeader, response: &mut ResponseHeader, passage: &mut Passage) -> Result<()> {
        if has_odd_coding(response) {
            return Error::e_explain(ErrorType::InvalidHTTPHeader, "a response's Transfer-Encoding is not chunked");
        }
        let switches = response.status == http::StatusCode::SWITCHING_PROTOCOLS;
        if switches && !passage.arrival.as_ref().is_some_and(|arrival| arrival.upgrade) {
            return Error::e_explain(ErrorType::InvalidHTTPHeader, "a member switched protocols without being asked");
        }
        let one_hop = |name: &HeaderName| HOP_BY_HOP.contains(name) || (!switches && *name == header::UPGRADE);
        for name in nominated(response) {
            response.remove_header(&name);
        }
        while let Some(name) = response.headers.keys().find(|name| one_hop(name)).cloned() {
            response.remove_header(&name);
        }
        remove_reserved(response)?;
        response.insert_header(stamp::REQUEST_ID, passage.name.clone())?;
        // An interim answer ends no waiting.
        if let Some(forwarding) =
            passage.forwarding.as_mut().filter(|_| switches || !response.status.is_informational())
        {
            forwarding.tether = None;
        }
        if is_stream(response) {
            self.tie(request, passage, None);
        }
        passage.settle_early(response.status);
        if let Some(forwarding) = passage.forwarding.as_mut() {
            forwarding.answered = Some(std::time::Instant::now());
        }
        Ok(())
    }

    /// Ties a request that will be silent for as long as it likes once it is answered: until then it is not, and it goes
    /// with its permit like the stream that it asks for.
    pub fn tie_waiting(&self, request: &RequestHeader, passage: &mut Passage) {
        let waits = passage.arrival.as_ref().filter(|arrival| arrival.upgrade || arrival.events);
        let (Some(arrival), Some(ready)) = (waits, passage.ready()) else { return };
        let answer_by = arrival.now.plus(ready.pool.plan().timeouts.read);
        self.tie(request, passage, Some(answer_by));
    }

    /// Ties an answer that goes on for longer than answers do: whatever it calls itself, it is a stream.
    pub fn tie_long(&self, request: &RequestHeader, passage: &mut Passage) {
        let Some(forwarding) = passage.forwarding.as_mut() else { return };
        if forwarding.tether.is_none() && passage.began.elapsed() > LONG {
            forwarding.long = true;
            self.tie(request, passage, None);
        } else if forwarding.long
            && let Some(session) = passage.admission.as_ref().and_then(|admission| admission.session.as_ref())
        {
            // Somebody who downloads is not away.
            self.reader.note_use(session, self.clock.now());
        }
    }

    fn tie(&self, request: &RequestHeader, passage: &mut Passage, answer_by: Option<Time>) {
        let (Some(arrival), Some(admission)) = (&passage.arrival, &passage.admission) else { return };
        let until = admission.session.as_ref().map(|session| {
            let absolute = session.created.plus(passage.edition.sessions().absolute);
            let lapses = admission.permit.policy().lapses(&session.proofs).unwrap_or(Time::EPOCH);
            absolute.min(lapses)
        });
        let stream = Stream {
            method: request.method.clone(),
            host: arrival.host.clone(),
            target: request.raw_path().into(),
            headers: request.headers.clone(),
            client: arrival.client,
            began: passage.began,
            session: admission.session.clone(),
            until,
            answer_by,
        };
        if let Some(forwarding) = passage.forwarding.as_mut() {
            forwarding.tether = Some(self.tethers.tie(stream, arrival.connection.lifeline.clone()));
        }
    }
}

/// Whether a body ends otherwise than by its length, its chunks or its connection.
fn has_odd_coding(response: &ResponseHeader) -> bool {
    let mut codings = response.headers.get_all(header::TRANSFER_ENCODING).iter();
    codings.next().is_some_and(|coding| !coding.as_bytes().eq_ignore_ascii_case(b"chunked")) || codings.next().is_some()
}

/// The fields that a member names in `Connection`. Almost none does, and then nothing is allocated.
fn nominated(response: &ResponseHeader) -> Vec<HeaderName> {
    let values = response.headers.get_all(header::CONNECTION).iter();
    let tokens = values.flat_map(|value| value.as_bytes().split(|byte| *byte == b',')).map(<[u8]>::trim_ascii);
    let named = tokens.filter(|token| !NOT_NOMINATED.iter().any(|word| token.eq_ignore_ascii_case(word)));
    named.filter_map(|token| HeaderName::from_bytes(token).ok()).collect()
}

/// Whether a response may go on for as long as both ends like.
fn is_stream(response: &ResponseHeader) -> bool {
    let kind = response.headers.get(header::CONTENT_TYPE).map_or(&b""[..], HeaderValue::as_bytes);
    let begins = |prefix: &[u8]| kind.len() >= prefix.len() && kind[..prefix.len()].eq_ignore_ascii_case(prefix);
    response.status == http::StatusCode::SWITCHING_PROTOCOLS
        || begins(b"text/event-stream")
        || begins(b"application/grpc")
}

/// A service may neither set our cookies nor speak in our name.
fn remove_reserved(response: &mut ResponseHeader) -> Result<()> {
    let ours: Vec<HeaderName> =
        response.headers.keys().filter(|name| name.as_str().starts_with("x-portcullis")).cloned().collect();
    ours.iter().for_each(|name| {
        response.remove_header(name);
    });
    let reserved = |value: &HeaderValue| sets_ours(value.as_bytes());
    if !response.headers.get_all(header::SET_COOKIE).iter().any(reserved) {
        return Ok(());
    }
    tracing::warn!("a service tried to set a cookie of the gateway; it was removed");
    let kept: Vec<HeaderValue> =
        response.headers.get_all(header::SET_COOKIE).iter().filter(|value| !reserved(value)).cloned().collect();
    response.remove_header(&header::SET_COOKIE);
    kept.into_iter().try_for_each(|value| response.append_header(header::SET_COOKIE, value).map(drop))
}

/// Whether a `Set-Cookie` field sets a cookie that we would read as ours. A cookie without a name comes back as its value
/// alone (RFC 6265bis §5.7), so `=portcullis=x` does.
fn sets_ours(field: &[u8]) -> bool {
    let mut pair = field.split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii();
    while let [b'=', rest @ ..] = pair {
        pair = rest.trim_ascii_start();
    }
    let name = pair.split(|byte| *byte == b'=').next().unwrap_or_default();
    cookie::is_reserved(name.trim_ascii())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_cannot_set_our_cookies_or_speak_in_our_name() {
        let mut response = ResponseHeader::build(200, None).expect("a response");
        for (name, value) in [
            ("set-cookie", "__Host-portcullis=x; Path=/"),
            ("set-cookie", "theirs=y"),
            ("x-portcullis-account", "root"),
        ] {
            response.append_header(name, value).expect("a field");
        }
        remove_reserved(&mut response).expect("cleaned");
        let left: Vec<_> = response.headers.get_all("set-cookie").iter().collect();
        assert_eq!(left, ["theirs=y"]);
        assert!(!response.headers.contains_key("x-portcullis-account"));
    }

    #[test]
    fn a_cookie_without_a_name_cannot_come_back_as_ours() {
        for field in
            ["=portcullis=x", "= portcullis=x; Path=/", " =__Host-portcullis=x", "portcullis", "==Portcullis=x"]
        {
            assert!(sets_ours(field.as_bytes()), "{field}");
        }
        for field in ["=theirs", "theirs", "theirs=portcullis=x", "theirs=x; portcullis=y", "=", ""] {
            assert!(!sets_ours(field.as_bytes()), "{field}");
        }
    }
}
