//! Sets up the program's own log: JSON lines on standard error, or plain text where a person watches.

use std::io::IsTerminal;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

/// Events of Pingora that a flood of bad clients can cause by the thousand, and that say nothing a metric or the access
/// log does not: kept down to what an operator must see.
const QUIETED: [&str; 3] = ["pingora_proxy=off", "pingora_core=error", "sqlx=warn"];

/// Starts logging at `level` (`error`, `warn`, `info` or `debug`). A second call in one process changes nothing.
pub fn set_up(level: &str) {
    let mut filter = EnvFilter::try_new(level).unwrap_or_else(|_| EnvFilter::new("info"));
    for directive in QUIETED.iter().filter_map(|text| text.parse().ok()) {
        filter = filter.add_directive(directive);
    }
    let registry = tracing_subscriber::registry().with(filter);
    let layer = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    let started = if std::io::stderr().is_terminal() {
        registry.with(layer.with_target(false).compact()).try_init()
    } else {
        registry.with(layer.json().flatten_event(true)).try_init()
    };
    // An error means that logging was started before, which is what was wanted.
    drop(started);
}
