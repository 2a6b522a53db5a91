//! Bytes on a socket: what no HTTP library would send.

use super::PATIENCE;
use std::net::SocketAddr;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// An answer as it came.
#[derive(Clone, Debug)]
pub struct Raw {
    /// The status; 0 if the connection was closed without an answer.
    pub status: u16,
    /// The header, as text.
    pub head: String,
    /// The body, up to `Content-Length` or the end of the connection.
    pub body: String,
}

impl Raw {
    /// The value of a header field.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().skip(1).find_map(|line| {
            let (own, value) = line.split_once(':')?;
            own.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }

    /// Reads an answer from all the bytes of a connection.
    pub fn parse(bytes: &[u8]) -> Self {
        let text = String::from_utf8_lossy(bytes);
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
        Raw { status, head: head.to_owned(), body: body.to_owned() }
    }
}

/// Sends bytes and reads the answer until the connection closes or the answer is complete.
pub async fn exchange(address: SocketAddr, bytes: &[u8]) -> Raw {
    let mut stream = TcpStream::connect(address).await.expect("it listens");
    // A refused request may be answered and closed before all of it was sent.
    let _ = stream.write_all(bytes).await;
    Raw::parse(&read_answer(&mut stream).await)
}

/// Reads one answer off a connection.
pub async fn read_answer(stream: &mut TcpStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut part = [0; 4096];
    while !is_complete(&bytes) {
        match timeout(PATIENCE, stream.read(&mut part)).await.expect("an answer comes in time") {
            Ok(0) | Err(_) => break,
            Ok(count) => bytes.extend_from_slice(&part[..count]),
        }
    }
    bytes
}

fn is_complete(bytes: &[u8]) -> bool {
    let text = String::from_utf8_lossy(bytes);
    let Some((head, body)) = text.split_once("\r\n\r\n") else { return false };
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>().ok())?
    });
    length.is_some_and(|length| body.len() >= length) || head.starts_with("HTTP/1.1 101")
}
