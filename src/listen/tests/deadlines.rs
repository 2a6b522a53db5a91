//! When a connection has waited long enough.

use super::*;
use std::io::ErrorKind;

const LIMITS: ConnectionLimits = ConnectionLimits::DEFAULT;

#[tokio::test(start_paused = true)]
async fn a_silent_connection_ends_at_the_header_deadline() {
    let (mut io, _client, connection) = piped(LIMITS);
    let error = io.read_u8().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TimedOut);
    assert_eq!(connection.accepted.elapsed().as_secs(), LIMITS.header.as_secs());
}

#[tokio::test(start_paused = true)]
async fn a_header_that_drips_ends_at_the_deadline_with_408() {
    let (mut io, mut client, connection) = piped(LIMITS);
    let drips = async {
        loop {
            tokio::time::sleep(Duration::from_millis(900)).await;
            if client.write_all(b"x").await.is_err() {
                return rest(&mut client).await;
            }
        }
    };
    let reads = async {
        let mut header = Vec::new();
        let error = loop {
            if let Err(error) = io.read_buf(&mut header).await {
                break error;
            }
        };
        let elapsed = connection.accepted.elapsed();
        pingora::protocols::Shutdown::shutdown(&mut io).await;
        drop(io);
        (error, elapsed)
    };
    let (said, (error, elapsed)) = tokio::join!(drips, reads);
    assert_eq!(error.kind(), ErrorKind::TimedOut);
    assert_eq!(elapsed.as_secs(), LIMITS.header.as_secs());
    assert!(said.starts_with("HTTP/1.1 408 "), "{said}");
}

#[tokio::test(start_paused = true)]
async fn the_next_header_has_its_own_deadline_from_its_first_byte() {
    let (mut io, mut client, connection) = piped(LIMITS);
    client.write_all(b"first").await.unwrap();
    io.read_exact(&mut [0; 5]).await.unwrap();
    drop(connection.request_began());
    tokio::time::advance(Duration::from_secs(40)).await;
    client.write_all(b"G").await.unwrap();
    io.read_u8().await.unwrap();
    let began = Instant::now();
    assert_eq!(io.read_u8().await.unwrap_err().kind(), ErrorKind::TimedOut);
    assert_eq!(began.elapsed().as_secs(), LIMITS.header.as_secs());
}

#[tokio::test(start_paused = true)]
async fn an_idle_connection_ends_at_the_idle_limit_counted_from_its_last_request() {
    let (mut io, mut client, connection) = piped(LIMITS);
    for _ in 0..3 {
        client.write_all(b"header").await.unwrap();
        io.read_exact(&mut [0; 6]).await.unwrap();
        let underway = connection.request_began();
        tokio::time::advance(Duration::from_secs(50)).await;
        drop(underway);
    }
    let ended = Instant::now();
    assert_eq!(io.read_u8().await.unwrap_err().kind(), ErrorKind::TimedOut);
    assert_eq!(ended.elapsed().as_secs(), LIMITS.idle.as_secs());
}

#[tokio::test(start_paused = true)]
async fn a_request_may_take_its_time() {
    let (mut io, mut client, connection) = piped(LIMITS);
    let _underway = connection.request_began();
    let reads = async { io.read_u8().await.unwrap() };
    let writes = async {
        tokio::time::sleep(Duration::from_secs(86_400)).await;
        client.write_all(b"x").await.unwrap();
    };
    assert_eq!(tokio::join!(reads, writes).0, b'x');
}

#[tokio::test]
async fn a_header_that_is_too_long_ends_with_431() {
    let limits = ConnectionLimits { header_bytes: 1024, ..LIMITS };
    let (_rig, address) = Rig::plain(limits).await;
    let mut client = TcpStream::connect(address).await.unwrap();
    client.write_all(b"GET / HTTP/1.1\r\nHost: app.test\r\nx: ").await.unwrap();
    client.write_all(&[b'x'; 4096]).await.unwrap();
    let said = rest(&mut client).await;
    assert!(said.starts_with("HTTP/1.1 431 "), "{said}");
}

#[tokio::test]
async fn a_header_of_exactly_the_allowed_length_is_served() {
    let limits = ConnectionLimits { header_bytes: 1024, ..LIMITS };
    let (rig, address) = Rig::plain(limits).await;
    let mut client = TcpStream::connect(address).await.unwrap();
    for round in 0..2 {
        let start = "POST / HTTP/1.1\r\nHost: app.test\r\nContent-Length: 2000\r\nx: ";
        let header = format!("{start}{}\r\n\r\n", "x".repeat(1024 - start.len() - 4));
        client.write_all(header.as_bytes()).await.unwrap();
        client.write_all(&[b'b'; 2000]).await.unwrap();
        rig.site.arrived.notified().await;
        let mut answer = [0; 12];
        client.read_exact(&mut answer).await.unwrap();
        assert_eq!(&answer, b"HTTP/1.1 200", "round {round}");
        // The site does not read the body, so this connection is closed.
        rest(&mut client).await;
        client = TcpStream::connect(address).await.unwrap();
    }
}

#[tokio::test]
async fn a_dripping_client_of_pingora_is_answered_408() {
    let limits = ConnectionLimits { header: Duration::from_millis(80), ..LIMITS };
    let (rig, address) = Rig::plain(limits).await;
    let mut client = TcpStream::connect(address).await.unwrap();
    client.write_all(b"GET / HTTP/1.1\r\n").await.unwrap();
    let said = rest(&mut client).await;
    assert!(said.starts_with("HTTP/1.1 408 "), "{said}");
    drop(client);
    rig.listeners.drain(Duration::from_secs(30)).await;
}

#[tokio::test]
async fn a_cut_wakes_a_blocked_read() {
    let (mut io, _client, connection) = piped(LIMITS);
    let (read, ()) = tokio::join!(io.read_u8(), async {
        tokio::task::yield_now().await;
        connection.lifeline.cut();
    });
    assert_eq!(read.unwrap_err().kind(), ErrorKind::ConnectionAborted);
    assert_eq!(io.write_u8(1).await.unwrap_err().kind(), ErrorKind::ConnectionAborted);
    assert_eq!(io.flush().await.unwrap_err().kind(), ErrorKind::ConnectionAborted);
}

#[tokio::test]
async fn a_cut_wakes_a_blocked_write() {
    let (mut io, _client, connection) = piped(LIMITS);
    let _underway = connection.request_began();
    let body = vec![0; 1024 * 1024];
    let (written, ()) = tokio::join!(io.write_all(&body), async {
        tokio::task::yield_now().await;
        connection.lifeline.cut();
    });
    assert_eq!(written.unwrap_err().kind(), ErrorKind::ConnectionAborted);
}
