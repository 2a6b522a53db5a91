//! `[pool.NAME]`.

use super::peer::{Full, Peer};
use super::{get, request, with};
use crate::rig::{Line, Member, ONE_ROUTE, PATIENCE, Rig};
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// A gateway before these members, with further keys of their pool.
async fn pool(members: &[SocketAddr], keys: &str) -> Rig {
    let listed = members.iter().map(ToString::to_string).collect::<Vec<_>>().join(r#"", ""#);
    Rig::start(&with(&ONE_ROUTE.replace("{app}", &listed), "[pool.app]", keys)).await
}

/// An address that refuses connections.
async fn closed() -> SocketAddr {
    let mut member = Member::echo("closed").await;
    member.stop().await;
    member.address()
}

/// The statuses of so many requests, one after the other.
async fn statuses(rig: &Rig, count: usize) -> Vec<u16> {
    let mut statuses = Vec::new();
    for _ in 0..count {
        statuses.push(get(rig, "/").await.status);
    }
    statuses
}

/// What the gateway knows of a member's health.
async fn health(rig: &Rig, pool: &str, member: usize) -> String {
    let status = rig.status().await;
    let pools = status["pools"].as_array().expect("a list");
    let pool = pools.iter().find(|known| known["name"] == pool).expect("it is configured");
    pool["members"][member]["health"].as_str().expect("a word").to_owned()
}

async fn becomes(rig: &Rig, (pool, member): (&str, usize), word: &str) {
    rig.eventually(&format!("{pool} is {word}"), async || health(rig, pool, member).await == word).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn members_take_turns() {
    let (one, other) = (Member::echo("one").await, Member::echo("other").await);
    let rig = pool(&[one.address(), other.address()], "").await;
    let mut said = Vec::new();
    for _ in 0..6 {
        said.push(get(&rig, "/").await.body);
    }
    assert_eq!((one.seen().len(), other.seen().len()), (3, 3), "{said:?}");
    assert!(said.windows(2).all(|pair| pair[0] != pair[1]), "{said:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_gets_its_share() {
    let (small, large) = (Member::echo("small").await, Member::echo("large").await);
    let members = format!(r#"members = ["{}", {{ address = "{}", weight = 3 }}]"#, small.address(), large.address());
    let rig = Rig::start(&ONE_ROUTE.replace(r#"members = ["{app}"]"#, &members)).await;
    assert_eq!(statuses(&rig, 8).await, [200; 8]);
    assert_eq!((small.seen().len(), large.seen().len()), (2, 6));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_less_busy_member_is_chosen() {
    let (mute, free) = (Peer::mute().await, Member::echo("free").await);
    let rig = pool(&[mute.address, free.address()], r#"balance = "least-request""#).await;
    let mut waiting = Vec::new();
    while mute.asked("/").is_empty() {
        // An idle pool gives the next request to either; the one that gets no answer keeps its member busy.
        let mut line = Line::to(rig.address()).await;
        line.say(&request(("GET", "app.localhost", "/"), &[])).await;
        waiting.push(line);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(statuses(&rig, 10).await, [200; 10]);
    assert_eq!(mute.asked("/").len(), 1, "a busy member gets nothing while the other is free");
}

#[tokio::test(flavor = "multi_thread")]
async fn another_member_is_tried_as_often_as_allowed() {
    let (first, second, free) = (closed().await, closed().await, Member::echo("free").await);
    let members = [first, second, free.address()];
    let never_ejected = "eject = { failures = 0 }\n";
    let rig = pool(&members, &format!("{never_ejected}retries = 2")).await;
    assert_eq!(statuses(&rig, 6).await, [200; 6]);
    let rig = pool(&members, &format!("{never_ejected}retries = 0")).await;
    let mut statuses = statuses(&rig, 6).await;
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 200, 502, 502, 502, 502]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_that_cannot_be_reached_is_left_out_for_a_while() {
    let (gone, free) = (closed().await, Member::echo("free").await);
    let rig = pool(&[gone, free.address()], "retries = 0\neject = { failures = 2, time = \"1m\" }").await;
    let failed = |statuses: Vec<u16>| statuses.iter().filter(|status| **status == 502).count();
    assert_eq!(failed(statuses(&rig, 10).await), 2, "two failures in a row, and it is left out");
    rig.clock.advance(Duration::from_secs(59));
    assert_eq!(failed(statuses(&rig, 4).await), 0);
    rig.clock.advance(Duration::from_secs(2));
    assert_eq!(failed(statuses(&rig, 4).await), 1, "it is tried again, and left out at once");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_whose_probe_fails_gets_nothing() {
    let sick = Peer::plotted(|path, _| Some(if path == "/health" { 500 } else { 200 })).await;
    let well = Member::echo("well").await;
    let rig = pool(&[sick.address, well.address()], r#"health = { path = "/health", every = "50ms" }"#).await;
    becomes(&rig, ("app", 0), "unhealthy").await;
    becomes(&rig, ("app", 1), "healthy").await;
    let asked = sick.asked("/").len();
    assert_eq!(statuses(&rig, 6).await, [200; 6]);
    assert_eq!(sick.asked("/").len(), asked);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_that_takes_no_connection_is_unhealthy() {
    let (gone, well) = (closed().await, Peer::mute().await);
    let rig = pool(&[gone, well.address], r#"health = { tcp = true, every = "50ms" }"#).await;
    becomes(&rig, ("app", 0), "unhealthy").await;
    becomes(&rig, ("app", 1), "healthy").await;
    assert!(well.asked("/").is_empty(), "a connection was enough");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_probe_names_its_host() {
    let peer = Peer::plotted(|_, _| Some(200)).await;
    let rig = pool(&[peer.address], r#"health = { path = "/health", host = "orders.internal" }"#).await;
    rig.eventually("a probe came", async || !peer.asked("/health").is_empty()).await;
    let head = peer.asked("/health")[0].to_lowercase();
    assert!(head.contains("\r\nhost: orders.internal\r\n"), "{head}");
}

#[tokio::test(flavor = "multi_thread")]
async fn probes_come_as_often_as_configured() {
    let peer = Peer::plotted(|_, _| Some(200)).await;
    let rig = pool(&[peer.address], r#"health = { path = "/health", every = "50ms" }"#).await;
    // At the default of 5 s, ten probes would outlast everybody's patience.
    rig.eventually("ten probes came", async || peer.asked("/health").len() >= 10).await;
}

/// A second pool with the same member, and a route to it so that it is used.
fn second_pool(member: SocketAddr, keys: &str) -> String {
    format!(
        "\n[pool.other]\nmembers = [\"{member}\"]\n{keys}\n\
         [[route]]\nname = \"other\"\nhost = \"other.localhost\"\npool = \"other\"\npolicy = \"open\"\n"
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn a_probe_takes_no_longer_than_allowed() {
    let mute = Peer::mute().await;
    let patient = r#"health = { path = "/health", every = "50ms", timeout = "10m" }"#;
    let hasty = r#"health = { path = "/health", every = "50ms", timeout = "100ms" }"#;
    let text = with(&ONE_ROUTE.replace("{app}", &mute.address.to_string()), "[pool.app]", patient);
    let rig = Rig::start(&(text + &second_pool(mute.address, hasty))).await;
    becomes(&rig, ("other", 0), "unhealthy").await;
    assert_eq!(health(&rig, "app", 0).await, "unknown", "its first answer is still waited for");
}

/// Two pools of one member, probed at `/two` and `/three`; the answers follow `plot` and then never come, so that what
/// is known stays as it is.
async fn two_and_three(plot: &'static [u16], two: &str, three: &str) -> (Rig, Peer) {
    let peer = Peer::plotted(|_, nth| plot.get(nth).copied()).await;
    let probe =
        |path: &str, keys: &str| format!(r#"health = {{ path = "{path}", every = "50ms", timeout = "10m", {keys} }}"#);
    let text = with(&ONE_ROUTE.replace("{app}", &peer.address.to_string()), "[pool.app]", &probe("/two", two));
    let rig = Rig::start(&(text + &second_pool(peer.address, &probe("/three", three)))).await;
    let all = plot.len() + 1;
    let told = async || peer.asked("/two").len() == all && peer.asked("/three").len() == all;
    rig.eventually("every answer was given", told).await;
    (rig, peer)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_healthy_member_may_fail_probes_in_a_row() {
    let (rig, _peer) = two_and_three(&[200, 500, 500], "fall = 2", "fall = 3").await;
    assert_eq!(health(&rig, "app", 0).await, "unhealthy");
    assert_eq!(health(&rig, "other", 0).await, "healthy");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unhealthy_member_needs_good_answers_in_a_row() {
    let (rig, _peer) = two_and_three(&[500, 200, 200], "rise = 2", "rise = 3").await;
    assert_eq!(health(&rig, "app", 0).await, "healthy");
    assert_eq!(health(&rig, "other", 0).await, "unhealthy");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_that_does_not_take_a_connection_is_given_up() {
    let full = Full::new().await;
    let rig = pool(&[full.address], "retries = 0\ntimeouts = { connect = \"200ms\" }").await;
    let began = Instant::now();
    let status = get(&rig, "/").await.status;
    assert!(status == 502 || status == 504, "{status}");
    let took = began.elapsed();
    assert!(took < Duration::from_secs(2), "the default would have taken 3 s: {took:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_that_says_nothing_is_given_up() {
    let mute = Peer::mute().await;
    let rig = pool(&[mute.address], r#"timeouts = { read = "200ms" }"#).await;
    // The default is 30 s, and nobody waits that long here.
    assert_eq!(get(&rig, "/").await.status, 504);
    assert_eq!(mute.asked("/").len(), 1, "it is not asked twice");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_that_reads_nothing_is_given_up() {
    let mute = Peer::mute().await;
    // What cannot be written ends the request once nothing was read either, in case the member has answered already.
    let rig = pool(&[mute.address], r#"timeouts = { write = "200ms", read = "200ms" }"#).await;
    let stream = TcpStream::connect(rig.address()).await.expect("it listens");
    let (reading, mut writing) = stream.into_split();
    let length = 64 * 1024 * 1024;
    let head = request(("POST", "app.localhost", "/"), &[&format!("Content-Length: {length}")]);
    let sending = tokio::spawn(async move {
        // More than all the buffers on the way hold, and never all of it, so that the gateway waits for the member.
        let _ = writing.write_all(&[head, vec![b'a'; length - 1]].concat()).await;
        writing
    });
    let mut answer = Vec::new();
    let read = tokio::time::timeout(PATIENCE, reading.take(12).read_to_end(&mut answer)).await;
    read.expect("it is answered in time").expect("it is answered");
    // At the default of 30 s nobody would have waited for it.
    assert!(answer.starts_with(b"HTTP/1.1 504"), "{}", String::from_utf8_lossy(&answer));
    sending.abort();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unused_connection_to_a_member_is_closed() {
    let peer = Peer::plotted(|_, _| Some(200)).await;
    let rig = pool(&[peer.address], r#"timeouts = { idle = "200ms" }"#).await;
    assert_eq!(get(&rig, "/").await.status, 200);
    // The default is 50 s, and nobody waits that long here.
    rig.eventually("it is closed", async || peer.closed() == 1).await;
}
