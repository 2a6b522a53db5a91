//! The lines of the program's log where a program reads them: JSON in the form of the access log, with the same name and
//! form for the time; knows no event.

use super::access::Line;
use crate::stdx::clock::{Clock, SystemClock};
use std::fmt;
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

/// What lines of the engine, which logs by another crate, say of themselves in fields of this kind.
const ENGINE: &str = "log.";

/// One event as one line.
#[derive(Clone, Copy, Debug)]
pub(super) struct Json;

impl<S, N> FormatEvent<S, N> for Json
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(&self, _: &FmtContext<'_, S, N>, mut writer: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let metadata = event.metadata();
        let mut fields = Fields { line: beginning(*metadata.level()), target: None };
        event.record(&mut fields);
        let target = fields.target.as_deref().unwrap_or(metadata.target());
        writer.write_str(&fields.line.text("target", target).into_text())
    }
}

/// A line with when and how important it is.
pub(super) fn beginning(level: Level) -> Line {
    Line::new().show("time", &SystemClock.now()).text("level", level.as_str())
}

/// The fields of an event, as they are written.
struct Fields {
    line: Line,
    /// Where a line of the engine comes from; the event itself only says that it is one.
    target: Option<String>,
}

impl Fields {
    fn add(&mut self, field: &Field, write: impl FnOnce(Line, &'static str) -> Line) {
        if !field.name().starts_with(ENGINE) {
            self.line = write(std::mem::take(&mut self.line), field.name());
        }
    }
}

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.add(field, |line, name| line.text(name, &format!("{value:?}")));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "log.target" {
            self.target = Some(value.to_owned());
        }
        self.add(field, |line, name| line.text(name, value));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.add(field, |line, name| line.number(name, value));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.add(field, |line, name| line.bare(name, &value));
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.add(field, |line, name| match value.is_finite() {
            true => line.bare(name, &value),
            // JSON has no such number.
            false => line.show(name, &value),
        });
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.add(field, |line, name| line.bare(name, &value));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{self, Write};
    use std::sync::{Arc, Mutex, PoisonError};
    use tracing_subscriber::fmt::MakeWriter;

    #[derive(Clone, Default)]
    struct Paper(Arc<Mutex<Vec<u8>>>);

    impl Write for &Paper {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl<'a> MakeWriter<'a> for Paper {
        type Writer = &'a Paper;

        fn make_writer(&'a self) -> &'a Paper {
            self
        }
    }

    fn logged(say: impl FnOnce()) -> serde_json::Value {
        let paper = Paper::default();
        let subscriber = tracing_subscriber::fmt().event_format(Json).with_writer(paper.clone()).finish();
        tracing::subscriber::with_default(subscriber, say);
        let written = paper.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        assert_eq!(written.iter().filter(|byte| **byte == b'\n').count(), 1, "one line");
        serde_json::from_slice(&written).expect("JSON")
    }

    #[test]
    fn a_line_has_the_time_under_the_name_and_in_the_form_of_the_access_log() {
        let line = logged(|| tracing::info!("ready"));
        let time = line["time"].as_str().expect("a text");
        let at: jiff::Timestamp = time.parse().expect("RFC 3339");
        assert_eq!(format!("{at:.3}"), time, "UTC, in milliseconds");
        assert_eq!((&line["level"], &line["message"]), (&"INFO".into(), &"ready".into()), "{line}");
        assert!(line["target"].as_str().is_some_and(|target| target.ends_with("json::tests")), "{line}");
        assert!(line.get("timestamp").is_none(), "{line}");
    }

    #[test]
    fn fields_keep_their_kinds_and_nothing_in_them_ends_the_line() {
        let error = "no\n\"way\u{1b}[2J";
        let line =
            logged(|| tracing::warn!(%error, count = 7_u64, step = -3_i64, part = 0.5, sure = true, "not {}", 1));
        let expected = serde_json::json!({ "error": error, "count": 7, "step": -3, "part": 0.5, "sure": true });
        for (name, value) in expected.as_object().expect("an object") {
            assert_eq!(&line[name], value, "{name} in {line}");
        }
        assert_eq!(line["message"], "not 1");
        let line = logged(|| tracing::warn!(part = f64::NAN, "odd"));
        assert_eq!(line["part"], "NaN");
    }
}
