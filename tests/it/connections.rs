//! Connections of clients: how long they may dawdle, how many there may be, and how they end when the gateway stops.

use crate::rig::{Line, Member, PATIENCE, RawMember, Rig, Scene, get, post};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::Notify;
use tokio::time::{sleep, timeout};

async fn limited(limits: &str) -> (Rig, Member) {
    let app = Member::echo("app").await;
    let tables = format!("[limits]\n{limits}");
    let rig = Rig::start(&Scene { members: &[app.address()], tables: &tables, ..Scene::default() }.text()).await;
    (rig, app)
}

/// Says bytes one at a time until the other end has had enough; gives what it answered and how long that took.
async fn dribble(mut line: Line, bytes: &str) -> (String, Duration) {
    let began = Instant::now();
    let answer = timeout(PATIENCE, async {
        for byte in bytes.bytes().cycle() {
            line.say([byte]).await;
            if let Ok(more) = timeout(Duration::from_millis(30), line.more()).await
                && !more
            {
                break;
            }
        }
        line.rest().await
    });
    let answer = answer.await.expect("the connection is ended");
    (String::from_utf8_lossy(&answer).into_owned(), began.elapsed())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_header_that_comes_byte_by_byte_is_cut_at_its_deadline() {
    let (rig, app) = limited("header_deadline = \"300ms\"").await;
    let (answer, took) = dribble(Line::to(rig.address()).await, "GET /open/x HTTP/1.1 X-Slow-").await;
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 408"), "{answer}");
    assert!((Duration::from_millis(250)..Duration::from_secs(5)).contains(&took), "{took:?}");
    assert!(app.seen().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_header_has_the_same_deadline_as_the_first() {
    let (rig, app) = limited("header_deadline = \"300ms\"\nidle = \"60s\"").await;
    let mut line = Line::to(rig.address()).await;
    assert_eq!(line.ask(get("/open/x", "")).await.status, 200);
    let (answer, took) = dribble(line, "GET /open/x HTTP/1.1 X-Slow-").await;
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 408"), "{answer}");
    assert!((Duration::from_millis(250)..Duration::from_secs(5)).contains(&took), "{took:?}");
    assert_eq!(app.seen().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_never_says_anything_is_ended() {
    let (rig, _app) = limited("header_deadline = \"300ms\"").await;
    let began = Instant::now();
    let _ = Line::to(rig.address()).await.rest().await;
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unused_connection_is_ended_at_the_idle_limit_and_a_used_one_is_not() {
    let (rig, _app) = limited("idle = \"500ms\"").await;
    let mut line = Line::to(rig.address()).await;
    for _ in 0..6 {
        assert_eq!(line.ask(get("/open/x", "")).await.status, 200);
        sleep(Duration::from_millis(150)).await;
    }
    let began = Instant::now();
    assert!(line.ends().await, "an idle connection is closed without a word");
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_take_turns_on_one_connection() {
    let (rig, app) = limited("").await;
    let mut line = Line::to(rig.address()).await;
    for number in 0..10 {
        let answer = line.ask(get(&format!("/open/{number}"), "")).await;
        assert_eq!(answer.body, format!("app /open/{number}"));
        assert_eq!(answer.header("connection"), Some("keep-alive"));
        assert_eq!(line.ask(get("/x", "")).await.status, 401, "a refusal keeps the connection");
        assert_eq!(line.ask(post("/open/y", "", "body")).await.status, 200);
    }
    assert_eq!(app.seen().len(), 20);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_carries_as_many_requests_as_it_may() {
    let (rig, _app) = limited("requests = 3").await;
    let mut line = Line::to(rig.address()).await;
    let mut kept = Vec::new();
    for _ in 0..3 {
        kept.push(line.ask(get("/open/x", "")).await.header("connection").map(str::to_owned));
    }
    assert_eq!(kept, ["keep-alive", "keep-alive", "close"].map(|word| Some(word.to_owned())));
    assert!(line.ends().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_wants_to_close_or_speaks_http_1_0_is_closed() {
    let (rig, _app) = limited("").await;
    for request in
        [get("/open/x", "Connection: close\r\n"), "GET /open/x HTTP/1.0\r\nHost: app.localhost\r\n\r\n".to_owned()]
    {
        let mut line = Line::to(rig.address()).await;
        let answer = line.ask(&request).await;
        assert_eq!((answer.status, answer.header("connection")), (200, Some("close")));
        assert!(line.ends().await);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_address_has_its_share_of_connections_and_gets_it_back() {
    let (rig, _app) = limited("per_address = 2").await;
    let (mut one, mut two) = (Line::to(rig.address()).await, Line::to(rig.address()).await);
    assert_eq!(one.ask(get("/open/x", "")).await.status, 200);
    assert_eq!(two.ask(get("/open/x", "")).await.status, 200);
    assert_eq!(Line::to(rig.address()).await.ask(get("/open/x", "")).await.status, 0, "closed without a word");
    let mut elsewhere = from("127.0.0.9:0", rig.address()).await;
    assert_eq!(elsewhere.ask(get("/open/x", "")).await.status, 200);
    let (_, metrics) = rig.admin("/metrics").await;
    assert!(metrics.contains(r#"portcullis_connections_refused_total{reason="per_address"} 1"#), "{metrics}");
    drop(one);
    rig.eventually("there is room again", async || {
        Line::to(rig.address()).await.ask(get("/open/x", "Connection: close\r\n")).await.status == 200
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn all_together_have_their_share_of_connections_and_the_operator_is_not_among_them() {
    let (rig, _app) = limited("connections = 2").await;
    let mut held = [from("127.0.0.8:0", rig.address()).await, from("127.0.0.9:0", rig.address()).await];
    for line in &mut held {
        assert_eq!(line.ask(get("/open/x", "")).await.status, 200);
    }
    assert_eq!(Line::to(rig.address()).await.ask(get("/open/x", "")).await.status, 0);
    let (status, metrics) = rig.admin("/metrics").await;
    assert_eq!(status, 200);
    assert!(metrics.contains(r#"portcullis_connections_refused_total{reason="connections"} 1"#), "{metrics}");
    assert!(metrics.contains("portcullis_connections_open 2"), "{metrics}");
}

async fn from(source: &str, to: SocketAddr) -> Line {
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.bind(source.parse().expect("an address")).expect("bound");
    let stream: TcpStream = socket.connect(to).await.expect("it listens");
    Line::over(stream)
}

/// A gateway before a member that answers when it is told, one request under way with it.
async fn under_way(drain: &str) -> (Rig, Line, Arc<Notify>, RawMember) {
    let (began, tell) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (beginning, told) = (Arc::clone(&began), Arc::clone(&tell));
    let member = RawMember::play(move |mut line| {
        let (beginning, told) = (Arc::clone(&beginning), Arc::clone(&told));
        async move {
            while line.head().await.is_some() {
                beginning.notify_one();
                told.notified().await;
                line.say("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ndone").await;
            }
        }
    })
    .await;
    let text = Scene { members: &[member.address()], ..Scene::default() }.text();
    let rig = Rig::start(&text.replace("drain = \"2s\"", &format!("drain = \"{drain}\""))).await;
    let mut line = Line::to(rig.address()).await;
    line.say(get("/open/x", "")).await;
    timeout(PATIENCE, began.notified()).await.expect("the request arrives");
    (rig, line, tell, member)
}

/// Waits until nobody listens there any more.
async fn nobody_listens(address: SocketAddr) {
    let gone = async {
        while TcpStream::connect(address).await.is_ok() {
            sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(PATIENCE, gone).await.expect("it stops listening");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_under_way_ends_in_peace_when_the_gateway_stops() {
    let (rig, mut line, tell, _member) = under_way("20s").await;
    let address = rig.address();
    let began = Instant::now();
    let stopping = tokio::spawn(rig.stop());
    nobody_listens(address).await;
    tell.notify_one();
    let answer = line.answer().await;
    assert_eq!((answer.status, answer.body.as_str()), (200, "done"));
    timeout(PATIENCE, stopping).await.expect("it stops").expect("without a panic");
    assert!(began.elapsed() < Duration::from_secs(10), "nobody waits for the whole drain: {:?}", began.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_is_closed_at_once_after_the_last_answer_of_a_drain() {
    let (rig, mut line, tell, _member) = under_way("60s").await;
    let address = rig.address();
    let stopping = tokio::spawn(rig.stop());
    nobody_listens(address).await;
    let told = Instant::now();
    tell.notify_one();
    let answer = line.answer().await;
    assert_eq!((answer.body.as_str(), answer.header("connection")), ("done", Some("close")), "{answer:?}");
    assert!(line.ends().await);
    timeout(PATIENCE, stopping).await.expect("it stops").expect("without a panic");
    assert!(told.elapsed() < Duration::from_secs(2), "idle connections would have had 5 s: {:?}", told.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_outlasts_idle_connections_is_told_that_its_own_closes_too() {
    let (rig, mut line, tell, _member) = under_way("8s").await;
    let mut idle = Line::to(rig.address()).await;
    assert_eq!(idle.ask(get("/x", "")).await.status, 401);
    let stopping = tokio::spawn(rig.stop());
    assert!(idle.ends().await, "idle connections are closed after a while");
    tell.notify_one();
    let answer = line.answer().await;
    assert_eq!((answer.body.as_str(), answer.header("connection")), ("done", Some("close")));
    assert!(line.ends().await);
    timeout(PATIENCE, stopping).await.expect("it stops").expect("without a panic");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_does_not_end_is_cut_when_the_drain_is_over() {
    let (rig, mut line, _tell, _member) = under_way("1s").await;
    let began = Instant::now();
    rig.stop().await;
    assert!((Duration::from_millis(900)..Duration::from_secs(5)).contains(&began.elapsed()), "{:?}", began.elapsed());
    assert_eq!(line.answer().await.status, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn idle_connections_do_not_hold_a_stop_up() {
    let app = Member::echo("app").await;
    let text = Scene { members: &[app.address()], ..Scene::default() }.text().replace("\"2s\"", "\"8s\"");
    let rig = Rig::start(&text).await;
    let mut lines = Vec::new();
    for _ in 0..20 {
        let mut line = Line::to(rig.address()).await;
        assert_eq!(line.ask(get("/open/x", "")).await.status, 200);
        lines.push(line);
    }
    let fresh = Line::to(rig.address()).await;
    let began = Instant::now();
    rig.stop().await;
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    for mut line in lines.into_iter().chain([fresh]) {
        assert!(line.ends().await);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kept_connection_used_while_the_gateway_stops_is_served_and_told_to_close() {
    let app = Member::echo("app").await;
    let text = Scene { members: &[app.address()], ..Scene::default() }.text().replace("\"2s\"", "\"16s\"");
    let rig = Rig::start(&text).await;
    let address = rig.address();
    let mut lines = [Line::to(address).await, Line::to(address).await];
    for line in &mut lines {
        assert_eq!(line.ask(get("/open/x", "")).await.status, 200);
    }
    let stopping = tokio::spawn(rig.stop());
    nobody_listens(address).await;
    for (line, target) in lines.iter_mut().zip(["/open/x", "/x"]) {
        let answer = line.ask(get(target, "")).await;
        assert!(matches!(answer.status, 200 | 401), "{answer:?}");
        assert_eq!(answer.header("connection"), Some("close"), "{answer:?}");
        assert!(line.ends().await);
    }
    timeout(PATIENCE, stopping).await.expect("it stops").expect("without a panic");
}
