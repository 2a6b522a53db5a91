//! The access log: one JSON line for each request, written by a thread of its own; a full queue costs a line, never a
//! request.

use std::io::{BufWriter, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::Duration;

/// Lines that may wait for the writer.
const QUEUE: usize = 8_192;

/// How long a line may wait in the writer's buffer while nothing else happens.
const LINGER: Duration = Duration::from_millis(200);

/// How long the last lines may take at the end of the process.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// Where request lines go. Clones share one writer, which ends when the last clone is gone and the queue is empty.
#[derive(Clone)]
pub struct AccessLog {
    queue: SyncSender<Item>,
    /// Lines that found the queue full. Written by requests, read by metrics.
    lost: Arc<AtomicU64>,
}

/// What the writer is given.
enum Item {
    Line(Vec<u8>),
    /// Everything before this is to be written out, and that be said.
    Flush(SyncSender<()>),
}

impl AccessLog {
    /// A log that writes to `out` from a thread of its own.
    ///
    /// # Errors
    /// If no thread can be started.
    pub fn start(out: Box<dyn Write + Send>) -> std::io::Result<Self> {
        let (queue, items) = sync_channel(QUEUE);
        std::thread::Builder::new().name("access-log".to_owned()).spawn(move || write_all(&items, out))?;
        Ok(AccessLog { queue, lost: Arc::default() })
    }

    /// Writes one line, or counts it as lost.
    pub fn write(&self, line: Line) {
        if self.queue.try_send(Item::Line(line.finish())).is_err() {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Waits until everything that was written so far is out, but not for long: a log that nobody reads must not keep
    /// the process. Blocks.
    pub fn flush(&self) {
        let (done, written) = sync_channel(1);
        if self.queue.try_send(Item::Flush(done)).is_ok() {
            let _ = written.recv_timeout(LAST_WORDS);
        }
    }

    /// How many lines were lost.
    pub fn lost(&self) -> u64 {
        self.lost.load(Ordering::Relaxed)
    }
}

fn write_all(items: &Receiver<Item>, out: Box<dyn Write + Send>) {
    let mut out = BufWriter::with_capacity(64 * 1024, out);
    loop {
        let written = match items.recv_timeout(LINGER) {
            Ok(Item::Line(line)) => out.write_all(&line),
            Ok(Item::Flush(done)) => {
                let written = out.flush();
                // Whoever asked may have stopped waiting.
                let _ = done.send(());
                written
            }
            Err(RecvTimeoutError::Timeout) => out.flush(),
            Err(RecvTimeoutError::Disconnected) => {
                let _ = out.flush();
                return;
            }
        };
        // There is nobody left to tell if the log itself cannot be written: the next line tries again.
        drop(written);
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
    pub fn number(mut self, name: &'static str, value: u64) -> Self {
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

    fn finish(mut self) -> Vec<u8> {
        self.0.extend_from_slice(b"}\n");
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flush_waits_until_every_line_is_out() {
        #[derive(Clone, Default)]
        struct Paper(Arc<std::sync::Mutex<Vec<u8>>>);
        impl Write for Paper {
            fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
                self.0.lock().expect("nobody panicked").extend_from_slice(bytes);
                Ok(bytes.len())
            }
            fn flush(&mut self) -> std::io::Result<()> {
                Ok(())
            }
        }
        let paper = Paper::default();
        let log = AccessLog::start(Box::new(paper.clone())).expect("a thread");
        (0..100).for_each(|number| log.write(Line::new().number("n", number)));
        log.flush();
        let written = paper.0.lock().expect("nobody panicked").clone();
        assert_eq!(String::from_utf8(written).expect("text").lines().count(), 100);
    }

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
