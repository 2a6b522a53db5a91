//! What goes through: bodies of any size and framing, answers without one, and answers before the answer.

use crate::rig::{Line, Member, RawMember, Rig, Scene, get, post};
use http::Response;
use std::net::SocketAddr;
use std::sync::Arc;

/// Big enough to be in no buffer whole.
const BIG: usize = 8 * 1024 * 1024;

/// Text in which every part is unlike the others.
fn pattern() -> String {
    (0..BIG / 8).map(|number| format!("{number:07x}\n")).collect()
}

async fn before(member: SocketAddr) -> Rig {
    Rig::start(&Scene { members: &[member], ..Scene::default() }.text()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_big_upload_arrives_to_the_byte() {
    let (rig, app, _wiki) = Rig::two_hosts().await;
    let body = pattern();
    let mut line = Line::to(rig.address()).await;
    assert_eq!(line.ask(post("/open/up", "", &body)).await.status, 200);
    assert!(app.last().body == body.as_bytes(), "{} bytes arrived", app.last().body.len());
    let chunks: String = body
        .as_bytes()
        .chunks(100_000)
        .map(|chunk| format!("{:x}\r\n{}\r\n", chunk.len(), String::from_utf8_lossy(chunk)))
        .collect();
    let head = "POST /open/up HTTP/1.1\r\nHost: app.localhost\r\nTransfer-Encoding: chunked\r\n\r\n";
    assert_eq!(line.ask(format!("{head}{chunks}0\r\n\r\n")).await.status, 200);
    assert!(app.last().body == body.as_bytes(), "{} bytes arrived", app.last().body.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_big_download_arrives_to_the_byte() {
    let app = Member::scripted(Arc::new(|_| Response::new(pattern()))).await;
    let rig = before(app.address()).await;
    let mut line = Line::to(rig.address()).await;
    for _ in 0..2 {
        let answer = line.ask(get("/open/down", "")).await;
        assert!(answer.body == pattern(), "{} bytes arrived", answer.body.len());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chunked_download_and_its_trailers_leave_the_connection_whole() {
    let member = RawMember::saying(
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Portcullis-Account\r\n\r\n\
         5;ext=1\r\nhello\r\n6\r\n world\r\n0\r\nX-Portcullis-Account: root\r\nX-Sum: 1\r\n\r\n",
    )
    .await;
    let rig = before(member.address()).await;
    let mut line = Line::to(rig.address()).await;
    for _ in 0..3 {
        let answer = line.ask(get("/open/x", "")).await;
        assert_eq!((answer.status, answer.body.as_str()), (200, "hello world"));
        assert!(!answer.head.contains("root"));
    }
    assert_eq!(member.heard().len(), 1, "its connection is used again");
}

#[tokio::test(flavor = "multi_thread")]
async fn trailers_of_a_request_are_not_taken_for_header_fields() {
    let (rig, app, _wiki) = Rig::two_hosts().await;
    let head = "POST /open/x HTTP/1.1\r\nHost: app.localhost\r\nTransfer-Encoding: chunked\r\n\r\n";
    let mut line = Line::to(rig.address()).await;
    let answer = line.ask(format!("{head}5\r\nhello\r\n0\r\nX-Portcullis-Account: root\r\nCookie: a=b\r\n\r\n")).await;
    assert_eq!(answer.status, 200);
    assert_eq!((app.last().body, app.last().one("x-portcullis-account")), (b"hello".to_vec(), None));
    assert_eq!(line.ask(get("/open/y", "")).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_without_a_length_ends_with_its_connection() {
    let member = RawMember::play(|mut line| async move {
        line.head().await;
        line.say("HTTP/1.0 200 OK\r\nContent-Type: text/plain\r\n\r\nuntil the end").await;
    })
    .await;
    let rig = before(member.address()).await;
    let mut line = Line::to(rig.address()).await;
    for _ in 0..2 {
        assert_eq!(line.ask(get("/open/x", "")).await.body, "until the end");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_without_a_body_leave_the_connection_in_step() {
    let member = RawMember::play(|mut line| async move {
        while let Some(head) = line.head().await {
            line.say(match head.split(' ').nth(1) {
                Some("/open/204") => "HTTP/1.1 204 No Content\r\n\r\n",
                Some("/open/304") => "HTTP/1.1 304 Not Modified\r\nETag: \"x\"\r\nContent-Length: 5\r\n\r\n",
                Some("/open/head") => "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n",
                Some("/open/empty") => "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
                _ => "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
            })
            .await;
        }
    })
    .await;
    let rig = before(member.address()).await;
    let mut line = Line::to(rig.address()).await;
    for _ in 0..2 {
        for target in ["/open/204", "/open/304"] {
            assert_eq!(line.ask(get(target, "")).await.status.to_string(), target[6..]);
        }
        line.say(get("/open/head", "").replace("GET", "HEAD")).await;
        let head = line.answer_head().await;
        assert_eq!((head.status, head.header("content-length")), (200, Some("5")));
        assert_eq!(line.ask(get("/open/empty", "")).await.body, "");
        assert_eq!(line.ask(get("/open/body", "")).await.body, "hello");
    }
    assert_eq!(member.heard().len(), 1, "its connection is used again");
}

#[tokio::test(flavor = "multi_thread")]
async fn our_own_answers_to_head_have_no_body() {
    let (rig, _app, _wiki) = Rig::two_hosts().await;
    let mut line = Line::to(rig.address()).await;
    for target in ["/x", "/.portcullis/session"] {
        line.say(get(target, "").replace("GET", "HEAD")).await;
        assert_eq!(line.answer_head().await.status, 401);
    }
    assert_eq!(line.ask(get("/open/x", "")).await.body, "app /open/x");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_waits_to_be_asked_for_its_body_is_asked_by_the_member() {
    let member = RawMember::play(|mut line| async move {
        while let Some(head) = line.head().await {
            line.say("HTTP/1.1 100 Continue\r\n\r\n").await;
            line.exactly(crate::rig::content_length(&head)).await;
            line.say("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ndone").await;
        }
    })
    .await;
    let rig = before(member.address()).await;
    let mut line = Line::to(rig.address()).await;
    line.say("POST /open/x HTTP/1.1\r\nHost: app.localhost\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n").await;
    assert_eq!(line.answer_head().await.status, 100);
    line.say("hello").await;
    assert_eq!(line.answer().await.body, "done");
    assert!(member.heard()[0].ends_with("hello"));
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_is_refused_is_not_asked_for_a_body() {
    let (rig, app, _wiki) = Rig::two_hosts().await;
    let mut line = Line::to(rig.address()).await;
    line.say("POST /x HTTP/1.1\r\nHost: app.localhost\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n").await;
    assert_eq!(line.answer_head().await.status, 401, "no 100 before it");
    assert!(app.seen().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn hints_before_the_answer_are_cleaned_like_the_answer() {
    let member = RawMember::saying(
        "HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\nSet-Cookie: portcullis=x\r\nX-Portcullis-Account: root\r\n\r\n\
         HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
    )
    .await;
    let rig = before(member.address()).await;
    let mut line = Line::to(rig.address()).await;
    for _ in 0..2 {
        line.say(get("/open/x", "")).await;
        let mut head = line.answer_head().await;
        if head.status == 103 {
            assert!(!head.head.contains("ortcullis"), "{head:?}");
            head = line.answer_head().await;
        }
        assert_eq!((head.status, line.exactly(5).await), (200, b"hello".to_vec()));
    }
    let mut old = Line::to(rig.address()).await;
    old.say("GET /open/x HTTP/1.0\r\nHost: app.localhost\r\n\r\n").await;
    assert_eq!(old.answer_head().await.status, 200, "a client of HTTP/1.0 is spared them");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_may_answer_before_it_has_read_everything() {
    let member = RawMember::play(|mut line| async move {
        line.head().await;
        line.say("HTTP/1.1 413 Content Too Large\r\nContent-Length: 8\r\nConnection: close\r\n\r\ntoo much").await;
        line.rest().await;
    })
    .await;
    let rig = before(member.address()).await;
    let answer = Line::to(rig.address()).await.ask(post("/open/x", "", &"x".repeat(256 * 1024))).await;
    assert_eq!((answer.status, answer.body.as_str()), (413, "too much"));
}
