//! From a member's response to the client's: what belongs to one hop is removed, what belongs to the gateway is not
//! accepted from a service, and streams are tied to their permit.

use super::tether::Stream;
use super::{Edge, Passage, stamp};
use crate::pool::Pick;
use crate::session::cookie;
use crate::stdx::clock::Time;
use http::StatusCode;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::response::Parts;
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
        if has_odd_framing(response) {
            let odd = "a response's Transfer-Encoding is not chunked, or its Content-Length is a list";
            return Err(Error::explain(ErrorType::InvalidHTTPHeader, odd).into_up());
        }
        let status = response.status;
        let switches = status == StatusCode::SWITCHING_PROTOCOLS;
        if switches && !passage.arrival.as_ref().is_some_and(|arrival| arrival.upgrade) {
            let odd = Error::explain(ErrorType::InvalidHTTPHeader, "a member switched protocols without being asked");
            return Err(odd.into_up());
        }
        let claimed = with_fields(response, |fields| {
            remove_one_hop(fields, status);
            fields.insert(stamp::REQUEST_ID, passage.name.clone());
            remove_cookies(fields)
        })?;
        if claimed {
            self.complaints.claimed(passage);
        }
        // An interim answer ends no waiting.
        let answers = switches || !status.is_informational();
        if let Some(forwarding) = passage.forwarding.as_mut().filter(|_| answers) {
            forwarding.tether = None;
            forwarding.answered = Some(std::time::Instant::now());
            forwarding.pick.iter().for_each(|pick| Pick::succeeded(pick, || self.clock.now()));
        }
        if is_stream(response) {
            self.tie(request, passage, None);
        }
        passage.settle_early(response.status);
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
            let lapses = admission.permit.policy().lapses(&session.account, &session.proofs).unwrap_or(Time::EPOCH);
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
            carrier: admission.carrier,
            until,
            answer_by,
        };
        if let Some(forwarding) = passage.forwarding.as_mut() {
            forwarding.tether = Some(self.tethers.tie(stream, arrival.connection.lifeline.clone()));
        }
    }
}

/// Whether a body ends otherwise than by its one length, its chunks or its connection.
fn has_odd_framing(response: &ResponseHeader) -> bool {
    let mut codings = response.headers.get_all(header::TRANSFER_ENCODING).iter();
    let coded = codings.next().is_some_and(|coding| !coding.as_bytes().eq_ignore_ascii_case(b"chunked"));
    let length = response.headers.get(header::CONTENT_LENGTH);
    coded || codings.next().is_some() || length.is_some_and(|length| length.as_bytes().contains(&b','))
}

/// Works on the fields without the spelling of their names, which the engine copies with each (RFC 9110 §5.1: it means
/// nothing).
fn with_fields<T>(response: &mut ResponseHeader, work: impl FnOnce(&mut HeaderMap) -> T) -> Result<T> {
    let usual = response.status.canonical_reason();
    let reason = response.get_reason_phrase().filter(|reason| Some(*reason) != usual).map(str::to_owned);
    let blank = ResponseHeader::build_no_case(response.status, Some(0))?;
    let mut parts = Parts::from(std::mem::replace(response, blank));
    let done = work(&mut parts.headers);
    *response = parts.into();
    if reason.is_some() {
        response.set_reason_phrase(reason.as_deref())?;
    }
    Ok(done)
}

/// Takes out what was for this hop only, and what no service may say.
fn remove_one_hop(fields: &mut HeaderMap, status: StatusCode) {
    for name in nominated(fields) {
        fields.remove(&name);
    }
    let goes = |name: &HeaderName| {
        let one_hop =
            HOP_BY_HOP.contains(name) || (status != StatusCode::SWITCHING_PROTOCOLS && *name == header::UPGRADE);
        one_hop || name.as_str().starts_with("x-portcullis")
    };
    // RFC 9110 §8.6: these have no body, and may not say that they had one.
    if status.is_informational() || status == StatusCode::NO_CONTENT {
        fields.remove(header::CONTENT_LENGTH);
    }
    // Almost no answer has any.
    while let Some(name) = fields.keys().find(|name| goes(name)).cloned() {
        fields.remove(&name);
    }
}

/// The fields that a member names in `Connection`. Almost none does, and then nothing is allocated.
fn nominated(fields: &HeaderMap) -> Vec<HeaderName> {
    let values = fields.get_all(header::CONNECTION).iter();
    let tokens = values.flat_map(|value| value.as_bytes().split(|byte| *byte == b',')).map(<[u8]>::trim_ascii);
    let named = tokens.filter(|token| !NOT_NOMINATED.iter().any(|word| token.eq_ignore_ascii_case(word)));
    named.filter_map(|token| HeaderName::from_bytes(token).ok()).collect()
}

/// Whether a response may go on for as long as both ends like.
fn is_stream(response: &ResponseHeader) -> bool {
    let kind = response.headers.get(header::CONTENT_TYPE).map_or(&b""[..], HeaderValue::as_bytes);
    let begins = |prefix: &[u8]| kind.len() >= prefix.len() && kind[..prefix.len()].eq_ignore_ascii_case(prefix);
    response.status == StatusCode::SWITCHING_PROTOCOLS || begins(b"text/event-stream") || begins(b"application/grpc")
}

/// A service may not set our cookies. `true` if it tried to.
fn remove_cookies(fields: &mut HeaderMap) -> bool {
    let reserved = |value: &HeaderValue| sets_ours(value.as_bytes());
    if !fields.get_all(header::SET_COOKIE).iter().any(reserved) {
        return false;
    }
    let cookies = fields.get_all(header::SET_COOKIE).iter();
    let kept: Vec<HeaderValue> = cookies.filter(|value| !reserved(value)).cloned().collect();
    fields.remove(header::SET_COOKIE);
    for value in kept {
        fields.append(header::SET_COOKIE, value);
    }
    true
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
        let mut fields = HeaderMap::new();
        for (name, value) in [
            ("set-cookie", "__Host-portcullis=x; Path=/"),
            ("set-cookie", "theirs=y"),
            ("x-portcullis-account", "root"),
        ] {
            fields.append(name, HeaderValue::from_static(value));
        }
        remove_one_hop(&mut fields, StatusCode::OK);
        assert!(remove_cookies(&mut fields), "it tried");
        let left: Vec<_> = fields.get_all("set-cookie").iter().collect();
        assert_eq!(left, ["theirs=y"]);
        assert!(!fields.contains_key("x-portcullis-account"));
    }

    #[test]
    fn the_words_behind_a_status_stay_a_members_own() {
        let mut response = ResponseHeader::build(404, None).expect("a response");
        response.set_reason_phrase(Some("Gone Fishing")).expect("a phrase");
        with_fields(&mut response, |fields| drop(fields.insert("x-a", HeaderValue::from_static("b")))).expect("done");
        assert_eq!((response.status.as_u16(), response.get_reason_phrase()), (404, Some("Gone Fishing")));
        assert_eq!(response.headers["x-a"], "b");
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
