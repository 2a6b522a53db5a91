//! One-time values as a table.

use super::database::{Database, Query, Write, within};
use super::row;
use crate::identity::AccountId;
use crate::stdx::clock::Time;
use crate::store::{EnrolmentLink, Once, OnceKind, Result};
use async_trait::async_trait;
use sqlx::Row;
use sqlx::sqlite::SqliteRow;

#[async_trait]
impl Once for Database {
    async fn put(
        &self,
        kind: OnceKind,
        key: [u8; 32],
        owner: Option<AccountId>,
        value: &[u8],
        expires: Time,
    ) -> Result<()> {
        self.run(insert((kind, key), owner, (value, expires))).await?;
        Ok(())
    }

    async fn mark(&self, kind: OnceKind, key: [u8; 32], (now, expires): (Time, Time)) -> Result<bool> {
        let insert = sqlx::query(
            "INSERT INTO once (kind, key, value, expires) VALUES (?1, ?2, X'', ?3)
             ON CONFLICT DO UPDATE SET expires = ?3 WHERE once.expires <= ?4",
        );
        let insert = insert.bind(kind.as_str()).bind(key.to_vec()).bind(row::stamp(expires)).bind(row::stamp(now));
        Ok(self.run(insert).await? > 0)
    }

    async fn peek(&self, kind: OnceKind, key: [u8; 32], now: Time) -> Result<Option<Vec<u8>>> {
        let query = sqlx::query("SELECT value, expires FROM once WHERE kind = ? AND key = ?");
        let row = self.read_one(query.bind(kind.as_str()).bind(&key[..])).await?;
        row.map_or(Ok(None), |row| live(&row, now))
    }

    async fn take(&self, kind: OnceKind, key: [u8; 32], now: Time) -> Result<Option<Vec<u8>>> {
        within(async {
            let mut write = self.write().await?;
            let value = remove(&mut write, (kind, key), now).await?;
            write.commit().await?;
            Ok(value)
        })
        .await
    }

    async fn until(&self, kind: OnceKind, owner: AccountId, now: Time) -> Result<Option<Time>> {
        let query = sqlx::query("SELECT expires FROM once WHERE kind = ? AND owner = ? ORDER BY expires DESC LIMIT 1");
        let row = self.read_one(query.bind(kind.as_str()).bind(&owner.bits()[..])).await?;
        let expires = row.map(|row| row::time(&row, "expires")).transpose()?;
        Ok(expires.filter(|expires| now < *expires))
    }

    async fn sweep(&self, now: Time) -> Result<usize> {
        Ok(self.run(sqlx::query("DELETE FROM once WHERE expires <= ?").bind(row::stamp(now))).await? as usize)
    }
}

/// Spends a value as part of a larger step; `false` if there is none, or it expired.
pub(super) async fn spend(write: &mut Write<'_>, what: (OnceKind, [u8; 32]), now: Time) -> Result<bool> {
    Ok(remove(write, what, now).await?.is_some())
}

/// Spends the values of one kind that belong to an account.
pub(super) async fn spend_all(write: &mut Write<'_>, owner: AccountId, kind: OnceKind) -> Result<()> {
    let delete = sqlx::query("DELETE FROM once WHERE kind = ? AND owner = ?");
    write.run(delete.bind(kind.as_str()).bind(&owner.bits()[..])).await?;
    Ok(())
}

/// Spends all values that belong to an account.
pub(super) async fn disown(write: &mut Write<'_>, owner: AccountId) -> Result<()> {
    write.run(sqlx::query("DELETE FROM once WHERE owner = ?").bind(&owner.bits()[..])).await?;
    Ok(())
}

/// Keeps an enrolment link of an account.
pub(super) async fn keep_link(write: &mut Write<'_>, owner: AccountId, link: &EnrolmentLink<'_>) -> Result<()> {
    write.run(insert((OnceKind::Enrolment, link.key), Some(owner), (link.value, link.expires))).await?;
    Ok(())
}

/// Keeps a value, unless it has an owner who is gone.
fn insert((kind, key): (OnceKind, [u8; 32]), owner: Option<AccountId>, (value, expires): (&[u8], Time)) -> Query {
    let insert = sqlx::query(
        "INSERT OR REPLACE INTO once (kind, key, owner, value, expires)
         SELECT ?1, ?2, ?3, ?4, ?5 WHERE ?3 IS NULL OR EXISTS (SELECT 1 FROM account WHERE account = ?3)",
    );
    let insert = insert.bind(kind.as_str()).bind(key.to_vec()).bind(owner.map(|owner| owner.bits().to_vec()));
    insert.bind(value.to_vec()).bind(row::stamp(expires))
}

async fn remove(write: &mut Write<'_>, (kind, key): (OnceKind, [u8; 32]), now: Time) -> Result<Option<Vec<u8>>> {
    let delete = sqlx::query("DELETE FROM once WHERE kind = ? AND key = ? RETURNING value, expires");
    let rows = write.rows(delete.bind(kind.as_str()).bind(&key[..])).await?;
    rows.first().map_or(Ok(None), |row| live(row, now))
}

/// The value, if it has not expired.
fn live(row: &SqliteRow, now: Time) -> Result<Option<Vec<u8>>> {
    Ok(if now < row::time(row, "expires")? { Some(row.try_get("value")?) } else { None })
}
