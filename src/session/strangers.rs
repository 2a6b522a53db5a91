//! Forms of senders without a session, in memory alone: bounded in bytes, in all and for each source; knows no seal.

use crate::stdx::clock::Time;
use crate::store::Throttled;
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Bytes held for all strangers together; the oldest form makes room for one more.
pub(super) const HELD: usize = 32 * 1024 * 1024;

/// Bytes held for one source (an IPv4 address, or an IPv6 /64): a few long forms of a few people behind it. One more
/// takes the place of its own oldest, and never of another's while there is room.
pub(super) const HELD_FOR_ONE: usize = 512 * 1024;

/// What an entry costs besides its form, generously: so a flood of small forms counts as what it is.
const ENTRY: usize = 512;

/// The forms.
///
/// Written by requests without a session whose form is kept, read and taken by those that send it on. One lock, because
/// the bounds hold over all forms; held for a few looks at maps.
#[derive(Default)]
pub(super) struct Strangers(Mutex<Held>);

#[derive(Default)]
struct Held {
    forms: HashMap<[u8; 32], Form>,
    /// The names of the forms, the oldest first.
    order: BTreeMap<u64, [u8; 32]>,
    shares: HashMap<Throttled, Share>,
    bytes: usize,
    next: u64,
}

struct Form {
    sealed: Arc<[u8]>,
    expires: Time,
    source: Throttled,
    number: u64,
}

/// What one source holds.
#[derive(Default)]
struct Share {
    bytes: usize,
    /// The numbers of its forms, the oldest first.
    numbers: VecDeque<u64>,
}

impl Strangers {
    /// Keeps a form until `expires`; older ones go where there is no room.
    pub fn put(&self, name: [u8; 32], (sealed, source): (Vec<u8>, Throttled), (now, expires): (Time, Time)) {
        let mut held = self.held();
        while held.oldest().is_some_and(|(_, form)| form.expires <= now) {
            held.forget_oldest();
        }
        let size = ENTRY + sealed.len();
        while let Some(number) = held.crowded(&source, size) {
            held.forget(number);
        }
        while held.bytes + size > HELD && !held.forms.is_empty() {
            held.forget_oldest();
        }
        held.add(name, Form { sealed: sealed.into(), expires, source, number: 0 });
    }

    /// A form, left where it is.
    pub fn get(&self, name: &[u8; 32], now: Time) -> Option<Arc<[u8]>> {
        let held = self.held();
        held.forms.get(name).filter(|form| now < form.expires).map(|form| Arc::clone(&form.sealed))
    }

    /// A form, removed.
    pub fn take(&self, name: &[u8; 32]) -> Option<Arc<[u8]>> {
        let mut held = self.held();
        let number = held.forms.get(name)?.number;
        held.forget(number).map(|form| form.sealed)
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Held {
    fn add(&mut self, name: [u8; 32], mut form: Form) {
        self.next += 1;
        form.number = self.next;
        let size = ENTRY + form.sealed.len();
        let share = self.shares.entry(form.source.clone()).or_default();
        share.bytes += size;
        share.numbers.push_back(form.number);
        self.bytes += size;
        self.order.insert(form.number, name);
        self.forms.insert(name, form);
    }

    fn oldest(&self) -> Option<(u64, &Form)> {
        let (number, name) = self.order.first_key_value()?;
        self.forms.get(name).map(|form| (*number, form))
    }

    /// The oldest form of a source that has no room for so many bytes more.
    fn crowded(&self, source: &Throttled, size: usize) -> Option<u64> {
        let share = self.shares.get(source).filter(|share| share.bytes + size > HELD_FOR_ONE)?;
        share.numbers.front().copied()
    }

    fn forget_oldest(&mut self) {
        if let Some(number) = self.oldest().map(|(number, _)| number) {
            self.forget(number);
        }
    }

    fn forget(&mut self, number: u64) -> Option<Form> {
        let name = self.order.remove(&number)?;
        let form = self.forms.remove(&name)?;
        let size = ENTRY + form.sealed.len();
        self.bytes -= size;
        if let Some(share) = self.shares.get_mut(&form.source) {
            share.bytes -= size;
            share.numbers.retain(|own| *own != number);
            if share.numbers.is_empty() {
                self.shares.remove(&form.source);
            }
        }
        Some(form)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Time = Time::from_secs(1000);
    const LATER: Time = Time::from_secs(2000);

    fn name(number: u32) -> [u8; 32] {
        let mut name = [0; 32];
        name[..4].copy_from_slice(&number.to_be_bytes());
        name
    }

    fn source(number: u32) -> Throttled {
        Throttled::Source(number.to_string())
    }

    fn put(strangers: &Strangers, number: u32, from: u32, bytes: usize) {
        strangers.put(name(number), (vec![0; bytes], source(from)), (NOW, LATER));
    }

    #[test]
    fn one_source_makes_room_at_its_own_cost_alone() {
        let strangers = Strangers::default();
        put(&strangers, 0, 0, 100);
        (1..=1000).for_each(|number| put(&strangers, number, 1, 60 * 1024));
        assert!(strangers.get(&name(0), NOW).is_some(), "another's form stays");
        assert!(strangers.get(&name(1000), NOW).is_some() && strangers.get(&name(1), NOW).is_none());
        let held = strangers.held();
        assert!(held.shares[&source(1)].bytes <= HELD_FOR_ONE, "{}", held.shares[&source(1)].bytes);
    }

    #[test]
    fn all_sources_together_hold_no_more_than_the_whole() {
        let strangers = Strangers::default();
        for number in 0..2000 {
            put(&strangers, number, number, 64 * 1024);
        }
        (2000..12_000).for_each(|number| put(&strangers, number, number, 0));
        let held = strangers.held();
        let counted: usize = held.forms.values().map(|form| ENTRY + form.sealed.len()).sum();
        assert_eq!(held.bytes, counted);
        assert!(counted <= HELD && counted > HELD / 2, "{counted}");
        assert_eq!((held.forms.len(), held.shares.len()), (held.order.len(), held.order.len()));
    }

    #[test]
    fn what_is_taken_or_has_waited_too_long_leaves_nothing_behind() {
        let strangers = Strangers::default();
        put(&strangers, 1, 1, 10);
        put(&strangers, 2, 1, 10);
        assert!(strangers.take(&name(1)).is_some() && strangers.take(&name(1)).is_none());
        assert!(strangers.get(&name(2), LATER).is_none());
        strangers.put(name(3), (vec![0; 10], source(3)), (LATER, LATER.plus(std::time::Duration::from_secs(1))));
        let held = strangers.held();
        assert_eq!((held.forms.len(), held.shares.len(), held.bytes), (1, 1, ENTRY + 10));
    }
}
