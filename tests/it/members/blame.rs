//! Requests that no member answers: whoever sends them must not choose who serves the others, and members that fail by
//! themselves are found out all the same.

use super::lapses::{ask, before, is_left_out, put, rude};
use crate::rig::{Line, Member, RawMember, Rig, content_length, get, post};
use crate::websocket::UPGRADE;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

const AT_ONCE: &str = "eject = { failures = 1, time = \"1h\" }";

/// A member whose service ends the connection on `/open/close`, whatever was asked, and answers everything else with its
/// name.
async fn touchy(name: &'static str) -> RawMember {
    RawMember::play(move |mut line| async move {
        let head = line.head().await.unwrap_or_default();
        line.exactly(content_length(&head)).await;
        if head.split(' ').nth(1) != Some("/open/close") {
            line.say(named(name)).await;
        }
    })
    .await
}

fn named(name: &str) -> String {
    format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{name}", name.len())
}

/// How many of the next twelve requests each member answers.
async fn turns(rig: &Rig) -> BTreeMap<String, usize> {
    let mut turns = BTreeMap::new();
    for _ in 0..12 {
        let answer = ask(rig, get("/open/x", "")).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        *turns.entry(answer.body).or_default() += 1;
    }
    turns
}

async fn left_out(rig: &Rig, members: &[SocketAddr]) -> usize {
    let mut out = 0;
    for member in members {
        out += usize::from(is_left_out(rig, *member).await);
    }
    out
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_no_member_answers_is_held_against_nobody() {
    for request in [get("/open/close", ""), get("/open/close", UPGRADE), put("/open/close", "order")] {
        let members = [touchy("one").await, touchy("two").await];
        let rig = before(&members.each_ref().map(RawMember::address), "").await;
        for _ in 0..4 {
            assert_eq!(ask(&rig, &request).await.status, 502);
        }
        assert_eq!(left_out(&rig, &members.each_ref().map(RawMember::address)).await, 0, "{request}");
        assert_eq!(turns(&rig).await, [("one".to_owned(), 6), ("two".to_owned(), 6)].into(), "{request}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_that_ends_a_request_before_it_was_all_sent_is_not_left_out() {
    for method in ["POST", "PUT"] {
        let hasty = RawMember::play(|mut line| async move {
            line.head().await;
        })
        .await;
        let other = RawMember::play(|mut line| async move {
            line.head().await;
        })
        .await;
        let rig = before(&[hasty.address(), other.address()], AT_ONCE).await;
        for _ in 0..4 {
            let mut slow = Line::to(rig.address()).await;
            slow.say(format!("{method} /open/x HTTP/1.1\r\nHost: app.localhost\r\nContent-Length: 10\r\n\r\nhalf"))
                .await;
            assert_eq!(slow.answer().await.status, 502);
        }
        assert_eq!(left_out(&rig, &[hasty.address(), other.address()]).await, 0, "{method}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_that_cannot_be_repeated_leave_out_half_of_a_pool_at_most() {
    for (count, most) in [(1, 0), (2, 1), (3, 1), (4, 2)] {
        let mut members = Vec::new();
        for _ in 0..count {
            members.push(touchy("member").await);
        }
        let addresses: Vec<_> = members.iter().map(RawMember::address).collect();
        let rig = before(&addresses, AT_ONCE).await;
        for _ in 0..2 * count {
            assert_eq!(ask(&rig, post("/open/close", "", "order")).await.status, 502);
        }
        assert_eq!(left_out(&rig, &addresses).await, most, "of {count}");
        let metrics = rig.admin("/metrics").await.1;
        assert!(metrics.contains(&format!("portcullis_ejections_total {most}\n")), "{metrics}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_that_takes_connections_and_ends_them_is_found_out_by_what_cannot_be_repeated() {
    let (rude, live) = (rude().await, Member::echo("live").await);
    let rig = before(&[rude.address(), live.address()], "eject = { failures = 2, time = \"1h\" }").await;
    let mut statuses = Vec::new();
    for _ in 0..10 {
        statuses.push(ask(&rig, post("/open/x", "", "order")).await.status);
    }
    assert_eq!(statuses.iter().filter(|status| **status == 502).count(), 2, "{statuses:?}");
    assert!(is_left_out(&rig, rude.address()).await && !is_left_out(&rig, live.address()).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn members_that_nobody_could_reach_come_back_together() {
    let mut members = [Member::echo("one").await, Member::echo("two").await, Member::echo("three").await];
    for member in &mut members {
        member.stop().await;
    }
    let addresses = members.each_ref().map(Member::address);
    let rig = before(&addresses, &format!("{AT_ONCE}\nretries = 2")).await;
    assert_eq!(ask(&rig, get("/open/x", "")).await.status, 502);
    assert_eq!(left_out(&rig, &addresses).await, 3, "who cannot be reached is left out, however many they are");
    for member in &mut members {
        member.revive().await;
    }
    let turns = turns(&rig).await;
    assert!(turns.len() == 3 && turns.values().all(|turns| *turns == 4), "{turns:?}");
}

const WELL: u8 = 0;
const RUDE: u8 = 1;
const ILL: u8 = 2;

/// A member that answers its check unless it is ill, and everything else only if it is well.
async fn changing() -> (RawMember, Arc<AtomicU8>) {
    let state = Arc::new(AtomicU8::new(WELL));
    let told = Arc::clone(&state);
    let member = RawMember::play(move |mut line| {
        let state = Arc::clone(&told);
        async move {
            let head = line.head().await.unwrap_or_default();
            let worst = if head.starts_with("GET /healthz") { RUDE } else { WELL };
            if state.load(Ordering::SeqCst) <= worst {
                line.say(named("changing")).await;
            }
        }
    })
    .await;
    (member, state)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_whose_check_passes_again_is_no_longer_left_out() {
    let ((member, state), steady) = (changing().await, Member::echo("steady").await);
    let check = "health = { path = \"/healthz\", every = \"50ms\", timeout = \"2s\", rise = 1, fall = 1 }";
    let rig = before(&[member.address(), steady.address()], &format!("{AT_ONCE}\n{check}")).await;
    let health = async || rig.status().await["pools"][0]["members"][0]["health"].clone();
    rig.eventually("it serves", async || ask(&rig, get("/open/x", "")).await.body == "changing").await;
    state.store(RUDE, Ordering::SeqCst);
    let is_out = async || {
        ask(&rig, get("/open/x", "")).await;
        is_left_out(&rig, member.address()).await
    };
    rig.eventually("it is left out", is_out).await;
    state.store(ILL, Ordering::SeqCst);
    rig.eventually("its check fails", async || health().await == "unhealthy").await;
    state.store(WELL, Ordering::SeqCst);
    rig.eventually("it serves again", async || ask(&rig, get("/open/x", "")).await.body == "changing").await;
    assert!(!is_left_out(&rig, member.address()).await, "long before its hour is over");
}
