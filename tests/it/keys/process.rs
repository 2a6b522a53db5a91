//! `[gateway]`, `[admin]`, `[log]`.

use super::peer::Peer;
use super::{ask, get, request, with};
use crate::rig::{Line, ONE_ROUTE, PATIENCE, Rig, exchange};
use std::convert::identity;
use std::time::{Duration, Instant};

#[tokio::test(flavor = "multi_thread")]
async fn store_and_keys_lie_in_the_configured_directory() {
    let moved = |text: String| text.replace(r#"state = "state""#, r#"state = "else/where""#);
    let (rig, ..) = Rig::one_route(moved).await;
    let state = rig.directory().join("else/where");
    assert!(state.join("portcullis.db").is_file());
    assert!(state.join("keys/master.key").is_file());
}

#[tokio::test(flavor = "multi_thread")]
async fn only_a_trusted_proxy_is_believed_about_the_client() {
    let (rig, app, stranger) = Rig::one_route(identity).await;
    let said = ["X-Forwarded-For: 203.0.113.9", "X-Forwarded-Proto: https"];
    ask(&rig, ("GET", "app.localhost", "/"), &said).await;
    let seen = app.last();
    assert_eq!(seen.one("x-forwarded-for").as_deref(), Some("127.0.0.1"));
    assert_eq!(seen.one("x-forwarded-proto").as_deref(), Some("http"));
    rig.reload(&with(&stranger, "[gateway]", r#"trusted_proxies = ["127.0.0.0/8"]"#)).await;
    ask(&rig, ("GET", "app.localhost", "/"), &said).await;
    let seen = app.last();
    assert_eq!(seen.one("forwarded").as_deref(), Some("for=203.0.113.9;host=app.localhost;proto=https"));
    assert_eq!(seen.one("x-forwarded-for").as_deref(), Some("203.0.113.9, 127.0.0.1"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_takes_no_longer_than_the_drain_allows() {
    let mute = Peer::mute().await;
    let text = ONE_ROUTE.replace("{app}", &mute.address.to_string()).replace(r#"drain = "2s""#, r#"drain = "300ms""#);
    let rig = Rig::start(&text).await;
    let mut waiting = Line::to(rig.address()).await;
    waiting.say(&request(("GET", "app.localhost", "/"), &[])).await;
    rig.eventually("the member was asked", async || mute.asked("/").len() == 1).await;
    let began = Instant::now();
    rig.stop().await;
    let took = began.elapsed();
    assert!(took >= Duration::from_millis(300), "the request was given its time: {took:?}");
    assert!(took < PATIENCE / 4, "the default would have taken 30 s: {took:?}");
    assert!(waiting.ends().await, "and then it was cut");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_operator_is_answered_at_the_configured_address() {
    let (rig, ..) = Rig::one_route(identity).await;
    let address = rig.gateway().admin_address().expect("it is configured");
    assert_eq!(address.ip().to_string(), "127.0.0.2");
    assert_eq!(rig.admin("/healthz").await, (200, "ok\n".to_owned()));
    let (rig, ..) = Rig::one_route(|text| text.replace(r#"address = "127.0.0.2:0""#, "")).await;
    assert_eq!(rig.gateway().admin_address(), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_operator_is_answered_on_the_configured_socket() {
    let (rig, ..) = Rig::one_route(|text| text.replace("admin.sock", "operator.sock")).await;
    let socket = rig.directory().join("operator.sock");
    let (status, answer) = portcullis::admin::ask(&socket, http::Method::GET, "/status").await.expect("it answers");
    assert_eq!((status, &answer["edition"]), (200, &serde_json::json!(1)), "{answer}");
    assert!(!rig.directory().join("admin.sock").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_leave_lines_only_if_they_shall() {
    let (rig, _app, silent) = Rig::one_route(|text| with(&text, "[log]", "access = false")).await;
    get(&rig, "/silent").await;
    rig.reload(&silent.replace("access = false", "access = true")).await;
    get(&rig, "/told").await;
    rig.eventually("a line is written", async || !rig.lines().is_empty()).await;
    let lines = rig.lines();
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert_eq!((&lines[0]["path"], &lines[0]["status"]), (&"/told".into(), &200.into()));
}

#[tokio::test(flavor = "multi_thread")]
async fn every_listener_listens_at_its_address() {
    let (rig, ..) = Rig::one_route(|text| text + "\n[[listen]]\naddress = \"127.0.0.3:0\"\n").await;
    let second = rig.gateway().addresses()[1];
    assert_eq!(second.ip().to_string(), "127.0.0.3");
    let answer = exchange(second, &request(("GET", "app.localhost", "/x"), &[])).await;
    assert_eq!(answer.body, "app /x");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redirecting_listener_only_redirects() {
    let (rig, app, _) = Rig::one_route(|text| with(&text, "[[listen]]", "redirect_to_https = true")).await;
    let answer = get(&rig, "/a?b=c").await;
    assert_eq!((answer.status, answer.header("location")), (308, Some("https://app.localhost/a?b=c")));
    assert!(app.seen().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redirect_to_https_leaves_a_line_with_the_host() {
    let (rig, ..) = Rig::one_route(|text| with(&text, "[[listen]]", "redirect_to_https = true")).await;
    assert_eq!(get(&rig, "/a").await.status, 308);
    rig.eventually("it is written", async || !rig.lines().is_empty()).await;
    let line = &rig.lines()[0];
    assert_eq!((&line["status"], &line["host"]), (&308.into(), &"app.localhost".into()), "{line}");
}
