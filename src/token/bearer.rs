//! Access tokens (RFC 9068): signed statements that their bearer speaks for a session; decides nothing, and knows not
//! whether the session lives.

use super::assertion::methods;
use super::jws::Jws;
use super::strict::{object, seconds, text};
use super::{Keyring, sign};
use crate::identity::{AccountId, SessionId};
use crate::session::{Bearer, LiveSession, Thumbprint};
use crate::stdx::clock::Time;
use crate::stdx::entropy;
use data_encoding::{BASE64URL_NOPAD, Encoding, Specification};
use jsonwebtoken::{Algorithm, Header};
use memchr::memmem;
use serde::Serialize;
use std::sync::Arc;
use std::time::Duration;
use url::Url;

/// `typ` of an access token (RFC 9068 §2.1).
const TYPE: &str = "at+jwt";

/// How far two clocks of the processes that share the keys may be apart.
const SKEW: Duration = Duration::from_secs(60);

/// What a token is issued for.
#[derive(Clone, Copy, Debug)]
pub struct Grant<'a> {
    /// Who signs: the portal's origin.
    pub issuer: &'a str,
    /// The origin it is for; `None`: every host of the gateway.
    pub resource: Option<&'a str>,
    /// The program it is issued to.
    pub client: &'a str,
    /// The key that must be proved with every use.
    pub bound: Option<Thumbprint>,
    /// The client certificate (its SHA-256) that it must be used with.
    pub certificate: Option<Thumbprint>,
    /// How long it is good for.
    pub life: Duration,
}

/// Issues and verifies access tokens.
pub struct AccessTokens {
    keys: Arc<Keyring>,
    /// Reads what a forgiving reader would: whether a token that is not canonical says to be ours.
    lenient: Encoding,
}

#[derive(Serialize)]
struct Claims<'a> {
    iss: &'a str,
    sub: String,
    aud: &'a str,
    iat: u64,
    exp: u64,
    jti: String,
    client_id: &'a str,
    sid: String,
    acr: &'static str,
    amr: Vec<&'static str>,
    auth_time: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    cnf: Option<Confirmation>,
}

/// What whoever presents it must have: a key (RFC 9449 §6.1), a certificate (RFC 8705 §3.1), or both.
#[derive(Serialize)]
struct Confirmation {
    #[serde(skip_serializing_if = "Option::is_none")]
    jkt: Option<String>,
    #[serde(rename = "x5t#S256", skip_serializing_if = "Option::is_none")]
    certificate: Option<String>,
}

impl Confirmation {
    fn of(grant: &Grant<'_>) -> Option<Self> {
        let (jkt, certificate) = (grant.bound, grant.certificate);
        let text = |print: Option<Thumbprint>| print.map(|print| print.to_string());
        (jkt.is_some() || certificate.is_some())
            .then(|| Confirmation { jkt: text(jkt), certificate: text(certificate) })
    }
}

impl AccessTokens {
    /// Tokens signed with `keys`.
    pub fn new(keys: Arc<Keyring>) -> Self {
        let mut lenient: Specification = BASE64URL_NOPAD.specification();
        lenient.check_trailing_bits = false;
        lenient.ignore.push_str("= ");
        let lenient = lenient.encoding().expect("the usual alphabet with a little forgiveness");
        AccessTokens { keys, lenient }
    }

    /// A token for a session. `None` if signing failed.
    pub fn issue(&self, session: &LiveSession, grant: &Grant<'_>, now: Time) -> Option<String> {
        let assurance = session.proofs.assurance();
        let oldest = session.proofs.iter().map(|proof| proof.at).min().unwrap_or(session.created);
        let claims = Claims {
            iss: grant.issuer,
            sub: session.account.id.to_string(),
            aud: grant.resource.unwrap_or(grant.issuer),
            iat: now.secs(),
            exp: now.plus(grant.life).secs(),
            jti: BASE64URL_NOPAD.encode(&entropy::bytes::<16>()),
            client_id: grant.client,
            sid: session.id.to_string(),
            acr: assurance.as_str(),
            amr: methods(session, assurance),
            auth_time: oldest.secs(),
            cnf: Confirmation::of(grant),
        };
        let mut header = Header::new(Algorithm::ES256);
        header.typ = Some(TYPE.to_owned());
        sign(&self.keys, header, &claims)
    }

    /// Whether a token says, as far as anybody could read it, that `issuer` made it. Anything else is somebody else's.
    pub fn claims_to_be_of(&self, issuer: &str, token: &[u8]) -> bool {
        let claims = token.split(|byte| *byte == b'.').nth(1);
        let Some(claims) = claims.and_then(|claims| self.lenient.decode(claims).ok()) else { return false };
        match object(&claims) {
            Some(claims) => text(&claims, "iss") == Some(issuer),
            None => memmem::find(&claims, issuer.as_bytes()).is_some(),
        }
    }

    /// What a token says, if `issuer` made it and it is good now. Every claim is required, and of the type it has here.
    pub fn verify(&self, issuer: &str, token: &[u8], now: Time) -> Option<Bearer> {
        let token = Jws::parse(token, TYPE)?;
        let key = self.keys.find(text(&token.header, "kid")?)?;
        let bearer = read(issuer, &token, now)?;
        token.is_signed_by(&key.public).then_some(bearer)
    }
}

/// The claims, not yet believed.
fn read(issuer: &str, token: &Jws<'_>, now: Time) -> Option<Bearer> {
    let claims = &token.claims;
    let time = |name| seconds(claims, name).map(Time::from_secs);
    let (until, issued, latest) = (time("exp")?, time("iat")?, now.plus(SKEW));
    // Not one of ours has it; what has it all the same is held to it.
    let begins = if claims.contains_key("nbf") { time("nbf")? } else { issued };
    if text(claims, "iss")? != issuer || now >= until || latest < issued || latest < begins {
        return None;
    }
    text(claims, "client_id")?;
    text(claims, "jti")?;
    let (bound, certificate) = match claims.get("cnf") {
        None => (None, None),
        Some(confirmation) => confirmed(confirmation.as_object()?)?,
    };
    Some(Bearer {
        session: SessionId::parse(text(claims, "sid")?).ok()?,
        account: AccountId::parse(text(claims, "sub")?).ok()?,
        host: audience(issuer, text(claims, "aud")?)?,
        until,
        bound,
        certificate,
    })
}

/// The key and the certificate that a token is bound to: one of them at least, and nothing that is not known here.
fn confirmed(members: &serde_json::Map<String, serde_json::Value>) -> Option<(Option<Thumbprint>, Option<Thumbprint>)> {
    let (mut key, mut certificate) = (None, None);
    for (name, value) in members {
        let held = match name.as_str() {
            "jkt" => &mut key,
            "x5t#S256" => &mut certificate,
            _ => return None,
        };
        *held = Some(Thumbprint::parse(value.as_str()?)?);
    }
    (key.is_some() || certificate.is_some()).then_some((key, certificate))
}

/// The host that a token is for; `None` within: every one.
#[expect(clippy::option_option, reason = "no host at all is another answer than every host")]
fn audience(issuer: &str, audience: &str) -> Option<Option<Box<str>>> {
    if audience == issuer {
        return Some(None);
    }
    let origin = Url::parse(audience).ok()?;
    Some(Some(origin.host_str()?.into()))
}
