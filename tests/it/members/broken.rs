//! Members that are gone, silent or rude: callers notice nothing while somebody else can answer, and nothing that was
//! sent is ever sent twice unless it may be.

use crate::rig::{Line, Member, RawMember, Rig, Scene, get, post};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// An address at which nobody listens.
async fn nobody() -> (SocketAddr, Member) {
    let mut member = Member::echo("gone").await;
    member.stop().await;
    (member.address(), member)
}

async fn before(members: &[SocketAddr], pool: &str) -> Rig {
    Rig::start(&Scene { members, pool, ..Scene::default() }.text()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_notices_a_dead_member_while_another_lives() {
    let ((dead, _keep), live) = (nobody().await, Member::echo("live").await);
    let rig = before(&[dead, live.address()], "eject = { failures = 0, time = \"1s\" }").await;
    for number in 0..10 {
        let body = format!("order {number}");
        // An odd number of requests, so that the dead member's turn comes to each.
        for request in [get("/open/x", ""), post("/open/y", "", &body), get("/open/z", "")] {
            assert_eq!(Line::to(rig.address()).await.ask(request).await.status, 200);
        }
    }
    let bodies: Vec<_> = live.seen().into_iter().filter(|seen| seen.method == "POST").map(|seen| seen.body).collect();
    let expected: Vec<_> = (0..10).map(|number| format!("order {number}").into_bytes()).collect();
    assert_eq!(bodies, expected, "each arrives once, whole");
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_notices_a_member_that_dies_between_two_requests() {
    let (mut dying, live) = (Member::echo("dying").await, Member::echo("live").await);
    let rig = before(&[dying.address(), live.address()], "").await;
    let mut line = Line::to(rig.address()).await;
    for _ in 0..4 {
        assert_eq!(line.ask(get("/open/x", "")).await.status, 200);
    }
    dying.stop().await;
    for _ in 0..6 {
        assert_eq!(line.ask(get("/open/x", "")).await.body, "live /open/x");
        assert_eq!(line.ask(post("/open/y", "", "order")).await.body, "live /open/y");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pool_that_cannot_be_reached_is_a_502_and_does_not_name_its_members() {
    let (dead, _keep) = nobody().await;
    let rig = before(&[dead], "").await;
    for _ in 0..6 {
        let mut line = Line::to(rig.address()).await;
        let answer = line.ask(get("/open/x", "")).await;
        assert_eq!(answer.status, 502, "{answer:?}");
        assert_eq!(answer.header("content-type"), Some("application/problem+json"));
        assert!(!answer.body.contains("127.0.0.1") && !answer.body.contains(&dead.port().to_string()), "{answer:?}");
        assert!(answer.body.contains("dec_") && answer.header("x-request-id").is_some(), "{answer:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_that_says_nothing_is_a_504_and_is_asked_once() {
    for request in [get("/open/x", ""), post("/open/x", "", "order")] {
        let silent = RawMember::play(|mut line| async move {
            line.rest().await;
        })
        .await;
        let other = Member::echo("other").await;
        let rig = before(&[silent.address()], "timeouts = { read = \"200ms\" }").await;
        let began = Instant::now();
        let answer = Line::to(rig.address()).await.ask(&request).await;
        assert_eq!(answer.status, 504, "{answer:?}");
        assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
        assert_eq!(silent.heard().iter().filter(|heard| !heard.is_empty()).count(), 1, "{:?}", silent.heard());
        assert!(other.seen().is_empty());
    }
}

/// A member that answers the first request of its first connection, and closes that connection when a second one comes:
/// what happens when a server's idle limit ends just as the gateway uses the connection again.
async fn closing() -> RawMember {
    RawMember::play(|mut line| async move {
        let mut left = if line.number() == 0 { 1 } else { 100 };
        while let Some(head) = line.head().await {
            let length = crate::rig::content_length(&head);
            line.exactly(length).await;
            if left == 0 {
                return;
            }
            left -= 1;
            line.say("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await;
        }
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kept_connection_that_closes_under_a_get_is_not_noticed() {
    let member = closing().await;
    let rig = before(&[member.address()], "").await;
    let mut line = Line::to(rig.address()).await;
    for _ in 0..3 {
        assert_eq!(line.ask(get("/open/x", "")).await.body, "ok");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_post_that_was_sent_is_never_sent_again() {
    let member = closing().await;
    let rig = before(&[member.address()], "").await;
    // On one line: by its second request the member's connection is kept for certain.
    let mut line = Line::to(rig.address()).await;
    assert_eq!(line.ask(get("/open/x", "")).await.body, "ok");
    let answer = line.ask(post("/open/y", "", "order")).await;
    assert_eq!(answer.status, 502, "{answer:?}");
    assert_eq!(member.heard().concat().matches("POST ").count(), 1, "{:?}", member.heard());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_that_cannot_be_reached_is_left_out_for_a_while_and_then_tried_again() {
    let (mut gone, live) = (Member::echo("gone").await, Member::echo("live").await);
    gone.stop().await;
    let scene = Scene {
        members: &[gone.address(), live.address()],
        pool: "eject = { failures = 2, time = \"10s\" }",
        ..Scene::default()
    };
    let rig = Rig::start(&scene.text()).await;
    let ask = async || Line::to(rig.address()).await.ask(get("/open/x", "")).await.body;
    for _ in 0..4 {
        assert_eq!(ask().await, "live /open/x");
    }
    gone.revive().await;
    for _ in 0..4 {
        assert_eq!(ask().await, "live /open/x", "it is left out");
    }
    rig.reload(&Scene { tables: "[limits]\nidle = \"30s\"", ..scene }.text()).await;
    for _ in 0..4 {
        assert_eq!(ask().await, "live /open/x", "a reload forgets nothing");
    }
    rig.clock.advance(Duration::from_secs(11));
    let answers = [ask().await, ask().await];
    assert!(answers.contains(&"gone /open/x".to_owned()), "{answers:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_began_is_never_continued_by_another_member() {
    let half = RawMember::play(|mut line| async move {
        line.head().await;
        line.say("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf").await;
    })
    .await;
    let live = Member::echo("live").await;
    let rig = before(&[half.address(), live.address()], "").await;
    for _ in 0..2 {
        let mut line = Line::to(rig.address()).await;
        line.say(get("/open/x", "Connection: close\r\n")).await;
        let all = String::from_utf8_lossy(&line.rest().await).into_owned();
        assert!(
            all.ends_with("\r\n\r\nhalf") || all.ends_with("\r\n\r\nlive /open/x") || all.starts_with("HTTP/1.1 502"),
            "{all}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn many_callers_at_once_notice_no_restart_of_one_member() {
    let (mut one, two) = (Member::echo("one").await, Member::echo("two").await);
    let rig = Arc::new(before(&[one.address(), two.address()], "").await);
    let callers: Vec<_> = (0..8)
        .map(|_| {
            let rig = Arc::clone(&rig);
            tokio::spawn(async move {
                let mut line = Line::to(rig.address()).await;
                for _ in 0..50 {
                    assert_eq!(line.ask(get("/open/x", "")).await.status, 200);
                }
            })
        })
        .collect();
    one.stop().await;
    tokio::task::yield_now().await;
    one.revive().await;
    for caller in callers {
        caller.await.expect("every answer was a 200");
    }
}
