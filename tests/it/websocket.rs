//! WebSockets: admitted like any request, silent for as long as they like, and cut when their permit is over.

use crate::rig::{Line, Pass, Raw, Rig, Scene, get};
use futures_util::{SinkExt, StreamExt};
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{WebSocketStream, accept_async, client_async};

/// What a browser's script sends to open one, apart from cookies and origin.
pub const UPGRADE: &str = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
                       Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";

/// How soon a stream must end after its session did.
const AT_ONCE: Duration = Duration::from_secs(1);

/// A member that says every message back.
async fn echo() -> (SocketAddr, JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("bound");
    let serving = tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let Ok(mut socket) = accept_async(stream).await else { return };
                while let Some(Ok(message)) = socket.next().await {
                    if (message.is_text() || message.is_binary()) && socket.send(message).await.is_err() {
                        return;
                    }
                }
            });
        }
    });
    (address, serving)
}

/// A gateway before one echoing member; more keys of its pool and more tables.
async fn gateway(pool: &str, tables: &str) -> Rig {
    let (member, _) = echo().await;
    Rig::start(&Scene { members: &[member], pool, tables, ..Scene::default() }.text()).await
}

type Socket = WebSocketStream<TcpStream>;

async fn open(rig: &Rig, target: &str, fields: &[(&'static str, &str)]) -> Result<Socket, Error> {
    let url = format!("ws://app.localhost:{}{target}", rig.address().port());
    let mut request = url.into_client_request().expect("a request");
    for (name, value) in fields {
        request.headers_mut().insert(*name, value.parse().expect("a value"));
    }
    let stream = TcpStream::connect(rig.address()).await.expect("it listens");
    client_async(request, stream).await.map(|(socket, _)| socket)
}

/// An open WebSocket of somebody, which works. News of their account, which would cut it, have been heard.
async fn opened(rig: &Rig, target: &str, pass: &Pass) -> Socket {
    rig.heard().await;
    let mut socket = open(rig, target, &[("cookie", &pass.cookie())]).await.expect("it opens");
    assert_eq!(said_back(&mut socket, "hello").await.as_deref(), Some("hello"));
    socket
}

async fn said_back(socket: &mut Socket, text: &str) -> Option<String> {
    socket.send(Message::text(text)).await.ok()?;
    let message = timeout(Duration::from_secs(20), socket.next()).await.expect("in time")?.ok()?;
    message.into_text().ok().map(|text| text.as_str().to_owned())
}

/// Waits for the end of a stream and tells how long that took.
async fn end_of(mut socket: Socket) -> Duration {
    let began = Instant::now();
    let next = timeout(Duration::from_secs(20), socket.next()).await.expect("the stream ends");
    assert!(next.is_none_or(|next| next.is_err() || next.is_ok_and(|message| message.is_close())));
    began.elapsed()
}

fn status(refused: &Result<Socket, Error>) -> Option<u16> {
    match refused {
        Err(Error::Http(response)) => Some(response.status().as_u16()),
        Err(_) | Ok(_) => None,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_pass_both_ways_to_the_byte() {
    let rig = gateway("", "").await;
    let pass = rig.pass("alice", &["staff"], "app.localhost").await;
    let mut socket = opened(&rig, "/ws", &pass).await;
    let long = "x".repeat(300 * 1024);
    assert_eq!(said_back(&mut socket, &long).await.as_deref(), Some(long.as_str()));
    for number in 0..50 {
        let text = number.to_string();
        assert_eq!(said_back(&mut socket, &text).await, Some(text));
    }
    socket.close(None).await.expect("it closes in order");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_session_there_is_a_challenge_and_no_upgrade() {
    let rig = gateway("", "").await;
    let other = rig.pass("alice", &["staff"], "wiki.localhost").await;
    for cookie in ["", "portcullis=x", &other.cookie()] {
        let refused = open(&rig, "/ws", &[("cookie", cookie)]).await;
        assert_eq!(status(&refused), Some(401), "{cookie}");
    }
    let answer: Raw = Line::to(rig.address()).await.ask(get("/ws", &format!("{UPGRADE}Accept: text/html\r\n"))).await;
    let challenge = Rig::challenge("http://app.localhost", "");
    assert_eq!((answer.status, answer.header("www-authenticate")), (401, Some(&*challenge)), "never a redirect");
}

#[tokio::test(flavor = "multi_thread")]
async fn whom_a_policy_forbids_gets_no_upgrade() {
    let rig = gateway("", "").await;
    let pass = rig.pass("alice", &["staff"], "app.localhost").await;
    let refused = open(&rig, "/boss/ws", &[("cookie", &pass.cookie())]).await;
    assert_eq!(status(&refused), Some(403));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_of_another_origin_cannot_use_the_session_of_this_one() {
    let rig = gateway("", "").await;
    let pass = rig.pass("alice", &["staff"], "app.localhost").await;
    let (cookie, port) = (pass.cookie(), rig.address().port());
    for origin in [
        "https://evil.example".to_owned(),
        "null".to_owned(),
        format!("http://wiki.localhost:{port}"),
        format!("http://app.localhost.evil.example:{port}"),
        "http://app.localhost".to_owned(),
        format!("ftp://app.localhost:{port}"),
        format!("https://app.localhost:{port}"),
        format!("http://app.localhost:{port}/"),
        format!("http://app.localhost:{port}, http://app.localhost:{port}"),
    ] {
        for target in ["/ws", "/open/ws"] {
            let refused = open(&rig, target, &[("cookie", &cookie), ("origin", &origin)]).await;
            assert_eq!(status(&refused), Some(403), "{origin} {target}");
        }
    }
    let own = format!("http://APP.localhost:{port}");
    let mut socket = open(&rig, "/ws", &[("cookie", &cookie), ("origin", &own)]).await.expect("it opens");
    assert!(said_back(&mut socket, "hello").await.is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upgrade_that_is_not_asked_for_as_it_must_be_is_refused() {
    let rig = gateway("", "").await;
    let pass = rig.pass("alice", &["staff"], "app.localhost").await;
    let cookie = format!("Cookie: {}\r\n", pass.cookie());
    let post = format!("POST /ws HTTP/1.1\r\nHost: app.localhost\r\n{UPGRADE}{cookie}Content-Length: 0\r\n\r\n");
    let body = get("/ws", &format!("{UPGRADE}{cookie}Content-Length: 5\r\n")) + "hello";
    let chunked = get("/ws", &format!("{UPGRADE}{cookie}Transfer-Encoding: chunked\r\n")) + "0\r\n\r\n";
    let unnamed = get("/ws", &format!("Upgrade: websocket\r\n{cookie}"));
    for request in [post, body, chunked, unnamed] {
        assert_eq!(Line::to(rig.address()).await.ask(&request).await.status, 400, "{request}");
    }
    let old = format!("GET /ws HTTP/1.0\r\nHost: app.localhost\r\n{UPGRADE}{cookie}\r\n");
    assert_ne!(Line::to(rig.address()).await.ask(&old).await.status, 101);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silent_websocket_is_ended_by_no_deadline_of_requests() {
    let rig = gateway(
        r#"timeouts = { read = "200ms", idle = "200ms" }"#,
        "[limits]\nheader_deadline = \"200ms\"\nidle = \"200ms\"",
    )
    .await;
    let pass = rig.pass("alice", &["staff"], "app.localhost").await;
    let mut socket = opened(&rig, "/ws", &pass).await;
    sleep(Duration::from_secs(1)).await;
    assert_eq!(said_back(&mut socket, "still here").await.as_deref(), Some("still here"));
}

#[tokio::test(flavor = "multi_thread")]
async fn ending_a_session_cuts_its_websockets_and_nobody_elses() {
    let rig = gateway("", "").await;
    let alice = rig.pass("alice", &["staff"], "app.localhost").await;
    let bob = rig.pass("bob", &["staff"], "app.localhost").await;
    let sockets = [opened(&rig, "/ws", &alice).await, opened(&rig, "/ws", &alice).await];
    let mut other = opened(&rig, "/ws", &bob).await;
    assert!(rig.store.sessions.end(alice.session).await.expect("the store"));
    for socket in sockets {
        let took = end_of(socket).await;
        assert!(took < AT_ONCE, "{took:?}");
    }
    assert!(said_back(&mut other, "mine").await.is_some());
    assert_eq!(status(&open(&rig, "/ws", &[("cookie", &alice.cookie())]).await), Some(401));
}

#[tokio::test(flavor = "multi_thread")]
async fn disabling_an_account_cuts_its_websockets() {
    let rig = gateway("", "").await;
    let pass = rig.pass("alice", &["staff"], "app.localhost").await;
    let socket = opened(&rig, "/ws", &pass).await;
    assert!(rig.store.accounts.set_disabled(pass.account, true).await.expect("the store"));
    let took = end_of(socket).await;
    assert!(took < AT_ONCE, "{took:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn taking_a_group_away_cuts_the_websockets_that_needed_it() {
    let rig = gateway("", "").await;
    let pass = rig.pass("alice", &["staff", "boss"], "app.localhost").await;
    let socket = opened(&rig, "/boss/ws", &pass).await;
    let staff = portcullis::identity::Group::parse("staff").expect("a valid group");
    assert!(rig.store.accounts.set_groups(pass.account, &[staff]).await.expect("the store"));
    let took = end_of(socket).await;
    assert!(took < AT_ONCE, "{took:?}");
    assert_eq!(status(&open(&rig, "/boss/ws", &[("cookie", &pass.cookie())]).await), Some(403));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_websocket_ends_when_its_proofs_grow_too_old() {
    let rig = gateway("", "").await;
    let pass = rig.pass("alice", &["staff"], "app.localhost").await;
    let (recent, usual) = (opened(&rig, "/admin/ws", &pass).await, opened(&rig, "/ws", &pass).await);
    rig.clock.advance(Duration::from_secs(10 * 60 + 1));
    let took = end_of(recent).await;
    assert!(took < AT_ONCE, "{took:?}");
    let mut usual = usual;
    assert!(said_back(&mut usual, "needs no fresh proof").await.is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_websocket_in_use_keeps_its_session_alive_and_a_silent_one_does_not() {
    let rig = gateway("", "").await;
    let alice = rig.pass("alice", &["staff"], "app.localhost").await;
    let bob = rig.pass("bob", &["staff"], "app.localhost").await;
    let (mut used, silent) = (opened(&rig, "/ws", &alice).await, opened(&rig, "/ws", &bob).await);
    for _ in 0..3 {
        rig.clock.advance(Duration::from_secs(14 * 60));
        assert!(said_back(&mut used, "typing").await.is_some());
    }
    let took = end_of(silent).await;
    assert!(took < AT_ONCE, "{took:?}");
    assert!(said_back(&mut used, "still typing").await.is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_websocket_ends_with_its_session_however_much_it_is_used() {
    let rig = gateway("", "[session]\nidle = \"30m\"\nabsolute = \"1h\"").await;
    let pass = rig.pass("alice", &["staff"], "app.localhost").await;
    let mut socket = opened(&rig, "/ws", &pass).await;
    for _ in 0..2 {
        rig.clock.advance(Duration::from_secs(25 * 60));
        assert!(said_back(&mut socket, "typing").await.is_some());
    }
    rig.clock.advance(Duration::from_secs(11 * 60));
    let took = end_of(socket).await;
    assert!(took < AT_ONCE, "{took:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_websocket_survives_a_reload() {
    let (member, _) = echo().await;
    let scene = Scene { members: &[member], ..Scene::default() };
    let rig = Rig::start(&scene.text()).await;
    let pass = rig.pass("alice", &["staff"], "app.localhost").await;
    let mut socket = opened(&rig, "/ws", &pass).await;
    rig.reload(&Scene { tables: "[limits]\nidle = \"5s\"", ..scene }.text()).await;
    assert!(said_back(&mut socket, "still here").await.is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn every_websocket_that_opens_works() {
    let rig = gateway("", "").await;
    let pass = rig.pass("alice", &["staff"], "app.localhost").await;
    rig.heard().await;
    for number in 0..200 {
        let mut socket = open(&rig, "/ws", &[("cookie", &pass.cookie())]).await.expect("it opens");
        assert_eq!(said_back(&mut socket, "hello").await.as_deref(), Some("hello"), "the {number}th");
    }
}

/// What a route of a policy of its own adds to the scene.
fn ruled(policy: &str) -> String {
    format!(
        "[policy.ruled]\nextends = \"staff\"\n{policy}\n\n[[route]]\nname = \"ruled\"\nhost = \"app.localhost\"\n\
         path = \"/ruled/**\"\npool = \"app\"\npolicy = \"ruled\"\n"
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn a_websocket_ends_when_its_hours_do() {
    let (member, _) = echo().await;
    // Two windows that meet, in a zone of no seasons: whenever this runs, one of them is open and ends within the day.
    let halves = [("00:00", "12:00"), ("12:00", "00:00")];
    let text = |(from, to): (&str, &str)| {
        let hours = format!(
            "hours = {{ days = \"mon-sun\", from = \"{from}\", to = \"{to}\", zone = \"UTC\" }}\nmax_age = \"6d\""
        );
        let tables = ruled(&hours) + "\n[session]\nidle = \"6d\"\nabsolute = \"7d\"\n";
        Scene { members: &[member], tables: &tables, ..Scene::default() }.text()
    };
    let rig = Rig::start(&text(halves[0])).await;
    let pass = rig.pass("alice", &["staff"], "app.localhost").await;
    rig.heard().await;
    let mut opened = None;
    for half in halves {
        rig.reload(&text(half)).await;
        if let Ok(socket) = open(&rig, "/ruled/ws", &[("cookie", &pass.cookie())]).await {
            opened = Some(socket);
            break;
        }
    }
    let mut socket = opened.expect("it is within one of the two");
    assert!(said_back(&mut socket, "still here").await.is_some());
    rig.clock.advance(Duration::from_secs(12 * 3600));
    let took = end_of(socket).await;
    assert!(took < Duration::from_secs(5), "{took:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reload_that_tightens_a_policy_ends_the_websockets_it_no_longer_permits() {
    let (member, _) = echo().await;
    let text = |policy: &str| Scene { members: &[member], tables: &ruled(policy), ..Scene::default() }.text();
    let rig = Rig::start(&text("")).await;
    let pass = rig.pass("alice", &["staff"], "app.localhost").await;
    for tighter in ["networks = [\"10.0.0.0/8\"]", "groups = [\"boss\"]", "methods = [\"POST\"]"] {
        rig.reload(&text("")).await;
        let (ruled, mut other) = (opened(&rig, "/ruled/ws", &pass).await, opened(&rig, "/ws", &pass).await);
        rig.reload(&text(tighter)).await;
        let took = end_of(ruled).await;
        assert!(took < AT_ONCE, "{tighter}: {took:?}");
        assert!(said_back(&mut other, "of another policy").await.is_some(), "{tighter}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reload_that_takes_a_route_away_ends_its_websockets_even_of_strangers() {
    let (member, _) = echo().await;
    let scene = Scene { members: &[member], ..Scene::default() };
    let rig = Rig::start(&scene.text()).await;
    let mut socket = open(&rig, "/open/ws", &[]).await.expect("it opens");
    assert!(said_back(&mut socket, "hello").await.is_some());
    rig.reload(&scene.text().replace("policy = \"open\"", "policy = \"staff\"")).await;
    let took = end_of(socket).await;
    assert!(took < AT_ONCE, "{took:?}");
}
