//! Requests with more than one reading, and members that answer with more than one: neither gets through, and nobody
//! else's request or answer is touched.

use crate::rig::{Line, Raw, RawMember, Rig, Scene, get, post};
use std::time::{Duration, Instant};

/// Sends bytes on a connection of their own; gives the answer and whether the connection was closed after it.
async fn ask(rig: &Rig, bytes: impl AsRef<[u8]>) -> (Raw, bool) {
    let mut line = Line::to(rig.address()).await;
    let answer = line.ask(bytes).await;
    let ends = answer.header("connection") == Some("close") && line.ends().await;
    (answer, ends)
}

/// Asserts that each request is refused with 400 and a close, and that no part of it arrives.
async fn refused(requests: &[&[u8]]) {
    let (rig, app, _wiki) = Rig::two_hosts().await;
    for request in requests {
        let text = String::from_utf8_lossy(request);
        let (answer, ends) = ask(&rig, request).await;
        assert_eq!((answer.status, ends), (400, true), "{text:?} {answer:?}");
    }
    assert!(app.seen().is_empty(), "the member saw {:?}", app.seen());
    assert_eq!(ask(&rig, get("/open/x", "Connection: close\r\n")).await.0.status, 200, "everybody else is served");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_with_two_lengths_is_refused() {
    refused(&[
        b"POST /open/x HTTP/1.1\r\nHost: app.localhost\r\nContent-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nG",
        b"POST /open/x HTTP/1.1\r\nHost: app.localhost\r\nTransfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n\
          5c\r\nGPOST /admin/x HTTP/1.1\r\nHost: app.localhost\r\nContent-Length: 15\r\n\r\nx=1\r\n0\r\n\r\n",
        b"POST /open/x HTTP/1.1\r\nHost: app.localhost\r\ncontent-length: 0\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        b"POST /open/x HTTP/1.1\r\nHost: app.localhost\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
        b"POST /open/x HTTP/1.1\r\nHost: app.localhost\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\nhello",
        b"POST /open/x HTTP/1.1\r\nHost: app.localhost\r\nContent-Length: 5, 5\r\n\r\nhello",
    ])
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_length_that_is_not_a_plain_number_is_refused() {
    for length in ["+5", "-5", "0x5", "5 5", "5,", "", "99999999999999999999999", "5\u{b2}"] {
        let request = format!("POST /open/x HTTP/1.1\r\nHost: app.localhost\r\nContent-Length: {length}\r\n\r\nhello");
        refused(&[request.as_bytes()]).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn odd_transfer_codings_are_refused() {
    refused(&[
        b"POST /open/x HTTP/1.0\r\nHost: app.localhost\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"POST /open/x HTTP/1.1\r\nHost: app.localhost\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
        b"POST /open/x HTTP/1.1\r\nHost: app.localhost\r\nTransfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
        b"POST /open/x HTTP/1.1\r\nHost: app.localhost\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n",
        b"POST /open/x HTTP/1.1\r\nHost: app.localhost\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n",
        b"POST /open/x HTTP/1.1\r\nHost: app.localhost\r\nTransfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n",
        b"POST /open/x HTTP/1.1\r\nHost: app.localhost\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        b"POST /open/x HTTP/1.1\r\nHost: app.localhost\r\nTransfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n",
    ])
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn lines_that_two_servers_would_split_differently_are_refused() {
    refused(&[
        b"GET /open/x HTTP/1.1\nHost: app.localhost\n\n",
        b"GET /open/x HTTP/1.1\r\nHost: app.localhost\r\nX: y\n\n",
        b"GET /open/x HTTP/1.1\r\nHost: app.localhost\n\r\n",
        b"GET /open/x HTTP/1.1\r\nHost: app.localhost\r\nTransfer-Encoding : chunked\r\n\r\n",
        b"GET /open/x HTTP/1.1\r\nHost: app.localhost\r\nX: y\r\n Transfer-Encoding: chunked\r\n\r\n",
        b"GET /open/x HTTP/1.1\r\nHost: app.localhost\r\nX: y\rZ: w\r\n\r\n",
        b"GET /open/x HTTP/1.1\r\nHost: app.localhost\r\nX: y\0z\r\n\r\n",
        b"GET /open/x HTTP/1.1\r\n Host: app.localhost\r\n\r\n",
        b"GET /open/x HTTP/1.1\r\nHost: app.localhost\r\n: x\r\n\r\n",
        b"GET /open/x HTTP/1.1\r\nHost: app.localhost\r\nX y: z\r\n\r\n",
        b"GET  /open/x HTTP/1.1\r\nHost: app.localhost\r\n\r\n",
        b"GET /open/x  HTTP/1.1\r\nHost: app.localhost\r\n\r\n",
        b"GET\t/open/x HTTP/1.1\r\nHost: app.localhost\r\n\r\n",
        b"GET /open/x HTTP/2.0\r\nHost: app.localhost\r\n\r\n",
        b"GET /open/x http/1.1\r\nHost: app.localhost\r\n\r\n",
        b"GET /open/x\r\nHost: app.localhost\r\n\r\n",
    ])
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_names_one_host_and_nothing_else_with_it() {
    refused(&[
        b"GET /open/x HTTP/1.1\r\n\r\n",
        b"GET /open/x HTTP/1.0\r\n\r\n",
        b"GET /open/x HTTP/1.1\r\nHost:\r\n\r\n",
        b"GET /open/x HTTP/1.1\r\nHost: app.localhost\r\nHost: app.localhost\r\n\r\n",
        b"GET /open/x HTTP/1.1\r\nHost: app.localhost\r\nhost: wiki.localhost\r\n\r\n",
        b"GET /open/x HTTP/1.1\r\nHost: a@app.localhost\r\n\r\n",
        b"GET /open/x HTTP/1.1\r\nHost: app.localhost/x\r\n\r\n",
        b"GET /open/x HTTP/1.1\r\nHost: app.localhost, wiki.localhost\r\n\r\n",
        b"GET /open/x HTTP/1.1\r\nHost: app.localhost:http\r\n\r\n",
        b"GET /open/x HTTP/1.1\r\nHost: app.localhost#\r\n\r\n",
        b"GET /open/x HTTP/1.1\r\nHost: app..localhost\r\n\r\n",
    ])
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_is_the_same_in_any_case_with_its_dot_and_with_a_port() {
    let (rig, app, _wiki) = Rig::two_hosts().await;
    for host in ["APP.localhost", "app.localhost.", "app.localhost:8080"] {
        let request = format!("GET /admin/x HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
        assert_eq!(ask(&rig, request).await.0.status, 401, "{host}");
    }
    assert!(app.seen().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn methods_that_are_not_for_services_are_refused() {
    let (rig, app, _wiki) = Rig::two_hosts().await;
    let trace = "TRACE /open/x HTTP/1.1\r\nHost: app.localhost\r\nCookie: a=b\r\n\r\n";
    let (answer, _) = ask(&rig, trace).await;
    assert_eq!(answer.status, 405);
    assert!(!answer.body.contains("a=b"), "nothing is reflected");
    for target in ["app.localhost:443", "/open/x", "127.0.0.1:1"] {
        let connect = format!("CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n\r\n");
        let (answer, ends) = ask(&rig, connect).await;
        assert!(matches!(answer.status, 400 | 405) && ends, "{target} {answer:?}");
    }
    assert!(app.seen().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn headers_have_a_size_and_a_number() {
    let (rig, member) = hostile("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await;
    let many = |count: usize| (0..count).map(|number| format!("X-{number}: y\r\n")).collect::<String>();
    for (fields, expected) in [
        (format!("X: {}\r\n", "y".repeat(40 * 1024)), 431),
        (format!("X: {}\r\n", "y".repeat(16 * 1024)), 200),
        // With `Host` it is 88: another dozen is added for the member, and common servers take a hundred.
        (many(87), 200),
        (many(88), 431),
        // The engine's own limit.
        (many(300), 431),
    ] {
        let (answer, _) = ask(&rig, get("/open/x", &fields)).await;
        assert_eq!(answer.status, expected, "{} bytes: {answer:?}", fields.len());
    }
    assert_eq!(member.heard().concat().matches("GET ").count(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_largest_request_arrives_with_no_more_fields_than_common_servers_take() {
    let (rig, app, _wiki) = Rig::two_hosts().await;
    let pass = rig.pass("alice", &["staff"], "app.localhost").await;
    let fields: String = (0..86).map(|number| format!("X-{number}: y\r\n")).collect();
    let request = get("/x", &format!("Cookie: {}\r\n{fields}", pass.cookie()));
    assert_eq!(ask(&rig, request).await.0.status, 200);
    let arrived = app.last().headers.len();
    assert!((90..=100).contains(&arrived), "{arrived}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_spells_a_request_is_a_body() {
    let (rig, app, _wiki) = Rig::two_hosts().await;
    let inner = "GET /admin/x HTTP/1.1\r\nHost: app.localhost\r\nX-Portcullis-Account: root\r\n\r\n";
    let mut line = Line::to(rig.address()).await;
    let length = inner.len();
    let request = format!("GET /open/a HTTP/1.1\r\nHost: app.localhost\r\nContent-Length: {length}\r\n\r\n{inner}");
    assert_eq!(line.ask(request).await.body, "app /open/a");
    assert_eq!(line.ask(post("/open/b", "", inner)).await.body, "app /open/b");
    let chunked = format!(
        "POST /open/c HTTP/1.1\r\nHost: app.localhost\r\nTransfer-Encoding: chunked\r\n\r\n{length:x}\r\n{inner}\r\n0\r\n\r\n"
    );
    assert_eq!(line.ask(chunked).await.body, "app /open/c");
    let seen: Vec<_> = app.seen().into_iter().map(|seen| (seen.target, seen.body)).collect();
    let expected = ["/open/a", "/open/b", "/open/c"].map(|target| (target.to_owned(), inner.as_bytes().to_vec()));
    assert_eq!(seen, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_request_with_a_body_ends_its_connection_at_once() {
    let (rig, app, _wiki) = Rig::two_hosts().await;
    for body in ["Content-Length: 1073741824\r\n", "Transfer-Encoding: chunked\r\n"] {
        let mut line = Line::to(rig.address()).await;
        let began = Instant::now();
        let answer = line.ask(format!("POST /admin/x HTTP/1.1\r\nHost: app.localhost\r\n{body}\r\n")).await;
        assert_eq!((answer.status, answer.header("connection")), (401, Some("close")), "{answer:?}");
        assert!(began.elapsed() < Duration::from_secs(1), "nobody waits for the body: {:?}", began.elapsed());
        line.say("GET /open/x HTTP/1.1\r\nHost: app.localhost\r\n\r\n").await;
        assert!(line.ends().await, "what follows is not taken for a request");
    }
    assert!(app.seen().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_sent_ahead_is_judged_on_its_own() {
    let (rig, app, _wiki) = Rig::two_hosts().await;
    let mut line = Line::to(rig.address()).await;
    line.say(get("/open/a", "") + &get("/admin/b", "")).await;
    let first = line.answer().await;
    assert_eq!((first.status, first.body.as_str()), (200, "app /open/a"));
    let second = line.answer().await;
    assert!(matches!(second.status, 0 | 401), "{second:?}");
    assert_eq!(app.seen().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upgrade_to_anything_but_a_websocket_is_an_ordinary_request() {
    let (rig, app, _wiki) = Rig::two_hosts().await;
    for protocol in ["h2c", "foo", "websocket2", "TLS/1.0"] {
        let mut line = Line::to(rig.address()).await;
        let fields =
            format!("Connection: Upgrade, HTTP2-Settings\r\nHTTP2-Settings: AAMAAABkAAQ\r\nUpgrade: {protocol}\r\n");
        line.say(get("/open/a", &fields) + &get("/admin/b", "")).await;
        assert_eq!(line.answer().await.status, 200, "{protocol}");
        assert!(matches!(line.answer().await.status, 0 | 401), "what follows is judged on its own");
        let seen = app.last();
        for name in ["upgrade", "connection", "http2-settings"] {
            assert_eq!(seen.all(name), Vec::<String>::new(), "{protocol}");
        }
    }
    assert!(app.seen().iter().all(|seen| seen.target == "/open/a"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chunked_body_that_breaks_off_or_lies_is_never_a_second_request() {
    let (rig, app, _wiki) = Rig::two_hosts().await;
    let tails = ["zz\r\nGET", "-1\r\nx", "5\r\nhelloGET /admin/x", "5;\r\nhello\r\n0\r\n\n", "fffffffffffffffff\r\nx"];
    for tail in tails {
        let mut line = Line::to(rig.address()).await;
        let head = "POST /open/x HTTP/1.1\r\nHost: app.localhost\r\nTransfer-Encoding: chunked\r\n\r\n";
        line.say(format!("{head}{tail} HTTP/1.1\r\nHost: app.localhost\r\n\r\n")).await;
        let answer = line.answer().await;
        assert!(matches!(answer.status, 0 | 400 | 502), "{tail:?} {answer:?}");
    }
    assert!(app.seen().iter().all(|seen| seen.target == "/open/x"), "{:?}", app.seen());
}

/// A gateway before a member that answers everybody with these bytes and then waits for the next request.
async fn hostile(answer: impl Into<Vec<u8>>) -> (Rig, RawMember) {
    let member = RawMember::saying(answer).await;
    let rig = Rig::start(&Scene { members: &[member.address()], ..Scene::default() }.text()).await;
    (rig, member)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_with_two_readings_is_not_passed_on() {
    for answer in [
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello!",
        "HTTP/1.1 200 OK\r\nContent-Length: +5\r\n\r\nhello",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: xchunked\r\n\r\nhello",
        "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nhello",
        "HTTP/1.1 101 Switching Protocols\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nX: y\0z\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 200\r\n X: y\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 2000 OK\r\nContent-Length: 0\r\n\r\n",
        "hello\r\n\r\n",
    ] {
        let (rig, member) = hostile(answer).await;
        let (got, _) = ask(&rig, get("/open/x", "")).await;
        assert_eq!(got.status, 502, "{answer:?} {got:?}");
        ask(&rig, get("/open/y", "")).await;
        assert_eq!(member.heard().len(), 2, "a connection that said such a thing is not used again: {answer:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_with_a_length_and_chunks_is_passed_on_with_chunks_alone() {
    let both = "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\nb\r\nhello world\r\n0\r\n\r\n";
    let (rig, _member) = hostile(format!("HTTP/1.1 200 OK\r\n{both}")).await;
    let mut line = Line::to(rig.address()).await;
    for _ in 0..2 {
        let answer = line.ask(get("/open/x", "")).await;
        assert_eq!((answer.body.as_str(), answer.header("content-length")), ("hello world", None));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn more_than_was_announced_reaches_nobody() {
    let (rig, member) =
        hostile("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhelloHTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison")
            .await;
    for _ in 0..3 {
        let mut line = Line::to(rig.address()).await;
        let first = line.ask(get("/open/x", "")).await;
        assert_eq!((first.status, first.body.as_str()), (200, "hello"));
        let second = line.ask(get("/open/y", "")).await;
        assert!(second.status == 0 || second.body == "hello", "{second:?}");
    }
    assert!(
        member.heard().iter().all(|heard| heard.matches("GET ").count() == 1),
        "such a connection is not used again"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_breaks_off_breaks_off_for_the_client_too() {
    for answer in [
        "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\nzz\r\n",
    ] {
        let member = RawMember::play(move |mut line| async move {
            line.head().await;
            line.say(answer).await;
        })
        .await;
        let rig = Rig::start(&Scene { members: &[member.address()], ..Scene::default() }.text()).await;
        let mut line = Line::to(rig.address()).await;
        line.say(get("/open/x", "")).await;
        let all = String::from_utf8_lossy(&line.rest().await).into_owned();
        assert!(all.starts_with("HTTP/1.1 200") || all.starts_with("HTTP/1.1 502"), "{all}");
        assert!(!all.ends_with("0\r\n\r\n"), "half an answer never looks whole: {all}");
        assert_eq!(all.matches("HTTP/1.1 ").count(), 1, "nothing is put behind half an answer: {all}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_usual_method_in_another_spelling_is_refused_because_services_take_it_for_the_usual_one() {
    refused(&[
        b"get /open/x HTTP/1.1\r\nHost: app.localhost\r\n\r\n",
        b"Delete /open/x HTTP/1.1\r\nHost: app.localhost\r\n\r\n",
    ])
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_whose_chunks_cannot_be_read_is_answered() {
    let (rig, _app, _wiki) = Rig::two_hosts().await;
    for chunk in ["0x2\r\nab\r\n0\r\n\r\n", "fffffffffffffffff\r\n", "2\r\nabcd\r\n0\r\n\r\n"] {
        let head = "POST /open/x HTTP/1.1\r\nHost: app.localhost\r\nTransfer-Encoding: chunked\r\n\r\n";
        let (answer, ends) = ask(&rig, format!("{head}{chunk}")).await;
        assert_eq!((answer.status, ends), (400, true), "{chunk:?} {answer:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_drips_is_ended_and_a_slow_one_is_not() {
    let member = RawMember::play(|mut line| async move {
        line.head().await;
        line.exactly(100_000).await;
        line.say("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await;
    })
    .await;
    let rig = Rig::start(&Scene { members: &[member.address()], ..Scene::default() }.text()).await;
    let head = "POST /open/x HTTP/1.1\r\nHost: app.localhost\r\nContent-Length: 100000\r\n\r\n";
    let (mut slow, mut dripping) = (Line::to(rig.address()).await, Line::to(rig.address()).await);
    slow.say(format!("{head}{}", "x".repeat(50_000))).await;
    dripping.say(format!("{head}x")).await;
    rig.eventually("both are with the member", async || member.heard().len() == 2).await;
    rig.clock.advance(Duration::from_secs(60));
    slow.say("x".repeat(50_000)).await;
    assert_eq!(slow.answer().await.status, 200);
    dripping.say("x").await;
    assert_eq!(dripping.answer().await.status, 408);
}
