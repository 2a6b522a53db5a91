//! Sends requests and says what came of them, in a process of its own; knows neither contenders nor scenarios.
//!
//! A driver prints two lines: [`BEGIN`] when its warm-up is over, and the [`Outcome`] as JSON at the end.

mod closed;
mod handshakes;
mod histogram;
mod idle;
mod paced;

pub use histogram::Histogram;

use crate::wire::Decoder;
use anyhow::{Result, ensure};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::Duration;

/// The line that says that from now on requests count.
pub const BEGIN: &str = "begin";

/// How long after the end the last answers may take before they count as errors.
pub const LAST_ANSWERS: Duration = Duration::from_secs(5);

/// One kind of load.
#[derive(clap::Subcommand, Clone, Debug)]
pub enum Drive {
    /// Each connection sends its next request when it has the answer: the most that the server can do
    Closed {
        #[command(flatten)]
        target: Target,
        #[command(flatten)]
        timing: Timing,
    },
    /// So many requests a second, however long the answers take: what latency is like
    Paced {
        #[command(flatten)]
        target: Target,
        #[command(flatten)]
        timing: Timing,
        /// Requests a second, over all connections
        #[arg(long)]
        rate: u32,
    },
    /// A new connection with a TLS 1.3 handshake for every request
    Handshakes {
        #[command(flatten)]
        target: Target,
        #[command(flatten)]
        timing: Timing,
        /// Whether connections may resume the session of an earlier one
        #[arg(long, value_enum, default_value_t = Resumption::Never)]
        resumption: Resumption,
    },
    /// Connections that send one request and then keep still
    Idle {
        #[command(flatten)]
        target: Target,
        #[command(flatten)]
        timing: Timing,
    },
}

/// What is asked, and of whom.
#[derive(clap::Args, Clone, Debug)]
pub struct Target {
    /// The port on loopback
    #[arg(long)]
    pub port: u16,
    /// The `Host`
    #[arg(long, default_value = "app.localhost")]
    pub host: String,
    /// The path
    #[arg(long, default_value = "/")]
    pub path: String,
    /// One more header field, such as `Cookie: a=b`
    #[arg(long)]
    pub field: Option<String>,
}

/// How many connections, for how long.
#[derive(clap::Args, Clone, Copy, Debug)]
pub struct Timing {
    /// Connections at once
    #[arg(long)]
    pub connections: u32,
    /// Seconds before requests count
    #[arg(long)]
    pub warm_up: f64,
    /// Seconds in which they count
    #[arg(long)]
    pub seconds: f64,
}

/// Whether a handshake is a full one.
#[derive(clap::ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resumption {
    /// Every one is.
    Never,
    /// Only the first one is, if the server can resume.
    Allowed,
}

/// What came of a drive.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Outcome {
    /// How long requests counted.
    pub seconds: f64,
    /// Answers received whole while they counted.
    pub completed: u64,
    /// Answers received whole in all, the warm-up's among them.
    pub whole: u64,
    /// Answers by status, the warm-up's among them.
    pub statuses: BTreeMap<u16, u64>,
    /// Requests without an answer by reason, the warm-up's among them.
    pub errors: BTreeMap<String, u64>,
    /// Connections that the server announced to close, and that were opened again.
    pub reopened: u64,
    /// Handshakes that resumed an earlier session.
    pub resumed: u64,
    /// Half of the answers came within this many microseconds.
    pub p50_us: f64,
    /// Of a hundred answers, 99 came within this many microseconds.
    pub p99_us: f64,
    /// The longest one, in microseconds.
    pub max_us: f64,
}

/// Does it, and prints what came of it.
///
/// # Errors
/// If the driver itself cannot work; a request that fails is part of what came of it.
pub fn run(drive: &Drive) -> Result<()> {
    let outcome = match drive {
        Drive::Closed { target, timing } => closed::run(target, *timing)?,
        Drive::Paced { target, timing, rate } => paced::run(target, *timing, *rate)?,
        Drive::Handshakes { target, timing, resumption } => handshakes::run(target, *timing, *resumption)?,
        Drive::Idle { target, timing } => idle::run(target, *timing)?,
    };
    say(&serde_json::to_string(&outcome)?)
}

/// Tells the runner.
fn say(line: &str) -> Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}")?;
    Ok(out.flush()?)
}

impl Target {
    fn address(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.port).into()
    }

    /// The request's bytes, the same every time.
    fn request(&self) -> Vec<u8> {
        let Target { port, host, path, field } = self;
        let field = field.as_ref().map_or(String::new(), |field| format!("{field}\r\n"));
        format!("GET {path} HTTP/1.1\r\nHost: {host}:{port}\r\nAccept: */*\r\n{field}\r\n").into_bytes()
    }

    /// Asks once, as an API client does: the status and the body of the answer.
    ///
    /// # Errors
    /// If there is no whole answer.
    pub fn ask(&self) -> Result<(u16, String)> {
        let mut stream = TcpStream::connect(self.address())?;
        stream.set_read_timeout(Some(LAST_ANSWERS))?;
        stream.write_all(&self.request())?;
        let (mut decoder, mut pending, mut body, mut part) = (Decoder::default(), Vec::new(), Vec::new(), [0; 4096]);
        loop {
            let read = stream.read(&mut part)?;
            pending.extend_from_slice(part.get(..read).unwrap_or_default());
            let fed = decoder.feed(&pending, |bytes| body.extend_from_slice(bytes))?;
            pending.drain(..fed.consumed);
            let closed = if read == 0 { decoder.close() } else { None };
            match fed.answer.or(closed) {
                Some(answer) => return Ok((answer.status, String::from_utf8_lossy(&body).into_owned())),
                None => ensure!(read > 0, "closed before the answer's end"),
            }
        }
    }

    /// The arguments that [`Target`] is read from.
    pub fn arguments(&self) -> Vec<String> {
        let mut arguments = vec!["--port".to_owned(), self.port.to_string(), "--host".to_owned(), self.host.clone()];
        arguments.extend(["--path".to_owned(), self.path.clone()]);
        arguments.extend(self.field.iter().flat_map(|field| ["--field".to_owned(), field.clone()]));
        arguments
    }
}

impl Timing {
    fn warm_up(self) -> Duration {
        Duration::from_secs_f64(self.warm_up.max(0.0))
    }

    fn seconds(self) -> Duration {
        Duration::from_secs_f64(self.seconds.max(0.0))
    }

    /// The arguments that [`Timing`] is read from.
    pub fn arguments(self) -> Vec<String> {
        let Timing { connections, warm_up, seconds } = self;
        let pairs = [
            ("--connections", connections.to_string()),
            ("--warm-up", warm_up.to_string()),
            ("--seconds", seconds.to_string()),
        ];
        pairs.into_iter().flat_map(|(name, value)| [name.to_owned(), value]).collect()
    }
}

/// What one connection, or all together, counted.
#[derive(Debug, Default)]
struct Tally {
    completed: u64,
    statuses: BTreeMap<u16, u64>,
    errors: BTreeMap<String, u64>,
    reopened: u64,
    resumed: u64,
    latencies: Histogram,
}

/// Whether an answer falls into the time that counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Counts {
    No,
    Yes,
}

impl Tally {
    fn answer(&mut self, status: u16, latency: Duration, counts: Counts) {
        *self.statuses.entry(status).or_default() += 1;
        if counts == Counts::Yes {
            self.completed += 1;
            self.latencies.count(latency);
        }
    }

    fn error(&mut self, why: &impl ToString) {
        *self.errors.entry(why.to_string()).or_default() += 1;
    }

    fn add(&mut self, other: &Tally) {
        self.completed += other.completed;
        self.reopened += other.reopened;
        self.resumed += other.resumed;
        self.latencies.add(&other.latencies);
        for (status, count) in &other.statuses {
            *self.statuses.entry(*status).or_default() += count;
        }
        for (why, count) in &other.errors {
            *self.errors.entry(why.clone()).or_default() += count;
        }
    }

    fn outcome(self, window: Duration) -> Outcome {
        let micros = |share| self.latencies.quantile(share).map_or(0.0, |found| found.as_nanos() as f64 / 1000.0);
        Outcome {
            seconds: window.as_secs_f64(),
            completed: self.completed,
            whole: self.statuses.values().sum(),
            reopened: self.reopened,
            resumed: self.resumed,
            p50_us: micros(0.5),
            p99_us: micros(0.99),
            max_us: micros(1.0),
            statuses: self.statuses,
            errors: self.errors,
        }
    }
}

impl Outcome {
    /// Why this is no measurement, if it is none: a single request without a good answer is enough.
    pub fn fault(&self) -> Option<String> {
        let bad = self.statuses.iter().filter(|(status, _)| !(200..300).contains(*status));
        let bad = bad.map(|(status, count)| format!("{count} × status {status}"));
        let errors = self.errors.iter().map(|(why, count)| format!("{count} × {why}"));
        let mut faults: Vec<String> = bad.chain(errors).collect();
        if self.completed == 0 {
            faults.push("no answer at all".to_owned());
        }
        (!faults.is_empty()).then(|| faults.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(statuses: &[(u16, u64)]) -> Outcome {
        Outcome { completed: 1, statuses: statuses.iter().copied().collect(), ..Outcome::default() }
    }

    #[test]
    fn one_bad_answer_spoils_a_measurement() {
        assert_eq!(outcome(&[(200, 9)]).fault(), None);
        assert_eq!(outcome(&[(200, 9), (503, 1)]).fault().as_deref(), Some("1 × status 503"));
        assert_eq!(outcome(&[(401, 2)]).fault().as_deref(), Some("2 × status 401"));
        assert!(Outcome::default().fault().is_some(), "nothing measured is no measurement");
    }
}
