//! Connections that send one request each and then keep still; knows not what they cost the server.
#![allow(clippy::disallowed_methods, reason = "keeping still is what this driver is for")]

use super::{BEGIN, Counts, LAST_ANSWERS, Outcome, Tally, Target, Timing, say};
use crate::wire::Decoder;
use anyhow::Result;
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::time::Instant;

/// Opens all connections and keeps them for the window. The warm-up is as long as opening takes.
pub(super) fn run(target: &Target, timing: Timing) -> Result<Outcome> {
    let mut tally = Tally::default();
    let mut open = Vec::new();
    for _ in 0..timing.connections {
        let began = Instant::now();
        match ask(target) {
            Ok((stream, status)) => {
                tally.answer(status, began.elapsed(), Counts::Yes);
                open.push(stream);
            }
            Err(error) => tally.error(&error),
        }
    }
    say(BEGIN)?;
    std::thread::sleep(timing.seconds());
    for stream in &open {
        if is_closed(stream) {
            tally.error(&"closed while it was idle");
        }
    }
    Ok(tally.outcome(timing.seconds()))
}

fn ask(target: &Target) -> io::Result<(TcpStream, u16)> {
    let mut stream = TcpStream::connect(target.address())?;
    stream.set_read_timeout(Some(LAST_ANSWERS))?;
    stream.write_all(&target.request())?;
    let (mut decoder, mut pending, mut part) = (Decoder::default(), Vec::new(), [0; 4096]);
    loop {
        let read = stream.read(&mut part)?;
        if read == 0 {
            return Err(io::Error::other("closed before the answer's end"));
        }
        pending.extend_from_slice(part.get(..read).unwrap_or_default());
        let fed = decoder.feed(&pending, |_| ()).map_err(io::Error::other)?;
        pending.drain(..fed.consumed);
        if let Some(answer) = fed.answer {
            return Ok((stream, answer.status));
        }
    }
}

fn is_closed(stream: &TcpStream) -> bool {
    let waiting = stream.set_nonblocking(true).and_then(|()| stream.peek(&mut [0]));
    !waiting.is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock)
}
