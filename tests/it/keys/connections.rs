//! `[limits]`.

use super::{get, request, with};
use crate::rig::{Line, Member, Rig};
use std::time::{Duration, Instant};

async fn limited(limit: &str) -> (Rig, Member) {
    let (rig, app, _) = Rig::one_route(|text| with(&text, "[limits]", limit)).await;
    (rig, app)
}

/// A connection on which one request was answered, and which is then left alone.
async fn kept(rig: &Rig) -> Line {
    let mut line = Line::to(rig.address()).await;
    assert_eq!(line.ask(&request(("GET", "app.localhost", "/kept"), &[])).await.status, 200);
    line
}

#[tokio::test(flavor = "multi_thread")]
async fn no_more_connections_are_open_than_allowed() {
    let (rig, _app) = limited("connections = 2").await;
    let (first, _second) = (kept(&rig).await, kept(&rig).await);
    assert_eq!(get(&rig, "/").await.status, 0, "the third is closed without an answer");
    drop(first);
    rig.eventually("there is room again", async || get(&rig, "/").await.status == 200).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_address_has_no_more_connections_than_allowed() {
    let (rig, _app) = limited("per_address = 2").await;
    let _kept = (kept(&rig).await, kept(&rig).await);
    assert_eq!(get(&rig, "/").await.status, 0, "the third is closed without an answer");
    let from = "127.0.0.77:0".parse().expect("an address");
    let socket = tokio::net::TcpSocket::new_v4().expect("a socket");
    socket.bind(from).expect("an address of this machine");
    let stream = socket.connect(rig.address()).await.expect("it listens");
    let answer = Line::over(stream).ask(&request(("GET", "app.localhost", "/"), &[])).await;
    assert_eq!(answer.status, 200, "another address has its own");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_header_that_never_ends_is_answered_at_its_deadline() {
    let (rig, app) = limited("header_deadline = \"200ms\"").await;
    let mut line = Line::to(rig.address()).await;
    let began = Instant::now();
    let answer = line.ask(b"GET / HTTP/1.1\r\nHost: app.localhost\r\n").await;
    assert_eq!(answer.status, 408, "{answer:?}");
    let took = began.elapsed();
    assert!(took < Duration::from_secs(10), "the default would have taken 15 s: {took:?}");
    assert!(app.seen().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_longer_header_than_allowed_is_refused() {
    let (rig, app) = limited("header_size = \"2KiB\"").await;
    let field = format!("X-Long: {}", "a".repeat(1_000));
    let fitting = super::ask(&rig, ("GET", "app.localhost", "/"), &[&field]).await;
    assert_eq!(fitting.status, 200);
    let field = format!("X-Long: {}", "a".repeat(3_000));
    let longer = super::ask(&rig, ("GET", "app.localhost", "/"), &[&field]).await;
    assert_eq!(longer.status, 431, "{longer:?}");
    assert_eq!(app.seen().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_without_a_request_is_closed() {
    let (rig, _app) = limited("idle = \"200ms\"").await;
    // The default is 60 s, and nobody waits that long here.
    assert!(kept(&rig).await.ends().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_closes_after_as_many_requests_as_allowed() {
    let (rig, _app) = limited("requests = 2").await;
    let mut line = Line::to(rig.address()).await;
    let first = line.ask(&request(("GET", "app.localhost", "/"), &[])).await;
    assert_ne!(first.header("connection"), Some("close"));
    let second = line.ask(&request(("GET", "app.localhost", "/"), &[])).await;
    assert_eq!((second.status, second.header("connection")), (200, Some("close")));
    assert!(line.ends().await);
}
