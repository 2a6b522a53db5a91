//! Members that can be reached and fail their requests all the same: before they answer, another one is asked where that
//! does no harm, and those who do it again and again are left out.

use crate::rig::{Line, Member, RawMember, Rig, Scene, content_length, get, post};
use crate::websocket::UPGRADE;
use serde_json::json;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Barrier;

pub(super) async fn before(members: &[SocketAddr], pool: &str) -> Rig {
    Rig::start(&Scene { members, pool, ..Scene::default() }.text()).await
}

/// A member that takes connections, hears a whole request on each, and ends them without a word.
pub(super) async fn rude() -> RawMember {
    RawMember::play(|mut line| async move {
        let head = line.head().await.unwrap_or_default();
        line.exactly(content_length(&head)).await;
    })
    .await
}

/// A member that hears everything and never says a word.
async fn silent() -> RawMember {
    RawMember::play(|mut line| async move {
        line.rest().await;
    })
    .await
}

const NEVER_LEFT_OUT: &str = "eject = { failures = 0, time = \"1s\" }";

pub(super) fn put(target: &str, body: &str) -> String {
    post(target, "", body).replacen("POST", "PUT", 1)
}

/// Asks once, on a connection of its own.
pub(super) async fn ask(rig: &Rig, request: impl AsRef<[u8]>) -> crate::rig::Raw {
    Line::to(rig.address()).await.ask(request).await
}

pub(super) async fn is_left_out(rig: &Rig, member: SocketAddr) -> bool {
    let status = rig.status().await;
    let members = status["pools"].as_array().into_iter().flatten().flat_map(|pool| pool["members"].as_array());
    let found = members.flatten().find(|own| own["address"] == json!(member.to_string()));
    found.unwrap_or_else(|| panic!("{member} in {status}"))["ejected"] == json!(true)
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_notices_a_member_that_takes_connections_and_ends_them() {
    let (rude, live) = (rude().await, Member::echo("live").await);
    let rig = before(&[rude.address(), live.address()], NEVER_LEFT_OUT).await;
    for number in 0..4 {
        // An odd number of requests, so that the rude member's turn comes to each.
        assert_eq!(ask(&rig, get("/open/x", "")).await.body, "live /open/x");
        assert_eq!(ask(&rig, put("/open/y", &format!("order {number}"))).await.body, "live /open/y");
        assert_eq!(ask(&rig, get("/open/z", "")).await.body, "live /open/z");
    }
    let had = |request: &str| rude.heard().iter().filter(|heard| heard.starts_with(request)).count();
    assert_eq!([had("GET /open/x"), had("PUT /open/y"), had("GET /open/z")], [2, 2, 2], "it had its turns");
    let puts: Vec<_> = live.seen().into_iter().filter(|seen| seen.method == "PUT").map(|seen| seen.body).collect();
    let expected: Vec<_> = (0..4).map(|number| format!("order {number}").into_bytes()).collect();
    assert_eq!(puts, expected, "each arrives once, whole");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_post_that_breaks_on_a_fresh_connection_is_sent_once() {
    let (rude, live) = (rude().await, Member::echo("live").await);
    let rig = before(&[rude.address(), live.address()], NEVER_LEFT_OUT).await;
    let mut statuses = Vec::new();
    for _ in 0..4 {
        statuses.push(ask(&rig, post("/open/x", "", "order")).await.status);
    }
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 200, 502, 502], "it may have been worked on");
    assert_eq!((rude.heard().len(), live.seen().len()), (2, 2));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_is_no_longer_at_hand_is_not_sent_again() {
    let (rude, live) = (rude().await, Member::echo("live").await);
    let rig = before(&[rude.address(), live.address()], NEVER_LEFT_OUT).await;
    let large = put("/open/x", &"x".repeat(256 * 1024));
    let mut statuses = [ask(&rig, &large).await.status, ask(&rig, &large).await.status];
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 502]);
    assert_eq!((rude.heard().len(), live.seen().len()), (1, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_is_tried_on_as_many_members_as_allowed_and_on_each_once() {
    for retries in 0..=3 {
        let members = [rude().await, rude().await, rude().await];
        let pool = format!("{NEVER_LEFT_OUT}\nretries = {retries}");
        let rig = before(&members.each_ref().map(RawMember::address), &pool).await;
        assert_eq!(ask(&rig, get("/open/x", "")).await.status, 502);
        let mut asked = members.each_ref().map(|member| member.heard().len());
        asked.sort_unstable();
        assert_eq!(asked, [usize::from(retries >= 2), usize::from(retries >= 1), 1], "{retries}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_that_ends_connections_before_it_answers_is_left_out_for_a_while() {
    let (rude, live) = (rude().await, Member::echo("live").await);
    let rig = before(&[rude.address(), live.address()], "eject = { failures = 2, time = \"10s\" }").await;
    for _ in 0..10 {
        assert_eq!(ask(&rig, get("/open/x", "")).await.body, "live /open/x");
    }
    assert_eq!(rude.heard().len(), 2, "then it got nothing more");
    assert!(is_left_out(&rig, rude.address()).await);
    let metrics = rig.admin("/metrics").await.1;
    assert!(metrics.contains("portcullis_ejections_total 1\n"), "{metrics}");
    rig.clock.advance(Duration::from_secs(11));
    for _ in 0..4 {
        ask(&rig, get("/open/x", "")).await;
    }
    assert_eq!(rude.heard().len(), 3, "it is tried again, once");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_that_answers_now_and_then_is_never_left_out() {
    let moody = RawMember::play(|mut line| async move {
        line.head().await;
        if line.number() % 2 == 1 {
            line.say("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok").await;
        }
    })
    .await;
    let live = Member::echo("live").await;
    let pool = "retries = 0\neject = { failures = 2, time = \"10s\" }";
    let rig = before(&[moody.address(), live.address()], pool).await;
    for status in [502, 200, 502, 200, 502] {
        assert_eq!(ask(&rig, get("/open/x", "")).await.status, status, "its turn");
        assert!(!is_left_out(&rig, moody.address()).await);
        assert_eq!(ask(&rig, get("/open/x", "")).await.body, "live /open/x", "the other's");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_that_answers_with_something_else_than_http_is_left_out() {
    let (other, live) = (RawMember::saying("SSH-2.0-x\r\n\r\n").await, Member::echo("live").await);
    let rig = before(&[other.address(), live.address()], "eject = { failures = 1, time = \"10s\" }").await;
    let mut statuses = Vec::new();
    for _ in 0..6 {
        statuses.push(ask(&rig, get("/open/x", "")).await.status);
    }
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 200, 200, 200, 200, 502], "what it answered is not asked for again");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_that_does_not_answer_in_time_is_left_out_and_its_request_is_not_repeated() {
    let (silent, live) = (silent().await, Member::echo("live").await);
    let pool = "timeouts = { read = \"200ms\" }\neject = { failures = 1, time = \"10s\" }";
    let rig = before(&[silent.address(), live.address()], pool).await;
    let mut statuses = Vec::new();
    for _ in 0..6 {
        statuses.push(ask(&rig, get("/open/x", "")).await.status);
    }
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 200, 200, 200, 200, 504], "it may still be worked on");
    assert_eq!((silent.heard().len(), live.seen().len()), (1, 5));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_that_does_not_begin_its_events_in_time_is_left_out() {
    let (silent, other) = (silent().await, Member::echo("other").await);
    let pool = "timeouts = { read = \"5s\" }\neject = { failures = 1, time = \"1h\" }";
    let rig = before(&[silent.address(), other.address()], pool).await;
    let mut line = Line::to(rig.address()).await;
    line.say(get("/open/x", "Accept: text/event-stream\r\n")).await;
    rig.eventually("it was asked", async || silent.heard().concat().contains("/open/x")).await;
    rig.clock.advance(Duration::from_secs(6));
    line.rest().await;
    rig.eventually("it is left out", async || is_left_out(&rig, silent.address()).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_stops_in_its_body_or_leaves_is_not_held_against_the_member() {
    let (member, other) = (silent().await, Member::echo("other").await);
    let members = [member.address(), other.address()];
    let pool = "timeouts = { read = \"200ms\" }\neject = { failures = 1, time = \"10s\" }";
    let rig = before(&members, pool).await;
    let mut slow = Line::to(rig.address()).await;
    slow.say("POST /open/x HTTP/1.1\r\nHost: app.localhost\r\nContent-Length: 10\r\n\r\nhalf").await;
    assert_eq!(slow.answer().await.status, 504);
    assert!(!is_left_out(&rig, member.address()).await);
    let rig = before(&members, "eject = { failures = 1, time = \"10s\" }").await;
    let mut leaving = Line::to(rig.address()).await;
    leaving.say(get("/open/leaving", "")).await;
    rig.eventually("it was asked", async || member.heard().concat().contains("/open/leaving")).await;
    drop(leaving);
    let serves = async || rig.status().await["pools"][0]["members"][0]["in_flight"] != json!(0);
    rig.eventually("nobody waits any more", async || !serves().await).await;
    assert!(!is_left_out(&rig, member.address()).await);
}

/// A member that opens a WebSocket and ends it at once.
async fn curt() -> RawMember {
    RawMember::play(|mut line| async move {
        line.head().await;
        line.say("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n").await;
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_websocket_that_ends_is_no_failure_and_one_that_is_not_opened_is() {
    let (rude, curt) = (rude().await, curt().await);
    let rig = before(&[rude.address(), curt.address()], "eject = { failures = 1, time = \"10s\" }").await;
    for _ in 0..4 {
        let mut line = Line::to(rig.address()).await;
        line.say(get("/open/x", UPGRADE)).await;
        assert_eq!(line.answer_head().await.status, 101, "somebody opens it");
        line.rest().await;
    }
    assert_eq!(rude.heard().len(), 1);
    assert!(is_left_out(&rig, rude.address()).await && !is_left_out(&rig, curt.address()).await);
}

/// How many kept connections close: more than a request may be tried.
const KEPT: usize = 20;

#[tokio::test(flavor = "multi_thread")]
async fn kept_connections_that_turn_out_closed_are_tried_a_few_times_and_not_held_against_the_member() {
    let together = Arc::new(Barrier::new(KEPT));
    let member = RawMember::play(move |mut line| {
        let together = Arc::clone(&together);
        async move {
            line.head().await;
            together.wait().await;
            line.say("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await;
            // Closed when the next request has come.
            line.head().await;
        }
    })
    .await;
    // The other one is there so that this one could be left out; its turn is far away.
    let other = Member::echo("other").await;
    let shares = format!(
        "members = [{{ address = \"{}\", weight = 1000 }}, \"{}\"]\neject = {{ failures = 1, time = \"10s\" }}",
        member.address(),
        other.address()
    );
    let text = Scene { members: &[member.address()], ..Scene::default() }.text();
    let rig = Rig::start(&text.replace(&format!("members = [\"{}\"]", member.address()), &shares)).await;
    let rig = Arc::new(rig);
    let callers: Vec<_> = (0..KEPT)
        .map(|_| {
            let rig = Arc::clone(&rig);
            tokio::spawn(async move { ask(&rig, get("/open/x", "")).await.status })
        })
        .collect();
    for caller in callers {
        assert_eq!(caller.await.expect("no panic"), 200);
    }
    assert_eq!(ask(&rig, get("/open/last", "")).await.status, 502);
    let asked = member.heard().iter().filter(|heard| heard.contains("/open/last")).count();
    assert!((2..=16).contains(&asked) && other.seen().is_empty(), "{asked}");
    assert!(!is_left_out(&rig, member.address()).await);
}
