//! One connection, byte by byte: a client's to the gateway, or the gateway's to a member. Knows just enough of HTTP/1.1
//! to find where a message ends.

use super::{PATIENCE, Raw};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// One connection.
pub struct Line {
    stream: TcpStream,
    /// Read, but not asked for yet.
    ahead: Vec<u8>,
    /// Where everything that is read is written down.
    heard: Option<(Heard, usize)>,
}

/// What came over each connection to a member, in the order of accepting them.
pub type Heard = Arc<Mutex<Vec<Vec<u8>>>>;

impl Line {
    /// A connection to the gateway.
    pub async fn to(address: SocketAddr) -> Self {
        let stream = timeout(PATIENCE, TcpStream::connect(address)).await.expect("in time").expect("it listens");
        Self::over(stream)
    }

    /// A connection that is there already.
    pub fn over(stream: TcpStream) -> Self {
        Line { stream, ahead: Vec::new(), heard: None }
    }

    /// The same connection, written down as number `number`.
    pub fn noted(self, heard: Heard, number: usize) -> Self {
        Line { heard: Some((heard, number)), ..self }
    }

    /// Which connection of its member this is, from 0.
    pub fn number(&self) -> usize {
        self.heard.as_ref().map_or(0, |(_, number)| *number)
    }

    /// Sends bytes. That the other end is gone shows when its answer is read.
    pub async fn say(&mut self, bytes: impl AsRef<[u8]>) {
        let _ = timeout(PATIENCE, self.stream.write_all(bytes.as_ref())).await.expect("somebody reads in time");
    }

    /// Sends a request and reads its answer.
    pub async fn ask(&mut self, bytes: impl AsRef<[u8]>) -> Raw {
        self.say(bytes).await;
        self.answer().await
    }

    /// A message's header with its blank line; `None` if the connection ends before it is complete.
    pub async fn head(&mut self) -> Option<String> {
        let head = self.until(b"\r\n\r\n").await?;
        Some(String::from_utf8_lossy(&head).into_owned())
    }

    /// The answer to a `GET` or `POST`, after any interim ones.
    pub async fn answer(&mut self) -> Raw {
        let mut answer = self.answer_head().await;
        while (100..200).contains(&answer.status) && answer.status != 101 {
            answer = self.answer_head().await;
        }
        let without = matches!(answer.status, 0 | 101 | 204 | 304);
        let body = match (without, answer.header("transfer-encoding").is_some(), answer.header("content-length")) {
            (true, _, _) => Vec::new(),
            (false, true, _) => self.chunks().await,
            (false, false, Some(length)) => self.exactly(length.parse().expect("a length")).await,
            (false, false, None) => self.rest().await,
        };
        answer.body = String::from_utf8_lossy(&body).into_owned();
        answer
    }

    /// The header of one answer, interim or final: all there is of an answer to `HEAD`.
    pub async fn answer_head(&mut self) -> Raw {
        Raw::parse(self.head().await.unwrap_or_default().as_bytes())
    }

    /// So many bytes, or fewer if the connection ends.
    pub async fn exactly(&mut self, count: usize) -> Vec<u8> {
        while self.ahead.len() < count && self.more().await {}
        let rest = self.ahead.split_off(count.min(self.ahead.len()));
        std::mem::replace(&mut self.ahead, rest)
    }

    /// A chunked body, without its trailers.
    pub async fn chunks(&mut self) -> Vec<u8> {
        let mut body = Vec::new();
        while let Some(size) = self.until(b"\r\n").await {
            let size = String::from_utf8_lossy(&size);
            let size = usize::from_str_radix(size.trim().split(';').next().unwrap_or_default(), 16).expect("a size");
            if size == 0 {
                while self.until(b"\r\n").await.is_some_and(|line| line.len() > 2) {}
                break;
            }
            body.extend(self.exactly(size).await);
            self.exactly(2).await;
        }
        body
    }

    /// Everything up to the end of the connection.
    pub async fn rest(&mut self) -> Vec<u8> {
        while self.more().await {}
        std::mem::take(&mut self.ahead)
    }

    /// Waits for whatever comes next; `false` if that is the end.
    pub async fn more(&mut self) -> bool {
        let mut part = [0; 16 * 1024];
        let read = timeout(PATIENCE, self.stream.read(&mut part)).await.expect("something happens in time");
        let Ok(count @ 1..) = read else { return false };
        self.ahead.extend_from_slice(&part[..count]);
        if let Some((heard, number)) = &self.heard {
            heard.lock().expect("no test panicked with it")[*number].extend_from_slice(&part[..count]);
        }
        true
    }

    /// Waits for the end; `true` if nothing came before it.
    pub async fn ends(&mut self) -> bool {
        self.rest().await.is_empty()
    }

    /// Up to and with `mark`; `None` if the connection ends before.
    async fn until(&mut self, mark: &[u8]) -> Option<Vec<u8>> {
        loop {
            if let Some(at) = self.ahead.windows(mark.len()).position(|window| window == mark) {
                let rest = self.ahead.split_off(at + mark.len());
                return Some(std::mem::replace(&mut self.ahead, rest));
            }
            if !self.more().await {
                return None;
            }
        }
    }
}

/// A `GET` of `target` on `app.localhost`; each of `fields` ends with a line end.
pub fn get(target: &str, fields: &str) -> String {
    format!("GET {target} HTTP/1.1\r\nHost: app.localhost\r\n{fields}\r\n")
}

/// A `POST` of `body` to `target` on `app.localhost`.
pub fn post(target: &str, fields: &str, body: &str) -> String {
    let length = body.len();
    format!("POST {target} HTTP/1.1\r\nHost: app.localhost\r\n{fields}Content-Length: {length}\r\n\r\n{body}")
}

/// The length of the body that a header announces; 0 if it announces none.
pub fn content_length(head: &str) -> usize {
    Raw::parse(head.as_bytes()).header("content-length").map_or(0, |length| length.parse().expect("a length"))
}
