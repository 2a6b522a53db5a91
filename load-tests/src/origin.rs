//! The server behind every contender, and nginx's authorizer: as little work for an answer as possible; no real server.

use crate::wire::MAX_FIELDS;
use anyhow::{Context, Result};
use std::io;
use std::net::Ipv4Addr;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// What a request is answered with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// 200 with [`USUAL_SIZE`] bytes, with N for `/bytes/N`, or with the request's own head for `/seen`.
    Bytes,
    /// 204.
    NoContent,
}

/// The size of an answer: that of the figures this project compares itself with.
pub const USUAL_SIZE: usize = 128;

/// Larger answers are written in pieces of this size.
const PIECE: usize = 64 * 1024;

/// Holds any request here: a session's assertion adds less than 2 KiB.
const BUFFER: usize = 16 * 1024;

/// Serves on a port of the loopback interface, in this thread, until the process is ended.
///
/// # Errors
/// If it cannot listen there.
pub fn serve(port: u16, answer: Answer) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    runtime.block_on(async {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await;
        let listener = listener.with_context(|| format!("cannot listen on port {port}"))?;
        let mut connections = JoinSet::new();
        loop {
            let (stream, _) = listener.accept().await?;
            while connections.try_join_next().is_some() {}
            connections.spawn(async move {
                // A client that goes away is no error here: who sent the request counts it.
                let _ = converse(stream, answer).await;
            });
        }
    })
}

async fn converse(mut stream: TcpStream, answer: Answer) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let usual = match answer {
        Answer::Bytes => [head(USUAL_SIZE).as_bytes(), &[b'.'; USUAL_SIZE]].concat(),
        Answer::NoContent => b"HTTP/1.1 204 No Content\r\n\r\n".to_vec(),
    };
    let mut buffer = vec![0; BUFFER];
    let mut filled = 0;
    loop {
        let Some(request) = parse(&buffer[..filled])? else {
            let room = buffer.get_mut(filled..).filter(|room| !room.is_empty());
            let read = stream.read(room.ok_or_else(|| invalid("the request is too long"))?).await?;
            if read == 0 {
                return Ok(());
            }
            filled += read;
            continue;
        };
        match request.wanted {
            Wanted::Sized(size) if answer == Answer::Bytes => send_bytes(&mut stream, size).await?,
            Wanted::Seen if answer == Answer::Bytes => send_seen(&mut stream, &buffer[..request.length]).await?,
            Wanted::Usual | Wanted::Sized(_) | Wanted::Seen => stream.write_all(&usual).await?,
        }
        buffer.copy_within(request.length..filled, 0);
        filled -= request.length;
    }
}

struct Request {
    /// Of head and body.
    length: usize,
    wanted: Wanted,
}

enum Wanted {
    Usual,
    Sized(usize),
    Seen,
}

/// The request that `bytes` begin with, if it is there whole.
fn parse(bytes: &[u8]) -> io::Result<Option<Request>> {
    let mut fields = [httparse::EMPTY_HEADER; MAX_FIELDS];
    let mut request = httparse::Request::new(&mut fields);
    let parsed = request.parse(bytes).map_err(|error| invalid(&error.to_string()))?;
    let httparse::Status::Complete(head) = parsed else { return Ok(None) };
    let body = match request.method {
        Some("GET" | "HEAD") => 0,
        _ => body_length(request.headers)?,
    };
    let path = request.path.unwrap_or_default();
    let sized = path.strip_prefix("/bytes/").and_then(|size| size.parse().ok());
    let wanted = match sized {
        Some(size) => Wanted::Sized(size),
        None if path == "/seen" => Wanted::Seen,
        None => Wanted::Usual,
    };
    let length = head.saturating_add(body);
    Ok((length <= bytes.len()).then_some(Request { length, wanted }))
}

fn body_length(fields: &[httparse::Header<'_>]) -> io::Result<usize> {
    let find = |name: &str| fields.iter().find(|field| field.name.eq_ignore_ascii_case(name));
    if find("transfer-encoding").is_some() {
        return Err(invalid("this origin reads no chunks"));
    }
    let Some(field) = find("content-length") else { return Ok(0) };
    let text = std::str::from_utf8(field.value).unwrap_or_default();
    text.trim().parse().map_err(|_| invalid("Content-Length is no number"))
}

async fn send_bytes(stream: &mut TcpStream, size: usize) -> io::Result<()> {
    let first = [head(size).as_bytes(), &vec![b'.'; size.min(PIECE)]].concat();
    stream.write_all(&first).await?;
    let piece = [b'.'; PIECE];
    let mut left = size.saturating_sub(PIECE);
    while left > 0 {
        let part = left.min(PIECE);
        stream.write_all(&piece[..part]).await?;
        left -= part;
    }
    Ok(())
}

async fn send_seen(stream: &mut TcpStream, request: &[u8]) -> io::Result<()> {
    stream.write_all(&[head(request.len()).as_bytes(), request].concat()).await
}

fn head(size: usize) -> String {
    format!("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: {size}\r\n\r\n")
}

fn invalid(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_taken_only_when_its_body_is_there_too() {
        let whole = b"POST /x HTTP/1.1\r\nContent-Length: 3\r\n\r\nabcGET";
        assert!(parse(&whole[..whole.len() - 5]).expect("it is well-formed").is_none());
        let request = parse(whole).expect("it is well-formed").expect("it is whole");
        assert_eq!(request.length, whole.len() - 3);
    }

    #[test]
    fn the_path_says_how_large_the_answer_is() {
        let asked = |path: &str| {
            parse(format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n").as_bytes()).expect("it is well-formed")
        };
        assert!(matches!(asked("/bytes/1048576").map(|r| r.wanted), Some(Wanted::Sized(1_048_576))));
        assert!(matches!(asked("/seen").map(|r| r.wanted), Some(Wanted::Seen)));
        assert!(matches!(asked("/bytes/many").map(|r| r.wanted), Some(Wanted::Usual)));
    }
}
