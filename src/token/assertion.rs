//! Assertions: what a service is told of a caller, signed once per session and audience and used for minutes; makes no
//! decision.

use super::{Keyring, sign};
use crate::identity::{Assurance, Group, Proof};
use crate::session::{LiveSession, Stamp};
use crate::stdx::clock::Time;
use http::HeaderValue;
use jsonwebtoken::{Algorithm, Header};
use serde::Serialize;
use std::sync::Arc;
use std::time::Duration;

/// How long an assertion is good for.
pub const ASSERTION_LIFE: Duration = Duration::from_secs(5 * 60);

/// An assertion is sent only while it is good for at least this much longer, so that a slow service still accepts it.
const SPARE: Duration = Duration::from_secs(60);

/// Whom an assertion is for, and what they may be told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Audience {
    /// A number of its own for each issuer, pool and policy of one edition and its successors: the key of the memo.
    pub key: u64,
    /// Who signs: the portal's origin.
    pub issuer: Arc<str>,
    /// The pool's name.
    pub pool: Arc<str>,
    /// The groups that the policy names.
    pub groups: Vec<Group>,
}

/// Makes and remembers stamps.
pub struct Mint {
    keys: Arc<Keyring>,
}

#[derive(Serialize)]
struct Claims<'a> {
    iss: &'a str,
    sub: String,
    aud: &'a str,
    iat: u64,
    exp: u64,
    sid: String,
    preferred_username: &'a str,
    groups: Vec<&'a str>,
    acr: &'static str,
    amr: Vec<&'static str>,
    auth_time: u64,
}

impl Mint {
    /// A mint that signs with `keys`.
    pub fn new(keys: Arc<Keyring>) -> Self {
        Mint { keys }
    }

    /// The stamp of a session for an audience: from the session's memo, or made now and kept there. `None` if signing
    /// failed, and then the request must not go on.
    pub fn stamp(&self, session: &LiveSession, audience: &Audience, now: Time) -> Option<Stamp> {
        if let Some(stamp) = session.stamps.get(audience.key, |stamp| now.plus(SPARE) < stamp.until) {
            return Some(stamp);
        }
        let stamp = self.make(session, audience, now)?;
        session.stamps.keep(audience.key, stamp.clone());
        Some(stamp)
    }

    #[cold]
    fn make(&self, session: &LiveSession, audience: &Audience, now: Time) -> Option<Stamp> {
        let held = session.account.groups.iter().filter(|group| audience.groups.contains(group));
        let groups: Vec<&str> = held.map(Group::as_str).collect();
        let assurance = session.proofs.assurance();
        let until = now.plus(ASSERTION_LIFE);
        let oldest = session.proofs.iter().map(|proof| proof.at).min().unwrap_or(session.created);
        let claims = Claims {
            iss: &audience.issuer,
            sub: session.account.id.to_string(),
            aud: &audience.pool,
            iat: now.secs(),
            exp: until.secs(),
            sid: session.id.to_string(),
            preferred_username: session.account.name.as_str(),
            groups: groups.clone(),
            acr: assurance.as_str(),
            amr: methods(session, assurance),
            auth_time: oldest.secs(),
        };
        let joined = (!groups.is_empty()).then(|| groups.join(","));
        Some(Stamp {
            account: HeaderValue::from_str(session.account.name.as_str()).ok()?,
            groups: joined.and_then(|groups| HeaderValue::from_str(&groups).ok()),
            assurance: HeaderValue::from_static(assurance.as_str()),
            assertion: HeaderValue::from_str(&sign(&self.keys, Header::new(Algorithm::ES256), &claims)?).ok()?,
            until,
        })
    }
}

/// `amr` (RFC 8176 §2): our words for factors where the registry has the same meaning under another word are
/// translated, the others stand as they are.
pub(super) fn methods(session: &LiveSession, assurance: Assurance) -> Vec<&'static str> {
    const REGISTERED: [(&str, &[&str]); 4] =
        [("password", &["pwd"]), ("totp", &["otp"]), ("message", &["otp"]), ("passkey", &["pop", "user"])];
    let registered = |word| REGISTERED.iter().find(|(own, _)| *own == word).map(|(_, theirs)| *theirs);
    let words = |proof: &Proof| registered(proof.factor.0).map_or_else(|| vec![proof.factor.0], <[_]>::to_vec);
    let mut methods = Vec::new();
    for word in session.proofs.iter().flat_map(words) {
        if !methods.contains(&word) {
            methods.push(word);
        }
    }
    if assurance >= Assurance::Mfa {
        methods.push("mfa");
    }
    methods
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::{
        Account, AccountId, AccountKind, AccountName, Device, FactorName, Kind, Kinds, Proof, Session, SessionId,
    };
    use jsonwebtoken::{DecodingKey, Validation};

    fn session() -> LiveSession {
        let proof = |word, kind| Proof {
            factor: FactorName(word),
            kinds: Kinds::of(kind),
            phishing_resistant: false,
            recovery: false,
            at: Time::from_secs(900),
        };
        let account = Account {
            id: AccountId::new([1; 16]),
            name: AccountName::parse("alice").expect("a valid name"),
            groups: ["staff", "secret"].map(|group| Group::parse(group).expect("a valid group")).to_vec(),
            kind: AccountKind::Person,
            disabled: false,
            created: Time::EPOCH,
        };
        let at = Time::from_secs(900);
        let session = Session {
            id: SessionId::new([2; 16]),
            account: account.id,
            proofs: [proof("password", Kind::Knowledge), proof("totp", Kind::Possession)].into_iter().collect(),
            created: at,
            used: at,
            device: Device { name: "curl".to_owned(), address: std::net::Ipv4Addr::LOCALHOST.into() },
        };
        LiveSession::new(session, account)
    }

    fn audience() -> Audience {
        let groups = vec![Group::parse("staff").expect("a valid group")];
        Audience { key: 1, issuer: "https://auth.example.com".into(), pool: "orders".into(), groups }
    }

    async fn keys() -> Arc<Keyring> {
        let seal = crate::stdx::seal::MasterKey::new([1; 32]).seal("signing-key");
        let ring = Keyring::open(crate::store::memory::open().keys, seal, Time::from_secs(1)).await;
        Arc::new(ring.expect("a ring"))
    }

    #[tokio::test]
    async fn a_service_can_verify_an_assertion_with_the_published_keys() {
        let keys = keys().await;
        let mint = Mint::new(keys.clone());
        let now = crate::stdx::clock::Clock::now(&crate::stdx::clock::SystemClock);
        let stamp = mint.stamp(&session(), &audience(), now).expect("a stamp");
        let token = stamp.assertion.to_str().expect("text");
        let kid = jsonwebtoken::decode_header(token).expect("a header").kid.expect("a key id");
        let set = keys.published();
        let key = DecodingKey::from_jwk(set.find(&kid).expect("published")).expect("a key");
        let mut validation = Validation::new(Algorithm::ES256);
        validation.set_audience(&["orders"]);
        validation.set_issuer(&["https://auth.example.com"]);
        validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
        let claims = jsonwebtoken::decode::<serde_json::Value>(token, &key, &validation).expect("valid").claims;
        assert_eq!(claims["groups"], serde_json::json!(["staff"]), "only groups that the policy names");
        assert_eq!(claims["amr"], serde_json::json!(["pwd", "otp", "mfa"]));
        validation.set_audience(&["billing"]);
        assert!(jsonwebtoken::decode::<serde_json::Value>(token, &key, &validation).is_err());
    }

    #[tokio::test]
    async fn a_session_is_signed_for_once_per_audience_until_the_assertion_grows_old() {
        let mint = Mint::new(keys().await);
        let (session, now) = (session(), Time::from_secs(1000));
        let at = |now, audience: &Audience| mint.stamp(&session, audience, now).expect("a stamp").assertion;
        let first = at(now, &audience());
        assert_eq!(at(now.plus(Duration::from_secs(200)), &audience()), first);
        assert_ne!(at(now.plus(Duration::from_secs(250)), &audience()), first);
        assert_ne!(at(now, &Audience { key: 2, pool: "billing".into(), ..audience() }), first);
    }
}
