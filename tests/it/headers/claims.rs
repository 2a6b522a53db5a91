//! Nobody but the gateway says who is asking and where from.

use crate::rig::{Line, Rig, get};

/// Everything that a client may claim about itself, in names that services believe.
const CLAIMS: &[&str] = &[
    "X-Portcullis-Account",
    "x-portcullis-account",
    "X-PORTCULLIS-GROUPS",
    "X-Portcullis-Assurance",
    "X-Portcullis-Assertion",
    "X-Portcullis-Anything-Else",
    "X-Forwarded-For",
    "X-Forwarded-Host",
    "X-Forwarded-Proto",
    "X-Forwarded-Port",
    "X-Forwarded-Prefix",
    "X-Forwarded-Uri",
    "X-Forwarded-Method",
    "X-Forwarded-Ssl",
    "X-Forwarded-User",
    "Forwarded",
    "X-Real-IP",
    "True-Client-IP",
    "X-Client-IP",
    "X-Cluster-Client-IP",
    "X-Original-URL",
    "X-Rewrite-URL",
    "X-HTTP-Method-Override",
    "X-Request-Id",
];

fn claims() -> String {
    CLAIMS.iter().map(|name| format!("{name}: forged\r\n{name}: forged, for=forged\r\n")).collect()
}

/// No value of any field that arrived was made up by the client.
fn assert_nothing_forged(seen: &crate::rig::Seen) {
    for (name, value) in &seen.headers {
        let value = String::from_utf8_lossy(value.as_bytes());
        assert!(!value.contains("forged"), "{name}: {value}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signed_in_person_cannot_claim_to_be_somebody_else() {
    let (rig, app, _wiki) = Rig::two_hosts().await;
    let pass = rig.pass("alice", &["staff"], "app.localhost").await;
    let again = "X-Portcullis-Account: forged\r\nForwarded: for=forged\r\n";
    let fields = format!("{}Cookie: {}\r\n{again}", claims(), pass.cookie());
    let answer = Line::to(rig.address()).await.ask(get("/x", &fields)).await;
    assert_eq!(answer.status, 200);
    let seen = app.last();
    assert_nothing_forged(&seen);
    assert_eq!(seen.one("x-portcullis-account").as_deref(), Some("alice"));
    assert_eq!(seen.one("x-portcullis-assurance").as_deref(), Some("mfa"));
    assert_eq!(seen.one("x-portcullis-groups"), None, "the policy names no groups, so nobody hears of any");
    assert_eq!(seen.one("x-portcullis-assertion").map(|token| token.split('.').count()), Some(3));
    assert_eq!(seen.one("x-request-id").as_deref(), answer.header("x-request-id"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stranger_on_an_open_route_cannot_claim_to_be_somebody() {
    let (rig, app, _wiki) = Rig::two_hosts().await;
    assert_eq!(Line::to(rig.address()).await.ask(get("/open/x", &claims())).await.status, 200);
    let seen = app.last();
    assert_nothing_forged(&seen);
    for name in seen.headers.keys() {
        assert!(!name.as_str().starts_with("x-portcullis"), "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn where_a_request_comes_from_is_told_by_its_connection() {
    let (rig, app, _wiki) = Rig::two_hosts().await;
    let host = format!("app.localhost:{}", rig.address().port());
    let request = format!("GET /open/x HTTP/1.1\r\nHost: {host}\r\nVia: 1.1 theirs\r\n\r\n");
    assert_eq!(Line::to(rig.address()).await.ask(request).await.status, 200);
    let seen = app.last();
    let port = rig.address().port().to_string();
    let forwarded = format!("for=127.0.0.1;host=\"{host}\";proto=http");
    for (name, expected) in [
        ("x-forwarded-for", "127.0.0.1"),
        ("x-forwarded-proto", "http"),
        ("x-forwarded-host", host.as_str()),
        ("x-forwarded-port", port.as_str()),
        ("forwarded", forwarded.as_str()),
        ("host", host.as_str()),
    ] {
        assert_eq!(seen.one(name).as_deref(), Some(expected), "{name}");
    }
    assert_eq!(seen.all("via").join(", "), "1.1 theirs, 1.1 portcullis");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_port_is_told_of_exactly_the_requests_that_named_it() {
    let (rig, app, _wiki) = Rig::two_hosts().await;
    let mut line = Line::to(rig.address()).await;
    for (host, forwarded, port) in [
        ("app.localhost", "for=127.0.0.1;host=app.localhost;proto=http", "80"),
        ("app.localhost:80", "for=127.0.0.1;host=\"app.localhost:80\";proto=http", "80"),
        ("app.localhost:8080", "for=127.0.0.1;host=\"app.localhost:8080\";proto=http", "8080"),
        ("app.localhost", "for=127.0.0.1;host=app.localhost;proto=http", "80"),
    ] {
        assert_eq!(line.ask(format!("GET /open/x HTTP/1.1\r\nHost: {host}\r\n\r\n")).await.status, 200, "{host}");
        let seen = app.last();
        assert_eq!(seen.one("x-forwarded-host").as_deref(), Some(host));
        assert_eq!(seen.one("forwarded").as_deref(), Some(forwarded));
        assert_eq!(seen.one("x-forwarded-port").as_deref(), Some(port), "{host}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_with_an_underscore_is_refused_wherever_it_goes() {
    let (rig, app, _wiki) = Rig::two_hosts().await;
    let pass = rig.pass("alice", &["staff"], "app.localhost").await;
    for name in ["X_Portcullis_Account", "x-portcullis_account", "X_FORWARDED_FOR", "x-auth_user", "_", "Anything_Else"]
    {
        for target in ["/x", "/open/x"] {
            let fields = format!("{name}: root\r\nCookie: {}\r\n", pass.cookie());
            let answer = Line::to(rig.address()).await.ask(get(target, &fields)).await;
            assert_eq!(answer.status, 400, "{name} {target}");
        }
    }
    assert!(app.seen().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_let_through_for_looking_like_a_health_check() {
    let (rig, app, _wiki) = Rig::two_hosts().await;
    for fields in [
        "User-Agent: GoogleHC/1.0\r\n",
        "User-Agent: kube-probe/1.29\r\n",
        "User-Agent: portcullis-health\r\n",
        "X-Health: 1\r\n",
    ] {
        for target in ["/x", "/healthz", "/metrics", "/readyz"] {
            assert_eq!(Line::to(rig.address()).await.ask(get(target, fields)).await.status, 401, "{target} {fields}");
        }
    }
    assert!(app.seen().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn every_answer_of_the_gateway_itself_names_its_request() {
    let (rig, _app, _wiki) = Rig::two_hosts().await;
    let pass = rig.pass("alice", &["staff"], "app.localhost").await;
    let cookie = format!("Cookie: {}\r\n", pass.cookie());
    for (request, status) in [
        (get("/x", ""), 401),
        (get("/boss/x", &cookie), 403),
        (get("/x", "Accept: text/html\r\n"), 303),
        (get("/.portcullis/session", ""), 401),
        (get("/open/../x", ""), 400),
        (get("/open/x", "X_Y: z\r\n"), 400),
        ("GET / HTTP/1.1\r\nHost: nowhere.localhost\r\n\r\n".to_owned(), 421),
        ("GET / HTTP/1.1\r\nHost: wiki.localhost\r\n\r\n".to_owned(), 401),
        ("TRACE /open/x HTTP/1.1\r\nHost: app.localhost\r\n\r\n".to_owned(), 405),
    ] {
        let answer = Line::to(rig.address()).await.ask(&request).await;
        assert_eq!(answer.status, status, "{request}");
        let id = answer.header("x-request-id");
        assert!(id.is_some_and(|id| id.starts_with("req_")), "{request} {answer:?}");
    }
}
