//! What is written down about requests that came to nothing: in the log, in the metrics, and for whoever asks later.

use crate::rig::{Line, Member, Raw, RawMember, Rig, Scene, get};
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::time::Duration;

/// A gateway with these members and more keys of their pool, whose access log is written.
async fn before(members: &[SocketAddr], pool: &str) -> Rig {
    with(members, pool, "").await
}

async fn with(members: &[SocketAddr], pool: &str, tables: &str) -> Rig {
    let text = Scene { members, pool, tables, ..Scene::default() }.text();
    Rig::start(&text.replace("access = false", "access = true")).await
}

/// An address at which nobody listens, while the member lives.
async fn nobody() -> Member {
    let mut member = Member::echo("gone").await;
    member.stop().await;
    member
}

async fn ask(rig: &Rig, request: impl AsRef<[u8]>) -> Raw {
    Line::to(rig.address()).await.ask(request).await
}

/// The only line of the access log for which `which` holds.
async fn line(rig: &Rig, which: impl Fn(&Value) -> bool) -> Value {
    rig.eventually("the line is written", async || rig.lines().iter().any(&which)).await;
    let lines: Vec<Value> = rig.lines().into_iter().filter(|line| which(line)).collect();
    assert_eq!(lines.len(), 1, "{lines:?}");
    lines[0].clone()
}

/// What the gateway remembers of the refusal that an answer names.
async fn remembered(rig: &Rig, answer: &Raw) -> Value {
    let body: Value = serde_json::from_str(&answer.body).unwrap_or_else(|_| panic!("a problem document: {answer:?}"));
    let id = body["decision"].as_str().unwrap_or_else(|| panic!("a decision: {body}"));
    let socket = rig.directory().join("admin.sock");
    let path = format!("/decisions/{id}");
    let (status, decision) = portcullis::admin::ask(&socket, http::Method::GET, &path).await.expect("it answers");
    assert_eq!(status, 200, "{decision}");
    decision
}

async fn metric(rig: &Rig, series: &str) -> Option<f64> {
    let text = rig.admin("/metrics").await.1;
    text.lines().find_map(|line| line.strip_prefix(series)?.trim().parse().ok())
}

fn found(line: &Value) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().expect("a text").to_owned();
    let members = line["members"].as_array().unwrap_or_else(|| panic!("members: {line}"));
    members.iter().map(|member| (text(&member["member"]), text(&member["found"]))).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pool_that_cannot_be_reached_is_told_with_every_member_that_was_tried() {
    let (one, two) = (nobody().await, nobody().await);
    let rig = before(&[one.address(), two.address()], "retries = 1").await;
    let pass = rig.pass("alice", &["staff"], "app.localhost").await;
    let answer = ask(&rig, get("/x", &format!("Cookie: {}\r\n", pass.cookie()))).await;
    assert_eq!(answer.status, 502, "{answer:?}");
    let line = line(&rig, |line| line["status"] == 502).await;
    for (key, value) in [
        ("route", json!("app")),
        ("pool", json!("app")),
        ("account", json!("alice")),
        ("outcome", json!("failed")),
        ("refused", json!("unreachable")),
        ("tries", json!(2)),
        ("cause", json!("refused")),
    ] {
        assert_eq!(line[key], value, "{key}: {line}");
    }
    let mut tried = found(&line);
    tried.sort();
    let mut expected = [&one, &two].map(|member| (member.address().to_string(), "refused".to_owned()));
    expected.sort();
    assert_eq!(tried, expected);
    assert!(line["members"][0]["micros"].is_u64(), "{line}");
    let decision = remembered(&rig, &answer).await;
    assert_eq!(line["decision"], decision["decision"]);
    for (key, value) in [("route", "app"), ("policy", "mfa"), ("pool", "app"), ("account", "alice")] {
        assert_eq!(decision[key], value, "{decision}");
    }
    let members = decision["members"].to_string();
    assert!(members.contains(&format!("{} refused after ", one.address())), "{members}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pool_with_nobody_healthy_is_told_with_how_each_member_stands() {
    let sick = Member::status(500).await;
    let pool = r#"health = { path = "/healthz", every = "50ms", timeout = "2s", rise = 1, fall = 1 }"#;
    let rig = before(&[sick.address()], pool).await;
    rig.eventually("its check has failed", async || ask(&rig, get("/open/x", "")).await.status == 503).await;
    let answer = ask(&rig, get("/open/last", "")).await;
    let line = line(&rig, |line| line["path"] == "/open/last").await;
    assert_eq!(
        (&line["refused"], &line["route"], &line["pool"]),
        (&json!("no-member"), &json!("app-open"), &json!("app"))
    );
    assert_eq!(found(&line), [(sick.address().to_string(), "unhealthy".to_owned())]);
    let decision = remembered(&rig, &answer).await;
    assert_eq!(decision["members"], json!([format!("{} unhealthy", sick.address())]));
    let checks = metric(&rig, r#"portcullis_health_checks_total{result="bad"}"#).await;
    assert!(checks.is_some_and(|checks| checks >= 1.0), "{checks:?}");
    assert_eq!(metric(&rig, r#"portcullis_health_changes_total{to="unhealthy"}"#).await, Some(1.0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_that_does_not_answer_is_told_with_the_cause() {
    let silent = RawMember::play(|mut line| async move {
        line.rest().await;
    });
    let closing = RawMember::play(|mut line| async move {
        line.head().await;
    });
    let rude = RawMember::saying("hello\r\n\r\n");
    for (member, status, cause) in
        [(silent.await, 504, "timed-out"), (closing.await, 502, "closed"), (rude.await, 502, "malformed-answer")]
    {
        let rig = before(&[member.address()], "timeouts = { read = \"200ms\" }").await;
        assert_eq!(ask(&rig, get("/open/x", "")).await.status, status);
        let line = line(&rig, |line| line["status"] == status).await;
        assert_eq!((&line["cause"], &line["tries"]), (&json!(cause), &json!(1)), "{line}");
        assert_eq!(line["member"], json!(member.address().to_string()), "{line}");
        assert_eq!(found(&line), [(member.address().to_string(), cause.to_owned())]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_a_second_member_answered_tells_of_the_first() {
    let (dead, live) = (nobody().await, Member::echo("live").await);
    let rig = before(&[dead.address(), live.address()], "eject = { failures = 0, time = \"1s\" }").await;
    for _ in 0..4 {
        assert_eq!(ask(&rig, get("/open/x", "")).await.status, 200);
    }
    let told = |line: &Value| line["cause"] == "refused";
    rig.eventually("it is written", async || rig.lines().iter().any(told)).await;
    let line = rig.lines().into_iter().find(told).expect("it is written");
    assert_eq!((&line["status"], &line["tries"], &line["outcome"]), (&json!(200), &json!(2), &json!("permitted")));
    assert_eq!(line["member"], json!(live.address().to_string()));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_breaks_off_is_told_with_its_member() {
    let member = RawMember::play(|mut line| async move {
        line.head().await;
        line.say("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello").await;
    })
    .await;
    let rig = before(&[member.address()], "").await;
    let mut client = Line::to(rig.address()).await;
    client.say(get("/open/x", "")).await;
    client.rest().await;
    let line = line(&rig, |line| line["path"] == "/open/x").await;
    for (key, value) in [
        ("status", json!(200)),
        ("outcome", json!("failed")),
        ("refused", json!("broken-off")),
        ("tries", json!(1)),
        ("cause", json!("closed")),
        ("member", json!(member.address().to_string())),
    ] {
        assert_eq!(line[key], value, "{key}: {line}");
    }
    assert!(line["first_byte_micros"].is_u64(), "{line}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_cannot_be_looked_up_is_told_with_its_route() {
    let app = Member::echo("app").await;
    let rig = before(&[app.address()], "").await;
    let pass = rig.pass("alice", &["staff"], "app.localhost").await;
    let store = rig.directory().join("state").join("portcullis.db");
    std::fs::rename(&store, store.with_extension("away")).expect("moved");
    let answer = ask(&rig, get("/boss/x", &format!("Cookie: {}\r\n", pass.cookie()))).await;
    assert_eq!((answer.status, answer.header("retry-after")), (503, Some("5")), "{answer:?}");
    let line = line(&rig, |line| line["status"] == 503).await;
    for (key, value) in [("route", "app-boss"), ("policy", "boss"), ("refused", "store-unavailable")] {
        assert_eq!(line[key], value, "{key}: {line}");
    }
    let decision = remembered(&rig, &answer).await;
    assert_eq!((&decision["route"], &decision["pool"]), (&json!("app-boss"), &Value::Null), "{decision}");
    let failed = r#"portcullis_route_requests_total{route="app-boss",outcome="failed"}"#;
    assert_eq!(metric(&rig, failed).await, Some(1.0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_route_counts_what_was_served_apart_from_what_failed() {
    let (dead, live) = (nobody().await, Member::echo("live").await);
    let count = |outcome: &str| format!(r#"portcullis_route_requests_total{{route="app-open",outcome="{outcome}"}}"#);
    let rig = before(&[dead.address()], "").await;
    assert_eq!(ask(&rig, get("/open/x", "")).await.status, 502);
    rig.eventually("it is counted", async || metric(&rig, &count("failed")).await == Some(1.0)).await;
    assert_eq!(metric(&rig, &count("permitted")).await, Some(0.0));
    let rig = before(&[live.address()], "").await;
    assert_eq!(ask(&rig, get("/open/x", "")).await.status, 200);
    rig.eventually("it is counted", async || metric(&rig, &count("permitted")).await == Some(1.0)).await;
    assert_eq!(metric(&rig, &count("failed")).await, Some(0.0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_cannot_be_read_has_a_decision_that_says_what_is_wrong() {
    let app = Member::echo("app").await;
    let rig = before(&[app.address()], "").await;
    let answer = ask(&rig, get("/open/%2e%2e/x", "")).await;
    assert_eq!(answer.status, 400);
    let decision = remembered(&rig, &answer).await;
    assert_eq!(decision["outcome"], "malformed");
    assert_eq!(
        (&decision["what"], &decision["client"]),
        (&json!("GET app.localhost /open/%2e%2e/x"), &json!("127.0.0.1"))
    );
    assert!(decision["sentence"].as_str().is_some_and(|sentence| !sentence.is_empty()), "{decision}");
    let line = line(&rig, |line| line["status"] == 400).await;
    assert_eq!(line["decision"], decision["decision"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_header_that_is_no_request_is_answered_by_the_gateway_and_leaves_a_line_and_a_count() {
    let app = Member::echo("app").await;
    let many: String = (0..300).map(|number| format!("X-{number}: y\r\n")).collect();
    let long = format!("X: {}\r\n", "y".repeat(40 * 1024));
    for (header, status, reason) in [
        ("garbage\r\n\r\n".to_owned(), 400, "no-request-line"),
        (get("/open/x", &many), 431, "too-many-fields"),
        (get("/open/x", &long), 431, "header-too-long"),
        (get("/open/x", "Host: app.localhost\r\n"), 400, "header-malformed"),
        (get("/open/x", "X y: z\r\n"), 400, "header-malformed"),
        ("CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n".to_owned(), 405, "method"),
        ("GET /open/x HTTP/1.1\r\nHost: app.loc".to_owned(), 408, "header-late"),
    ] {
        let rig = with(&[app.address()], "", "[limits]\nheader_deadline = \"500ms\"").await;
        let mut client = Line::to(rig.address()).await;
        assert_eq!(client.ask(get("/open/before", "")).await.status, 200);
        let answer = client.ask(&header).await;
        assert_eq!((answer.status, answer.header("connection")), (status, Some("close")), "{reason}: {answer:?}");
        assert_eq!((answer.header("server"), answer.header("date").is_some()), (None, true), "{answer:?}");
        assert!(client.ends().await, "{reason}: nothing follows");
        let line = line(&rig, |line| line["status"] == status).await;
        assert_eq!((&line["refused"], &line["client"]), (&json!(reason), &json!("127.0.0.1")), "{line}");
        assert_eq!(line["request"].as_str(), answer.header("x-request-id"), "{line}");
        let decision = remembered(&rig, &answer).await;
        assert_eq!((&decision["outcome"], &decision["decision"]), (&json!(reason), &line["decision"]));
        let counted = metric(&rig, &format!(r#"portcullis_headers_refused_total{{reason="{reason}"}}"#)).await;
        assert_eq!(counted, Some(1.0), "{reason}");
        assert_eq!(metric(&rig, r#"portcullis_requests_total{outcome="malformed"}"#).await, Some(1.0));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_reason_for_which_a_client_is_refused_is_counted_from_zero() {
    let app = Member::echo("app").await;
    let rig = before(&[app.address()], "").await;
    for (family, reasons) in [
        (
            "headers_refused",
            "no-request-line too-many-fields header-too-long header-malformed not-encrypted method header-late",
        ),
        ("connections_refused", "connections per_address"),
        ("tls_handshakes_failed", "late unknown_name broken"),
    ] {
        for reason in reasons.split(' ') {
            let counted = metric(&rig, &format!(r#"portcullis_{family}_total{{reason="{reason}"}}"#)).await;
            assert_eq!(counted, Some(0.0), "{family} {reason}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_ends_without_a_word_leaves_none() {
    let app = Member::echo("app").await;
    let rig = with(&[app.address()], "", "[limits]\nheader_deadline = \"200ms\"").await;
    assert!(Line::to(rig.address()).await.ends().await);
    drop(Line::to(rig.address()).await);
    let mut client = Line::to(rig.address()).await;
    client.say("GET /op").await;
    drop(client);
    assert_eq!(ask(&rig, get("/open/x", "")).await.status, 200);
    let line = line(&rig, |_| true).await;
    assert_eq!(line["path"], "/open/x", "{line}");
    assert_eq!(metric(&rig, r#"portcullis_requests_total{outcome="malformed"}"#).await, Some(0.0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_leaves_is_not_a_failure() {
    let member = RawMember::play(|mut line| async move {
        line.head().await;
        line.rest().await;
    })
    .await;
    let rig = before(&[member.address()], "").await;
    let mut client = Line::to(rig.address()).await;
    client.say(get("/open/x", "")).await;
    rig.eventually("the member was asked", async || !member.heard().concat().is_empty()).await;
    drop(client);
    let line = line(&rig, |line| line["path"] == "/open/x").await;
    assert_eq!((&line["outcome"], &line["refused"]), (&json!("gone"), &json!("client-gone")), "{line}");
    assert_eq!(metric(&rig, r#"portcullis_requests_total{outcome="failed"}"#).await, Some(0.0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_was_cut_says_why() {
    let member = RawMember::play(|mut line| async move {
        line.head().await;
        line.say("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n")
            .await;
        line.rest().await;
    })
    .await;
    let rig = before(&[member.address()], "").await;
    let pass = rig.pass("alice", &["staff"], "app.localhost").await;
    rig.heard().await;
    for (target, word) in [("/admin/events", "permit-lapsed"), ("/events", "session-ended")] {
        let mut client = Line::to(rig.address()).await;
        client.say(get(target, &format!("Cookie: {}\r\n", pass.cookie()))).await;
        assert_eq!(client.answer_head().await.status, 200, "{target}");
        match word {
            "permit-lapsed" => rig.clock.advance(Duration::from_secs(10 * 60 + 1)),
            _ => assert!(rig.store.sessions.end(pass.session).await.expect("the store")),
        }
        client.rest().await;
        let line = line(&rig, |line| line["path"] == target).await;
        assert_eq!((&line["outcome"], &line["refused"]), (&json!("gone"), &json!(word)), "{line}");
    }
}
