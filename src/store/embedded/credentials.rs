//! Credentials as a table.

use super::database::{Database, Write, within};
use super::{once, row};
use crate::identity::{AccountId, Credential, CredentialId};
use crate::stdx::clock::Time;
use crate::store::{Credentials, OnceKind, Result};
use async_trait::async_trait;

#[async_trait]
impl Credentials for Database {
    async fn of(&self, account: AccountId) -> Result<Vec<Credential>> {
        let query = sqlx::query("SELECT * FROM credential WHERE account = ? ORDER BY enrolled, number");
        let rows = self.read(query.bind(&account.bits()[..])).await?;
        rows.iter().filter_map(|row| row::credential(row, self.factors).transpose()).collect()
    }

    async fn add(&self, credential: &Credential) -> Result<()> {
        within(async {
            let mut write = self.write().await?;
            insert(&mut write, credential).await?;
            write.commit().await
        })
        .await
    }

    async fn enrol(&self, credentials: &[Credential], link: Option<[u8; 32]>, now: Time) -> Result<bool> {
        within(async {
            let mut write = self.write().await?;
            if let Some(link) = link
                && !once::spend(&mut write, (OnceKind::Enrolment, link), now).await?
            {
                return Ok(false);
            }
            for credential in credentials {
                let delete = sqlx::query("DELETE FROM credential WHERE account = ? AND factor = ?");
                write.run(delete.bind(&credential.account.bits()[..]).bind(credential.factor.0)).await?;
                insert(&mut write, credential).await?;
            }
            write.commit().await?;
            Ok(true)
        })
        .await
    }

    async fn advance(&self, id: CredentialId, version: u64, state: &[u8], used: Time) -> Result<bool> {
        let update = sqlx::query(
            "UPDATE credential SET state = ?, used = ?, version = version + 1 WHERE credential = ? AND version = ?",
        );
        let update = update.bind(state).bind(row::stamp(used)).bind(&id.bits()[..]).bind(row::integer(version));
        Ok(self.run(update).await? > 0)
    }

    async fn remove(&self, account: AccountId, id: CredentialId) -> Result<bool> {
        let delete = sqlx::query("DELETE FROM credential WHERE account = ? AND credential = ?");
        Ok(self.run(delete.bind(&account.bits()[..]).bind(&id.bits()[..])).await? > 0)
    }

    async fn clear(&self, account: AccountId) -> Result<()> {
        self.run(sqlx::query("DELETE FROM credential WHERE account = ?").bind(&account.bits()[..])).await?;
        Ok(())
    }
}

/// Adds a credential, if its account is still there.
async fn insert(write: &mut Write<'_>, credential: &Credential) -> Result<()> {
    let insert = sqlx::query(
        "INSERT INTO credential (credential, account, factor, label, enrolled, used, state, version)
         SELECT ?, account, ?, ?, ?, ?, ?, ? FROM account WHERE account = ?",
    );
    let insert = insert
        .bind(&credential.id.bits()[..])
        .bind(credential.factor.0)
        .bind(credential.label.as_str())
        .bind(row::stamp(credential.created))
        .bind(credential.used.map(row::stamp))
        .bind(&credential.state[..])
        .bind(row::integer(credential.version))
        .bind(&credential.account.bits()[..]);
    write.run(insert).await?;
    Ok(())
}
