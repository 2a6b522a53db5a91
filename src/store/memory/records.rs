//! The record of events and the feed of changes in memory.

use super::Memory;
use crate::stdx::clock::Time;
use crate::store::{Change, Changes, EventRow, Events, Result};
use async_trait::async_trait;

#[async_trait]
impl Events for Memory {
    async fn append(&self, events: &[EventRow]) -> Result<()> {
        self.state()?.events.extend_from_slice(events);
        Ok(())
    }

    async fn after(&self, after: u64, limit: usize) -> Result<Vec<(u64, EventRow)>> {
        let state = self.state()?;
        let numbered = (1..).zip(state.events.iter().cloned());
        Ok(numbered.filter(|(number, _)| *number > after).take(limit).collect())
    }

    async fn newest(&self) -> Result<u64> {
        Ok(self.state()?.events.len() as u64)
    }
}

#[async_trait]
impl Changes for Memory {
    async fn after(&self, after: u64, limit: usize) -> Result<Vec<(u64, Change)>> {
        let state = self.state()?;
        let newer = state.changes.iter().filter(|change| change.number > after);
        Ok(newer.take(limit).map(|change| (change.number, change.what)).collect())
    }

    async fn newest(&self) -> Result<u64> {
        Ok(self.state()?.newest_change)
    }

    async fn sweep(&self, oldest: Time) -> Result<usize> {
        let mut state = self.state()?;
        let before = state.changes.len();
        state.changes.retain(|change| change.at >= oldest);
        Ok(before - state.changes.len())
    }
}
