//! What a session's cookie is worth: to its browser everything, doubled, planted or renamed nothing.

use super::everywhere;
use crate::rig::{PASSWORD, Rig, exchange};

async fn status_with(rig: &Rig, host: &str, cookies: &[&str]) -> u16 {
    let cookies: String = cookies.iter().map(|cookie| format!("Cookie: {cookie}\r\n")).collect();
    let port = rig.address().port();
    let request = format!("GET /page HTTP/1.1\r\nHost: {host}:{port}\r\n{cookies}Accept: */*\r\n\r\n");
    exchange(rig.address(), request.as_bytes()).await.status
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cookie_that_arrives_twice_is_nobodys() {
    let (rig, _app, _wiki) = Rig::two_hosts().await;
    let browser = everywhere(&rig, "alice").await;
    let token = &browser.jar["app.localhost"]["portcullis"];
    let right = format!("portcullis={token}");
    let other = "portcullis=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
    assert_eq!(status_with(&rig, "app.localhost", &[&right]).await, 200);
    assert_eq!(status_with(&rig, "app.localhost", &["a=1", &format!("b=2; {right}")]).await, 200);
    for tossed in [
        vec![format!("{right}; {other}")],
        vec![format!("{other}; {right}")],
        vec![right.clone(), other.to_owned()],
        vec![right.clone(), right.clone()],
        vec![format!("{right}; portcullis=")],
    ] {
        let tossed: Vec<&str> = tossed.iter().map(String::as_str).collect();
        assert_eq!(status_with(&rig, "app.localhost", &tossed).await, 401, "{tossed:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_under_another_name_or_spelling_or_on_another_host_is_nothing() {
    let (rig, _app, _wiki) = Rig::two_hosts().await;
    let browser = everywhere(&rig, "alice").await;
    let token = &browser.jar["app.localhost"]["portcullis"];
    for cookie in [
        format!("Portcullis={token}"),
        format!("__Host-portcullis={token}"),
        format!("portcullis=\"{token}\""),
        format!("portcullis ={token}"),
        format!("portcullis= {token}"),
        format!("portcullis={token}="),
        format!("$Version=1; $portcullis={token}"),
        format!("portcullis-attempt={token}"),
    ] {
        assert_eq!(status_with(&rig, "app.localhost", &[&cookie]).await, 401, "{cookie}");
    }
    assert_eq!(status_with(&rig, "wiki.localhost", &[&format!("portcullis={token}")]).await, 401, "another host");
    let portal = &browser.jar["auth.localhost"]["portcullis"];
    assert_eq!(status_with(&rig, "app.localhost", &[&format!("portcullis={portal}")]).await, 401, "the portal's");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sign_in_under_way_is_never_a_session() {
    let (rig, app, _wiki) = Rig::two_hosts().await;
    let mut browser = rig.signed_in("alice", &["staff"]).await.other();
    let portal = rig.origin("auth.localhost");
    let page = browser.visit(&format!("{portal}/sign-in")).await;
    browser.submit(&page, "/sign-in", &[("name", "alice"), ("password", PASSWORD)]).await;
    let attempt = browser.jar["auth.localhost"]["portcullis-attempt"].clone();
    assert_eq!(browser.who_am_i(&portal).await, None, "half a sign-in");
    assert_eq!(browser.visit(&format!("{portal}/")).await.path(), "/sign-in");
    for name in ["portcullis", "portcullis-attempt"] {
        assert_eq!(status_with(&rig, "app.localhost", &[&format!("{name}={attempt}")]).await, 401, "{name}");
        let socket = format!(
            "GET /page HTTP/1.1\r\nHost: app.localhost\r\nCookie: {name}={attempt}\r\nConnection: Upgrade\r\n\
             Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        );
        assert_eq!(exchange(rig.address(), socket.as_bytes()).await.status, 401, "{name}");
    }
    let mut posing = browser.other();
    posing.jar.entry("auth.localhost".to_owned()).or_default().insert("portcullis".to_owned(), attempt);
    assert_eq!(posing.who_am_i(&portal).await, None);
    for page in ["/", "/account/app", "/account/password", "/account/codes"] {
        let answer = posing.navigate(&format!("{portal}{page}")).await;
        assert_eq!(answer.onward(), Some(format!("{portal}/sign-in")), "{page}");
    }
    assert!(app.seen().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_planted_before_the_sign_in_ends_with_it() {
    let (rig, _app, _wiki) = Rig::two_hosts().await;
    let (portal, app) = (rig.origin("auth.localhost"), rig.origin("app.localhost"));
    let mut mallory = everywhere(&rig, "mallory").await;
    let mut victim = rig.signed_in("alice", &["staff"]).await.other();
    // The page was open before the cookie was planted, or the planted session would be greeted by name.
    rig.clock.advance(std::time::Duration::from_secs(31));
    let page = victim.visit(&format!("{portal}/sign-in")).await;
    let planted = mallory.jar["auth.localhost"]["portcullis"].clone();
    victim.jar.get_mut("auth.localhost").unwrap().insert("portcullis".to_owned(), planted.clone());
    let page = victim.sign_in(&page, "alice").await;
    assert_eq!(page.path(), "/");
    assert_ne!(victim.jar["auth.localhost"]["portcullis"], planted);
    assert_eq!(victim.who_am_i(&portal).await.unwrap()["account"], "alice");
    assert_eq!(mallory.who_am_i(&portal).await, None, "the planted session ended");
    assert_eq!(mallory.who_am_i(&app).await, None, "on every host");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_made_up_token_is_never_adopted() {
    let (rig, _app, _wiki) = Rig::two_hosts().await;
    let portal = rig.origin("auth.localhost");
    let mut victim = rig.signed_in("alice", &["staff"]).await.other();
    let made_up = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA".to_owned();
    for name in ["portcullis", "portcullis-attempt"] {
        victim.jar.entry("auth.localhost".to_owned()).or_default().insert(name.to_owned(), made_up.clone());
    }
    assert_eq!(rig.sign_in(&mut victim, "alice").await.path(), "/");
    assert!(victim.jar["auth.localhost"].values().all(|value| *value != made_up), "{:?}", victim.jar);
    assert!(victim.who_am_i(&portal).await.is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn every_host_tells_its_own_browser_who_it_is() {
    let (rig, _app, _wiki) = Rig::two_hosts().await;
    let mut browser = rig.signed_in("alice", &["staff", "press"]).await;
    let app = rig.origin("app.localhost");
    let nobody = browser.fetch(&format!("{app}/.portcullis/session")).await;
    assert_eq!((nobody.status, nobody.body.as_str()), (401, r#"{"signed_in":false}"#));
    browser.visit(&format!("{app}/page")).await;
    let who = browser.who_am_i(&app).await.unwrap();
    assert_eq!((&who["account"], &who["assurance"]), (&"alice".into(), &"mfa".into()));
    assert_eq!(who["groups"], serde_json::json!(["staff", "press"]));
    let factors: Vec<&str> =
        who["proofs"].as_array().unwrap().iter().filter_map(|proof| proof["factor"].as_str()).collect();
    assert_eq!(factors, ["password", "totp"]);
    assert!(who["session"].as_str().is_some_and(|id| id.starts_with("ses_")));
    let answer = browser.fetch(&format!("{app}/.portcullis/session")).await;
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    assert_eq!(answer.header("access-control-allow-origin"), None, "no other site may read it");
    for token in browser.jar.values().flat_map(|cookies| cookies.values()) {
        assert!(!answer.body.contains(token.as_str()), "a token in {}", answer.body);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cookie_of_ours_is_set_for_one_host_only_and_out_of_scripts_reach() {
    let (rig, _app, _wiki) = Rig::two_hosts().await;
    let mut browser = rig.signed_in("alice", &["staff"]).await;
    let mut url = format!("{}/page", rig.origin("app.localhost"));
    let mut set = 0;
    for _ in 0..4 {
        let page = browser.navigate(&url).await;
        for cookie in page.headers.get_all("set-cookie") {
            let cookie = cookie.to_str().unwrap();
            assert!(cookie.contains("; Path=/; HttpOnly; SameSite=Lax") && !cookie.contains("Domain"), "{cookie}");
            set += 1;
        }
        let Some(onward) = page.onward() else { break };
        url = onward;
    }
    assert!(set >= 2, "the binding and the session");
}
