//! The one table that turns every refusal into an answer: a redirect for people, a challenge for programs, a page or a
//! problem document for the rest. What the stranger sees is never what the log says.

use super::bearer::Presented;
use super::origin::scheme;
use super::waiting::Kept;
use super::{Arrival, DecisionId, Edge, Failure, Passage, Refusal, RequestId, TokenFault};
use crate::edition::PortalPlan;
use crate::policy::{Denial, Line, Recourse};
use crate::reply::{Answer, Body, Then};
use crate::session::SecretToken;
use crate::session::cookie::{self, Name};
use crate::stdx::span;
use crate::token::{Destination, TICKET_LIFE, Ticket};
use http::{HeaderName, Method, StatusCode, header};
use pingora::http::RequestHeader;
use std::time::Duration;

/// Longer paths are not carried to the portal and back: sealed and encoded they would not fit an address that other
/// servers accept. The person then comes back to the host's front page.
pub(super) const LONGEST_PATH: usize = 4 * 1024;

/// How soon a client should try again when no member is healthy: about one health check.
const RETRY_AFTER: &str = "5";

/// Where a host says how a program comes by a token for it (RFC 9728 §3).
pub const METADATA_PATH: &str = "/.well-known/oauth-protected-resource";

/// The field with the nonce for the next proof (RFC 9449 §8.2).
pub const DPOP_NONCE: HeaderName = HeaderName::from_static("dpop-nonce");

/// The two ways in which a program may present a token.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Scheme {
    Bearer,
    Dpop,
}

impl Scheme {
    const fn word(self) -> &'static str {
        match self {
            Scheme::Bearer => "Bearer",
            Scheme::Dpop => "DPoP",
        }
    }
}

/// What the page of a refusal shows.
#[derive(Debug)]
pub struct RefusedView<'a> {
    /// What the pages call the organisation.
    pub portal: &'a str,
    /// The status.
    pub status: u16,
    /// One sentence, if there is more to say than the status does.
    pub sentence: Option<&'a str>,
    /// The conditions, if a policy judged.
    pub lines: &'a [Line],
    /// The decision's id.
    pub decision: Option<String>,
    /// The request's id.
    pub request: String,
}

impl Edge {
    /// The answer to a refused request; notes it for `explain` and for the log.
    pub fn refuse(&self, request: &RequestHeader, passage: &mut Passage, refusal: &Refusal) -> Answer {
        self.refuse_keeping(request, passage, (refusal, None))
    }

    /// The same, where a form is kept until its sender comes back.
    pub fn refuse_keeping(
        &self,
        request: &RequestHeader,
        passage: &mut Passage,
        (refusal, kept): (&Refusal, Option<Kept>),
    ) -> Answer {
        let decision = self.remember(request, passage, refusal);
        passage.note(refusal, decision);
        let case = Case { edge: self, request, passage, refusal, decision, kept };
        case.answer()
    }
}

/// One refusal and everything its answer may depend on.
struct Case<'a> {
    edge: &'a Edge,
    request: &'a RequestHeader,
    passage: &'a Passage,
    refusal: &'a Refusal,
    decision: Option<DecisionId>,
    kept: Option<Kept>,
}

impl Case<'_> {
    fn answer(&self) -> Answer {
        match self.refusal {
            Refusal::Malformed(fault) => self.explained(fault.status(), Then::Close),
            Refusal::NotEncrypted => self.to_https(),
            Refusal::AboutServer => Answer::new(StatusCode::NO_CONTENT, Body::Empty),
            Refusal::Misdirected | Refusal::NoHost => self.explained(421, Then::Keep),
            Refusal::NoRoute => self.explained(404, Then::Keep),
            Refusal::Denied { denial, .. } => match denial.recourse {
                Recourse::SignIn | Recourse::StepUp => self.ask(denial),
                Recourse::Bind if !is_navigation(self.request) => self.challenge(denial),
                Recourse::Bind => self.explained(403, Then::Keep),
                Recourse::Forbidden => self.explained(403, Then::Keep),
            },
            Refusal::NoStore { .. } | Refusal::Token { fault: TokenFault::Busy, .. } => self.not_now(503),
            Refusal::Token { fault, .. } => self.disbelieve(*fault),
            Refusal::Broken(failure) => match failure {
                Failure::NoMember(_) => self.not_now(failure.status()),
                Failure::Unreachable | Failure::TimedOut | Failure::Internal => {
                    self.explained(failure.status(), Then::Keep)
                }
            },
        }
    }

    fn ask(&self, denial: &Denial) -> Answer {
        let portal = self.passage.edition.plan.portal.as_ref();
        match (self.passage.arrival.as_ref(), portal) {
            // A session never travels in the clear: only on this very machine is a portal's code sent to plain HTTP.
            (Some(arrival), Some(portal)) if is_navigation(self.request) => match arrival.may_carry_session() {
                true => self.to_portal(arrival, portal, denial),
                false => self.to_https(),
            },
            _ => self.challenge(denial),
        }
    }

    /// 303 to the portal, with the way back sealed, and bound to this browser by a cookie on this host.
    fn to_portal(&self, arrival: &Arrival, portal: &PortalPlan, denial: &Denial) -> Answer {
        let binding = self.kept.as_ref().map_or_else(|| binding(self.request, arrival), |kept| kept.binding.clone());
        let to = self.destination(arrival);
        let ticket =
            Ticket { to, binding: crate::stdx::digest::sha256(binding.text().as_bytes()), need: denial.need.clone() };
        let address = format!("{}/sign-in?to={}", portal.origin, self.edge.tickets.seal(&ticket, arrival.now));
        let set = cookie::set(Name::Binding, arrival.transport, &binding.text(), Some(TICKET_LIFE));
        let mut answer = Answer::new(StatusCode::SEE_OTHER, Body::Empty);
        answer.field(header::LOCATION, &address);
        answer.field(header::SET_COOKIE, &set);
        answer
    }

    fn destination(&self, arrival: &Arrival) -> Destination {
        let comes_back = self.request.method == Method::GET || self.request.method == Method::HEAD;
        let path = match &self.kept {
            Some(kept) => &kept.path,
            None => short_path(self.request).filter(|_| comes_back).unwrap_or("/"),
        };
        let scheme = scheme(arrival.transport);
        // Only ports that people reach us by: a code must not be sent to somebody else's server on the same host.
        let port = arrival.port.filter(|port| self.edge.ports.load().contains(port));
        Destination { scheme: scheme.to_owned(), host: arrival.host.to_string(), port, path: path.to_owned() }
    }

    /// 401 with the challenge of RFC 6750 §3, or of RFC 9470 §3 where a session is there but too weak or too old.
    fn challenge(&self, denial: &Denial) -> Answer {
        let challenge = match denial.recourse {
            Recourse::StepUp => {
                let age = denial.need.max_age.map_or(String::new(), |age| format!(r#"max_age="{}""#, age.as_secs()));
                let level = format!(r#"acr_values="{}""#, denial.need.level);
                let error = r#"error="insufficient_user_authentication""#.to_owned();
                self.challenging(self.scheme(), [error, level, age])
            }
            Recourse::Bind => self.challenging(Scheme::Dpop, []),
            Recourse::SignIn | Recourse::Forbidden => self.challenging(Scheme::Bearer, []),
        };
        let mut answer = self.problem(401, Then::Keep);
        answer.field(header::WWW_AUTHENTICATE, &challenge);
        answer
    }

    /// 401 for a token of ours that is not good (RFC 6750 §3.1, RFC 9449 §7.1, §9). Whoever sends one is a program.
    fn disbelieve(&self, fault: TokenFault) -> Answer {
        let (scheme, error) = match fault {
            TokenFault::Misplaced | TokenFault::Invalid => (self.scheme(), "invalid_token"),
            TokenFault::Unproved => (Scheme::Dpop, "invalid_token"),
            TokenFault::Proof | TokenFault::Busy => (Scheme::Dpop, "invalid_dpop_proof"),
            TokenFault::Nonce => (Scheme::Dpop, "use_dpop_nonce"),
        };
        let mut answer = self.problem(401, Then::Keep);
        answer.field(header::WWW_AUTHENTICATE, &self.challenging(scheme, [format!(r#"error="{error}""#)]));
        if let (Scheme::Dpop, Some(arrival)) = (scheme, &self.passage.arrival) {
            answer.field(DPOP_NONCE, &self.edge.proofs.nonce(arrival.now));
        }
        answer
    }

    /// The scheme that the request's own token came by.
    fn scheme(&self) -> Scheme {
        let dpop = Presented::of(self.request).is_some_and(|presented| presented.is_dpop());
        if dpop { Scheme::Dpop } else { Scheme::Bearer }
    }

    /// A challenge with these parameters, and where a program learns how to come by a token (RFC 9728 §5.1).
    fn challenging<const N: usize>(&self, scheme: Scheme, parameters: [String; N]) -> String {
        let algorithms = match scheme {
            Scheme::Bearer => None,
            Scheme::Dpop => Some(r#"algs="ES256""#.to_owned()),
        };
        let portal = self.passage.edition.plan.portal.as_ref();
        let metadata = self.passage.arrival.as_ref().filter(|_| portal.is_some());
        let metadata = metadata.map(|arrival| format!(r#"resource_metadata="{}{METADATA_PATH}""#, address(arrival)));
        let parameters = parameters.into_iter().filter(|parameter| !parameter.is_empty());
        let all: Vec<String> = algorithms.into_iter().chain(parameters).chain(metadata).collect();
        let scheme = scheme.word();
        if all.is_empty() { scheme.to_owned() } else { format!("{scheme} {}", all.join(", ")) }
    }

    fn to_https(&self) -> Answer {
        let host = super::strict::host(self.request).ok();
        let target = super::strict::target(self.request).ok();
        let Some((host, _)) = host.zip(target) else { return self.explained(400, Then::Close) };
        let raw = std::str::from_utf8(self.request.raw_path()).unwrap_or("/");
        let port = self.passage.edition.plan.https_port().map_or(String::new(), |port| format!(":{port}"));
        let mut answer = Answer::new(StatusCode::PERMANENT_REDIRECT, Body::Empty);
        answer.field(header::LOCATION, &format!("https://{}{port}{raw}", host.name()));
        answer
    }

    /// What mends itself, as far as anybody can tell.
    fn not_now(&self, status: u16) -> Answer {
        let mut answer = self.explained(status, Then::Keep);
        answer.field(header::RETRY_AFTER, RETRY_AFTER);
        answer
    }

    /// A page for people, a problem document for programs.
    fn explained(&self, status: u16, then: Then) -> Answer {
        if !is_navigation(self.request) {
            return self.problem(status, then);
        }
        let portal = self.passage.edition.plan.portal.as_ref().map_or("Portcullis", |portal| &portal.name);
        let sentence = sentence(self.refusal);
        let view = RefusedView {
            portal,
            status,
            sentence: sentence.as_deref(),
            lines: self.lines(),
            decision: self.decision.map(|id| id.to_string()),
            request: self.passage.id.to_string(),
        };
        let mut answer = Answer::page(status_of(status), (self.edge.render)(&view), None);
        answer.then = then;
        answer
    }

    /// RFC 9457.
    fn problem(&self, status: u16, then: Then) -> Answer {
        let code = status_of(status);
        let lines = self.lines().iter().map(|line| {
            serde_json::json!({
                "condition": line.condition, "holds": line.holds, "has": line.has, "needs": line.needs,
                "remedy": line.remedy,
            })
        });
        let mut document = document(code, sentence(self.refusal), (self.decision, self.passage.id));
        let lines: Vec<_> = lines.collect();
        if !lines.is_empty() {
            document.insert("conditions".to_owned(), lines.into());
        }
        let portal = self.passage.edition.plan.portal.as_ref();
        if let Some(portal) = portal.filter(|_| status == 401) {
            document.insert("sign_in".to_owned(), format!("{}/sign-in", portal.origin).into());
        }
        let document = serde_json::Value::Object(document);
        let mut answer = Answer::new(code, Body::Json("application/problem+json", document.to_string()));
        answer.then = then;
        answer
    }

    /// A stranger is told what to do about a missing session, not what a policy consists of.
    fn lines(&self) -> &[Line] {
        match self.refusal {
            Refusal::Denied { denial, .. } => match denial.recourse {
                Recourse::SignIn => &[],
                Recourse::StepUp | Recourse::Bind | Recourse::Forbidden => &denial.lines,
            },
            Refusal::Malformed(_)
            | Refusal::NotEncrypted
            | Refusal::AboutServer
            | Refusal::Misdirected
            | Refusal::NoHost
            | Refusal::NoRoute
            | Refusal::NoStore { .. }
            | Refusal::Token { .. }
            | Refusal::Broken(_) => &[],
        }
    }
}

/// What every problem document (RFC 9457) of ours holds.
pub(super) fn document(
    status: StatusCode,
    detail: Option<String>,
    (decision, request): (Option<DecisionId>, RequestId),
) -> serde_json::Map<String, serde_json::Value> {
    let title = status.canonical_reason().unwrap_or("Error");
    let about = [("type", "about:blank".into()), ("title", title.into()), ("status", status.as_u16().into())];
    let detail = detail.map(|detail| ("detail", detail.into()));
    let decision = decision.map(|id| ("decision", id.to_string().into()));
    let named = detail.into_iter().chain(decision).chain([("request", request.to_string().into())]);
    about.into_iter().chain(named).map(|(name, value)| (name.to_owned(), value)).collect()
}

/// One sentence on a refusal that anybody may read.
pub(super) fn sentence(refusal: &Refusal) -> Option<String> {
    match refusal {
        Refusal::Malformed(fault) => Some(fault.sentence()),
        Refusal::NotEncrypted | Refusal::AboutServer => None,
        Refusal::Misdirected => {
            Some("this connection was made for another host; make a new one for this host".to_owned())
        }
        Refusal::NoHost => Some("this host is not served here".to_owned()),
        Refusal::NoRoute => Some("nothing is served at this address".to_owned()),
        Refusal::Denied { denial, .. } => Some(match denial.recourse {
            Recourse::SignIn => "this needs a session: sign in first".to_owned(),
            Recourse::StepUp => match denial.need.max_age {
                Some(age) => format!(
                    "this needs {}, proved within the last {}",
                    denial.need.level,
                    span::written(Duration::from_secs(age.as_secs()))
                ),
                None => format!("this needs {}", denial.need.level),
            },
            Recourse::Bind => {
                "this needs a token bound to a key, and a proof of it: only programs come here".to_owned()
            }
            Recourse::Forbidden => forbidden(denial.failed()),
        }),
        Refusal::Token { fault, .. } => Some(fault.sentence().to_owned()),
        Refusal::NoStore { .. } => {
            Some("sessions cannot be checked at the moment, so nobody is let through".to_owned())
        }
        Refusal::Broken(failure) => Some(
            match failure {
                Failure::NoMember(_) => "no server of this service is healthy at the moment",
                Failure::Unreachable => "no server of this service could be reached",
                Failure::TimedOut => "the service did not answer in time",
                Failure::Internal => "something broke in the gateway",
            }
            .to_owned(),
        ),
    }
}

/// The sentence about a condition that does not hold and that the caller can do nothing about.
pub fn forbidden(failed: Option<&Line>) -> String {
    match failed {
        Some(line) => format!("{}: you have {}, needed is {}", line.condition, line.has, line.needs),
        None => "the policy of this address does not allow it".to_owned(),
    }
}

/// The binding that this browser holds already, so that all its tabs that wait for a sign-in may come back, or a fresh
/// one.
pub(super) fn binding(request: &RequestHeader, arrival: &Arrival) -> SecretToken {
    let fields = request.headers.get_all(header::COOKIE).iter().map(http::HeaderValue::as_bytes);
    let held = cookie::find(fields, Name::Binding.on(arrival.transport)).and_then(SecretToken::parse);
    held.unwrap_or_else(SecretToken::fresh)
}

/// Path and query, if they are short enough to be carried to the portal and back.
pub(super) fn short_path(request: &RequestHeader) -> Option<&str> {
    std::str::from_utf8(request.raw_path()).ok().filter(|path| path.len() <= LONGEST_PATH)
}

/// Whether a browser is going somewhere, so that a redirect or a page is of use. `Sec-Fetch-Mode` says so where it is
/// sent; `Accept` is the fallback.
pub fn is_navigation(request: &RequestHeader) -> bool {
    let is = |name: &str, value: &[u8]| request.headers.get(name).map(|field| field.as_bytes() == value);
    if request.headers.contains_key(header::UPGRADE) {
        return false;
    }
    if let Some(navigates) = is("sec-fetch-mode", b"navigate") {
        return navigates && is("sec-fetch-dest", b"empty") != Some(true);
    }
    let accept = request.headers.get(header::ACCEPT).and_then(|accept| accept.to_str().ok());
    let wants_page = accept.is_some_and(|accept| accept.split(',').any(|kind| kind.trim().starts_with("text/html")));
    wants_page && !request.headers.contains_key("x-requested-with")
}

/// The origin that a request came to, as its client wrote it.
fn address(arrival: &Arrival) -> String {
    let (scheme, host) = (scheme(arrival.transport), &arrival.host);
    arrival.port.map_or_else(|| format!("{scheme}://{host}"), |port| format!("{scheme}://{host}:{port}"))
}

pub(super) fn status_of(status: u16) -> StatusCode {
    StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(fields: &[(&'static str, &str)]) -> RequestHeader {
        let mut request = RequestHeader::build("GET", b"/", None).expect("a request");
        for (name, value) in fields {
            request.append_header(*name, *value).expect("a field");
        }
        request
    }

    #[test]
    fn only_a_browser_that_goes_somewhere_is_redirected() {
        let cases: [(&[(&'static str, &str)], bool); 8] = [
            (&[("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "document")], true),
            (&[("sec-fetch-mode", "cors"), ("accept", "text/html")], false),
            (&[("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "empty")], false),
            (&[("accept", "text/html,application/xhtml+xml,*/*;q=0.8")], true),
            (&[("accept", "*/*")], false),
            (&[("accept", "text/html"), ("x-requested-with", "XMLHttpRequest")], false),
            (&[("accept", "text/html"), ("upgrade", "websocket")], false),
            (&[], false),
        ];
        for (fields, expected) in cases {
            assert_eq!(is_navigation(&request(fields)), expected, "{fields:?}");
        }
    }
}
