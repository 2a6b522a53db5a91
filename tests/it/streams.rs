//! Answers that go on: passed as they come, and cut when their permit is over.

use crate::rig::{Line, Pass, RawMember, Rig, Scene, get};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::Notify;

/// A member that sends one event, waits to be told, sends another, and stays.
async fn events(kind: &'static str, tell: Arc<Notify>) -> RawMember {
    RawMember::play(move |mut line| {
        let tell = Arc::clone(&tell);
        async move {
            line.head().await;
            let head = format!("HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nTransfer-Encoding: chunked\r\n\r\n");
            line.say(head + "d\r\ndata: first\n\n\r\n").await;
            tell.notified().await;
            line.say("e\r\ndata: second\n\n\r\n").await;
            line.rest().await;
        }
    })
    .await
}

struct Case {
    rig: Rig,
    pass: Pass,
    line: Line,
    tell: Arc<Notify>,
    _member: RawMember,
}

/// A stream of somebody, of which the first event has come.
async fn opened(target: &str, kind: &'static str) -> Case {
    let tell = Arc::new(Notify::new());
    let member = events(kind, Arc::clone(&tell)).await;
    let rig = Rig::start(&Scene { members: &[member.address()], ..Scene::default() }.text()).await;
    let pass = rig.pass("alice", &["staff"], "app.localhost").await;
    rig.heard().await;
    let mut line = Line::to(rig.address()).await;
    line.say(get(target, &format!("Cookie: {}\r\n", pass.cookie()))).await;
    assert_eq!(line.answer_head().await.status, 200);
    assert_eq!(next_event(&mut line).await, "data: first\n\n", "it comes before the member sends another");
    Case { rig, pass, line, tell, _member: member }
}

async fn next_event(line: &mut Line) -> String {
    let size = String::from_utf8(line.exactly(3).await).expect("text");
    let size = usize::from_str_radix(size.trim_end(), 16).expect("a chunk's size");
    let event = line.exactly(size).await;
    line.exactly(2).await;
    String::from_utf8(event).expect("text")
}

async fn assert_cut(mut line: Line) {
    let began = Instant::now();
    let rest = line.rest().await;
    assert!(!String::from_utf8_lossy(&rest).contains("0\r\n\r\n"), "a cut stream does not look complete");
    let took = began.elapsed();
    assert!(took < Duration::from_secs(1), "{took:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn events_pass_as_they_come() {
    let mut case = opened("/events", "text/event-stream").await;
    case.tell.notify_one();
    assert_eq!(next_event(&mut case.line).await, "data: second\n\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn ending_a_session_cuts_its_event_streams() {
    for kind in ["text/event-stream", "Text/Event-Stream; charset=utf-8", "application/grpc+proto"] {
        let case = opened("/events", kind).await;
        assert!(case.rig.store.sessions.end(case.pass.session).await.expect("the store"));
        assert_cut(case.line).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn disabling_an_account_cuts_its_event_streams() {
    let case = opened("/events", "text/event-stream").await;
    assert!(case.rig.store.accounts.set_disabled(case.pass.account, true).await.expect("the store"));
    assert_cut(case.line).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_to_refuse_sessions_from_memory_cuts_their_event_streams() {
    for of_account in [true, false] {
        let case = opened("/events", "text/event-stream").await;
        let id = if of_account { case.pass.account.to_string() } else { case.pass.session.to_string() };
        let (socket, order) = (case.rig.directory().join("admin.sock"), format!("/bar/{id}"));
        let answer = portcullis::admin::ask(&socket, http::Method::POST, &order).await.expect("it answers");
        assert_eq!(answer, (200, serde_json::json!({ "barred": id })));
        assert_cut(case.line).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_stream_ends_when_its_proofs_grow_too_old() {
    let case = opened("/admin/events", "text/event-stream").await;
    case.rig.clock.advance(Duration::from_secs(10 * 60 + 1));
    assert_cut(case.line).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_leaves_takes_its_stream_along() {
    let left = Arc::new(Notify::new());
    let told = Arc::clone(&left);
    let member = RawMember::play(move |mut line| {
        let told = Arc::clone(&told);
        async move {
            line.head().await;
            line.say(
                "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n",
            )
            .await;
            line.rest().await;
            told.notify_one();
        }
    })
    .await;
    let rig = Rig::start(&Scene { members: &[member.address()], ..Scene::default() }.text()).await;
    let mut line = Line::to(rig.address()).await;
    line.say(get("/open/events", "")).await;
    assert_eq!(line.answer_head().await.status, 200);
    drop(line);
    tokio::time::timeout(crate::rig::PATIENCE, left.notified()).await.expect("the member hears of it");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_goes_on_and_on_is_cut_with_its_session_whatever_it_calls_itself() {
    let mut case = opened("/log", "text/plain").await;
    // Answers are tied to their permits once they are longer than answers are.
    tokio::time::sleep(Duration::from_millis(1_100)).await;
    case.tell.notify_one();
    assert_eq!(next_event(&mut case.line).await, "data: second\n\n");
    assert!(case.rig.store.sessions.end(case.pass.session).await.unwrap());
    assert_cut(case.line).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_waits_for_a_stream_that_never_begins_is_let_go_after_the_pools_read_timeout() {
    let member = RawMember::play(|mut line| async move {
        line.head().await;
        line.rest().await;
    })
    .await;
    let rig = Rig::start(&Scene { members: &[member.address()], ..Scene::default() }.text()).await;
    let pass = rig.pass("alice", &["staff"], "app.localhost").await;
    let ask = get("/events", &format!("Cookie: {}\r\nAccept: text/event-stream\r\n", pass.cookie()));
    let mut line = Line::to(rig.address()).await;
    line.say(ask.clone()).await;
    rig.eventually("it is with the member", async || member.heard().len() == 1).await;
    rig.clock.advance(Duration::from_secs(31));
    assert!(line.rest().await.is_empty());
    let mut revoked = Line::to(rig.address()).await;
    revoked.say(ask).await;
    rig.eventually("it is with the member too", async || member.heard().len() == 2).await;
    assert!(rig.store.sessions.end(pass.session).await.unwrap());
    assert_cut(revoked).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_answer_goes_on_although_its_session_was_lent_to_another_host_meanwhile() {
    let mut case = opened("/log", "text/plain").await;
    let token = portcullis::session::SessionToken::fresh();
    assert!(case.rig.store.sessions.add_token(case.pass.session, token.hash(), "app.localhost").await.unwrap());
    case.rig.heard().await;
    tokio::time::sleep(Duration::from_millis(1_100)).await;
    case.tell.notify_one();
    assert_eq!(next_event(&mut case.line).await, "data: second\n\n");
}
