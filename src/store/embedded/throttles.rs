//! Counters of failed attempts as a table. Reading, counting and writing are one transaction under the write lock; what
//! a look without the lock refuses never asks for it.

use super::database::{Database, Query, Write, within};
use super::row;
use crate::identity::{AccountId, FactorName};
use crate::stdx::clock::Time;
use crate::store::counter::Counter;
use crate::store::{Reserved, Result, ThrottleRule, Throttled, Throttles};
use async_trait::async_trait;
use sqlx::sqlite::SqliteRow;

#[async_trait]
impl Throttles for Database {
    async fn reserve_all(&self, counters: &[(&Throttled, ThrottleRule)], now: Time) -> Result<Vec<Reserved>> {
        within(async {
            let mut counted = Vec::with_capacity(counters.len());
            for (whose, _) in counters {
                counted.push(counter(&self.read(select(whose)).await?)?);
            }
            let said = reserve(&mut counted, counters, now);
            if !all_go(&said) {
                return Ok(said);
            }
            let mut write = self.write().await?;
            for (counted, (whose, _)) in counted.iter_mut().zip(counters) {
                *counted = load(&mut write, whose).await?;
            }
            let said = reserve(&mut counted, counters, now);
            if all_go(&said) {
                for (counted, (whose, _)) in counted.iter().zip(counters) {
                    save(&mut write, whose, counted.unwrap_or_default()).await?;
                }
            }
            // Where nothing was saved, SQLite has nothing to write: the lock is given back.
            write.commit().await?;
            Ok(said)
        })
        .await
    }

    async fn look(&self, whose: &Throttled, rule: ThrottleRule, now: Time) -> Result<Reserved> {
        let mut counter = counter(&self.read(select(whose)).await?)?.unwrap_or_default();
        Ok(counter.reserve(rule, now))
    }

    async fn forgive_all(&self, counters: &[(&Throttled, ThrottleRule)]) -> Result<()> {
        within(async {
            let mut write = self.write().await?;
            for (whose, rule) in counters {
                match load(&mut write, whose).await?.and_then(|counter| counter.forgiven(*rule)) {
                    Some(left) => save(&mut write, whose, left).await?,
                    None => forget(&mut write, whose).await?,
                }
            }
            write.commit().await
        })
        .await
    }

    async fn sweep(&self, now: Time, most: usize) -> Result<usize> {
        within(async {
            let mut write = self.write().await?;
            let over = sqlx::query("DELETE FROM throttle WHERE expires <= ? AND account IS NULL");
            let mut gone = write.run(over.bind(row::stamp(now))).await?;
            for sort in ["name:*", "source:*", "sent:*"] {
                let crowd = sqlx::query(
                    "DELETE FROM throttle WHERE key IN
                     (SELECT key FROM throttle WHERE key GLOB ? ORDER BY expires DESC LIMIT -1 OFFSET ?)",
                );
                gone += write.run(crowd.bind(sort).bind(row::integer(most))).await?;
            }
            write.commit().await?;
            Ok(gone as usize)
        })
        .await
    }
}

/// Forgives all answers to a factor of an account, as part of a larger step.
pub(super) async fn forget_account(write: &mut Write<'_>, account: AccountId, factor: FactorName) -> Result<()> {
    forget(write, &Throttled::Account(account, factor)).await?;
    let known = format!("known:{account}:{factor}:*");
    write.run(sqlx::query("DELETE FROM throttle WHERE key GLOB ?").bind(known)).await?;
    Ok(())
}

async fn forget(write: &mut Write<'_>, whose: &Throttled) -> Result<()> {
    write.run(sqlx::query("DELETE FROM throttle WHERE key = ?").bind(whose.to_string())).await?;
    Ok(())
}

/// Counts an attempt with each, in memory alone; what each says.
fn reserve(counted: &mut [Option<Counter>], counters: &[(&Throttled, ThrottleRule)], now: Time) -> Vec<Reserved> {
    let each = counted.iter_mut().zip(counters);
    each.map(|(counted, (_, rule))| counted.get_or_insert_default().reserve(*rule, now)).collect()
}

fn all_go(said: &[Reserved]) -> bool {
    said.iter().all(|said| *said == Reserved::Go)
}

fn select(whose: &Throttled) -> Query {
    let query = sqlx::query("SELECT failures, rested, until, expires FROM throttle WHERE key = ?");
    query.bind(whose.to_string())
}

async fn load(write: &mut Write<'_>, whose: &Throttled) -> Result<Option<Counter>> {
    counter(&write.rows(select(whose)).await?)
}

fn counter(rows: &[SqliteRow]) -> Result<Option<Counter>> {
    let Some(row) = rows.first() else { return Ok(None) };
    let small = |column| u32::try_from(row::count(row, column)?).map_err(|_| row::damaged(column));
    let (failures, rested) = (small("failures")?, small("rested")?);
    Ok(Some(Counter { failures, rested, until: row::time(row, "until")?, expires: row::time(row, "expires")? }))
}

async fn save(write: &mut Write<'_>, whose: &Throttled, counter: Counter) -> Result<()> {
    let account = whose.account().map(|account| account.bits().to_vec());
    let save = sqlx::query(
        "INSERT OR REPLACE INTO throttle (key, account, failures, rested, until, expires)
         SELECT ?1, ?2, ?3, ?4, ?5, ?6 WHERE ?2 IS NULL OR EXISTS (SELECT 1 FROM account WHERE account = ?2)",
    );
    let save = save
        .bind(whose.to_string())
        .bind(account)
        .bind(counter.failures)
        .bind(counter.rested)
        .bind(row::stamp(counter.until))
        .bind(row::stamp(counter.expires));
    write.run(save).await?;
    Ok(())
}
