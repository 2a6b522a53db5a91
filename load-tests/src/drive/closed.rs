//! The closed loop: every connection sends its next request when it has the answer; knows no rate.

use super::{BEGIN, Counts, LAST_ANSWERS, Outcome, Tally, Target, Timing, say};
use crate::wire::{Answer, Decoder};
use anyhow::Result;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::{Duration, Instant};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout_at};

/// Read at once. Large answers come in many pieces, small ones in one.
const BUFFER: usize = 64 * 1024;

/// After a failure, so that a server that is gone is not asked a million times a second.
pub(super) const PAUSE: Duration = Duration::from_millis(20);

pub(super) fn run(target: &Target, timing: Timing) -> Result<Outcome> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (address, request) = (target.address(), Arc::new(target.request()));
    runtime.block_on(drive(timing, |phase| converse(address, Arc::clone(&request), phase)))
}

/// Runs one worker for each connection through warm-up and window, and adds up what they counted.
pub(super) async fn drive<W>(timing: Timing, worker: impl Fn(Phase) -> W) -> Result<Outcome>
where
    W: Future<Output = Tally> + Send + 'static,
{
    let phase = Phase::default();
    let mut workers = JoinSet::new();
    for _ in 0..timing.connections {
        workers.spawn(worker(phase.clone()));
    }
    sleep(timing.warm_up()).await;
    phase.set(Phase::COUNTING);
    let began = Instant::now();
    say(BEGIN)?;
    sleep(timing.seconds()).await;
    phase.set(Phase::OVER);
    let window = began.elapsed();
    let mut sum = Tally::default();
    let end = tokio::time::Instant::now() + LAST_ANSWERS;
    while let Ok(Some(tally)) = timeout_at(end, workers.join_next()).await {
        sum.add(&tally?);
    }
    for _ in 0..workers.len() {
        sum.error(&format!("no answer within {LAST_ANSWERS:?} of the end"));
    }
    Ok(sum.outcome(window))
}

/// How far the drive is. The driver's main task writes, its workers read.
#[derive(Clone, Default)]
pub(super) struct Phase(Arc<AtomicU8>);

impl Phase {
    const COUNTING: u8 = 1;
    const OVER: u8 = 2;

    fn set(&self, phase: u8) {
        self.0.store(phase, Ordering::Relaxed);
    }

    pub(super) fn is_over(&self) -> bool {
        self.0.load(Ordering::Relaxed) == Self::OVER
    }

    pub(super) fn counts(&self) -> Counts {
        if self.0.load(Ordering::Relaxed) == Self::COUNTING { Counts::Yes } else { Counts::No }
    }
}

async fn converse(address: SocketAddr, request: Arc<Vec<u8>>, phase: Phase) -> Tally {
    let mut tally = Tally::default();
    let mut open: Option<Line<TcpStream>> = None;
    while !phase.is_over() {
        let began = Instant::now();
        match exchange(&mut open, address, &request).await {
            Ok(answer) => {
                tally.answer(answer.status, began.elapsed(), phase.counts());
                if answer.last {
                    tally.reopened += 1;
                    open = None;
                }
            }
            Err(error) => {
                tally.error(&error);
                open = None;
                sleep(PAUSE).await;
            }
        }
    }
    tally
}

async fn exchange(open: &mut Option<Line<TcpStream>>, address: SocketAddr, request: &[u8]) -> io::Result<Answer> {
    let line = match open {
        Some(line) => line,
        None => {
            let stream = TcpStream::connect(address).await?;
            stream.set_nodelay(true)?;
            open.insert(Line::new(stream, BUFFER))
        }
    };
    line.exchange(request).await
}

/// One connection.
pub(super) struct Line<S> {
    stream: S,
    decoder: Decoder,
    buffer: Vec<u8>,
    filled: usize,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Line<S> {
    /// With a buffer of so many bytes, which has to hold any header.
    pub(super) fn new(stream: S, buffer: usize) -> Self {
        Self { stream, decoder: Decoder::default(), buffer: vec![0; buffer], filled: 0 }
    }

    /// Sends a request and receives the whole answer.
    pub(super) async fn exchange(&mut self, request: &[u8]) -> io::Result<Answer> {
        self.stream.write_all(request).await?;
        loop {
            let room = self.buffer.get_mut(self.filled..).unwrap_or_default();
            if room.is_empty() {
                return Err(io::Error::other("the answer's header is too long"));
            }
            let read = self.stream.read(room).await?;
            if read == 0 {
                return self.decoder.close().ok_or_else(|| io::Error::other("closed before the answer's end"));
            }
            self.filled += read;
            let pending = self.buffer.get(..self.filled).unwrap_or_default();
            let fed = self.decoder.feed(pending, |_| ()).map_err(io::Error::other)?;
            self.buffer.copy_within(fed.consumed..self.filled, 0);
            self.filled -= fed.consumed;
            if let Some(answer) = fed.answer {
                return Ok(answer);
            }
        }
    }

    /// What it goes over.
    pub(super) fn stream(&self) -> &S {
        &self.stream
    }
}
