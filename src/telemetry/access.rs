//! The access log: one JSON line for each request.

use super::queue::{Habit, Lines};
use std::io::Write;
use std::time::Duration;

/// Where request lines go. Clones share one writer, which ends when the last clone is gone and the queue is empty.
#[derive(Clone)]
pub struct AccessLog(Lines);

/// Whoever reads it reads requests, so losses are counted and not told in it.
const HABIT: Habit = Habit { name: "access-log", linger: Duration::from_millis(200), notice: None };

impl AccessLog {
    /// A log that writes to `out` from a thread of its own.
    ///
    /// # Errors
    /// If no thread can be started.
    pub fn start(out: Box<dyn Write + Send>) -> std::io::Result<Self> {
        Lines::start(out, HABIT).map(AccessLog)
    }

    /// Writes one line, or counts it as lost.
    pub fn write(&self, line: Line) {
        self.0.write(line.finish());
    }

    /// Waits until everything that was written so far is out, but not for long. Blocks.
    pub fn flush(&self) {
        self.0.flush();
    }

    /// How many lines were lost.
    pub fn lost(&self) -> u64 {
        self.0.lost()
    }
}

/// One line under construction.
pub struct Line(Vec<u8>);

impl Default for Line {
    fn default() -> Self {
        Self::new()
    }
}

impl Line {
    /// A line without fields.
    pub fn new() -> Self {
        let mut buffer = Vec::with_capacity(512);
        buffer.push(b'{');
        Line(buffer)
    }

    /// A field of text, escaped as JSON: nothing a client sends can end the line or the string.
    pub fn text(mut self, name: &'static str, value: &str) -> Self {
        self.name(name);
        if serde_json::to_writer(&mut self.0, value).is_err() {
            self.0.extend_from_slice(b"null");
        }
        self
    }

    /// A field of text that is printed by `Display`.
    pub fn show(self, name: &'static str, value: &impl std::fmt::Display) -> Self {
        self.text(name, &value.to_string())
    }

    /// A field of text, if there is a value.
    pub fn maybe(self, name: &'static str, value: Option<&str>) -> Self {
        match value {
            Some(value) => self.text(name, value),
            None => self,
        }
    }

    /// A list of objects.
    pub fn list(mut self, name: &'static str, items: impl Iterator<Item = Line>) -> Self {
        self.name(name);
        self.0.push(b'[');
        for (number, item) in items.enumerate() {
            if number > 0 {
                self.0.push(b',');
            }
            self.0.extend_from_slice(&item.0);
            self.0.push(b'}');
        }
        self.0.push(b']');
        self
    }

    /// A number.
    pub fn number(self, name: &'static str, value: u64) -> Self {
        self.bare(name, &value)
    }

    /// A field whose value is JSON as it is displayed: any finite number, `true` and `false`.
    pub(super) fn bare(mut self, name: &'static str, value: &dyn std::fmt::Display) -> Self {
        self.name(name);
        let _ = write!(self.0, "{value}");
        self
    }

    fn name(&mut self, name: &'static str) {
        if self.0.len() > 1 {
            self.0.push(b',');
        }
        let _ = write!(self.0, "\"{name}\":");
    }

    pub(super) fn finish(mut self) -> Vec<u8> {
        self.0.extend_from_slice(b"}\n");
        self.0
    }

    pub(super) fn into_text(self) -> String {
        String::from_utf8(self.finish()).expect("only texts are written into it, and signs of JSON between them")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_one_json_object_whatever_a_client_sent() {
        let line = Line::new().text("path", "/a\"\n\u{1b}[31m").number("status", 200).maybe("none", None);
        let text = String::from_utf8(line.finish()).expect("text");
        assert_eq!(text.matches('\n').count(), 1);
        let value: serde_json::Value = serde_json::from_str(&text).expect("JSON");
        assert_eq!(value["path"], "/a\"\n\u{1b}[31m");
        assert_eq!(value["status"], 200);
    }

    #[test]
    fn a_list_holds_objects() {
        let items = |count: u64| (0..count).map(|number| Line::new().number("n", number).text("t", "\"]"));
        let line = Line::new().list("none", items(0)).list("two", items(2)).number("after", 1);
        let value: serde_json::Value = serde_json::from_slice(&line.finish()).expect("JSON");
        let two = serde_json::json!([{ "n": 0, "t": "\"]" }, { "n": 1, "t": "\"]" }]);
        assert_eq!(value, serde_json::json!({ "none": [], "two": two, "after": 1 }));
    }
}
