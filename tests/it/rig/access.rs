//! An access log that stays in memory.

use portcullis::telemetry::AccessLog;
use std::io::Write;
use std::sync::{Arc, Mutex};

/// What was written, shared with the thread that writes it.
#[derive(Clone, Default)]
pub struct Written(Arc<Mutex<Vec<u8>>>);

impl Written {
    /// A log that writes here.
    pub fn log(&self) -> AccessLog {
        AccessLog::start(Box::new(self.clone())).expect("a thread")
    }

    /// Every line, as the JSON object it must be.
    pub fn lines(&self) -> Vec<serde_json::Value> {
        let bytes = self.0.lock().expect("no test panicked with it").clone();
        let text = String::from_utf8(bytes).expect("text");
        text.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("not JSON: {line}"))).collect()
    }
}

impl Write for Written {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().expect("no test panicked with it").extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
