//! The record of security events as a table that is only appended to, each row chained to the one before, and a row
//! beside it that says where the chain ends.

use super::database::{Database, Write, within};
use super::row;
use crate::identity::AccountId;
use crate::stdx::clock::Time;
use crate::store::record::BEGINNING;
use crate::store::{Chain, Chained, EventRow, Events, Result, Seal, Unavailable};
use async_trait::async_trait;
use sqlx::Row;
use sqlx::sqlite::SqliteRow;

/// The sequence, not the table: a number is not given twice, though its event may have been removed.
const NEWEST: &str = "SELECT seq FROM sqlite_sequence WHERE name = 'event'";

const SEAL: &str = "SELECT newest, head, tag FROM chain";

#[async_trait]
impl Events for Database {
    fn bind(&self, chain: Chain) {
        self.chain.get_or_init(|| chain);
    }

    fn chain(&self) -> Result<Chain> {
        let bound = self.chain.get().cloned();
        bound.ok_or_else(|| Unavailable("it was opened without the key that its record is chained with".to_owned()))
    }

    async fn append(&self, events: &[EventRow]) -> Result<()> {
        let chain = self.chain()?;
        within(async {
            let mut write = self.write().await?;
            let newest = newest(write.rows(sqlx::query(NEWEST)).await?.first())?;
            let seal = write.rows(sqlx::query(SEAL)).await?.first().and_then(seal);
            let end = chain.end(seal.as_ref(), newest);
            let (mut number, mut hash) = match end {
                Some((sealed, head)) => (newest.max(sealed), head),
                None => (newest, last_hash(&mut write).await?),
            };
            for event in events {
                number += 1;
                hash = chain.link(hash, number, event);
                insert(&mut write, event, (number, hash)).await?;
            }
            // What somebody altered is left as it is: sealed anew it would look sound.
            if end.is_some() && !events.is_empty() {
                keep(&mut write, &chain.seal(number, hash)).await?;
            }
            write.commit().await
        })
        .await
    }

    async fn after(&self, after: u64, limit: usize) -> Result<Vec<(u64, EventRow)>> {
        let page = self.chained(after, limit).await?;
        Ok(page.into_iter().map(|event| (event.number, event.row)).collect())
    }

    async fn chained(&self, after: u64, limit: usize) -> Result<Vec<Chained>> {
        let query = sqlx::query("SELECT * FROM event WHERE number > ? ORDER BY number LIMIT ?");
        let rows = self.read(query.bind(row::integer(after)).bind(row::integer(limit))).await?;
        rows.iter().map(chained).collect()
    }

    async fn seal(&self) -> Result<Option<Seal>> {
        Ok(self.read_one(sqlx::query(SEAL)).await?.as_ref().and_then(seal))
    }

    async fn of(&self, account: AccountId, name: &str, limit: usize) -> Result<Vec<EventRow>> {
        let query = sqlx::query("SELECT * FROM event WHERE account = ? AND name = ? ORDER BY number DESC LIMIT ?");
        let query = query.bind(account.bits().to_vec()).bind(name.to_owned()).bind(row::integer(limit));
        self.read(query).await?.iter().map(event).collect()
    }

    async fn before(&self, at: Time) -> Result<u64> {
        let query = sqlx::query("SELECT number FROM event WHERE at < ? ORDER BY number DESC LIMIT 1");
        let last = self.read_one(query.bind(row::stamp(at))).await?;
        last.map_or(Ok(0), |row| row::count(&row, "number"))
    }

    async fn newest(&self) -> Result<u64> {
        newest(self.read_one(sqlx::query(NEWEST)).await?.as_ref())
    }
}

/// The newest number that there ever was, from what [`NEWEST`] found.
fn newest(found: Option<&SqliteRow>) -> Result<u64> {
    found.map_or(Ok(0), |row| row::count(row, "seq"))
}

/// The hash of the last event, as far as it has one.
async fn last_hash(write: &mut Write<'_>) -> Result<[u8; 32]> {
    let last = write.rows(sqlx::query("SELECT hash FROM event ORDER BY number DESC LIMIT 1")).await?;
    Ok(last.first().and_then(|row| hash(row, "hash")).unwrap_or(BEGINNING))
}

async fn keep(write: &mut Write<'_>, seal: &Seal) -> Result<()> {
    let keep = sqlx::query("INSERT OR REPLACE INTO chain (only, newest, head, tag) VALUES (1, ?, ?, ?)")
        .bind(row::integer(seal.newest))
        .bind(seal.head.to_vec())
        .bind(seal.tag.to_vec());
    write.run(keep).await?;
    Ok(())
}

async fn insert(write: &mut Write<'_>, event: &EventRow, (number, hash): (u64, [u8; 32])) -> Result<()> {
    let insert = sqlx::query("INSERT INTO event (number, at, name, account, body, hash) VALUES (?, ?, ?, ?, ?, ?)")
        .bind(row::integer(number))
        .bind(row::stamp(event.at))
        .bind(event.name.as_str())
        .bind(event.account.map(|account| account.bits().to_vec()))
        .bind(event.body.as_str())
        .bind(hash.to_vec());
    write.run(insert).await?;
    Ok(())
}

fn chained(row: &SqliteRow) -> Result<Chained> {
    Ok(Chained { number: row::count(row, "number")?, row: event(row)?, hash: hash(row, "hash") })
}

/// A seal that somebody spoiled is as good as none.
fn seal(row: &SqliteRow) -> Option<Seal> {
    Some(Seal { newest: row::count(row, "newest").ok()?, head: hash(row, "head")?, tag: hash(row, "tag")? })
}

/// What is no hash was not written by us, and is no hash.
fn hash(row: &SqliteRow, column: &str) -> Option<[u8; 32]> {
    row::digest(row, column).ok()
}

fn event(row: &SqliteRow) -> Result<EventRow> {
    let account: Option<Vec<u8>> = row.try_get("account")?;
    Ok(EventRow {
        at: row::time(row, "at")?,
        name: row.try_get("name")?,
        account: account.map(|_| row::bits(row, "account").map(AccountId::new)).transpose()?,
        body: row.try_get("body")?,
    })
}
