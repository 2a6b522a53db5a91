//! The open loop: so many requests a second, however long answers take; knows no throughput.
//!
//! Each connection has a thread that sleeps until its next request is due: a timer of the async runtime ticks in
//! milliseconds, which is longer than what is measured here.
#![allow(clippy::disallowed_methods, reason = "these threads do nothing but wait for the time of their next request")]

use super::{BEGIN, Counts, LAST_ANSWERS, Outcome, Tally, Target, Timing, say};
use crate::wire::{Answer, Decoder};
use anyhow::{Result, ensure};
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

const BUFFER: usize = 16 * 1024;

/// The buffer is on the heap; a thread needs little else.
const STACK: usize = 128 * 1024;

/// One connection's share of the rate.
#[derive(Clone, Copy)]
struct Schedule {
    first: Instant,
    every: Duration,
    counts_from: Instant,
    end: Instant,
}

pub(super) fn run(target: &Target, timing: Timing, rate: u32) -> Result<Outcome> {
    ensure!(rate > 0 && timing.connections > 0, "a rate and connections are needed: both must be above 0");
    let (address, request) = (target.address(), target.request());
    // A moment for the threads to start.
    let start = Instant::now() + Duration::from_millis(50);
    let between = Duration::from_secs(1) / rate;
    let counts_from = start + timing.warm_up();
    let end = counts_from + timing.seconds();
    let sum = thread::scope(|scope| -> Result<Tally> {
        let mut threads = Vec::new();
        for nth in 0..timing.connections {
            let every = between * timing.connections;
            let schedule = Schedule { first: start + between * nth, every, counts_from, end };
            let request = &request;
            let builder = thread::Builder::new().stack_size(STACK);
            threads.push(builder.spawn_scoped(scope, move || converse(address, request, schedule))?);
        }
        thread::sleep(counts_from.saturating_duration_since(Instant::now()));
        say(BEGIN)?;
        let mut sum = Tally::default();
        for tally in threads {
            sum.add(&tally.join().expect("a thread ends without a panic: what fails is counted"));
        }
        Ok(sum)
    })?;
    Ok(sum.outcome(timing.seconds()))
}

fn converse(address: SocketAddr, request: &[u8], schedule: Schedule) -> Tally {
    let mut tally = Tally::default();
    let mut open: Option<Line> = None;
    let mut due = schedule.first;
    while due < schedule.end {
        let now = Instant::now();
        // Whoever is late because the last answer was late counts from when it was due: a server that stops does not
        // stop the clock. How late a sleeping thread is woken is not the server's doing.
        let from = if now < due {
            thread::sleep(due - now);
            Instant::now()
        } else {
            due
        };
        let counts = if due >= schedule.counts_from { Counts::Yes } else { Counts::No };
        match exchange(&mut open, address, request) {
            Ok(answer) => {
                tally.answer(answer.status, from.elapsed(), counts);
                if answer.last {
                    tally.reopened += 1;
                    open = None;
                }
            }
            Err(error) => {
                tally.error(&error);
                open = None;
            }
        }
        due += schedule.every;
    }
    tally
}

fn exchange(open: &mut Option<Line>, address: SocketAddr, request: &[u8]) -> io::Result<Answer> {
    let line = match open {
        Some(line) => line,
        None => open.insert(Line::connect(address)?),
    };
    line.stream.write_all(request)?;
    line.receive()
}

struct Line {
    stream: TcpStream,
    decoder: Decoder,
    buffer: Vec<u8>,
}

impl Line {
    fn connect(address: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(LAST_ANSWERS))?;
        Ok(Self { stream, decoder: Decoder::default(), buffer: vec![0; BUFFER] })
    }

    fn receive(&mut self) -> io::Result<Answer> {
        let mut filled = 0;
        loop {
            let room = self.buffer.get_mut(filled..).unwrap_or_default();
            if room.is_empty() {
                return Err(io::Error::other("the answer's header is too long"));
            }
            let read = self.stream.read(room)?;
            if read == 0 {
                return self.decoder.close().ok_or_else(|| io::Error::other("closed before the answer's end"));
            }
            filled += read;
            let pending = self.buffer.get(..filled).unwrap_or_default();
            let fed = self.decoder.feed(pending, |_| ()).map_err(io::Error::other)?;
            if let Some(answer) = fed.answer {
                return Ok(answer);
            }
            self.buffer.copy_within(fed.consumed..filled, 0);
            filled -= fed.consumed;
        }
    }
}
