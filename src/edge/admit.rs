//! From an arrival to an [`Admission`]: route, session, policy, in this order; the store is only asked for a session that
//! is not cached.

use super::bearer::{Presented, Token};
use super::{Admission, Arrival, Authorization, Edge, Passage, Refusal};
use crate::edition::{Edition, RoutePlan};
use crate::policy::{Caller, Carrier, Facts, decide};
use crate::route::{Ask, CanonicalPath, Found};
use crate::session::cookie::{self, Name};
use crate::session::{LiveSession, Reading, SessionToken, Unavailable};
use http::header::COOKIE;
use pingora::http::RequestHeader;
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
        self.admit_as(passage, (request, request), arrival).await
    }

    /// Decides whether the `judged` request might be forwarded, if it were made by whoever `sent` another.
    ///
    /// # Errors
    /// The refusal that it would meet.
    pub(super) async fn admit_as(
        &self,
        passage: &Passage,
        (judged, sent): (&RequestHeader, &RequestHeader),
        arrival: &Arrival,
    ) -> Result<Admission, Refusal> {
        let edition = &passage.edition;
        let route = find(edition, judged, arrival)?.clone();
        let Carriage { session, carrier, authorization } = match route.policy.needs_session() {
            true => self.carriage(&route, passage, (sent, arrival)).await?,
            // An open route tells its service who is asking only if that costs no question to the store.
            false => Carriage::nobody(self.authorization(edition, sent)),
        };
        let facts = Facts {
            now: arrival.now,
            caller: session.as_deref().map(|session| caller(session, carrier)),
            client: arrival.client,
            method: &judged.method,
        };
        match decide(&route.policy, &facts) {
            Ok(permit) => Ok(Admission { permit, session, carrier, authorization, route }),
            Err(denial) => Err(Refusal::Denied { route, session, denial: Box::new(denial) }),
        }
    }

    /// Whose request it is. Where a token of ours came, the token says so and no cookie.
    async fn carriage(
        &self,
        route: &Arc<RoutePlan>,
        passage: &Passage,
        (request, arrival): (&RequestHeader, &Arrival),
    ) -> Result<Carriage, Refusal> {
        let edition = &*passage.edition;
        let unread = |error: Unavailable| {
            self.complaints.unread(passage, (arrival, route), &error);
            Refusal::NoStore { route: route.clone() }
        };
        if let Some(presented) = Presented::of(request) {
            match self.token(edition, (request, arrival), presented).await.map_err(unread)? {
                Some(Token::Carries(session, carrier)) => {
                    let authorization = Authorization::Ours;
                    return Ok(Carriage { session: Some(session), carrier, authorization });
                }
                Some(Token::Bad(fault)) => return Err(Refusal::Token { route: route.clone(), fault }),
                None => {}
            }
        }
        let session = self.session(edition, request, arrival).await.map_err(unread)?;
        Ok(Carriage { session, ..Carriage::nobody(Authorization::Foreign) })
    }

    fn authorization(&self, edition: &Edition, request: &RequestHeader) -> Authorization {
        Presented::of(request).map_or(Authorization::Foreign, |presented| self.is_ours(edition, presented))
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
    ) -> Result<Option<Arc<LiveSession>>, Unavailable> {
        let fields = request.headers.get_all(COOKIE).iter().map(http::HeaderValue::as_bytes);
        let name = Name::Session.on(arrival.transport);
        let token = cookie::find(fields, name).filter(|_| arrival.may_carry_session());
        let Some(token) = token.and_then(SessionToken::parse) else { return Ok(None) };
        let (token, host, now) = (token.hash(), &*arrival.host, arrival.now);
        let reading = Reading { token: &token, host, now, rules: edition.sessions() };
        self.reader.read(reading).await
    }
}

/// Whose a request is, and how it says so.
struct Carriage {
    session: Option<Arc<LiveSession>>,
    carrier: Carrier,
    authorization: Authorization,
}

impl Carriage {
    fn nobody(authorization: Authorization) -> Self {
        Carriage { session: None, carrier: Carrier::Cookie, authorization }
    }
}

/// What policies know of a session.
pub fn caller(session: &LiveSession, carrier: Carrier) -> Caller<'_> {
    Caller { session: session.id, account: &session.account, proofs: &session.proofs, carrier }
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
