//! Counters of failed attempts in memory.

use super::Memory;
use crate::stdx::clock::Time;
use crate::store::{Reserved, Result, ThrottleRule, Throttles};
use async_trait::async_trait;

#[async_trait]
impl Throttles for Memory {
    async fn reserve(&self, key: &str, rule: ThrottleRule, now: Time) -> Result<Reserved> {
        let mut state = self.state()?;
        let mut counter = state.throttles.get(key).copied().unwrap_or_default();
        let reserved = counter.reserve(rule, now);
        if reserved == Reserved::Go {
            state.throttles.insert(key.to_owned(), counter);
        }
        Ok(reserved)
    }

    async fn forgive(&self, key: &str, rule: ThrottleRule) -> Result<()> {
        let mut state = self.state()?;
        if let Some(left) = state.throttles.remove(key).and_then(|counter| counter.forgiven(rule)) {
            state.throttles.insert(key.to_owned(), left);
        }
        Ok(())
    }

    async fn reset(&self, prefix: &str) -> Result<()> {
        self.state()?.throttles.retain(|key, _| !key.starts_with(prefix));
        Ok(())
    }

    async fn sweep(&self, now: Time) -> Result<usize> {
        let mut state = self.state()?;
        let before = state.throttles.len();
        state.throttles.retain(|_, counter| now < counter.expires);
        Ok(before - state.throttles.len())
    }
}
