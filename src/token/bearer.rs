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
use data_encoding::{BASE64_NOPAD, BASE64URL_NOPAD, Encoding, Specification};
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
    preferred_username: &'a str,
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
            preferred_username: session.account.name.as_str(),
            acr: assurance.as_str(),
            amr: methods(session, assurance),
            auth_time: oldest.secs(),
            cnf: Confirmation::of(grant),
        };
        let mut header = Header::new(Algorithm::ES256);
        header.typ = Some(TYPE.to_owned());
        sign(&self.keys, header, &claims)
    }

    /// Whether credentials hold, wherever in them and as far as anybody could read it, a token that says that `issuer` made
    /// it; also as the user or password of RFC 7617. Anything else is somebody else's.
    pub fn are_in(&self, credentials: &[u8], issuer: &str) -> bool {
        self.are_plainly_in(credentials, issuer)
            || basic(credentials).is_some_and(|inner| self.are_plainly_in(&inner, issuer))
    }

    /// What stands between other characters than those of base64url may be the claims of a token.
    fn are_plainly_in(&self, credentials: &[u8], issuer: &str) -> bool {
        let runs = credentials.split(|byte| !byte.is_ascii_alphanumeric() && !b"-_".contains(byte));
        runs.filter(|run| run.len() >= issuer.len()).any(|run| {
            let Ok(claims) = self.lenient.decode(run) else { return false };
            match object(&claims) {
                Some(claims) => text(&claims, "iss") == Some(issuer),
                None => claims.starts_with(b"{") && memmem::find(&claims, issuer.as_bytes()).is_some(),
            }
        })
    }

    /// What a token says, if `issuer` made it and it is good now. Every claim is required, and of the type it has here.
    pub fn verify(&self, issuer: &str, token: &[u8], now: Time) -> Option<Bearer> {
        let token = Jws::parse(token, TYPE)?;
        let key = self.keys.find(text(&token.header, "kid")?)?;
        let bearer = read(issuer, &token, now)?;
        token.is_signed_by(&key.public).then_some(bearer)
    }
}

/// User and password, if these are credentials of that kind, however they end: some readers ask for no padding.
fn basic(credentials: &[u8]) -> Option<Vec<u8>> {
    let (scheme, encoded) = credentials.split_at_checked(b"basic".len())?;
    let encoded = Some(encoded.trim_ascii()).filter(|_| scheme.eq_ignore_ascii_case(b"basic"))?;
    let bare = encoded.iter().rposition(|byte| *byte != b'=').map_or(0, |last| last + 1);
    BASE64_NOPAD.decode(encoded.get(..bare)?).ok()
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
    text(claims, "jti")?;
    let (bound, certificate) = match claims.get("cnf") {
        None => (None, None),
        Some(confirmation) => confirmed(confirmation.as_object()?)?,
    };
    let host = match text(claims, "aud")? {
        everywhere if everywhere == issuer => None,
        origin => Some(Url::parse(origin).ok()?.host_str()?.into()),
    };
    Some(Bearer {
        session: SessionId::parse(text(claims, "sid")?).ok()?,
        account: AccountId::parse(text(claims, "sub")?).ok()?,
        client: text(claims, "client_id")?.into(),
        host,
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::{Account, AccountKind, AccountName, Device, FactorName, Kind, Kinds, Proof, Session};
    use crate::stdx::seal::MasterKey;
    use crate::store::memory;
    use proptest::prelude::*;
    use serde_json::{Value, json};

    const ISSUER: &str = "https://auth.example.com";
    const NOW: Time = Time::from_secs(10_000);

    async fn tokens() -> AccessTokens {
        let ring = Keyring::open(memory::open().keys, MasterKey::new([1; 32]).seal("signing-key"), NOW).await;
        AccessTokens::new(Arc::new(ring.expect("a ring")))
    }

    fn session() -> LiveSession {
        let account = Account {
            id: AccountId::new([1; 16]),
            name: AccountName::parse("alice").expect("a valid name"),
            groups: Vec::new(),
            kind: AccountKind::Person,
            disabled: false,
            created: Time::EPOCH,
        };
        let proof = Proof {
            factor: FactorName("password"),
            kinds: Kinds::of(Kind::Knowledge),
            phishing_resistant: false,
            recovery: false,
            at: Time::from_secs(9_000),
        };
        let session = Session {
            id: SessionId::new([2; 16]),
            account: account.id,
            proofs: [proof].into_iter().collect(),
            created: NOW,
            used: NOW,
            device: Device { name: "tool".to_owned(), address: std::net::Ipv4Addr::LOCALHOST.into() },
        };
        LiveSession::new(session, account)
    }

    const GRANT: Grant<'static> = Grant {
        issuer: ISSUER,
        resource: Some("https://app.example.com:8443"),
        client: "tool",
        bound: Some(Thumbprint([3; 32])),
        certificate: None,
        life: Duration::from_secs(600),
    };

    fn claims_of(token: &str) -> Value {
        let claims = token.split('.').nth(1).expect("three parts");
        serde_json::from_slice(&BASE64URL_NOPAD.decode(claims.as_bytes()).expect("base64url")).expect("JSON")
    }

    /// A token with these claims, signed with our own key.
    fn signed(tokens: &AccessTokens, claims: &Value) -> String {
        let mut header = Header::new(Algorithm::ES256);
        header.typ = Some(TYPE.to_owned());
        sign(&tokens.keys, header, claims).expect("a token")
    }

    #[tokio::test]
    async fn a_token_says_what_it_was_issued_for_until_it_expires() {
        let tokens = tokens().await;
        let token = tokens.issue(&session(), &GRANT, NOW).expect("a token");
        let claims = claims_of(&token);
        let expected = [
            ("iss", json!(ISSUER)),
            ("aud", json!("https://app.example.com:8443")),
            ("sub", json!(AccountId::new([1; 16]).to_string())),
            ("sid", json!(SessionId::new([2; 16]).to_string())),
            ("iat", json!(10_000)),
            ("exp", json!(10_600)),
            ("client_id", json!("tool")),
            ("preferred_username", json!("alice")),
            ("acr", json!("one-factor")),
            ("amr", json!(["pwd"])),
            ("auth_time", json!(9_000)),
            ("cnf", json!({ "jkt": Thumbprint([3; 32]).to_string() })),
        ];
        expected.iter().for_each(|(name, value)| assert_eq!(claims[name], *value, "{name}"));
        let until = Time::from_secs(10_600);
        let bearer = Bearer {
            session: SessionId::new([2; 16]),
            account: AccountId::new([1; 16]),
            client: "tool".into(),
            host: Some("app.example.com".into()),
            until,
            bound: GRANT.bound,
            certificate: None,
        };
        let verify = |now| tokens.verify(ISSUER, token.as_bytes(), now);
        assert_eq!(verify(until.minus(Duration::from_secs(1))), Some(bearer));
        assert_eq!(verify(until), None);
        assert_eq!(verify(NOW.minus(Duration::from_secs(61))), None, "from the future");
        assert_eq!(tokens.verify("https://auth.example.org", token.as_bytes(), NOW), None);
        assert!(tokens.verify(ISSUER, format!("{token}A").as_bytes(), NOW).is_none());
    }

    #[tokio::test]
    async fn a_token_for_no_host_in_particular_is_for_every_one() {
        let tokens = tokens().await;
        let grant = Grant { resource: None, bound: None, ..GRANT };
        let token = tokens.issue(&session(), &grant, NOW).expect("a token");
        let bearer = tokens.verify(ISSUER, token.as_bytes(), NOW).expect("a good token");
        assert_eq!((bearer.host, bearer.bound), (None, None));
    }

    #[tokio::test]
    async fn every_claim_is_required_and_of_its_own_type() {
        let tokens = tokens().await;
        let good = claims_of(&tokens.issue(&session(), &GRANT, NOW).expect("a token"));
        assert!(tokens.verify(ISSUER, signed(&tokens, &good).as_bytes(), NOW).is_some());
        let odd = [json!("10600"), json!(10_600.5), json!(null), json!([10_600]), json!(-1), json!(true)];
        let texts = [json!(1), json!(null), json!([ISSUER]), json!([ISSUER, "other"]), json!("other"), json!("")];
        for (name, values) in [
            ("exp", &odd),
            ("iat", &odd),
            ("nbf", &odd),
            ("iss", &texts),
            ("aud", &texts),
            ("sub", &texts),
            ("sid", &texts),
        ] {
            for value in values {
                let mut claims = good.clone();
                claims[name] = value.clone();
                assert!(tokens.verify(ISSUER, signed(&tokens, &claims).as_bytes(), NOW).is_none(), "{name}: {value}");
            }
            let mut claims = good.clone();
            let there = claims.as_object_mut().expect("an object").remove(name).is_some();
            let read = tokens.verify(ISSUER, signed(&tokens, &claims).as_bytes(), NOW).is_some();
            assert_eq!(read, !there, "without {name}");
        }
        let jkt = [json!({}), json!({ "jkt": 1 }), json!({ "jkt": "AA" }), json!("AA"), json!(null)];
        for value in jkt {
            let mut claims = good.clone();
            claims["cnf"] = value;
            assert!(tokens.verify(ISSUER, signed(&tokens, &claims).as_bytes(), NOW).is_none(), "{claims}");
        }
    }

    #[tokio::test]
    async fn a_key_is_found_by_its_name_among_the_published_and_nowhere_else() {
        let (tokens, others) = (tokens().await, tokens().await);
        let claims = claims_of(&tokens.issue(&session(), &GRANT, NOW).expect("a token"));
        let header = |kid: Value| json!({ "alg": "ES256", "typ": TYPE, "kid": kid });
        let key = tokens.keys.current();
        let sign_with = |header: &Value, claims: &Value| {
            let part = |value: &Value| BASE64URL_NOPAD.encode(value.to_string().as_bytes());
            let message = format!("{}.{}", part(header), part(claims));
            let signature = jsonwebtoken::crypto::sign(message.as_bytes(), &key.key, Algorithm::ES256);
            format!("{message}.{}", signature.expect("a signature"))
        };
        let verify = |token: String| tokens.verify(ISSUER, token.as_bytes(), NOW).is_some();
        assert!(verify(sign_with(&header(json!(key.kid)), &claims)));
        let kids =
            [json!("../../etc/passwd"), json!("'; --"), json!("a".repeat(64 * 1024)), json!(1), json!([key.kid])];
        for kid in kids {
            assert!(!verify(sign_with(&header(kid), &claims)));
        }
        assert!(!verify(sign_with(&json!({ "alg": "ES256", "typ": TYPE }), &claims)), "without a name");
        assert!(!verify(others.issue(&session(), &GRANT, NOW).expect("a token")), "signed by somebody else");
    }

    #[tokio::test]
    async fn what_says_to_be_ours_is_told_from_what_is_somebody_elses() {
        let tokens = tokens().await;
        let part = |text: &str| BASE64URL_NOPAD.encode(text.as_bytes());
        let ours = |token: &str| tokens.are_in(token.as_bytes(), ISSUER);
        let token = |claims: &str| format!("e30.{}.", part(claims));
        let own = format!(r#"{{"iss":"{ISSUER}"}}"#);
        assert!(ours(&tokens.issue(&session(), &GRANT, NOW).expect("a token")));
        assert!(ours(&token(&own)) && ours(&format!("e30.{}", part(&own))) && ours(&format!("{}AAAA", token(&own))));
        assert!(ours(&format!("e30.{}=.", part(&own))), "padded");
        assert!(ours(&token(&format!(r#"{{"iss":"x","iss":"{ISSUER}"}}"#))), "said twice");
        assert!(ours(&token(&format!("{own}}}"))), "no JSON");
        let issued = tokens.issue(&session(), &GRANT, NOW).expect("a token");
        for around in ["Bearer\t{}", "Basic QQ==, Bearer {}", "Token {}", "Token token=\"{}\"", "x.{}", "{};{}"] {
            assert!(ours(&around.replace("{}", &issued)), "{around}");
        }
        let password = data_encoding::BASE64.encode(format!("git:{issued}").as_bytes());
        assert!(ours(&format!("Basic {password}")) && ours(&format!("basic  {password} ")), "as a password");
        let padded = (0..3).map(|more| format!("git{}:{issued}", "t".repeat(more)));
        for password in padded.map(|text| data_encoding::BASE64_NOPAD.encode(text.as_bytes())) {
            assert!(ours(&format!("Basic {password}")), "without padding");
        }
        assert!(
            !ours(&format!("Basic {}", data_encoding::BASE64.encode(format!("git:{ISSUER}").as_bytes()))),
            "the mere name"
        );
        for foreign in ["", "abc", "a.b.c", "opaque", &token("{}"), &token(r#"{"iss":"https://other.example.com"}"#)] {
            assert!(!ours(foreign), "{foreign}");
        }
        let aimed = format!(r#"{{"iss":"https://other.example.com","aud":"{ISSUER}"}}"#);
        assert!(!ours(&token(&aimed)), "for us, by somebody else");
    }

    proptest! {
        #[test]
        fn no_made_up_token_panics(token in "[ -~]{0,300}", claims in ".{0,80}") {
            let tokens = futures_util::FutureExt::now_or_never(tokens()).expect("nothing waits in memory");
            let made = format!("e30.{}.{token}", BASE64URL_NOPAD.encode(claims.as_bytes()));
            for token in [token, made] {
                tokens.are_in(token.as_bytes(), ISSUER);
                prop_assert!(tokens.verify(ISSUER, token.as_bytes(), NOW).is_none());
            }
        }
    }
}
