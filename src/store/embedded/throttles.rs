//! Counters of failed attempts as a table. Reading, counting and writing are one transaction under the write lock.

use super::database::{Database, Write, within};
use super::row;
use crate::stdx::clock::Time;
use crate::store::counter::Counter;
use crate::store::{Reserved, Result, ThrottleRule, Throttles};
use async_trait::async_trait;

#[async_trait]
impl Throttles for Database {
    async fn reserve(&self, key: &str, rule: ThrottleRule, now: Time) -> Result<Reserved> {
        within(async {
            let mut write = self.write().await?;
            let mut counter = load(&mut write, key).await?.unwrap_or_default();
            let reserved = counter.reserve(rule, now);
            if reserved == Reserved::Go {
                save(&mut write, key, counter).await?;
            }
            write.commit().await?;
            Ok(reserved)
        })
        .await
    }

    async fn forgive(&self, key: &str, rule: ThrottleRule) -> Result<()> {
        within(async {
            let mut write = self.write().await?;
            let left = load(&mut write, key).await?.and_then(|counter| counter.forgiven(rule));
            match left {
                Some(left) => save(&mut write, key, left).await?,
                None => {
                    write.run(sqlx::query("DELETE FROM throttle WHERE key = ?").bind(key)).await?;
                }
            }
            write.commit().await
        })
        .await
    }

    async fn reset(&self, prefix: &str) -> Result<()> {
        // The first condition lets the index find where to begin, the second is exact.
        let delete = sqlx::query("DELETE FROM throttle WHERE key >= ?1 AND substr(key, 1, length(?1)) = ?1");
        self.run(delete.bind(prefix)).await?;
        Ok(())
    }

    async fn sweep(&self, now: Time) -> Result<usize> {
        Ok(self.run(sqlx::query("DELETE FROM throttle WHERE expires <= ?").bind(row::stamp(now))).await? as usize)
    }
}

async fn load(write: &mut Write<'_>, key: &str) -> Result<Option<Counter>> {
    let rows = write.rows(sqlx::query("SELECT failures, until, expires FROM throttle WHERE key = ?").bind(key)).await?;
    let Some(row) = rows.first() else { return Ok(None) };
    let failures = u32::try_from(row::count(row, "failures")?).map_err(|_| row::damaged("failures"))?;
    Ok(Some(Counter { failures, until: row::time(row, "until")?, expires: row::time(row, "expires")? }))
}

async fn save(write: &mut Write<'_>, key: &str, counter: Counter) -> Result<()> {
    let save = sqlx::query("INSERT OR REPLACE INTO throttle (key, failures, until, expires) VALUES (?, ?, ?, ?)");
    let save = save.bind(key).bind(counter.failures).bind(row::stamp(counter.until)).bind(row::stamp(counter.expires));
    write.run(save).await?;
    Ok(())
}
