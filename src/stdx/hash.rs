//! The hash of maps on the hot path: faster than the standard library's, and for keys that no stranger can add.
//!
//! Whoever cannot put keys into a map cannot make them collide, so the standard library's defence is not needed where
//! keys come from the configuration, or are drawn or hashed by ourselves.

use std::collections::HashMap;

/// Seeded anew for each map.
pub type FastState = foldhash::fast::RandomState;

/// A map whose keys no stranger can add.
pub type FastMap<K, V> = HashMap<K, V, FastState>;
