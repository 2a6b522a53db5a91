//! Accounts as a table.

use super::changes::note;
use super::database::{Database, Query, within};
use super::{once, row, sessions};
use crate::identity::{Account, AccountId, AccountName, Group};
use crate::store::{Accounts, Change, Result};
use async_trait::async_trait;

#[async_trait]
impl Accounts for Database {
    async fn add(&self, account: &Account) -> Result<bool> {
        let insert = sqlx::query(
            "INSERT INTO account (account, name, holder, groups, disabled, added)
             VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
        );
        let insert = insert
            .bind(&account.id.bits()[..])
            .bind(account.name.as_str())
            .bind(account.kind.as_str())
            .bind(row::groups(&account.groups))
            .bind(account.disabled)
            .bind(row::stamp(account.created));
        self.change(account.id, insert).await
    }

    async fn by_name(&self, name: &AccountName) -> Result<Option<Account>> {
        let query = sqlx::query("SELECT * FROM account WHERE name = ?").bind(name.as_str());
        self.read_one(query).await?.map(|row| row::account(&row)).transpose()
    }

    async fn by_id(&self, id: AccountId) -> Result<Option<Account>> {
        let query = sqlx::query("SELECT * FROM account WHERE account = ?").bind(&id.bits()[..]);
        self.read_one(query).await?.map(|row| row::account(&row)).transpose()
    }

    async fn still_known(&self, name: &AccountName) -> Result<Option<AccountId>> {
        let query = sqlx::query("SELECT * FROM account WHERE name = ?").bind(name.as_str());
        let found = self.read_through_anchor(query).await?;
        found.first().map(|row| Ok(row::account(row)?.id)).transpose()
    }

    async fn list(&self) -> Result<Vec<Account>> {
        let rows = self.read(sqlx::query("SELECT * FROM account ORDER BY name")).await?;
        rows.iter().map(row::account).collect()
    }

    async fn set_groups(&self, id: AccountId, groups: &[Group]) -> Result<bool> {
        let update = sqlx::query("UPDATE account SET groups = ? WHERE account = ?");
        self.change(id, update.bind(row::groups(groups)).bind(&id.bits()[..])).await
    }

    async fn set_disabled(&self, id: AccountId, disabled: bool) -> Result<bool> {
        let update = sqlx::query("UPDATE account SET disabled = ? WHERE account = ?");
        let update = update.bind(disabled).bind(&id.bits()[..]);
        if disabled { self.shut_out(id, update).await } else { self.change(id, update).await }
    }

    async fn remove(&self, id: AccountId) -> Result<bool> {
        // Credentials and counters go with their account: the schema says so.
        let delete = sqlx::query("DELETE FROM account WHERE account = ?").bind(&id.bits()[..]);
        self.shut_out(id, delete).await
    }
}

impl Database {
    /// Runs a statement that changes one account; `false` if it changed none.
    async fn change(&self, id: AccountId, statement: Query) -> Result<bool> {
        within(async {
            let mut write = self.write().await?;
            let changed = write.run(statement).await? > 0;
            if changed {
                note(&mut write, Change::Account(id)).await?;
            }
            write.commit().await?;
            Ok(changed)
        })
        .await
    }

    /// Ends the account's sessions, spends its one-time values and runs a statement that changes it; `false` if
    /// there is no such account.
    async fn shut_out(&self, id: AccountId, statement: Query) -> Result<bool> {
        within(async {
            let mut write = self.write().await?;
            sessions::end_all(&mut write, id, None).await?;
            once::disown(&mut write, id).await?;
            let changed = write.run(statement).await? > 0;
            if changed {
                note(&mut write, Change::Account(id)).await?;
            }
            write.commit().await?;
            Ok(changed)
        })
        .await
    }
}
