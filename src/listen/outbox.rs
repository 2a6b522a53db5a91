//! What was written to a connection and is not sent yet, so that an answer's header and body leave together; sends nothing.

use std::io::IoSlice;

/// Bytes written but not sent yet. It has no memory of its own while the connection is idle.
#[derive(Default)]
pub(super) struct Outbox {
    bytes: Vec<u8>,
    sent: usize,
}

impl Outbox {
    /// Room for a header and a small body; more than that leaves in the same call without being copied.
    const CAPACITY: usize = 4096;

    pub fn held(&self) -> &[u8] {
        self.bytes.get(self.sent..).unwrap_or_default()
    }

    pub fn is_empty(&self) -> bool {
        self.held().is_empty()
    }

    pub fn room(&self) -> usize {
        Self::CAPACITY.saturating_sub(self.bytes.len())
    }

    pub fn hold(&mut self, slices: &[IoSlice<'_>]) {
        self.bytes.reserve_exact(self.room());
        slices.iter().for_each(|slice| self.bytes.extend_from_slice(slice));
    }

    /// Notes that `count` bytes left; returns how many of them were not from here.
    pub fn sent(&mut self, count: usize) -> usize {
        let held = self.held().len();
        if count < held {
            self.sent += count;
            return 0;
        }
        self.bytes.clear();
        self.sent = 0;
        count - held
    }

    pub fn release(&mut self) {
        self.bytes = Vec::new();
    }
}
