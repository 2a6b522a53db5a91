//! Sets up the program's own log: JSON lines on standard error, or plain text where a person watches.

use super::json::{Json, beginning};
use super::queue::{Habit, Lines};
use std::io::{self, IsTerminal, Write};
use std::time::Duration;
use tracing::Level;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

/// Events of Pingora and what it stands on that a flood of bad clients can cause by the thousand, and that say nothing a
/// metric or the access log does not: kept down to what an operator must see.
const QUIETED: [&str; 11] = [
    "pingora_proxy=off",
    "pingora_core=error",
    "pingora_core::apps=off",
    "pingora_core::connectors=off",
    "h2=error",
    "rustls=error",
    // A delivery that fails for its receiver's certificate says so itself.
    "rustls_platform_verifier=off",
    "sqlx=warn",
    // Every wrong answer to a passkey's challenge, which the record of events has.
    "webauthn_attestation_ca=off",
    "webauthn_rs=off",
    "webauthn_rs_core=off",
];

/// Every line at once: it may be the last. Whoever reads it must know that lines are missing.
const HABIT: Habit = Habit { name: "log", linger: Duration::from_millis(20), notice: Some(notice) };

/// The program's log, for whoever ends the process. It is written by a thread of its own: a reader who does not read
/// costs lines, never the thread that logs.
#[derive(Clone)]
pub struct Log(Lines);

/// Starts logging at `level` (`error`, `warn`, `info` or `debug`). A second call in one process changes nothing.
///
/// # Errors
/// If no thread can be started.
pub fn set_up(level: &str) -> io::Result<Log> {
    let mut filter = EnvFilter::try_new(level).unwrap_or_else(|_| EnvFilter::new("info"));
    for directive in QUIETED.iter().filter_map(|text| text.parse().ok()) {
        filter = filter.add_directive(directive);
    }
    let log = Log(Lines::start(Box::new(io::stderr()), HABIT)?);
    let registry = tracing_subscriber::registry().with(filter);
    let layer = tracing_subscriber::fmt::layer().with_writer(log.clone());
    let started = if io::stderr().is_terminal() {
        registry.with(layer.with_target(false).compact()).try_init()
    } else {
        registry.with(layer.event_format(Json)).try_init()
    };
    // An error means that logging was started before, which is what was wanted.
    drop(started);
    Ok(log)
}

impl Log {
    /// Waits until everything that was logged so far is out, but not for long. Blocks.
    pub fn flush(&self) {
        self.0.flush();
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Event<'a>;

    fn make_writer(&'a self) -> Event<'a> {
        Event(&self.0)
    }
}

/// One event, which is written in one piece.
pub struct Event<'a>(&'a Lines);

impl Write for Event<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes.to_vec());
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn notice(lost: u64) -> Vec<u8> {
    beginning(Level::WARN).text("message", &format!("{lost} lines of this log were lost: nobody read it")).finish()
}
