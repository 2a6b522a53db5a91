//! The record of security events as a table that is only appended to.

use super::database::{Database, within};
use super::row;
use crate::identity::AccountId;
use crate::store::{EventRow, Events, Result};
use async_trait::async_trait;
use sqlx::Row;
use sqlx::sqlite::SqliteRow;

#[async_trait]
impl Events for Database {
    async fn append(&self, events: &[EventRow]) -> Result<()> {
        within(async {
            let mut write = self.write().await?;
            for event in events {
                let insert = sqlx::query("INSERT INTO event (at, name, account, body) VALUES (?, ?, ?, ?)")
                    .bind(row::stamp(event.at))
                    .bind(event.name.as_str())
                    .bind(event.account.map(|account| account.bits().to_vec()))
                    .bind(event.body.as_str());
                write.run(insert).await?;
            }
            write.commit().await
        })
        .await
    }

    async fn after(&self, after: u64, limit: usize) -> Result<Vec<(u64, EventRow)>> {
        let query = sqlx::query("SELECT * FROM event WHERE number > ? ORDER BY number LIMIT ?");
        let rows = self.read(query.bind(row::integer(after)).bind(row::integer(limit))).await?;
        rows.iter().map(|row| Ok((row::count(row, "number")?, event(row)?))).collect()
    }

    async fn newest(&self) -> Result<u64> {
        let newest = self.read_one(sqlx::query("SELECT coalesce(max(number), 0) AS number FROM event")).await?;
        newest.map_or(Ok(0), |row| row::count(&row, "number"))
    }
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
