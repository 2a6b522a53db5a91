//! The publisher: which edition is current; one swap, never a lock.

use super::Edition;
use arc_swap::ArcSwap;
use std::sync::{Arc, Mutex, Weak};

/// The current edition, if one was published.
///
/// Written by `publish` alone, read by every request once.
pub struct Live {
    current: ArcSwap<Edition>,
    /// Editions that were current once, to count those that requests still hold. Written by `publish`, read by
    /// metrics; a lock is enough for a thing that happens once a reload.
    past: Mutex<Vec<Weak<Edition>>>,
}

/// An edition, held by one request.
pub type Held = Arc<Edition>;

impl Live {
    /// Publishes the first edition.
    pub fn new(first: Edition) -> Self {
        Live { current: ArcSwap::from_pointee(first), past: Mutex::new(Vec::new()) }
    }

    /// The current edition, for the length of one request.
    pub fn hold(&self) -> Held {
        self.current.load_full()
    }

    /// Makes `next` the current edition; requests under way keep theirs.
    pub fn publish(&self, next: Edition) {
        let old = self.current.swap(Arc::new(next));
        let mut past = self.past.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        past.retain(|edition| edition.strong_count() > 0);
        past.push(Arc::downgrade(&old));
    }

    /// How many editions that are no longer current are still held by requests.
    pub fn past(&self) -> usize {
        let mut past = self.past.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        past.retain(|edition| edition.strong_count() > 0);
        past.len()
    }
}
