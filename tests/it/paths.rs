//! Addresses that two servers could read differently are refused, and what is matched is what is forwarded.

use crate::rig::{Line, Pass, Raw, RawMember, Rig, Scene, get};

/// What makes a request one for a WebSocket: the rules are the same for those.
const UPGRADE: &str = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
                       Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";

/// Sends a `GET` of exactly these bytes with somebody's session.
async fn ask(rig: &Rig, pass: &Pass, target: &[u8], fields: &str) -> Raw {
    let rest = format!(" HTTP/1.1\r\nHost: app.localhost\r\nCookie: {}\r\n{fields}\r\n", pass.cookie());
    let mut line = Line::to(rig.address()).await;
    let answer = line.ask([b"GET ", target, rest.as_bytes()].concat()).await;
    if answer.status == 400 {
        assert_eq!(answer.header("connection"), Some("close"), "{:?}", String::from_utf8_lossy(target));
        assert!(line.ends().await, "the connection is of no use any more");
    }
    answer
}

/// Asserts that each target is refused with 400 and arrives nowhere, whoever asks, WebSocket or not.
async fn refused(targets: &[&[u8]]) {
    let (rig, app, _wiki) = Rig::two_hosts().await;
    let pass = rig.pass("alice", &["staff", "boss"], "app.localhost").await;
    for target in targets {
        for fields in ["", UPGRADE] {
            let answer = ask(&rig, &pass, target, fields).await;
            assert_eq!(answer.status, 400, "{:?} {fields:?}", String::from_utf8_lossy(target));
        }
    }
    assert!(app.seen().is_empty(), "the member saw {:?}", app.seen());
}

#[tokio::test(flavor = "multi_thread")]
async fn dot_segments_are_refused_in_every_spelling() {
    refused(&[
        b"/open/../admin",
        b"/open/./x",
        b"/open/..",
        b"/open/..%2fadmin/",
        b"/open/%2e%2e/admin",
        b"/open/%2E./admin",
        b"/open/.%2e/admin",
        b"/open/%252e%252e%252fadmin",
        b"/open/%25252e",
        b"/open/%c0%ae%c0%ae/admin",
    ])
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn separators_in_disguise_are_refused() {
    refused(&[
        b"/open/..;/admin",
        b"/open;/../admin",
        b"/open/%3b/../admin",
        b"/open;x=1/x",
        b"/open\\..\\admin",
        b"/open/%5cadmin",
        b"/open%2fx",
        b"//admin/x",
        b"/open//x",
        b"///",
    ])
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn fragments_spaces_and_raw_bytes_are_refused_and_not_repaired() {
    refused(&[
        b"/open#/../admin",
        b"/open/x#y",
        b"/open/x?y#z",
        b"/open /../admin",
        b"/open/a b",
        b"/open/a  b",
        b"/open/x?a b",
        b"/open/x HTTP/1.1 y",
        b"/open/<x>",
        b"/open/x?\"y\"",
        b"/open/{x}",
        b"/open/x|y",
        b"/open/x^y",
        b"/open/caf\xe9",
        b"/open/caf\xc3\xa9",
        b"/open/x?\xe9",
    ])
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn broken_and_needless_escapes_are_refused() {
    refused(&[
        b"/open/%",
        b"/open/%zz",
        b"/open/%4",
        b"/open/%00",
        b"/open/%0d%0aX:y",
        b"/open/%7f",
        b"/%61dmin/x",
        b"/open/%e9",
        b"/open/%ed%a0%80",
    ])
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn other_forms_of_target_are_refused() {
    refused(&[b"*", b"open/x", b"app.localhost:80", b"?x", b"http:/open/x", b"http://", b"http:///open/x"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn letters_of_another_case_are_another_path_and_never_an_open_one() {
    let (rig, app, _wiki) = Rig::two_hosts().await;
    for target in ["/OPEN/x", "/Open/x", "/oPEN/", "/opennext/x", "/Admin/x"] {
        let answer = Line::to(rig.address()).await.ask(get(target, "")).await;
        assert_eq!(answer.status, 401, "{target}");
    }
    assert!(app.seen().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_query_is_never_taken_for_a_path() {
    let (rig, app, _wiki) = Rig::two_hosts().await;
    let answer = Line::to(rig.address()).await.ask(get("/admin/x?/open/x", "")).await;
    assert_eq!(answer.status, 401);
    assert!(app.seen().is_empty());
    let answer = Line::to(rig.address()).await.ask(get("/open/x?/../../admin/x", "")).await;
    assert_eq!(answer.status, 200);
    assert_eq!(app.last().target, "/open/x?/../../admin/x");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_matched_arrives_to_the_byte() {
    let member = RawMember::saying("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await;
    let rig = Rig::start(&Scene { members: &[member.address()], ..Scene::default() }.text()).await;
    let targets = [
        "/open/",
        "/open/?",
        "/open/users/bob%40example.com",
        "/open/caf%C3%A9/%e2%82%ac",
        "/open/a%20b/100%25/%253A",
        "/open/!$&'()*+,=:@-._~",
        "/open/.../..a/b..",
        "/open/x?b=/../c;d\\%2e{}|&e=%zz&&",
        "/open/x?to=http://other.example/%2F%2e%2e",
    ];
    let mut line = Line::to(rig.address()).await;
    for target in targets {
        assert_eq!(line.ask(get(target, "")).await.status, 200, "{target}");
        let heard = member.heard().concat();
        let asked = heard.lines().rfind(|line| line.starts_with("GET ")).expect("a request arrived");
        assert_eq!(asked, format!("GET {target} HTTP/1.1"));
    }
}

/// Asks for a target, as it is, on a host.
async fn status(rig: &Rig, target: &str, host: &str) -> u16 {
    let request = format!("GET {target} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
    Line::to(rig.address()).await.ask(request).await.status
}

#[tokio::test(flavor = "multi_thread")]
async fn an_absolute_address_of_the_host_that_is_asked_is_taken_for_its_path() {
    let (rig, app, _wiki) = Rig::two_hosts().await;
    for (target, arrives) in [
        ("http://app.localhost/open/x?y=%2F", "/open/x?y=%2F"),
        ("HTTP://app.localhost/open/x", "/open/x"),
        ("http://app.localhost/open/http://wiki.localhost", ""),
    ] {
        let expected = if arrives.is_empty() { 400 } else { 200 };
        assert_eq!(status(&rig, target, "app.localhost").await, expected, "{target}");
        if !arrives.is_empty() {
            assert_eq!(app.last().target, arrives);
        }
    }
    assert_eq!(status(&rig, "http://app.localhost:8080/open/x", "app.localhost:8080").await, 200);
    for target in ["http://app.localhost", "http://app.localhost?x=y", "http://app.localhost/admin/x"] {
        assert_eq!(status(&rig, target, "app.localhost").await, 401, "it is judged like any other: {target}");
    }
    let mut line = Line::to(rig.address()).await;
    let whole = "OPTIONS http://app.localhost HTTP/1.1\r\nHost: app.localhost\r\n\r\n";
    assert_eq!(line.ask(whole).await.status, 204, "it is about the whole server");
    assert_eq!(app.seen().len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_absolute_address_of_another_host_or_scheme_is_refused() {
    let (rig, app, _wiki) = Rig::two_hosts().await;
    for (target, host) in [
        ("http://wiki.localhost/open/x", "app.localhost"),
        ("http://app.localhost@wiki.localhost/open/x", "app.localhost"),
        ("http://app.localhost:8080/open/x", "app.localhost"),
        ("http://app.localhost/open/../admin", "app.localhost"),
        ("https://app.localhost/open/x", "app.localhost"),
        ("ws://app.localhost/open/x", "app.localhost"),
        ("ftp://app.localhost/open/x", "app.localhost"),
        ("http:/app.localhost/open/x", "app.localhost"),
        ("http:///open/x", "app.localhost"),
        ("app.localhost/open/x", "app.localhost"),
    ] {
        assert_eq!(status(&rig, target, host).await, 400, "{target}");
    }
    assert!(app.seen().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_may_be_eight_kibibytes_long_and_no_longer() {
    let (rig, app, _wiki) = Rig::two_hosts().await;
    let longest = format!("/open/{}", "a".repeat(8 * 1024 - 6));
    assert_eq!(Line::to(rig.address()).await.ask(get(&longest, "")).await.status, 200);
    assert_eq!(Line::to(rig.address()).await.ask(get(&format!("{longest}a"), "")).await.status, 414);
    let query = format!("/open/x?{}", "a".repeat(16 * 1024));
    assert_eq!(Line::to(rig.address()).await.ask(get(&query, "")).await.status, 414);
    assert_eq!(app.seen().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_question_about_the_whole_server_is_answered_here() {
    let (rig, app, wiki) = Rig::two_hosts().await;
    for host in ["app.localhost", "wiki.localhost", "auth.localhost"] {
        let mut line = Line::to(rig.address()).await;
        for _ in 0..2 {
            let answer = line.ask(format!("OPTIONS * HTTP/1.1\r\nHost: {host}\r\n\r\n")).await;
            assert_eq!(answer.status, 204, "{host}: {answer:?}");
            assert!(answer.header("x-request-id").is_some());
        }
    }
    assert!(app.seen().is_empty() && wiki.seen().is_empty());
}
