//! What a client says before its WebSocket is open: kept to the byte until the member agrees, and nobody's if it does not.

use crate::rig::{Line, RawMember, Rig, Scene, get};
use crate::websocket::UPGRADE;
use std::time::{Duration, Instant};
use tokio::time::sleep;

/// A member that agrees to every WebSocket after a moment, and then says back what it hears, byte for byte.
async fn agreeing() -> RawMember {
    RawMember::play(|mut line| async move {
        line.head().await;
        // Long enough for what was said too early to have come, if it were to come.
        sleep(Duration::from_millis(100)).await;
        line.say("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n").await;
        loop {
            let byte = line.exactly(1).await;
            if byte.is_empty() {
                return;
            }
            line.say(byte).await;
        }
    })
    .await
}

/// A masked text frame that says `hello`.
const HELLO: &[u8] = b"\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58";

#[tokio::test(flavor = "multi_thread")]
async fn what_a_client_says_before_its_websocket_is_open_arrives_to_the_byte() {
    let member = agreeing().await;
    let rig = Rig::start(&Scene { members: &[member.address()], ..Scene::default() }.text()).await;
    let request = get("/open/ws", UPGRADE);
    for (at_once, soon, later) in
        [(HELLO, &b""[..], &b""[..]), (b"", HELLO, b""), (&HELLO[..1], &HELLO[1..4], &HELLO[4..])]
    {
        let mut line = Line::to(rig.address()).await;
        line.say([request.as_bytes(), at_once].concat()).await;
        sleep(Duration::from_millis(20)).await;
        line.say(soon).await;
        assert_eq!(line.answer_head().await.status, 101);
        line.say(later).await;
        assert_eq!(line.exactly(HELLO.len()).await, HELLO, "{at_once:?} {soon:?} {later:?}");
        line.say("and on").await;
        assert_eq!(line.exactly(6).await, b"and on");
    }
    for heard in member.heard() {
        let (head, _) = heard.split_once("\r\n\r\n").expect("a whole header");
        assert!(head.to_ascii_lowercase().contains("content-length: 0"), "{head}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_client_says_before_a_member_declines_reaches_nobody() {
    let member = RawMember::saying("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nno").await;
    let rig = Rig::start(&Scene { members: &[member.address()], ..Scene::default() }.text()).await;
    let smuggled = "GET /admin/x HTTP/1.1\r\nHost: app.localhost\r\nX-Portcullis-Account: root\r\n\r\n";
    for early in ["", smuggled] {
        let mut line = Line::to(rig.address()).await;
        line.say(get("/open/ws", UPGRADE) + early).await;
        let answer = line.answer().await;
        assert_eq!((answer.status, answer.body.as_str()), (200, "no"));
        let began = Instant::now();
        assert!(line.ends().await, "nothing follows");
        assert!(began.elapsed() < Duration::from_secs(5), "and nobody waits: {:?}", began.elapsed());
    }
    assert!(!member.heard().concat().contains("/admin/x"), "{:?}", member.heard());
    let in_flight = async || rig.status().await["pools"][0]["members"][0]["in_flight"].clone();
    rig.eventually("the member is free again", async || in_flight().await == 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_says_too_much_before_a_websocket_is_open_is_cut_off() {
    let member = RawMember::play(|mut line| async move {
        line.rest().await;
    })
    .await;
    let rig = Rig::start(&Scene { members: &[member.address()], ..Scene::default() }.text()).await;
    let mut line = Line::to(rig.address()).await;
    line.say(get("/open/ws", UPGRADE)).await;
    line.say(vec![b'x'; 1024 * 1024]).await;
    line.rest().await;
    rig.eventually("the member hears no more", async || member.heard().concat().contains("\r\n\r\n")).await;
    assert!(!member.heard().concat().contains("xxx"));
}
