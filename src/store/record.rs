//! The durable record of security events, and the chain that shows whether it was altered; knows no event's meaning.
//!
//! Each event's hash covers the hash before it, its number and everything in it, under a key that does not lie in the
//! record, so that whoever has the record alone can change, remove or insert none unseen: the chain begins with the first
//! event there ever was, and a seal says under the same key where it ends. Whoever puts an older record back together
//! with its seal, or has the key, is found out by a head that was kept elsewhere.

use super::Result;
use crate::identity::AccountId;
use crate::stdx::clock::Time;
use crate::stdx::digest::{Mac, same};
use async_trait::async_trait;

/// Events checked at once.
const PAGE: usize = 1_000;

/// What the first event's hash covers in place of one before it.
pub(super) const BEGINNING: [u8; 32] = [0; 32];

/// One line of the durable record of security events.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventRow {
    /// When.
    pub at: Time,
    /// Which of the closed list, for example `sign-in.succeeded`.
    pub name: String,
    /// The account it is about.
    pub account: Option<AccountId>,
    /// The event's fields as a JSON object.
    pub body: String,
}

/// An event with its place in the chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chained {
    /// Its number.
    pub number: u64,
    /// The event.
    pub row: EventRow,
    /// What it was chained with; `None` if what lies there is no hash, so not ours.
    pub hash: Option<[u8; 32]>,
}

/// The key under which events are chained.
#[derive(Clone)]
pub struct Chain(Mac);

impl Chain {
    /// A chain under a key that does not lie beside the events.
    pub fn new(key: Mac) -> Self {
        Chain(key)
    }

    /// The hash of an event, given the one before it.
    pub(super) fn link(&self, before: [u8; 32], number: u64, row: &EventRow) -> [u8; 32] {
        let account = row.account.map(|account| account.bits());
        let account: &[u8] = account.as_ref().map_or(&[], |bits| bits);
        let (number, at) = (number.to_be_bytes(), row.at.millis().to_be_bytes());
        self.0.tag(&[b"event", &before, &number, &at, account, row.name.as_bytes(), row.body.as_bytes()])
    }

    /// The seal of a chain that ends with the event `newest`, whose hash is `head`.
    pub(super) fn seal(&self, newest: u64, head: [u8; 32]) -> Seal {
        Seal { newest, head, tag: self.0.tag(&[b"seal", &newest.to_be_bytes(), &head]) }
    }

    /// With which event the record ends and what its hash is: what the seal says, if it was made with this key. A
    /// record that never had an event, so that `newest` is 0, has none. `None` if the seal was altered or removed.
    pub(super) fn end(&self, seal: Option<&Seal>, newest: u64) -> Option<(u64, [u8; 32])> {
        match seal {
            Some(seal) => same(&self.seal(seal.newest, seal.head).tag, &seal.tag).then_some((seal.newest, seal.head)),
            None => (newest == 0).then_some((0, BEGINNING)),
        }
    }
}

/// Where the chain ends. It begins with event 1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seal {
    /// The number of its newest event.
    pub newest: u64,
    /// That one's hash.
    pub head: [u8; 32],
    /// Shows that we said so.
    pub tag: [u8; 32],
}

/// The durable record of security events: appended to, never changed. Events are numbered from 1, and each is chained
/// to the one before.
#[async_trait]
pub trait Events: Send + Sync {
    /// Says under which key events are chained. The first that says it counts; until then nothing can be appended.
    fn bind(&self, chain: Chain);
    /// What events are chained under.
    ///
    /// # Errors
    /// If nobody said.
    fn chain(&self) -> Result<Chain>;
    /// Appends events in order, durably.
    async fn append(&self, events: &[EventRow]) -> Result<()>;
    /// Up to `limit` events after number `after`, oldest first, with their numbers.
    async fn after(&self, after: u64, limit: usize) -> Result<Vec<(u64, EventRow)>>;
    /// The same, as they stand in the chain.
    async fn chained(&self, after: u64, limit: usize) -> Result<Vec<Chained>>;
    /// Where the chain ends, as it is kept beside the events; `None` if there never was an event, or somebody removed
    /// or spoiled it.
    async fn seal(&self) -> Result<Option<Seal>>;
    /// The last `limit` events of that name about an account, newest first. It reads no more than it gives.
    async fn of(&self, account: AccountId, name: &str, limit: usize) -> Result<Vec<EventRow>>;
    /// The number of the last event before a time; 0 if there is none. Events are looked at from the newest on.
    async fn before(&self, at: Time) -> Result<u64>;
    /// The number of the newest event, even if somebody removed it; 0 if there never was one.
    async fn newest(&self) -> Result<u64>;
}

/// What the chain shows of the record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Record {
    /// Nothing was altered.
    Sound {
        /// How many there are.
        events: u64,
        /// The newest event's hash: kept elsewhere, it proves later that nothing up to it was written anew.
        head: [u8; 32],
    },
    /// Something was altered, removed or inserted.
    Broken {
        /// The first event that does not fit.
        number: u64,
        /// How, in a sentence.
        why: &'static str,
    },
    /// What says where the chain ends was altered or removed.
    Unsealed,
    /// It is one chain, but not the one whose head was kept.
    Rewritten,
}

/// Follows the chain from its beginning to its end, and looks for the head that was `kept` elsewhere, if one was.
///
/// # Errors
/// If the store cannot be read, or nobody said under which key its events are chained.
pub async fn verify(events: &dyn Events, kept: Option<[u8; 32]>) -> Result<Record> {
    let chain = events.chain()?;
    // Every record leads past its beginning.
    let kept = kept.filter(|kept| *kept != BEGINNING);
    let mut walk = Walk { chain, seen: 0, head: BEGINNING, kept };
    loop {
        let Some(end) = walk.end(events).await? else { return Ok(Record::Unsealed) };
        if let Err(broken) = walk.follow(events, end).await? {
            return Ok(broken);
        }
        if events.chained(walk.seen, 1).await?.is_empty() {
            return Ok(walk.found());
        }
        // Either it was appended meanwhile, and the seal says so by now, or it is none of ours.
        if events.seal().await?.is_none_or(|now| now.newest <= end.0) {
            return Ok(Record::Broken { number: walk.seen + 1, why: "it was put behind the end of the record" });
        }
    }
}

/// A walk along the chain.
struct Walk {
    chain: Chain,
    /// The event that was reached, and its hash.
    seen: u64,
    head: [u8; 32],
    /// The head that is looked for, until it is found.
    kept: Option<[u8; 32]>,
}

impl Walk {
    /// Where the chain ends by its seal; `None` if that was altered or removed.
    async fn end(&self, events: &dyn Events) -> Result<Option<(u64, [u8; 32])>> {
        // In this order, for whoever appends the first event writes the seal with it.
        let newest = events.newest().await?;
        let seal = events.seal().await?;
        Ok(self.chain.end(seal.as_ref(), newest))
    }

    /// As far as the seal says; gives what is broken before.
    async fn follow(
        &mut self,
        events: &dyn Events,
        (newest, head): (u64, [u8; 32]),
    ) -> Result<std::result::Result<(), Record>> {
        while self.seen < newest {
            let left = usize::try_from(newest - self.seen).unwrap_or(usize::MAX);
            let page = events.chained(self.seen, PAGE.min(left)).await?;
            if page.is_empty() {
                return Ok(Err(Record::Broken { number: self.seen + 1, why: "it and all after it are gone" }));
            }
            for event in &page {
                if let Err(why) = self.step(event) {
                    return Ok(Err(Record::Broken { number: self.seen + 1, why }));
                }
            }
        }
        let fits = self.head == head;
        let why = "it is not the one that was written last";
        Ok(if fits { Ok(()) } else { Err(Record::Broken { number: self.seen, why }) })
    }

    fn step(&mut self, event: &Chained) -> std::result::Result<(), &'static str> {
        if event.number != self.seen + 1 {
            return Err("it is gone");
        }
        let hash = event.hash.ok_or("it has no hash: it was inserted, or its hash removed")?;
        if !same(&hash, &self.chain.link(self.head, event.number, &event.row)) {
            return Err("it, or the one before it, is not what was written");
        }
        self.head = hash;
        self.kept = self.kept.filter(|kept| *kept != self.head);
        self.seen = event.number;
        Ok(())
    }

    /// What is to be said at the end.
    fn found(&self) -> Record {
        if self.kept.is_some() {
            return Record::Rewritten;
        }
        Record::Sound { events: self.seen, head: self.head }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chain(key: u8) -> Chain {
        Chain::new(Mac::new(&[key; 32]))
    }

    fn row() -> EventRow {
        EventRow { at: Time::from_millis(7), name: "a".to_owned(), account: None, body: "{}".to_owned() }
    }

    #[test]
    fn a_hash_covers_everything_an_event_has_and_the_key() {
        let hash = chain(1).link(BEGINNING, 1, &row());
        let others = [
            EventRow { at: Time::from_millis(8), ..row() },
            EventRow { name: "b".to_owned(), ..row() },
            EventRow { account: Some(AccountId::new([0; 16])), ..row() },
            EventRow { body: "{ }".to_owned(), ..row() },
            EventRow { name: "a{".to_owned(), body: "}".to_owned(), ..row() },
        ];
        for other in &others {
            assert_ne!(chain(1).link(BEGINNING, 1, other), hash, "{other:?}");
        }
        assert_ne!(chain(1).link(BEGINNING, 2, &row()), hash);
        assert_ne!(chain(1).link([1; 32], 1, &row()), hash);
        assert_ne!(chain(2).link(BEGINNING, 1, &row()), hash);
    }

    #[test]
    fn a_seal_covers_everything_it_says_and_the_key() {
        let seal = chain(1).seal(5, [7; 32]);
        let end = |key, seal: &Seal| chain(key).end(Some(seal), 5);
        assert_eq!((end(1, &seal), end(2, &seal)), (Some((5, [7; 32])), None));
        let others = [
            Seal { newest: 4, ..seal.clone() },
            Seal { newest: 0, ..seal.clone() },
            Seal { head: [8; 32], ..seal.clone() },
            Seal { tag: [0; 32], ..seal.clone() },
        ];
        for other in &others {
            assert_eq!(end(1, other), None, "{other:?}");
        }
    }

    #[test]
    fn only_a_record_that_never_had_an_event_needs_no_seal() {
        assert_eq!(chain(1).end(None, 0), Some((0, BEGINNING)));
        assert_eq!(chain(1).end(None, 1), None);
    }
}
