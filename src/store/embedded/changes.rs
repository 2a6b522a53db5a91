//! The feed of changes as a table, and how every other table writes to it.

use super::database::{Database, Write};
use super::row::{self, ACCOUNT, SESSION_ENDED, SESSION_RAISED};
use crate::stdx::clock::Time;
use crate::store::{Change, Changes, Result};
use async_trait::async_trait;

/// Appends a change to the feed, in the transaction that makes it. The table dates it by the system's clock, which
/// serves to forget it one day and for nothing else.
pub(super) async fn note(write: &mut Write<'_>, change: Change) -> Result<()> {
    let (kind, id) = match change {
        Change::Account(id) => (ACCOUNT, id.bits()),
        Change::SessionEnded(id) => (SESSION_ENDED, id.bits()),
        Change::SessionRaised(id) => (SESSION_RAISED, id.bits()),
    };
    write.run(sqlx::query("INSERT INTO change (kind, id) VALUES (?, ?)").bind(kind).bind(&id[..])).await?;
    Ok(())
}

#[async_trait]
impl Changes for Database {
    async fn after(&self, after: u64, limit: usize) -> Result<Vec<(u64, Change)>> {
        let query = sqlx::query("SELECT number, kind, id FROM change WHERE number > ? ORDER BY number LIMIT ?");
        let rows = self.read(query.bind(row::integer(after)).bind(row::integer(limit))).await?;
        rows.iter().map(|row| Ok((row::count(row, "number")?, row::change(row)?))).collect()
    }

    async fn newest(&self) -> Result<u64> {
        // The sequence, not the table: a number is not given twice, though its change may be forgotten.
        let newest = self.read_one(sqlx::query("SELECT seq FROM sqlite_sequence WHERE name = 'change'")).await?;
        newest.map_or(Ok(0), |row| row::count(&row, "seq"))
    }

    async fn sweep(&self, oldest: Time) -> Result<usize> {
        Ok(self.run(sqlx::query("DELETE FROM change WHERE at < ?").bind(row::stamp(oldest))).await? as usize)
    }
}
