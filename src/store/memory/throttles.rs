//! Counters of failed attempts in memory.

use super::{Memory, State};
use crate::stdx::clock::Time;
use crate::store::{Reserved, Result, ThrottleRule, Throttled, Throttles};
use async_trait::async_trait;
use std::cmp::Reverse;

#[async_trait]
impl Throttles for Memory {
    async fn reserve(&self, whose: &Throttled, rule: ThrottleRule, now: Time) -> Result<Reserved> {
        let mut state = self.state()?;
        let mut counter = state.throttles.get(whose).copied().unwrap_or_default();
        let reserved = counter.reserve(rule, now);
        let gone = matches!(whose, Throttled::Account(account, _) if !state.accounts.contains_key(account));
        if reserved == Reserved::Go && !gone {
            state.throttles.insert(whose.clone(), counter);
        }
        Ok(reserved)
    }

    async fn forgive(&self, whose: &Throttled, rule: ThrottleRule) -> Result<()> {
        let mut state = self.state()?;
        if let Some(left) = state.throttles.remove(whose).and_then(|counter| counter.forgiven(rule)) {
            state.throttles.insert(whose.clone(), left);
        }
        Ok(())
    }

    async fn sweep(&self, now: Time, most: usize) -> Result<usize> {
        let mut state = self.state()?;
        let before = state.throttles.len();
        state.throttles.retain(|whose, counter| matches!(whose, Throttled::Account(..)) || now < counter.expires);
        state.keep_most(most, |whose| matches!(whose, Throttled::Name(..)));
        state.keep_most(most, |whose| matches!(whose, Throttled::Source(_)));
        Ok(before - state.throttles.len())
    }
}

impl State {
    /// Of one sort of counters, keeps `most`: those that end last.
    fn keep_most(&mut self, most: usize, of_sort: impl Fn(&Throttled) -> bool) {
        let theirs = self.throttles.iter().filter(|(whose, _)| of_sort(whose));
        let mut theirs: Vec<_> = theirs.map(|(whose, counter)| (counter.expires, whose.clone())).collect();
        theirs.sort_by_key(|(expires, _)| Reverse(*expires));
        for (_, whose) in theirs.into_iter().skip(most) {
            self.throttles.remove(&whose);
        }
    }
}
