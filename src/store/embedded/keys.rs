//! What the store knows of keys, as two tables.

use super::database::{Database, within};
use super::row;
use crate::store::{Keys, Result, SealedKey};
use async_trait::async_trait;
use sqlx::Row;
use sqlx::sqlite::SqliteRow;

#[async_trait]
impl Keys for Database {
    async fn master(&self) -> Result<Option<[u8; 32]>> {
        let row = self.read_one(sqlx::query("SELECT fingerprint FROM master")).await?;
        row.map(|row| row::digest(&row, "fingerprint")).transpose()
    }

    async fn settle_master(&self, fingerprint: [u8; 32]) -> Result<[u8; 32]> {
        within(async {
            let mut write = self.write().await?;
            let insert = sqlx::query("INSERT INTO master (only, fingerprint) VALUES (1, ?) ON CONFLICT DO NOTHING");
            write.run(insert.bind(fingerprint.to_vec())).await?;
            let rows = write.rows(sqlx::query("SELECT fingerprint FROM master")).await?;
            write.commit().await?;
            rows.first().map_or(Ok(fingerprint), |row| row::digest(row, "fingerprint"))
        })
        .await
    }

    async fn signing(&self) -> Result<Vec<SealedKey>> {
        let rows = self.read(sqlx::query("SELECT * FROM signing_key ORDER BY number DESC")).await?;
        rows.iter().map(sealed_key).collect()
    }

    async fn add_signing(&self, key: &SealedKey, kept: usize) -> Result<bool> {
        within(async {
            let mut write = self.write().await?;
            let insert = sqlx::query(
                "INSERT INTO signing_key (number, made, sealed)
                 SELECT ?1, ?2, ?3 WHERE ?1 = (SELECT coalesce(max(number), 0) + 1 FROM signing_key)",
            );
            let insert = insert.bind(row::integer(key.number)).bind(row::stamp(key.made)).bind(&key.sealed[..]);
            let added = write.run(insert).await? > 0;
            if added {
                let old = sqlx::query("DELETE FROM signing_key WHERE number <= ?");
                write.run(old.bind(row::integer(key.number.saturating_sub(kept as u64)))).await?;
            }
            write.commit().await?;
            Ok(added)
        })
        .await
    }
}

fn sealed_key(row: &SqliteRow) -> Result<SealedKey> {
    Ok(SealedKey { number: row::count(row, "number")?, made: row::time(row, "made")?, sealed: row.try_get("sealed")? })
}
