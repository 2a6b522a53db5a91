//! Bearer tokens in `Authorization` (RFC 6750 §2.1, RFC 9449 §7.1): which are ours, what session they carry, and why one
//! is refused; verifies no signature itself.

use super::origin::scheme;
use super::{Arrival, Edge};
use crate::edition::Edition;
use crate::identity::TokenHash;
use crate::policy::Carrier;
use crate::session::{Carried, Known, LiveSession, Reading, Unavailable};
use crate::stdx::bounded::BoundedMap;
use crate::stdx::digest::sha256;
use crate::stdx::hash::FastState;
use crate::token::{ProofFault, Proved};
use http::header::{AUTHORIZATION, HeaderName};
use pingora::http::RequestHeader;
use std::sync::Arc;

/// The field that carries a proof (RFC 9449 §4.1).
pub const DPOP: HeaderName = HeaderName::from_static("dpop");

/// Foreign credentials remembered, so that not each request has them read: about 400 kilobytes.
const FOREIGN: usize = 10_000;

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
    /// It stands where no program puts one that means us to read it: then nobody gets to read it.
    Misplaced,
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

/// Credentials that hold no token of ours, by their hash, with the edition in which they were found to: another one may
/// have another portal. A stranger who fills it with nonsense makes others' be read once more.
pub struct ForeignCredentials(BoundedMap<[u8; 32], u64, FastState>);

impl Default for ForeignCredentials {
    fn default() -> Self {
        ForeignCredentials(BoundedMap::hashed(FOREIGN))
    }
}

/// Credentials as they were presented.
#[derive(Clone, Copy)]
pub struct Presented<'r> {
    scheme: Scheme,
    /// The token; under another scheme than a token's the whole field.
    text: &'r [u8],
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Scheme {
    Bearer,
    Dpop,
    Other,
}

impl<'r> Presented<'r> {
    /// What is in a request's `Authorization`, whosever it is.
    pub fn of(request: &'r RequestHeader) -> Option<Self> {
        let field = request.headers.get(AUTHORIZATION)?.as_bytes();
        let (scheme, text) = field.split_at(field.iter().position(|byte| *byte == b' ').unwrap_or(field.len()));
        let (scheme, text) = match scheme {
            word if word.eq_ignore_ascii_case(b"bearer") => (Scheme::Bearer, text.trim_ascii()),
            word if word.eq_ignore_ascii_case(b"dpop") => (Scheme::Dpop, text.trim_ascii()),
            _ => (Scheme::Other, field),
        };
        Some(Presented { scheme, text })
    }

    /// Whether it came with the promise of a proof.
    pub fn is_dpop(&self) -> bool {
        self.scheme == Scheme::Dpop
    }
}

impl Edge {
    /// Whether credentials hold a token of ours: a remembered one, or one that says so itself.
    pub(super) fn is_ours(&self, edition: &Edition, presented: Presented<'_>) -> Authorization {
        let hash = sha256(presented.text);
        match self.reader.is_known_bearer(&TokenHash(hash)) || self.says_ours(edition, presented, hash) {
            true => Authorization::Ours,
            false => Authorization::Foreign,
        }
    }

    /// Whether credentials of that hash hold what says to be a token of ours. Those that do not are remembered.
    fn says_ours(&self, edition: &Edition, presented: Presented<'_>, hash: [u8; 32]) -> bool {
        let Some(portal) = &edition.plan.portal else { return false };
        if self.foreign.0.get(&hash) == Some(edition.number) {
            return false;
        }
        let ours = self.tokens.are_in(presented.text, &portal.origin);
        if !ours {
            self.foreign.0.insert(hash, edition.number);
        }
        ours
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
        if presented.scheme == Scheme::Other {
            // Refused rather than taken out: its program believes that it says who it is.
            let ours = self.says_ours(edition, presented, hash.0);
            return Ok(ours.then_some(Token::Bad(TokenFault::Misplaced)));
        }
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
        if !self.says_ours(edition, presented, reading.token.0) {
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
