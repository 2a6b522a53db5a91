//! Bearer tokens in `Authorization` (RFC 6750 §2.1, RFC 9449 §7.1): which are ours, what session they carry, and why one
//! is refused; verifies no signature itself.

use super::origin::scheme;
use super::{Arrival, Edge};
use crate::edition::Edition;
use crate::identity::TokenHash;
use crate::policy::Carrier;
use crate::session::{Carried, Known, LiveSession, Reading, Unavailable};
use crate::stdx::digest::sha256;
use crate::token::{ProofFault, Proved};
use http::header::{AUTHORIZATION, HeaderName};
use pingora::http::RequestHeader;
use std::sync::Arc;

/// The field that carries a proof (RFC 9449 §4.1).
pub const DPOP: HeaderName = HeaderName::from_static("dpop");

/// What an `Authorization` field is to us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Authorization {
    /// Nothing: it is not there, or between the client and the service.
    Foreign,
    /// It holds a token of ours, which no service gets to see.
    Ours,
}

/// Why a token of ours carries nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenFault {
    /// It is malformed, expired, for another host, or its session is over.
    Invalid,
    /// It is bound to a key, and was presented without a proof.
    Unproved,
    /// The proof that came with it proves nothing.
    Proof,
    /// The proof lacks a fresh nonce.
    Nonce,
    /// So many proofs came lately that no more can be remembered.
    Busy,
}

/// What a token of ours comes to.
pub enum Token {
    /// A live session.
    Carries(Arc<LiveSession>, Carrier),
    /// Nothing.
    Bad(TokenFault),
}

/// A token as it was presented.
#[derive(Clone, Copy)]
pub struct Presented<'r> {
    scheme: Scheme,
    text: &'r [u8],
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Scheme {
    Bearer,
    Dpop,
}

impl<'r> Presented<'r> {
    /// The token in a request's `Authorization`, whosever it is.
    pub fn of(request: &'r RequestHeader) -> Option<Self> {
        let field = request.headers.get(AUTHORIZATION)?.as_bytes();
        let (scheme, text) = field.split_at(field.iter().position(|byte| *byte == b' ')?);
        let scheme = match scheme {
            word if word.eq_ignore_ascii_case(b"bearer") => Scheme::Bearer,
            word if word.eq_ignore_ascii_case(b"dpop") => Scheme::Dpop,
            _ => return None,
        };
        Some(Presented { scheme, text: text.trim_ascii() })
    }

    /// Whether it came with the promise of a proof.
    pub fn is_dpop(&self) -> bool {
        self.scheme == Scheme::Dpop
    }
}

impl Edge {
    /// Whether a token is ours: remembered, or saying so itself.
    pub(super) fn is_ours(&self, edition: &Edition, presented: Presented<'_>) -> Authorization {
        let known = || self.reader.is_known_bearer(&TokenHash(sha256(presented.text)));
        let issuer = edition.plan.portal.as_ref().map(|portal| &*portal.origin);
        let says = |issuer| self.tokens.claims_to_be_of(issuer, presented.text);
        if known() || issuer.is_some_and(says) { Authorization::Ours } else { Authorization::Foreign }
    }

    /// What a token carries here; `None` if it is not ours.
    ///
    /// # Errors
    /// If its session is not cached and the store cannot be asked.
    pub(super) async fn token(
        &self,
        edition: &Edition,
        (request, arrival): (&RequestHeader, &Arrival),
        presented: Presented<'_>,
    ) -> Result<Option<Token>, Unavailable> {
        let hash = TokenHash(sha256(presented.text));
        let (host, now) = (&*arrival.host, arrival.now);
        let reading = Reading { token: &hash, host, now, rules: edition.sessions() };
        let known = match self.reader.read_bearer(reading).await? {
            // Boxed, because it is large: a request whose token is known must not carry room for it.
            Known::Nothing => Box::pin(self.verify(edition, presented, reading)).await?,
            known @ (Known::Refused | Known::Live(_)) => known,
        };
        let carried = match known {
            Known::Nothing => return Ok(None),
            Known::Refused => None,
            Known::Live(carried) => Some(carried),
        };
        // A token that travelled in the clear may be anybody's by now.
        let carried = carried.filter(|_| arrival.may_carry_session());
        let Some(carried) = carried else { return Ok(Some(Token::Bad(TokenFault::Invalid))) };
        Ok(Some(match self.proved(&carried, (request, arrival), presented) {
            Ok(carrier) => Token::Carries(carried.session, carrier),
            Err(fault) => Token::Bad(fault),
        }))
    }

    /// Looks at a token that is not known yet; nothing is known of it then if it is not ours.
    async fn verify(
        &self,
        edition: &Edition,
        presented: Presented<'_>,
        reading: Reading<'_>,
    ) -> Result<Known, Unavailable> {
        let Some(portal) = &edition.plan.portal else { return Ok(Known::Nothing) };
        if !self.tokens.claims_to_be_of(&portal.origin, presented.text) {
            return Ok(Known::Nothing);
        }
        let Some(bearer) = self.tokens.verify(&portal.origin, presented.text, reading.now) else {
            return Ok(Known::Refused);
        };
        let carried = self.reader.remember(reading, Arc::new(bearer)).await?;
        Ok(carried.map_or(Known::Refused, Known::Live))
    }

    /// How a session is carried: a token that is bound to a key needs a proof of it (RFC 9449 §7.1).
    fn proved(
        &self,
        carried: &Carried,
        (request, arrival): (&RequestHeader, &Arrival),
        presented: Presented<'_>,
    ) -> Result<Carrier, TokenFault> {
        let shown = || arrival.connection.tls.as_ref().and_then(|encryption| encryption.client);
        if carried.certificate.is_some_and(|wanted| shown() != Some(wanted.0)) {
            return Err(TokenFault::Invalid);
        }
        let Some(bound) = carried.bound else {
            // RFC 8705 §3: the handshake proved the certificate's key.
            if carried.certificate.is_some() && !presented.is_dpop() {
                return Ok(Carrier::Bound);
            }
            return if presented.is_dpop() { Err(TokenFault::Invalid) } else { Ok(Carrier::Bearer) };
        };
        if !presented.is_dpop() {
            return Err(TokenFault::Unproved);
        }
        let mut proofs = request.headers.get_all(DPOP).iter();
        let (Some(proof), None) = (proofs.next(), proofs.next()) else { return Err(TokenFault::Proof) };
        let proved = Proved {
            method: request.method.as_str(),
            scheme: scheme(arrival.transport),
            host: &arrival.host,
            port: arrival.port,
            path: request.uri.path(),
            token: Some(presented.text),
            now: arrival.now,
        };
        match self.proofs.check(proof.as_bytes(), &proved, Some(bound)) {
            Ok(_) => Ok(Carrier::Bound),
            Err(ProofFault::Invalid) => Err(TokenFault::Proof),
            Err(ProofFault::Nonce) => Err(TokenFault::Nonce),
            Err(ProofFault::Full) => Err(TokenFault::Busy),
        }
    }
}
