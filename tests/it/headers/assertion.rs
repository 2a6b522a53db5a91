//! The signed statement of who is asking, as a service verifies it.

use crate::rig::{Line, Pass, Raw, Rig, Seen, get};
use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header};
use serde_json::Value;
use std::time::Duration;

async fn ask(rig: &Rig, host: &str, target: &str, pass: &Pass) -> Raw {
    let request = format!("GET {target} HTTP/1.1\r\nHost: {host}\r\nCookie: {}\r\n\r\n", pass.cookie());
    Line::to(rig.address()).await.ask(request).await
}

async fn keys(rig: &Rig) -> JwkSet {
    let request = "GET /.well-known/jwks.json HTTP/1.1\r\nHost: auth.localhost\r\n\r\n";
    let answer = Line::to(rig.address()).await.ask(request).await;
    assert_eq!((answer.status, answer.header("content-type")), (200, Some("application/jwk-set+json")));
    serde_json::from_str(&answer.body).expect("a key set")
}

/// The claims of the assertion in a request, as a service of `pool` verifies them.
async fn claims(rig: &Rig, seen: &Seen, pool: &str) -> Result<Value, jsonwebtoken::errors::Error> {
    let token = seen.one("x-portcullis-assertion").expect("an assertion");
    let header = decode_header(&token)?;
    let key = keys(rig).await.find(&header.kid.expect("a key's name")).expect("a published key").clone();
    let mut validation = Validation::new(Algorithm::ES256);
    validation.set_audience(&[pool]);
    validation.set_issuer(&[rig.origin("auth.localhost")]);
    validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
    decode(&token, &DecodingKey::from_jwk(&key)?, &validation).map(|token| token.claims)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_verifies_who_is_asking_with_the_published_keys() {
    let (rig, _app, wiki) = Rig::two_hosts().await;
    let pass = rig.pass("alice", &["staff", "hidden"], "wiki.localhost").await;
    assert_eq!(ask(&rig, "wiki.localhost", "/x", &pass).await.status, 200);
    let claims = claims(&rig, &wiki.last(), "wiki").await.expect("it verifies");
    assert_eq!(claims["sub"], pass.account.to_string());
    assert_eq!(claims["sid"], pass.session.to_string());
    assert_eq!(claims["preferred_username"], "alice");
    assert_eq!(claims["groups"], serde_json::json!(["staff"]), "only groups that the policy names");
    assert_eq!(claims["acr"], "mfa");
    let lifetime = claims["exp"].as_u64().expect("exp") - claims["iat"].as_u64().expect("iat");
    assert_eq!(lifetime, 300, "five minutes");
    assert!(!claims.to_string().contains("hidden"));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_assertion_for_one_pool_is_none_for_another() {
    let (rig, _app, wiki) = Rig::two_hosts().await;
    let pass = rig.pass("alice", &["staff"], "wiki.localhost").await;
    ask(&rig, "wiki.localhost", "/x", &pass).await;
    assert!(claims(&rig, &wiki.last(), "app").await.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_assertion_is_fresh_however_long_the_session_lasts() {
    let (rig, _app, wiki) = Rig::two_hosts().await;
    let pass = rig.pass("alice", &["staff"], "wiki.localhost").await;
    for _ in 0..4 {
        assert_eq!(ask(&rig, "wiki.localhost", "/x", &pass).await.status, 200);
        let token = wiki.last().one("x-portcullis-assertion").expect("an assertion");
        let claims = data_encoding::BASE64URL_NOPAD.decode(token.split('.').nth(1).expect("claims").as_bytes());
        let claims: Value = serde_json::from_slice(&claims.expect("base64url")).expect("JSON");
        let now = portcullis::stdx::clock::Clock::now(&*rig.clock).secs();
        assert!(claims["exp"].as_u64().expect("exp") > now + 30, "{claims} at {now}");
        rig.clock.advance(Duration::from_secs(290));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_assertion_is_signed_by_the_portal_of_the_request_s_own_edition() {
    let (rig, _app, wiki) = Rig::two_hosts().await;
    let pass = rig.pass("alice", &["staff"], "wiki.localhost").await;
    let issuer = async || {
        assert_eq!(ask(&rig, "wiki.localhost", "/x", &pass).await.status, 200);
        let token = wiki.last().one("x-portcullis-assertion").expect("an assertion");
        let claims = data_encoding::BASE64URL_NOPAD.decode(token.split('.').nth(1).expect("claims").as_bytes());
        serde_json::from_slice::<Value>(&claims.expect("base64url")).expect("JSON")["iss"].clone()
    };
    assert_eq!(issuer().await, rig.origin("auth.localhost"));
    let text = std::fs::read_to_string(rig.configuration()).expect("the configuration");
    rig.reload(&text.replace("auth.localhost", "login.localhost")).await;
    assert_eq!(issuer().await, rig.origin("login.localhost"), "not the one that was signed for before");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stranger_gets_no_assertion() {
    let (rig, app, _wiki) = Rig::two_hosts().await;
    Line::to(rig.address()).await.ask(get("/open/x", "")).await;
    assert_eq!(app.last().one("x-portcullis-assertion"), None);
}
