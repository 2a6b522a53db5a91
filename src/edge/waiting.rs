//! Which refused forms are kept until their sender has proved more, and how their way back is marked; reads no body.

use super::{Arrival, Edge, Passage, Refusal, refuse};
use crate::identity::{AccountId, SessionId};
use crate::policy::Recourse;
use crate::session::SecretToken;
use http::{HeaderMap, Method, header};
use pingora::http::RequestHeader;

/// The media type of forms that can be sent again.
const URLENCODED: &str = "application/x-www-form-urlencoded";

/// A refused form that is worth keeping.
pub struct Waiting {
    /// The canonical host it was sent to.
    pub host: String,
    /// Path and query it was sent to.
    pub path: String,
    /// Path and query of the page of that host it was on, if the browser says so.
    pub page: Option<String>,
    /// What the browser holds, or will be given, on that host.
    pub binding: SecretToken,
    /// The session that it was sent with, if there was one.
    pub sender: Option<(SessionId, AccountId)>,
}

/// A form that is kept.
pub struct Kept {
    /// Where its sender finds it again.
    pub path: String,
    /// What its sender's browser is to hold.
    pub binding: SecretToken,
}

impl Edge {
    /// What to keep of a refused request: a form that a page of the same origin sent, and that may be sent once its sender
    /// has signed in or proved more. What another site's page sent is never kept: it would be sent on in the name of
    /// whoever signs in.
    pub fn worth_keeping(&self, request: &RequestHeader, passage: &Passage, refusal: &Refusal) -> Option<Waiting> {
        let Refusal::Denied { session, denial, .. } = refusal else { return None };
        let arrival = passage.arrival.as_ref()?;
        let asked = denial.recourse != Recourse::Forbidden && passage.edition.plan.portal.is_some();
        let form = request.method == Method::POST && is_urlencoded(&request.headers);
        let own = arrival.may_carry_session() && is_same_origin(&request.headers, arrival);
        if !(asked && form && own && refuse::is_navigation(request)) {
            return None;
        }
        Some(Waiting {
            host: arrival.host.to_string(),
            path: refuse::short_path(request)?.to_owned(),
            page: page_before(&request.headers, arrival),
            binding: refuse::binding(request, arrival),
            sender: session.as_ref().map(|session| (session.id, session.account.id)),
        })
    }
}

fn is_urlencoded(headers: &HeaderMap) -> bool {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    kind.split(';').next().is_some_and(|kind| kind.trim().eq_ignore_ascii_case(URLENCODED))
}

/// The page of this very origin that the form was on. An address too long to be carried is left out.
fn page_before(headers: &HeaderMap, arrival: &Arrival) -> Option<String> {
    let address = headers.get(header::REFERER)?.to_str().ok()?;
    let path = address.strip_prefix(&arrival.origin())?;
    (path.starts_with('/') && path.len() <= refuse::LONGEST_PATH).then(|| path.to_owned())
}

/// Fetch Metadata first; where a browser does not send it, `Origin` has to name this very origin.
fn is_same_origin(headers: &HeaderMap, arrival: &Arrival) -> bool {
    match headers.get("sec-fetch-site") {
        Some(site) => site == "same-origin",
        None => headers.get(header::ORIGIN).is_some_and(|origin| origin.as_bytes() == arrival.origin().as_bytes()),
    }
}
