//! What a service is told of a request: the header fields that say who is asking and from where, written here and nowhere
//! earlier, because earlier ones can be removed by a client's `Connection` field.

use super::bearer::DPOP;
use super::forward::internal;
use super::origin::{self, Origin};
use super::{Admission, Arrival, Authorization, Edge, Passage};
use crate::edition::Edition;
use crate::session::cookie;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::request::Parts;
use pingora::Result;
use pingora::http::RequestHeader;
use std::borrow::Cow;

const ACCOUNT: HeaderName = HeaderName::from_static("x-portcullis-account");
const GROUPS: HeaderName = HeaderName::from_static("x-portcullis-groups");
const ASSURANCE: HeaderName = HeaderName::from_static("x-portcullis-assurance");
const ASSERTION: HeaderName = HeaderName::from_static("x-portcullis-assertion");
const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const FORWARDED_PORT: HeaderName = HeaderName::from_static("x-forwarded-port");

/// Names a request, to services and to callers.
pub const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Fields that [`Edge::stamp`] may add: room for them is made once.
const STAMPED: usize = 12;

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

impl Edge {
    /// Writes what the service is told, and removes whatever a client said under the same names.
    ///
    /// # Errors
    /// If the request was not admitted, or the assertion cannot be signed: then it must not go on.
    pub fn stamp(&self, request: &mut RequestHeader, passage: &Passage) -> Result<()> {
        let (Some(arrival), Some(admission)) = (&passage.arrival, &passage.admission) else {
            return Err(internal("a request without an admission reached its stamping"));
        };
        let mut parts = into_parts(request);
        let fields = &mut parts.headers;
        fields.reserve(STAMPED);
        remove_claims(fields, arrival);
        remove_cookies(fields);
        if admission.authorization == Authorization::Ours {
            fields.remove(header::AUTHORIZATION);
            fields.remove(DPOP);
        }
        if arrival.upgrade {
            fields.insert(header::CONTENT_LENGTH, HeaderValue::from_static("0"));
        }
        describe(fields, passage, arrival);
        self.identify(fields, &passage.edition, (arrival, admission))?;
        *request = parts.into();
        Ok(())
    }

    fn identify(
        &self,
        fields: &mut HeaderMap,
        edition: &Edition,
        (arrival, admission): (&Arrival, &Admission),
    ) -> Result<()> {
        let Some(session) = &admission.session else { return Ok(()) };
        let ready = edition.ready(&admission.route).ok_or_else(|| internal("a route without its pool"))?;
        let Some(audience) = &ready.audience else { return Ok(()) };
        let stamp = self.mint.stamp(session, audience, arrival.now);
        let stamp = stamp.ok_or_else(|| internal("an assertion could not be signed"))?;
        fields.insert(ACCOUNT, stamp.account);
        if let Some(groups) = stamp.groups {
            fields.insert(GROUPS, groups);
        }
        fields.insert(ASSURANCE, stamp.assurance);
        fields.insert(ASSERTION, stamp.assertion);
        Ok(())
    }
}

/// Forgets how a client spelled the names of its fields (RFC 9110 §5.1: it means nothing), so that the engine need not
/// copy it.
pub fn forget_spelling(request: &mut RequestHeader) {
    if request.has_case() {
        *request = into_parts(request).into();
    }
}

/// The request as parts, which take a field under a known name without copying the name. The caller puts it back.
fn into_parts(request: &mut RequestHeader) -> Parts {
    let (blank, ()) = http::Request::new(()).into_parts();
    std::mem::replace(request, blank.into()).into()
}

fn remove_claims(fields: &mut HeaderMap, arrival: &Arrival) {
    let claims = |name: &HeaderName| {
        let name = &*plain(name.as_str());
        // A trusted proxy's chain is continued, not replaced.
        let continued = arrival.by_proxy && name == FORWARDED_FOR.as_str();
        let begins = name.starts_with("x-portcullis") || name.starts_with("x-forwarded");
        (begins || CLAIMS.contains(&name)) && !continued
    };
    // Almost no request has any.
    while let Some(name) = fields.keys().find(|name| may_claim(name) && claims(name)).cloned() {
        fields.remove(name);
    }
}

/// Whether a name is worth a closer look: all that claim something begin like this, and most others do not.
fn may_claim(name: &HeaderName) -> bool {
    let begins = matches!(name.as_str().as_bytes().first(), Some(b'c' | b'f' | b't' | b'x'));
    begins && ![header::COOKIE, header::CONTENT_TYPE, header::CONTENT_LENGTH].contains(name)
}

/// A field's name as the most forgiving service reads it: there are some that take every other character for a dash.
fn plain(name: &str) -> Cow<'_, str> {
    let odd = |letter: char| !letter.is_ascii_alphanumeric() && letter != '-';
    if name.contains(odd) { Cow::Owned(name.replace(odd, "-")) } else { Cow::Borrowed(name) }
}

/// Takes our cookies out and joins what HTTP/2 split (RFC 9113 §8.2.3).
fn remove_cookies(fields: &mut HeaderMap) {
    let mut cookies = fields.get_all(header::COOKIE).iter();
    let untouched = match (cookies.next(), cookies.next()) {
        (None, _) => true,
        (Some(only), None) => cookie::is_foreign(only.as_bytes()),
        (Some(_), Some(_)) => false,
    };
    if untouched {
        return;
    }
    let left = cookie::without_ours(fields.get_all(header::COOKIE).iter().map(HeaderValue::as_bytes));
    match left.and_then(|left| HeaderValue::try_from(left).ok()) {
        Some(left) => fields.insert(header::COOKIE, left),
        None => fields.remove(header::COOKIE),
    };
}

/// `X-Request-Id`, `Forwarded`, the `X-Forwarded-*` family and `Via` (RFC 9110 §7.6.3).
fn describe(fields: &mut HeaderMap, passage: &Passage, arrival: &Arrival) {
    let kept = Origin::kept(arrival).filter(|origin| origin.is_of(arrival));
    let made;
    let origin = match kept {
        Some(origin) => origin,
        None => {
            made = Origin::of(arrival);
            &made
        }
    };
    fields.insert(REQUEST_ID, passage.name.clone());
    fields.insert(header::FORWARDED, origin.forwarded.clone());
    fields.insert(FORWARDED_FOR, chain(fields, &origin.peer, arrival));
    fields.insert(FORWARDED_PROTO, HeaderValue::from_static(origin::scheme(origin.transport)));
    fields.insert(FORWARDED_HOST, origin.host_field.clone());
    fields.insert(FORWARDED_PORT, origin.port_field.clone());
    fields.append(header::VIA, HeaderValue::from_static("1.1 portcullis"));
}

/// The peer, at the end of what a trusted proxy knows of the way before.
fn chain(fields: &HeaderMap, peer: &HeaderValue, arrival: &Arrival) -> HeaderValue {
    if !arrival.by_proxy {
        return peer.clone();
    }
    let mut way = fields.get_all(FORWARDED_FOR).iter().map(HeaderValue::as_bytes).collect::<Vec<_>>();
    way.push(peer.as_bytes());
    HeaderValue::from_bytes(&way.join(&b", "[..])).expect("fields and addresses are joined by plain text")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cookies(fields: &[&'static str]) -> Vec<HeaderValue> {
        let mut request = HeaderMap::new();
        for field in fields {
            request.append(header::COOKIE, HeaderValue::from_static(field));
        }
        remove_cookies(&mut request);
        request.get_all(header::COOKIE).iter().cloned().collect()
    }

    #[test]
    fn crumbs_of_cookies_are_joined_and_ours_are_gone() {
        assert_eq!(cookies(&["a=1", "__Host-portcullis=secret", "b=2"]), ["a=1; b=2"]);
        assert!(cookies(&["__Host-portcullis=secret"]).is_empty());
    }

    #[test]
    fn no_claim_is_taken_for_a_name_that_claims_nothing() {
        for name in CLAIMS.into_iter().chain(["x-portcullis-account", "x-forwarded-for", "x.forwarded.for"]) {
            assert!(may_claim(&HeaderName::from_static(name)), "{name}");
        }
    }

    #[test]
    fn a_single_foreign_cookie_field_is_not_touched() {
        assert_eq!(cookies(&["a=1;b = 2"]), ["a=1;b = 2"]);
    }
}
