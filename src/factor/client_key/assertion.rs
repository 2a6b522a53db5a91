//! A program's signed assertion of itself (RFC 7523 §3); knows no account, and keeps no record of what was used.

use super::proof;
use crate::factor::Verified;
use crate::stdx::clock::Time;
use crate::stdx::digest::sha256;
use data_encoding::BASE64URL_NOPAD;
use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk};
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde::Deserialize;
use std::time::Duration;

/// How long an assertion may be good for: longer ones would have to be remembered longer.
pub const ASSERTION_LIFE: Duration = Duration::from_secs(10 * 60);

/// How far the program's clock may be off.
const SKEW: Duration = Duration::from_secs(60);

/// Longer ones are not looked at.
const LONGEST: usize = 8 * 1024;

/// Longer names of assertions are not taken.
const LONGEST_NAME: usize = 256;

/// What an assertion must say.
#[derive(Clone, Copy, Debug)]
pub struct Expected<'a> {
    /// Who it is of: issuer and subject alike.
    pub client: &'a str,
    /// Whom it is for: any of these.
    pub audiences: &'a [&'a str],
    /// Now.
    pub now: Time,
}

/// An assertion that is right, if it was not used before.
#[derive(Debug)]
pub struct Asserted {
    /// The proof that it gives.
    pub verified: Verified,
    /// What it is known by: SHA-256 of whose it is and of its name.
    pub id: [u8; 32],
    /// Until when it must be remembered.
    pub until: Time,
}

/// Why an assertion proves nothing. For whoever runs the gateway: outside there is one word for all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Wrong {
    /// It is no assertion, or lacks a claim.
    Malformed,
    /// Another key signed it, or none.
    Key,
    /// It is about somebody else.
    Name,
    /// It is for somebody else.
    Audience,
    /// It is over.
    Expired,
    /// It is good for longer than any may be.
    TooFarAhead,
    /// It was made later than now: a clock is wrong.
    NotYet,
}

impl Wrong {
    /// The word for logs and the record.
    pub const fn word(self) -> &'static str {
        match self {
            Wrong::Malformed => "malformed",
            Wrong::Key => "key",
            Wrong::Name => "name",
            Wrong::Audience => "audience",
            Wrong::Expired => "expired",
            Wrong::TooFarAhead => "too-far-ahead",
            Wrong::NotYet => "not-yet",
        }
    }
}

/// Every claim is needed, in its right form: one of a wrong form must not pass for one that is absent.
#[derive(Deserialize)]
struct Claims {
    iss: String,
    sub: String,
    aud: Audience,
    exp: u64,
    iat: Option<u64>,
    nbf: Option<u64>,
    jti: String,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    Some(Vec<String>),
}

/// Checks an assertion against a key.
pub(super) fn check(jwk: &Jwk, assertion: &str, expected: Expected<'_>) -> Result<Asserted, Wrong> {
    if assertion.len() > LONGEST || !is_plain(assertion) {
        return Err(Wrong::Malformed);
    }
    // The times are judged below, by the clock that is handed in.
    let mut validation = Validation::new(*algorithms(jwk).first().ok_or(Wrong::Key)?);
    validation.algorithms = algorithms(jwk).to_vec();
    (validation.validate_exp, validation.validate_aud) = (false, false);
    validation.required_spec_claims.clear();
    let key = DecodingKey::from_jwk(jwk).map_err(|_| Wrong::Key)?;
    let claims = jsonwebtoken::decode::<Claims>(assertion, &key, &validation).map_err(|error| wrong(&error))?.claims;
    let until = claims.stands(expected)?;
    let id = sha256(&[claims.iss.as_bytes(), &[0], claims.jti.as_bytes()].concat());
    Ok(Asserted { verified: Verified::new(proof(expected.now), None), id, until })
}

fn wrong(error: &jsonwebtoken::errors::Error) -> Wrong {
    let unsigned = matches!(error.kind(), ErrorKind::InvalidSignature | ErrorKind::InvalidAlgorithm);
    if unsigned { Wrong::Key } else { Wrong::Malformed }
}

impl Claims {
    /// Until when it must be remembered, if it says what it must.
    fn stands(&self, Expected { client, audiences, now }: Expected<'_>) -> Result<Time, Wrong> {
        let ours = |name: &str| audiences.contains(&name);
        let for_us = match &self.aud {
            Audience::One(name) => ours(name),
            Audience::Some(names) => names.iter().any(|name| ours(name)),
        };
        let expires = Time::from_secs(self.exp);
        let begun = |at: Option<u64>| at.is_none_or(|at| Time::from_secs(at) <= now.plus(SKEW));
        let demands = [
            (self.iss == client && self.sub == client, Wrong::Name),
            (for_us, Wrong::Audience),
            (now < expires.plus(SKEW), Wrong::Expired),
            (expires <= now.plus(ASSERTION_LIFE + SKEW), Wrong::TooFarAhead),
            (begun(self.iat) && begun(self.nbf), Wrong::NotYet),
            (!self.jti.is_empty() && self.jti.len() <= LONGEST_NAME, Wrong::Malformed),
        ];
        let unmet = demands.into_iter().find_map(|(met, wrong)| (!met).then_some(wrong));
        unmet.map_or(Ok(expires.plus(SKEW)), Err)
    }
}

/// What may sign with a key: it decides, never the assertion.
fn algorithms(jwk: &Jwk) -> &'static [Algorithm] {
    match &jwk.algorithm {
        AlgorithmParameters::EllipticCurve(key) if key.curve == EllipticCurve::P384 => &[Algorithm::ES384],
        AlgorithmParameters::EllipticCurve(_) => &[Algorithm::ES256],
        AlgorithmParameters::OctetKeyPair(_) => &[Algorithm::EdDSA],
        AlgorithmParameters::RSA(_) => &[Algorithm::RS256, Algorithm::PS256],
        // A foreign enum that may grow: what is not known signs nothing.
        _ => &[],
    }
}

/// Whether a header is JSON that demands nothing we do not know (RFC 7515 §4.1.11).
fn is_plain(assertion: &str) -> bool {
    let header = assertion.split('.').next().unwrap_or_default();
    let header = BASE64URL_NOPAD.decode(header.as_bytes()).ok();
    let header = header.and_then(|text| serde_json::from_slice::<serde_json::Value>(&text).ok());
    header.is_some_and(|header| header.is_object() && header.get("crit").is_none())
}

#[cfg(test)]
mod tests {
    use super::super::{read, verify_assertion, verify_certificate};
    use super::*;
    use crate::stdx::secret::Secret;
    use jsonwebtoken::{EncodingKey, Header};
    use serde_json::{Value, json};

    const NOW: Time = Time::from_secs(1_700_000_000);
    const US: &str = "https://auth.example.com";
    const EXPECTED: Expected<'_> =
        Expected { client: "ci", audiences: &[US, "https://auth.example.com/oauth/token"], now: NOW };

    fn key() -> (rcgen::KeyPair, Vec<u8>) {
        let key = rcgen::KeyPair::generate().expect("a key");
        let signing = EncodingKey::from_ec_der(key.serialized_der());
        let jwk = Jwk::from_encoding_key(&signing, Algorithm::ES256).expect("a public key");
        let state = read(&serde_json::to_vec(&jwk).expect("JSON")).expect("a public JWK");
        (key, state)
    }

    fn claims() -> Value {
        let now = NOW.secs();
        json!({ "iss": "ci", "sub": "ci", "aud": US, "exp": now + 300, "iat": now, "nbf": now, "jti": "one" })
    }

    fn signed(key: &rcgen::KeyPair, header: &Header, claims: &Value) -> String {
        jsonwebtoken::encode(header, claims, &EncodingKey::from_ec_der(key.serialized_der())).expect("signed")
    }

    fn with(name: &str, value: Value) -> Value {
        let mut claims = claims();
        claims[name] = value;
        claims
    }

    #[test]
    fn an_assertion_signed_with_the_key_is_right_and_known_by_its_name() {
        let (key, state) = key();
        let header = Header::new(Algorithm::ES256);
        let check = |claims: &Value| verify_assertion(&state, &signed(&key, &header, claims), EXPECTED);
        let right = check(&claims()).expect("right");
        assert_eq!(right.until, NOW.plus(Duration::from_secs(300) + SKEW));
        let same_name = check(&with("exp", json!(NOW.secs() + 200))).expect("right");
        assert_eq!(right.id, same_name.id);
        assert_ne!(right.id, check(&with("jti", json!("two"))).expect("right").id);
        assert!(check(&with("aud", json!(["https://other.test", EXPECTED.audiences[1]]))).is_ok());
        assert!(check(&with("nbf", Value::Null)).is_ok(), "it may be left out");
    }

    #[test]
    fn an_assertion_that_lacks_or_bends_a_claim_is_wrong() {
        let (key, state) = key();
        let now = NOW.secs();
        let header = Header::new(Algorithm::ES256);
        let wrong = [
            ("iss", json!("eve")),
            ("sub", json!("eve")),
            ("aud", json!("https://other.test")),
            ("aud", json!([])),
            ("aud", json!({ "0": US })),
            ("exp", json!(now - 61)),
            ("exp", json!(now + 662)),
            ("exp", json!((now + 300).to_string())),
            ("exp", json!(now as f64 + 0.5)),
            ("exp", json!(-1)),
            ("exp", Value::Null),
            ("iat", json!(now + 61)),
            ("iat", json!("now")),
            ("nbf", json!(now + 61)),
            ("jti", json!("")),
            ("jti", json!(7)),
            ("jti", json!("x".repeat(257))),
        ];
        for (name, value) in wrong {
            let text = signed(&key, &header, &with(name, value.clone()));
            assert!(verify_assertion(&state, &text, EXPECTED).is_err(), "{name} {value}");
        }
        for name in ["iss", "sub", "aud", "exp", "jti"] {
            let mut claims = claims();
            claims.as_object_mut().expect("an object").remove(name);
            assert!(verify_assertion(&state, &signed(&key, &header, &claims), EXPECTED).is_err(), "without {name}");
        }
    }

    #[test]
    fn whoever_runs_the_gateway_learns_why_an_assertion_is_wrong() {
        let ((key, state), (other, _)) = (key(), self::key());
        let header = Header::new(Algorithm::ES256);
        let why = |key, claims: &Value| verify_assertion(&state, &signed(key, &header, claims), EXPECTED).unwrap_err();
        let now = NOW.secs();
        for (name, value, wrong) in [
            ("sub", json!("eve"), Wrong::Name),
            ("aud", json!("https://other.test"), Wrong::Audience),
            ("exp", json!(now - 61), Wrong::Expired),
            ("exp", json!(now + 3_600), Wrong::TooFarAhead),
            ("iat", json!(now + 61), Wrong::NotYet),
            ("jti", json!(7), Wrong::Malformed),
        ] {
            assert_eq!(why(&key, &with(name, value)), wrong, "{name}");
        }
        assert_eq!(why(&other, &claims()), Wrong::Key);
        assert_eq!(verify_assertion(&state, "garbage", EXPECTED).unwrap_err(), Wrong::Malformed);
    }

    #[test]
    fn neither_another_key_nor_a_header_s_wish_makes_an_assertion_right() {
        let ((key, state), (other, _)) = (key(), self::key());
        let header = Header::new(Algorithm::ES256);
        assert!(verify_assertion(&state, &signed(&other, &header, &claims()), EXPECTED).is_err());
        let by_public_key = EncodingKey::from_secret(&state);
        let confused = jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims(), &by_public_key).expect("signed");
        assert!(verify_assertion(&state, &confused, EXPECTED).is_err());
        let right = signed(&key, &header, &claims());
        let body = right.split('.').nth(1).expect("three parts");
        for alg in ["none", "None", "nOnE", "HS256"] {
            let header = BASE64URL_NOPAD.encode(format!(r#"{{"alg":"{alg}","typ":"JWT"}}"#).as_bytes());
            for text in [format!("{header}.{body}."), format!("{header}.{body}"), format!("{header}.{body}.AA.AA")] {
                assert!(verify_assertion(&state, &text, EXPECTED).is_err(), "{alg}");
            }
        }
        let mut wishful = Header::new(Algorithm::ES256);
        wishful.kid = Some("../../etc/passwd".to_owned());
        wishful.jku = Some("https://evil.test/keys".to_owned());
        assert!(verify_assertion(&state, &signed(&key, &wishful, &claims()), EXPECTED).is_ok(), "it is not looked at");
        assert!(verify_assertion(&state, &right.replace('.', ".."), EXPECTED).is_err());
        assert!(verify_assertion(b"garbage", &right, EXPECTED).is_err());
        let long = signed(&key, &header, &with("more", json!("x".repeat(LONGEST))));
        assert!(verify_assertion(&state, &long, EXPECTED).is_err());
        assert!(!format!("{:?}", Secret::new(right)).contains("eyJ"));
    }

    #[test]
    fn a_critical_extension_is_not_passed_over() {
        let (key, state) = key();
        let right = signed(&key, &Header::new(Algorithm::ES256), &claims());
        let body = right.split('.').nth(1).expect("three parts");
        let header = BASE64URL_NOPAD.encode(br#"{"alg":"ES256","crit":["exp"]}"#);
        assert!(!is_plain(&format!("{header}.{body}.AA")) && is_plain(&right));
        assert!(verify_assertion(&state, &format!("{header}.{body}.AA"), EXPECTED).is_err());
    }

    #[test]
    fn a_certificate_is_known_by_its_hash_and_proves_nothing_as_a_key() {
        let (key, of_key) = key();
        let certificate = rcgen::CertificateParams::new(vec!["ci".to_owned()]).expect("names");
        let certificate = certificate.self_signed(&key).expect("a certificate");
        let state = read(certificate.pem().as_bytes()).expect("a certificate");
        let hash = sha256(certificate.der());
        assert!(verify_certificate(&state, &hash, NOW).is_some());
        assert!(verify_certificate(&state, &sha256(b"another"), NOW).is_none());
        assert!(verify_certificate(&of_key, &hash, NOW).is_none());
        let right = signed(&key, &Header::new(Algorithm::ES256), &claims());
        assert!(verify_assertion(&state, &right, EXPECTED).is_err());
    }
}
