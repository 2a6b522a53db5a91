//! What a token opens, where and for how long; what is no token of ours; and what passes for one and is not (security.md
//! §2.8).

use super::{Program, connected};
use crate::rig::{Line, Rig, exchange};
use data_encoding::BASE64URL_NOPAD;
use jsonwebtoken::Algorithm;
use portcullis::gateway::State;
use portcullis::stdx::clock::Clock;
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::net::TcpListener;

async fn status(rig: &Rig, program: &mut Program, host: &str) -> u16 {
    program.get(&format!("{}/page", rig.origin(host))).await.status
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_for_one_host_opens_no_other_and_one_for_none_opens_all() {
    let (rig, app, wiki) = Rig::two_hosts().await;
    let (mut person, mut program) = connected(&rig, "alice").await;
    assert_eq!(status(&rig, &mut program, "app.localhost").await, 200);
    assert_eq!(status(&rig, &mut program, "wiki.localhost").await, 200);
    program.connect(&rig, &mut person, &[("resource", &rig.origin("wiki.localhost"))]).await;
    let (apps, wikis) = (app.seen().len(), wiki.seen().len());
    assert_eq!(status(&rig, &mut program, "wiki.localhost").await, 200);
    let refused = program.get(&format!("{}/page", rig.origin("app.localhost"))).await;
    let challenge = Rig::challenge(&rig.origin("app.localhost"), r#"error="invalid_token""#);
    assert_eq!((refused.status, refused.header("www-authenticate")), (401, Some(&*challenge)));
    assert_eq!((app.seen().len(), wiki.seen().len()), (apps, wikis + 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_ends_with_its_session_within_a_second_wherever_that_was_ended() {
    let (rig, _app, _wiki) = Rig::two_hosts().await;
    let (_person, mut program) = connected(&rig, "alice").await;
    assert_eq!(status(&rig, &mut program, "app.localhost").await, 200);
    let account = rig.account("alice").await.id;
    let all = rig.store.sessions.of(account).await.expect("the store");
    let theirs = all.iter().find(|session| session.device.name.starts_with("tool")).expect("a session");
    rig.store.sessions.end(theirs.id).await.expect("the store");
    rig.heard().await;
    assert_eq!(status(&rig, &mut program, "app.localhost").await, 401);
    assert_eq!(status(&rig, &mut program, "wiki.localhost").await, 401, "where it was never used");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disabled_account_s_programs_are_out() {
    let (rig, _app, _wiki) = Rig::two_hosts().await;
    let (_person, mut program) = connected(&rig, "alice").await;
    assert_eq!(status(&rig, &mut program, "app.localhost").await, 200);
    rig.store.accounts.set_disabled(rig.account("alice").await.id, true).await.expect("the store");
    rig.heard().await;
    assert_eq!(status(&rig, &mut program, "app.localhost").await, 401);
    assert_eq!(program.refresh().await.error(), "invalid_grant");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_expires_and_does_not_keep_an_idle_session_alive() {
    let (rig, _app, _wiki) = Rig::two_hosts().await;
    let (_person, mut program) = connected(&rig, "alice").await;
    rig.clock.advance(Duration::from_secs(599));
    assert_eq!(status(&rig, &mut program, "app.localhost").await, 200);
    rig.clock.advance(Duration::from_secs(1));
    assert_eq!(status(&rig, &mut program, "app.localhost").await, 401);
    rig.clock.advance(Duration::from_secs(29 * 60));
    let granted = program.refresh().await;
    assert_eq!(granted.status, 200, "the last use was within half an hour");
    program.keep(&granted);
    rig.clock.advance(Duration::from_secs(30 * 60));
    assert_eq!(program.refresh().await.error(), "invalid_grant");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_policy_that_wants_more_tells_the_program_what() {
    let (rig, _app, _wiki) = Rig::two_hosts().await;
    let (_person, mut program) = connected(&rig, "alice").await;
    rig.clock.advance(Duration::from_secs(599));
    let admin = format!("{}/admin/x", rig.origin("app.localhost"));
    assert_eq!(program.get(&admin).await.status, 200);
    rig.clock.advance(Duration::from_secs(2));
    let granted = program.refresh().await;
    program.keep(&granted);
    let refused = program.get(&admin).await;
    let parameters = r#"error="insufficient_user_authentication", acr_values="mfa", max_age="600""#;
    let challenge = Rig::challenge(&rig.origin("app.localhost"), parameters);
    assert_eq!((refused.status, refused.header("www-authenticate")), (401, Some(&*challenge)));
    assert_eq!(program.get(&format!("{}/boss/x", rig.origin("app.localhost"))).await.status, 403);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_token_is_refused_whatever_cookie_comes_with_it() {
    let (rig, app, _wiki) = Rig::two_hosts().await;
    let (mut person, program) = connected(&rig, "alice").await;
    let page = format!("{}/page", rig.origin("app.localhost"));
    assert_eq!(person.visit(&page).await.status, 200);
    let seen = app.seen().len();
    let bearer = format!("Bearer {}A", program.access);
    let refused = person.request(reqwest::Method::GET, &page, &[("authorization", &bearer)]).await;
    assert_eq!(refused.status, 401);
    assert_eq!(app.seen().len(), seen);
    let foreign = person.request(reqwest::Method::GET, &page, &[("authorization", "Bearer theirs")]).await;
    assert_eq!(foreign.status, 200, "what is not ours is the service's, and the cookie counts");
    assert_eq!(app.last().one("authorization").as_deref(), Some("Bearer theirs"));
}

#[tokio::test(flavor = "multi_thread")]
async fn another_s_authorization_passes_untouched_and_ours_never_does() {
    let (rig, app, _wiki) = Rig::two_hosts().await;
    let (_person, mut program) = connected(&rig, "alice").await;
    let open = format!("{}/open/x", rig.origin("app.localhost"));
    let part = |text: &str| BASE64URL_NOPAD.encode(text.as_bytes());
    let jwt = format!("Bearer {}.{}.AA", part(r#"{"alg":"RS256"}"#), part(r#"{"iss":"https://idp.example"}"#));
    for foreign in ["Basic YTpi", "Bearer opaque", "Token abc", &jwt, "DPoP x.y.z"] {
        let page = program.get_with(&open, &[("authorization", foreign), ("dpop", "kept")]).await;
        assert_eq!(page.status, 200, "{foreign}");
        assert_eq!(app.last().one("authorization").as_deref(), Some(foreign));
        assert_eq!(app.last().one("dpop").as_deref(), Some("kept"));
    }
    for scheme in ["Bearer", "bearer", "BEARER ", "DPoP"] {
        let ours = format!("{scheme} {}", program.access);
        assert_eq!(program.get_with(&open, &[("authorization", &ours), ("dpop", "gone")]).await.status, 200);
        assert_eq!((app.last().one("authorization"), app.last().one("dpop")), (None, None), "{scheme}");
    }
    let expired = program.access.clone();
    rig.clock.advance(Duration::from_secs(3600));
    let ours = format!("Bearer {expired}");
    assert_eq!(program.get_with(&open, &[("authorization", &ours)]).await.status, 200);
    assert_eq!(app.last().one("authorization"), None, "an old one of ours neither");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_service_gets_to_see_a_token_of_ours_however_it_is_written() {
    let (rig, app, _wiki) = Rig::two_hosts().await;
    let (mut person, program) = connected(&rig, "alice").await;
    let (page, open) =
        (format!("{}/page", rig.origin("app.localhost")), format!("{}/open/x", rig.origin("app.localhost")));
    assert_eq!(person.visit(&page).await.status, 200);
    let token = &program.access;
    let password = data_encoding::BASE64.encode(format!("git:{token}").as_bytes());
    let odd = [
        format!("Bearer\t{token}"),
        format!("Basic QQ==, Bearer {token}"),
        format!("Bearer QQ==, Bearer {token}"),
        format!("Token {token}"),
        format!("Token token=\"{token}\""),
        format!("Bearer:{token}"),
        format!("Basic {password}"),
        token.clone(),
    ];
    for odd in odd {
        let seen = app.seen().len();
        let fields = [("authorization", odd.as_str()), ("dpop", "proof")];
        let refused = person.request(reqwest::Method::GET, &page, &fields).await;
        assert_eq!((refused.status, app.seen().len()), (401, seen), "beside a cookie: {odd}");
        assert_eq!(person.request(reqwest::Method::GET, &open, &fields).await.status, 200, "{odd}");
        assert_eq!((app.last().one("authorization"), app.last().one("dpop")), (None, None), "{odd}");
    }
    for _ in 0..2 {
        let theirs = person.request(reqwest::Method::GET, &page, &[("authorization", "Basic YTpi")]).await;
        assert_eq!((theirs.status, app.last().one("authorization").as_deref()), (200, Some("Basic YTpi")));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_authorizations_are_refused_and_one_in_the_query_is_not_looked_at() {
    let (rig, app, _wiki) = Rig::two_hosts().await;
    let (_person, mut program) = connected(&rig, "alice").await;
    let seen = app.seen().len();
    for path in ["/page", "/open/x"] {
        let request = format!(
            "GET {path} HTTP/1.1\r\nHost: app.localhost\r\nAuthorization: Bearer {0}\r\nAuthorization: Bearer {0}\r\n\r\n",
            program.access
        );
        assert_eq!(exchange(rig.address(), request.as_bytes()).await.status, 400);
    }
    let address = format!("{}/page?access_token={}", rig.origin("app.localhost"), program.access);
    assert_eq!(program.get_with(&address, &[]).await.status, 401);
    assert_eq!(app.seen().len(), seen);
}

/// A listener that counts who comes.
async fn canary() -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let (address, count) = (listener.local_addr().expect("bound"), Arc::new(AtomicUsize::new(0)));
    let counted = count.clone();
    tokio::spawn(async move {
        while listener.accept().await.is_ok() {
            counted.fetch_add(1, Ordering::Relaxed);
        }
    });
    (format!("http://{address}/keys.json"), count)
}

/// Signs with the gateway's own key: whatever is wrong with such a token is not its signature.
struct Forge {
    state: State,
    claims: Value,
}

impl Forge {
    async fn of(rig: &Rig, token: &str) -> Self {
        let state = State::open(&rig.directory().join("state"), rig.clock.now()).await.expect("the state");
        let claims = token.split('.').nth(1).expect("three parts");
        let claims = BASE64URL_NOPAD.decode(claims.as_bytes()).expect("base64url");
        Forge { state, claims: serde_json::from_slice(&claims).expect("JSON") }
    }

    fn header(&self) -> Value {
        json!({ "alg": "ES256", "typ": "at+jwt", "kid": self.state.keys.current().kid })
    }

    fn sign(&self, header: &str, claims: &str) -> String {
        let part = |text: &str| BASE64URL_NOPAD.encode(text.as_bytes());
        let message = format!("{}.{}", part(header), part(claims));
        let key = self.state.keys.current();
        let signature = jsonwebtoken::crypto::sign(message.as_bytes(), &key.key, Algorithm::ES256);
        format!("{message}.{}", signature.expect("a signature"))
    }

    /// A token with one claim changed; none: left out.
    fn with(&self, name: &str, value: Option<Value>) -> String {
        let mut claims = self.claims.clone();
        match value {
            Some(value) => claims[name] = value,
            None => drop(claims.as_object_mut().expect("an object").remove(name)),
        }
        self.sign(&self.header().to_string(), &claims.to_string())
    }

    /// The same of its header.
    fn headed(&self, name: &str, value: Value) -> String {
        let mut header = self.header();
        header[name] = value;
        self.sign(&header.to_string(), &self.claims.to_string())
    }
}

/// What comes of a token, on a connection of its own: some are longer than a client library would send.
async fn answer(rig: &Rig, token: &str) -> u16 {
    let host = format!("app.localhost:{}", rig.address().port());
    let request = format!("GET /page HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {token}\r\n\r\n");
    Line::to(rig.address()).await.ask(request.into_bytes()).await.status
}

#[tokio::test(flavor = "multi_thread")]
async fn no_token_that_was_tampered_with_opens_anything() {
    let (rig, app, _wiki) = Rig::two_hosts().await;
    let (_person, program) = connected(&rig, "alice").await;
    let forge = Forge::of(&rig, &program.access).await;
    let whole = forge.sign(&forge.header().to_string(), &forge.claims.to_string());
    assert_eq!(answer(&rig, &whole).await, 200, "nothing is wrong with this one");
    let seen = app.seen().len();
    let parts: Vec<&str> = whole.split('.').collect();
    let [header, claims, signature] = parts[..] else { panic!("three parts") };
    let mut bad = vec![
        format!("{header}.{claims}."),
        format!("{header}.{claims}"),
        format!("{whole}.AA"),
        format!("{header}.{claims}={signature}"),
        format!("{header}.{claims}.{signature}="),
        format!("{header}.{claims}.{}", BASE64URL_NOPAD.encode(&[0; 64])),
        forge.with("padding", Some(json!("a".repeat(5_000)))),
        forge.sign(&forge.header().to_string(), &forge.claims.to_string().replacen('{', "{\"sub\":\"acc_x\",", 1)),
    ];
    bad.extend(["none", "None", "nOnE", "HS256", "ES384", "RS256"].map(|alg| forge.headed("alg", json!(alg))));
    bad.extend(["none", "None", "nOnE"].map(|alg| {
        let header = json!({ "alg": alg, "typ": "at+jwt" }).to_string();
        format!("{}.{claims}.", BASE64URL_NOPAD.encode(header.as_bytes()))
    }));
    bad.extend(["JWT", "dpop+jwt", ""].map(|typ| forge.headed("typ", json!(typ))));
    bad.push(forge.headed("crit", json!(["exp"])));
    for token in bad {
        assert_eq!(answer(&rig, &token).await, 401, "{token}");
    }
    assert_eq!(app.seen().len(), seen);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_token_chooses_its_key() {
    let (rig, _app, _wiki) = Rig::two_hosts().await;
    let (_person, program) = connected(&rig, "alice").await;
    let forge = Forge::of(&rig, &program.access).await;
    let kids = [json!("../../etc/passwd"), json!("'; --"), json!("a".repeat(2_000)), json!(1), json!(null), json!("")];
    for kid in kids {
        assert_eq!(answer(&rig, &forge.headed("kid", kid.clone())).await, 401, "{kid}");
    }
    let doubled = forge.header().to_string().replacen('{', r#"{"kid":"x","#, 1);
    assert_eq!(answer(&rig, &forge.sign(&doubled, &forge.claims.to_string())).await, 401);
    let (address, came) = canary().await;
    for name in ["jku", "x5u"] {
        let mut header = forge.header();
        header["kid"] = json!("unknown");
        header[name] = json!(address);
        assert_eq!(answer(&rig, &forge.sign(&header.to_string(), &forge.claims.to_string())).await, 401, "{name}");
    }
    let mut header = forge.header();
    header["kid"] = json!("mine");
    header["jwk"] = json!({ "kty": "EC", "crv": "P-256", "x": "AA", "y": "AA" });
    assert_eq!(answer(&rig, &forge.sign(&header.to_string(), &forge.claims.to_string())).await, 401);
    assert_eq!(came.load(Ordering::Relaxed), 0, "nobody went there");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_claim_is_looked_at() {
    let (rig, _app, _wiki) = Rig::two_hosts().await;
    let (_person, program) = connected(&rig, "alice").await;
    let forge = Forge::of(&rig, &program.access).await;
    let now = rig.clock.now().secs();
    let odd = [json!("9999999999"), json!(1.5), json!(null), json!([now]), json!(-1), json!({})];
    for name in ["exp", "iat", "nbf"] {
        for value in &odd {
            assert_eq!(answer(&rig, &forge.with(name, Some(value.clone()))).await, 401, "{name}: {value}");
        }
    }
    let text = forge.claims.to_string();
    let exp = format!("\"exp\":{}", forge.claims["exp"]);
    let huge = forge.sign(&forge.header().to_string(), &text.replace(&exp, "\"exp\":1e400"));
    assert_eq!(answer(&rig, &huge).await, 401);
    for (name, value) in [
        ("exp", json!(now)),
        ("iat", json!(now + 120)),
        ("nbf", json!(now + 120)),
        ("aud", json!("https://elsewhere.example")),
        ("aud", json!([rig.origin("auth.localhost")])),
        ("aud", json!([])),
        ("sub", json!("acc_00000000000000000000000000")),
        ("sid", json!("ses_00000000000000000000000000")),
    ] {
        assert_eq!(answer(&rig, &forge.with(name, Some(value.clone()))).await, 401, "{name}: {value}");
    }
    for name in ["exp", "iat", "aud", "sub", "sid", "client_id", "jti"] {
        assert_eq!(answer(&rig, &forge.with(name, None)).await, 401, "without {name}");
    }
    assert_eq!(answer(&rig, &forge.with("iss", Some(json!("https://elsewhere.example")))).await, 401, "and no session");
    assert_eq!(answer(&rig, &forge.with("nbf", Some(json!(now)))).await, 200);
}
