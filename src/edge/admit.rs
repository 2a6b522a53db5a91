//! From an arrival to an [`Admission`]: route, session, policy, in this order; the store is only asked for a session that
//! is not cached.

use super::{Admission, Arrival, Edge, Passage, Refusal};
use crate::edition::{Edition, RoutePlan};
use crate::policy::{Caller, Facts, decide};
use crate::route::{Ask, CanonicalPath, Found};
use crate::session::cookie::{self, Name};
use crate::session::{LiveSession, Reading, SessionToken};
use http::header::COOKIE;
use pingora::http::RequestHeader;
use std::fmt::Display;
use std::sync::Arc;

impl Edge {
    /// Decides whether a request may be forwarded: the one of this passage.
    ///
    /// # Errors
    /// The refusal, which [`super::refuse`] turns into an answer.
    pub async fn admit(
        &self,
        passage: &Passage,
        request: &RequestHeader,
        arrival: &Arrival,
    ) -> Result<Admission, Refusal> {
        let edition = &passage.edition;
        let route = find(edition, request, arrival)?.clone();
        let session = match route.policy.needs_session() {
            true => match self.session(edition, request, arrival).await {
                Ok(session) => session,
                Err(error) => {
                    self.complaints.unread(passage, (arrival, &route), &error);
                    return Err(Refusal::NoStore { route });
                }
            },
            // An open route tells its service who is asking only if that costs no question to the store.
            false => None,
        };
        let facts = Facts {
            now: arrival.now,
            caller: session.as_deref().map(caller),
            client: arrival.client,
            method: &request.method,
        };
        match decide(&route.policy, &facts) {
            Ok(permit) => Ok(Admission { permit, session, route }),
            Err(denial) => Err(Refusal::Denied { route, session, denial: Box::new(denial) }),
        }
    }

    /// The live session that a request carries for its host, if any.
    ///
    /// # Errors
    /// If the session is not cached and the store cannot be asked.
    async fn session(
        &self,
        edition: &Edition,
        request: &RequestHeader,
        arrival: &Arrival,
    ) -> Result<Option<Arc<LiveSession>>, impl Display> {
        let fields = request.headers.get_all(COOKIE).iter().map(http::HeaderValue::as_bytes);
        let name = Name::Session.on(arrival.transport);
        let token = cookie::find(fields, name).filter(|_| arrival.may_carry_session());
        let Some(token) = token.and_then(SessionToken::parse) else { return Ok(None) };
        let (token, host, now) = (token.hash(), &*arrival.host, arrival.now);
        let reading = Reading { token: &token, host, now, rules: edition.sessions() };
        self.reader.read(reading).await
    }
}

/// What policies know of a session.
pub fn caller(session: &LiveSession) -> Caller<'_> {
    Caller { session: session.id, account: &session.account, proofs: &session.proofs }
}

fn find<'e>(edition: &'e Edition, request: &RequestHeader, arrival: &Arrival) -> Result<&'e Arc<RoutePlan>, Refusal> {
    // It was parsed when it arrived; parsing again is cheaper than keeping a borrowed or copied path.
    let path =
        CanonicalPath::parse(request.raw_path()).map_err(|fault| Refusal::Malformed(super::Fault::Path(fault)))?;
    let ask = Ask { host: &arrival.host, path: path.path(), method: &request.method, headers: &request.headers };
    match edition.routes.find(&ask) {
        Found::Route(route) => Ok(route),
        Found::NoRoute => Err(Refusal::NoRoute),
        Found::NoHost => Err(Refusal::NoHost),
    }
}
