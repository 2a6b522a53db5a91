//! The durable record of security events, and the chain that shows whether it was altered; knows no event's meaning.
//!
//! Each event's hash covers the hash before it, its number and everything in it, so that whoever changes, removes or
//! inserts one has to write all that follow anew. Whoever can do that is found out by a head that was kept elsewhere.

use super::Result;
use crate::identity::AccountId;
use crate::stdx::clock::Time;
use crate::stdx::digest::sha256;
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
    /// What it was chained with; `None` if it was written by a release that had no chain.
    pub hash: Option<[u8; 32]>,
}

/// The durable record of security events: appended to, never changed. Events are numbered from 1, and each is chained
/// to the one before.
#[async_trait]
pub trait Events: Send + Sync {
    /// Appends events in order, durably.
    async fn append(&self, events: &[EventRow]) -> Result<()>;
    /// Up to `limit` events after number `after`, oldest first, with their numbers.
    async fn after(&self, after: u64, limit: usize) -> Result<Vec<(u64, EventRow)>>;
    /// The same, as they stand in the chain.
    async fn chained(&self, after: u64, limit: usize) -> Result<Vec<Chained>>;
    /// The last `limit` events of that name about an account, newest first. It reads no more than it gives.
    async fn of(&self, account: AccountId, name: &str, limit: usize) -> Result<Vec<EventRow>>;
    /// The number of the newest event, even if somebody removed it; 0 if there never was one.
    async fn newest(&self) -> Result<u64>;
}

/// What the chain shows of the record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Record {
    /// Nothing was altered.
    Sound {
        /// Events in the chain.
        events: u64,
        /// Events before it, from a release that had no chain: nothing is known of them.
        older: u64,
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
    /// It is one chain, but not the one whose head was kept.
    Rewritten,
}

/// Follows the chain from its beginning to its end, and looks for the head that was `kept` elsewhere, if one was.
///
/// # Errors
/// If the store cannot be read.
pub async fn verify(events: &dyn Events, kept: Option<[u8; 32]>) -> Result<Record> {
    let newest = events.newest().await?;
    let mut walk = Walk { seen: 0, older: 0, head: BEGINNING, kept };
    while walk.seen < newest {
        let page = events.chained(walk.seen, PAGE).await?;
        if page.is_empty() {
            return Ok(Record::Broken { number: walk.seen + 1, why: "it and all after it are gone" });
        }
        for event in &page {
            if let Err(why) = walk.step(event) {
                return Ok(Record::Broken { number: walk.seen + 1, why });
            }
        }
    }
    if walk.kept.is_some() {
        return Ok(Record::Rewritten);
    }
    Ok(Record::Sound { events: walk.seen - walk.older, older: walk.older, head: walk.head })
}

/// A walk along the chain.
struct Walk {
    seen: u64,
    older: u64,
    head: [u8; 32],
    /// The head that is looked for, until it is found.
    kept: Option<[u8; 32]>,
}

impl Walk {
    fn step(&mut self, event: &Chained) -> std::result::Result<(), &'static str> {
        if event.number != self.seen + 1 {
            return Err("it is gone");
        }
        let begun = self.seen > self.older;
        match event.hash {
            None if begun => return Err("it was inserted without a hash"),
            None => self.older += 1,
            Some(hash) if hash == chain(self.head, event.number, &event.row) => self.head = hash,
            Some(_) => return Err("it, or the one before it, is not what was written"),
        }
        self.kept = self.kept.filter(|kept| *kept != self.head);
        self.seen = event.number;
        Ok(())
    }
}

/// The hash of an event, given the one before it. Texts are preceded by their length, so that no two events have the
/// same bytes.
pub(super) fn chain(before: [u8; 32], number: u64, row: &EventRow) -> [u8; 32] {
    let mut bytes = Vec::with_capacity(128 + row.body.len());
    bytes.extend_from_slice(&before);
    bytes.extend_from_slice(&number.to_be_bytes());
    bytes.extend_from_slice(&row.at.millis().to_be_bytes());
    match row.account {
        Some(account) => {
            bytes.push(1);
            bytes.extend_from_slice(&account.bits());
        }
        None => bytes.push(0),
    }
    for text in [&row.name, &row.body] {
        bytes.extend_from_slice(&(text.len() as u64).to_be_bytes());
        bytes.extend_from_slice(text.as_bytes());
    }
    sha256(&bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row() -> EventRow {
        EventRow { at: Time::from_millis(7), name: "a".to_owned(), account: None, body: "{}".to_owned() }
    }

    #[test]
    fn a_hash_covers_everything_an_event_has() {
        let hash = chain(BEGINNING, 1, &row());
        let others = [
            EventRow { at: Time::from_millis(8), ..row() },
            EventRow { name: "b".to_owned(), ..row() },
            EventRow { account: Some(AccountId::new([0; 16])), ..row() },
            EventRow { body: "{ }".to_owned(), ..row() },
            EventRow { name: "a{".to_owned(), body: "}".to_owned(), ..row() },
        ];
        for other in &others {
            assert_ne!(chain(BEGINNING, 1, other), hash, "{other:?}");
        }
        assert_ne!(chain(BEGINNING, 2, &row()), hash);
        assert_ne!(chain([1; 32], 1, &row()), hash);
    }
}
