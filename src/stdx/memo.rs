//! A small memo that many read and few write: a handful of values by number, swapped whole; knows nothing of them.

use arc_swap::ArcSwapOption;
use std::sync::Arc;

/// Up to [`Memo::MOST`] values by key. Reading takes no lock.
pub struct Memo<V> {
    /// Written by `keep`, read by everyone.
    held: ArcSwapOption<Vec<(u64, V)>>,
}

impl<V: Clone> Memo<V> {
    /// More are not kept: the oldest goes. A session rarely visits more services within minutes.
    pub const MOST: usize = 16;

    /// Nothing kept.
    pub const fn new() -> Self {
        Memo { held: ArcSwapOption::const_empty() }
    }

    /// The value under `key`, if `good` accepts it.
    pub fn get(&self, key: u64, good: impl FnOnce(&V) -> bool) -> Option<V> {
        let held = self.held.load();
        let (_, value) = held.as_ref()?.iter().find(|(own, _)| *own == key)?;
        good(value).then(|| value.clone())
    }

    /// Keeps `value` under `key`. Of two that are kept at once one may be lost: it is a memo.
    pub fn keep(&self, key: u64, value: V) {
        let held = self.held.load();
        let old = held.as_ref().map_or(&[][..], |held| &held[..]);
        let others = old.iter().filter(|(own, _)| *own != key);
        let skip = (others.clone().count() + 1).saturating_sub(Self::MOST);
        let mut next: Vec<(u64, V)> = others.skip(skip).cloned().collect();
        next.push((key, value));
        self.held.store(Some(Arc::new(next)));
    }
}

impl<V: Clone> Default for Memo<V> {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_memo_keeps_the_newest_few() {
        let memo = Memo::new();
        (0..100).for_each(|key| memo.keep(key, key));
        assert_eq!(memo.get(99, |_| true), Some(99));
        assert_eq!(memo.get(84, |_| true), Some(84));
        assert_eq!(memo.get(83, |_| true), None);
        assert_eq!(memo.get(99, |_| false), None);
    }
}
