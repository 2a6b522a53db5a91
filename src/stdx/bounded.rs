//! A concurrent map with a capacity: full means that something older goes; knows nothing of what it holds.

use dashmap::DashMap;
use std::hash::{BuildHasher, Hash, RandomState};
use std::sync::atomic::{AtomicUsize, Ordering};

/// A concurrent map that never holds more than `capacity` entries, give or take one per writing thread.
///
/// Guards never leave it: values are cloned out, so `V` is an `Arc` or a small copy.
pub struct BoundedMap<K, V, S = RandomState> {
    entries: DashMap<K, V, S>,
    capacity: usize,
    /// Written by inserters, so that not always the very first entry has to go.
    cursor: AtomicUsize,
}

impl<K: Eq + Hash + Clone, V: Clone> BoundedMap<K, V> {
    /// An empty map for at most `capacity` entries.
    pub fn new(capacity: usize) -> Self {
        Self::hashed(capacity)
    }
}

impl<K: Eq + Hash + Clone, V: Clone, S: BuildHasher + Clone + Default> BoundedMap<K, V, S> {
    /// The same with another hash than the standard library's.
    pub fn hashed(capacity: usize) -> Self {
        let entries = DashMap::with_hasher(S::default());
        BoundedMap { entries, capacity: capacity.max(1), cursor: AtomicUsize::new(0) }
    }

    /// A clone of the value under `key`.
    pub fn get<Q>(&self, key: &Q) -> Option<V>
    where
        K: std::borrow::Borrow<Q>,
        Q: Eq + Hash + ?Sized,
    {
        self.entries.get(key).map(|entry| entry.value().clone())
    }

    /// Puts `value` under `key`; where the map is full, another entry goes first.
    pub fn insert(&self, key: K, value: V) {
        if self.entries.len() >= self.capacity && !self.entries.contains_key(&key) {
            self.evict_one();
        }
        self.entries.insert(key, value);
    }

    /// Removes the entry under `key`.
    pub fn remove<Q>(&self, key: &Q) -> Option<V>
    where
        K: std::borrow::Borrow<Q>,
        Q: Eq + Hash + ?Sized,
    {
        self.entries.remove(key).map(|(_, value)| value)
    }

    /// Keeps only the entries for which `keep` says so.
    pub fn retain(&self, mut keep: impl FnMut(&K, &V) -> bool) {
        self.entries.retain(|key, value| keep(key, value));
    }

    /// Calls `visit` with each entry; entries that come or go meanwhile may be missed.
    pub fn for_each(&self, mut visit: impl FnMut(&K, &V)) {
        self.entries.iter().for_each(|entry| visit(entry.key(), entry.value()));
    }

    /// How many entries there are.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    fn evict_one(&self) {
        // A step of a few entries spreads the victims a little; the guard is dropped before the removal.
        let step = self.cursor.fetch_add(1, Ordering::Relaxed) % 8;
        let victim = {
            let mut entries = self.entries.iter();
            entries.nth(step).map(|entry| entry.key().clone())
        };
        let victim = victim.or_else(|| self.entries.iter().next().map(|entry| entry.key().clone()));
        if let Some(key) = victim {
            self.entries.remove(&key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_map_lets_something_older_go() {
        let map = BoundedMap::new(100);
        (0..1000).for_each(|n| map.insert(n, n));
        assert_eq!(map.len(), 100);
        assert_eq!(map.get(&999), Some(999));
    }

    #[test]
    fn replacing_a_value_evicts_nothing() {
        let map = BoundedMap::new(2);
        map.insert("a", 1);
        map.insert("b", 2);
        map.insert("a", 3);
        assert_eq!((map.get("a"), map.get("b")), (Some(3), Some(2)));
    }
}
