//! Tokens that are bound to a key (RFC 9449): a stolen one is of no use.

use super::{DEVICE_GRANT, Program, Said, approve};
use crate::rig::{Browser, Member, Page, Rig, TWO_HOSTS, filled};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use data_encoding::BASE64URL_NOPAD;
use portcullis::stdx::clock::Clock;
use portcullis::stdx::digest::sha256;
use serde_json::{Value, json};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// A key of a program's own.
struct Key {
    pair: EcdsaKeyPair,
    made: AtomicU64,
}

impl Key {
    fn fresh() -> Self {
        let (algorithm, random) = (&ECDSA_P256_SHA256_FIXED_SIGNING, SystemRandom::new());
        let pkcs8 = EcdsaKeyPair::generate_pkcs8(algorithm, &random).expect("a key");
        let pair = EcdsaKeyPair::from_pkcs8(algorithm, pkcs8.as_ref()).expect("a key");
        Key { pair, made: AtomicU64::new(0) }
    }

    fn jwk(&self) -> Value {
        let point = self.pair.public_key().as_ref();
        let part = |part: &[u8]| BASE64URL_NOPAD.encode(part);
        json!({ "kty": "EC", "crv": "P-256", "x": part(&point[1..33]), "y": part(&point[33..]) })
    }

    /// The claims of a proof about one request now, each with an identifier of its own.
    fn claims(&self, rig: &Rig, (method, url): (&str, &str), nonce: Option<&str>) -> Value {
        let number = self.made.fetch_add(1, Ordering::Relaxed);
        let mut claims =
            json!({ "jti": format!("proof {number}"), "htm": method, "htu": url, "iat": rig.clock.now().secs() });
        if let Some(nonce) = nonce {
            claims["nonce"] = nonce.into();
        }
        claims
    }

    fn sign(&self, claims: &Value) -> String {
        self.sign_as(&json!({ "typ": "dpop+jwt", "alg": "ES256", "jwk": self.jwk() }), claims)
    }

    fn sign_as(&self, header: &Value, claims: &Value) -> String {
        let part = |value: &Value| BASE64URL_NOPAD.encode(value.to_string().as_bytes());
        let message = format!("{}.{}", part(header), part(claims));
        let signature = self.pair.sign(&SystemRandom::new(), message.as_bytes()).expect("a signature");
        format!("{message}.{}", BASE64URL_NOPAD.encode(signature.as_ref()))
    }
}

/// Sends a form to the token endpoint with a proof; gives the answer and the nonce that came with it.
async fn ask(rig: &Rig, (program, key): (&mut Program, &Key), fields: &[(&str, &str)], nonce: &str) -> (Said, String) {
    let url = format!("{}/oauth/token", rig.origin("auth.localhost"));
    let proof = key.sign(&key.claims(rig, ("POST", &url), Some(nonce).filter(|nonce| !nonce.is_empty())));
    let fields = [&[("client_id", "tool")], fields].concat();
    let said = program.send("/oauth/token", &fields, &[("dpop", &proof)]).await;
    let nonce = said.page.header("dpop-nonce").expect("a nonce for the next").to_owned();
    (said, nonce)
}

/// Connects a program with a key; gives the nonce for its next proof.
async fn bind(rig: &Rig, person: &mut Browser, program: &mut Program, key: &Key) -> String {
    let begun = program.post("/oauth/device_authorization", &[]).await;
    approve(rig, person, begun.text("user_code")).await;
    let fields = [("grant_type", DEVICE_GRANT), ("device_code", begun.text("device_code"))];
    let (refused, nonce) = ask(rig, (program, key), &fields, "").await;
    assert_eq!((refused.status, refused.error()), (400, "use_dpop_nonce"), "and nothing is spent");
    let (granted, nonce) = ask(rig, (program, key), &fields, &nonce).await;
    assert_eq!(granted.text("token_type"), "DPoP");
    program.keep(&granted);
    nonce
}

/// Asks a service with a token and a proof.
async fn present(program: &mut Program, url: &str, proof: &str) -> Page {
    let token = format!("DPoP {}", program.access);
    program.get_with(url, &[("authorization", &token), ("dpop", proof)]).await
}

/// The claims of a proof about a request with this program's token.
fn about(rig: &Rig, (program, key): (&Program, &Key), url: &str, nonce: &str) -> Value {
    let mut claims = key.claims(rig, ("GET", url), Some(nonce));
    claims["ath"] = BASE64URL_NOPAD.encode(&sha256(program.access.as_bytes())).into();
    claims
}

async fn scene(policies: &str) -> (Rig, Member, Browser, Program, Key) {
    let app = Member::echo("app").await;
    let rig = Rig::start(&filled(&format!("{TWO_HOSTS}\n{policies}"), &[("app", &app), ("wiki", &app)])).await;
    let person = rig.signed_in("alice", &["staff"]).await;
    let program = Program::of(&rig);
    (rig, app, person, program, Key::fresh())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bound_token_opens_with_a_proof_and_not_without() {
    let (rig, app, mut person, mut program, key) = scene("").await;
    let nonce = bind(&rig, &mut person, &mut program, &key).await;
    let url = format!("{}/page?a=b", rig.origin("app.localhost"));
    let proof = key.sign(&about(&rig, (&program, &key), url.split('?').next().expect("a url"), &nonce));
    let page = present(&mut program, &url, &proof).await;
    assert_eq!((page.status, page.body.as_str()), (200, "app /page?a=b"));
    assert_eq!((app.last().one("authorization"), app.last().one("dpop")), (None, None));
    let stolen = program.get(&url).await;
    let challenge = stolen.header("www-authenticate").expect("a challenge");
    assert_eq!(stolen.status, 401);
    assert!(challenge.starts_with(r#"DPoP algs="ES256", error="invalid_token""#), "{challenge}");
    assert_eq!(app.seen().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_proof_that_does_not_fit_is_refused() {
    let (rig, app, mut person, mut program, key) = scene("").await;
    let nonce = bind(&rig, &mut person, &mut program, &key).await;
    let url = format!("{}/page", rig.origin("app.localhost"));
    let good = about(&rig, (&program, &key), &url, &nonce);
    let mut bad = Vec::new();
    for (name, value) in [
        ("htm", json!("POST")),
        ("htu", json!(format!("{}/page", rig.origin("wiki.localhost")))),
        ("htu", json!(format!("{}/other", rig.origin("app.localhost")))),
        ("htu", json!("https://app.localhost/page")),
        ("iat", json!(rig.clock.now().secs() - 61)),
        ("iat", json!(rig.clock.now().secs() + 61)),
        ("ath", json!(null)),
        ("ath", json!(BASE64URL_NOPAD.encode(&sha256(b"another")))),
        ("jti", json!(1)),
    ] {
        let mut claims = good.clone();
        claims[name] = value;
        bad.push(key.sign(&claims));
    }
    let mut without = good.clone();
    without.as_object_mut().expect("an object").remove("ath");
    bad.push(key.sign(&without));
    let thief = Key::fresh();
    bad.push(thief.sign(&good));
    bad.push(thief.sign_as(&json!({ "typ": "dpop+jwt", "alg": "ES256", "jwk": key.jwk() }), &good));
    bad.push(key.sign_as(&json!({ "typ": "JWT", "alg": "ES256", "jwk": key.jwk() }), &good));
    bad.push("not a proof".to_owned());
    let seen = app.seen().len();
    for proof in &bad {
        let refused = present(&mut program, &url, proof).await;
        let challenge = refused.header("www-authenticate").expect("a challenge");
        assert!(challenge.starts_with(r#"DPoP algs="ES256", error="invalid_dpop_proof""#), "{challenge} {proof}");
        assert!(refused.status == 401 && refused.header("dpop-nonce").is_some());
    }
    assert_eq!(app.seen().len(), seen);
    let proof = key.sign(&good);
    assert_eq!(present(&mut program, &url, &proof).await.status, 200);
    assert_eq!(present(&mut program, &url, &proof).await.status, 401, "a second time");
    let token = format!("DPoP {}", program.access);
    let twice = [("authorization", &*token), ("dpop", &key.sign(&good)), ("dpop", "x")];
    assert_eq!(program.get_with(&url, &twice).await.status, 401);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_old_nonce_is_answered_with_a_fresh_one() {
    let (rig, _app, mut person, mut program, key) = scene("").await;
    let nonce = bind(&rig, &mut person, &mut program, &key).await;
    let url = format!("{}/page", rig.origin("app.localhost"));
    rig.clock.advance(Duration::from_secs(240));
    let old = key.sign(&about(&rig, (&program, &key), &url, &nonce));
    let refused = present(&mut program, &url, &old).await;
    let challenge = refused.header("www-authenticate").expect("a challenge");
    assert!(refused.status == 401 && challenge.contains(r#"error="use_dpop_nonce""#), "{challenge}");
    let fresh = refused.header("dpop-nonce").expect("a nonce").to_owned();
    let proof = key.sign(&about(&rig, (&program, &key), &url, &fresh));
    assert_eq!(present(&mut program, &url, &proof).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refresh_token_of_a_bound_grant_needs_its_key() {
    let (rig, _app, mut person, mut program, key) = scene("").await;
    let nonce = bind(&rig, &mut person, &mut program, &key).await;
    let mut thief = program.stolen();
    assert_eq!(thief.refresh().await.error(), "invalid_grant");
    let token = program.refresh.clone();
    let fields = [("grant_type", "refresh_token"), ("refresh_token", &*token)];
    let (refused, _) = ask(&rig, (&mut thief, &Key::fresh()), &fields, &nonce).await;
    assert_eq!(refused.error(), "invalid_grant");
    let (granted, _) = ask(&rig, (&mut program, &key), &fields, &nonce).await;
    assert_eq!((granted.status, granted.text("token_type")), (200, "DPoP"), "nobody spent it");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bound_policy_admits_bound_tokens_and_nobody_else() {
    let bound = "[policy.bound]\nextends = \"staff\"\nbound = true\n\n[[route]]\nname = \"bound\"\n\
                 host = \"app.localhost\"\npath = \"/bound/**\"\npool = \"app\"\npolicy = \"bound\"\n";
    let (rig, app, mut person, mut program, key) = scene(bound).await;
    let url = format!("{}/bound/x", rig.origin("app.localhost"));
    person.visit(&format!("{}/page", rig.origin("app.localhost"))).await;
    let seen = app.seen().len();
    let page = person.navigate(&url).await;
    assert!(page.status == 403 && page.body.contains("DPoP"), "a browser is not sent round in circles: {page:?}");
    program.connect(&rig, &mut person, &[]).await;
    for refused in [person.fetch(&url).await, program.get(&url).await, rig.browser().fetch(&url).await] {
        let challenge = refused.header("www-authenticate").expect("a challenge");
        assert!(refused.status == 401 && challenge.starts_with(r#"DPoP algs="ES256", resource_"#), "{challenge}");
    }
    assert_eq!(app.seen().len(), seen);
    let nonce = bind(&rig, &mut person, &mut program, &key).await;
    let proof = key.sign(&about(&rig, (&program, &key), &url, &nonce));
    assert_eq!(present(&mut program, &url, &proof).await.status, 200);
}
