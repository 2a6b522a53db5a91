//! The record of events and the feed of changes in memory.

use super::Memory;
use crate::identity::AccountId;
use crate::stdx::clock::Time;
use crate::stdx::seal::MasterKey;
use crate::store::record::BEGINNING;
use crate::store::{Chain, Chained, Change, Changes, EventRow, Events, Result, Seal};
use async_trait::async_trait;

#[async_trait]
impl Events for Memory {
    fn bind(&self, chain: Chain) {
        self.chain.get_or_init(|| chain);
    }

    fn chain(&self) -> Result<Chain> {
        Ok(self.chain.get_or_init(|| Chain::new(MasterKey::fresh().mac("record"))).clone())
    }

    async fn append(&self, events: &[EventRow]) -> Result<()> {
        let chain = self.chain()?;
        let mut state = self.state()?;
        for event in events {
            let before = state.events.last().map_or(BEGINNING, |(_, hash)| *hash);
            let hash = chain.link(before, state.events.len() as u64 + 1, event);
            state.events.push((event.clone(), hash));
        }
        Ok(())
    }

    async fn after(&self, after: u64, limit: usize) -> Result<Vec<(u64, EventRow)>> {
        let page = self.chained(after, limit).await?;
        Ok(page.into_iter().map(|event| (event.number, event.row)).collect())
    }

    async fn chained(&self, after: u64, limit: usize) -> Result<Vec<Chained>> {
        let state = self.state()?;
        let all = (1..).zip(&state.events);
        let all = all.map(|(number, (row, hash))| Chained { number, row: row.clone(), hash: Some(*hash) });
        Ok(all.filter(|event| event.number > after).take(limit).collect())
    }

    async fn seal(&self) -> Result<Option<Seal>> {
        let (chain, state) = (self.chain()?, self.state()?);
        Ok(state.events.last().map(|(_, head)| chain.seal(state.events.len() as u64, *head)))
    }

    async fn of(&self, account: AccountId, name: &str, limit: usize) -> Result<Vec<EventRow>> {
        let state = self.state()?;
        let theirs = state.events.iter().rev().filter(|(row, _)| row.account == Some(account) && row.name == name);
        Ok(theirs.take(limit).map(|(row, _)| row.clone()).collect())
    }

    async fn before(&self, at: Time) -> Result<u64> {
        let last = self.state()?.events.iter().rposition(|(row, _)| row.at < at);
        Ok(last.map_or(0, |last| last as u64 + 1))
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
