//! Counters of failed attempts in memory.

use super::{Memory, State};
use crate::stdx::clock::Time;
use crate::store::counter::Counter;
use crate::store::{Reserved, Result, ThrottleRule, Throttled, Throttles};
use async_trait::async_trait;
use std::cmp::Reverse;

#[async_trait]
impl Throttles for Memory {
    async fn reserve_all(&self, counters: &[(&Throttled, ThrottleRule)], now: Time) -> Result<Vec<Reserved>> {
        let mut state = self.state()?;
        let mut counted: Vec<_> =
            counters.iter().map(|(whose, _)| state.throttles.get(whose).copied().unwrap_or_default()).collect();
        let said = counted.iter_mut().zip(counters).map(|(counter, (_, rule))| counter.reserve(*rule, now));
        let said: Vec<Reserved> = said.collect();
        if said.iter().all(|said| *said == Reserved::Go) {
            for ((whose, _), counter) in counters.iter().zip(counted) {
                state.count(whose, counter);
            }
        }
        Ok(said)
    }

    async fn look(&self, whose: &Throttled, rule: ThrottleRule, now: Time) -> Result<Reserved> {
        let mut counter = self.state()?.throttles.get(whose).copied().unwrap_or_default();
        Ok(counter.reserve(rule, now))
    }

    async fn forgive_all(&self, counters: &[(&Throttled, ThrottleRule)]) -> Result<()> {
        let mut state = self.state()?;
        for (whose, rule) in counters {
            if let Some(left) = state.throttles.remove(*whose).and_then(|counter| counter.forgiven(*rule)) {
                state.throttles.insert((*whose).clone(), left);
            }
        }
        Ok(())
    }

    async fn sweep(&self, now: Time, most: usize) -> Result<usize> {
        let mut state = self.state()?;
        let before = state.throttles.len();
        state.throttles.retain(|whose, counter| whose.account().is_some() || now < counter.expires);
        state.keep_most(most, |whose| matches!(whose, Throttled::Name(..)));
        state.keep_most(most, |whose| matches!(whose, Throttled::Source(_)));
        state.keep_most(most, |whose| matches!(whose, Throttled::Sent(_)));
        Ok(before - state.throttles.len())
    }
}

impl State {
    /// Keeps a counter, unless its account is gone.
    fn count(&mut self, whose: &Throttled, counter: Counter) {
        let gone = whose.account().is_some_and(|account| !self.accounts.contains_key(&account));
        if !gone {
            self.throttles.insert(whose.clone(), counter);
        }
    }

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
