//! Credentials as a table.

use super::database::{Database, Write, within};
use super::{once, row, sessions, throttles};
use crate::identity::{AccountId, Credential, CredentialId, SessionId};
use crate::stdx::clock::Time;
use crate::store::{Credentials, Enrolment, EnrolmentLink, Instead, OnceKind, Place, Reset, Result, Right};
use async_trait::async_trait;

#[async_trait]
impl Credentials for Database {
    async fn of(&self, account: AccountId) -> Result<Vec<Credential>> {
        let query = sqlx::query("SELECT * FROM credential WHERE account = ? ORDER BY enrolled, number");
        let rows = self.read(query.bind(&account.bits()[..])).await?;
        rows.iter().filter_map(|row| row::credential(row, self.factors).transpose()).collect()
    }

    async fn by_handle(&self, handle: &[u8]) -> Result<Option<Credential>> {
        let row = self.read_one(sqlx::query("SELECT * FROM credential WHERE handle = ?").bind(handle.to_vec())).await?;
        row.map_or(Ok(None), |row| row::credential(&row, self.factors))
    }

    async fn add(&self, credential: &Credential) -> Result<()> {
        within(async {
            let mut write = self.write().await?;
            insert(&mut write, credential).await?;
            write.commit().await
        })
        .await
    }

    async fn enrol(&self, enrolment: &Enrolment<'_>, now: Time) -> Result<Option<Vec<SessionId>>> {
        within(async {
            let mut write = self.write().await?;
            if !may_enrol(&mut write, enrolment, now).await? {
                return Ok(None);
            }
            for credential in enrolment.credentials {
                if enrolment.place == Place::Instead {
                    let delete = sqlx::query("DELETE FROM credential WHERE account = ? AND factor = ?");
                    write.run(delete.bind(&credential.account.bits()[..]).bind(credential.factor.0)).await?;
                }
                if is_taken(&mut write, credential).await? {
                    return Ok(None);
                }
                insert(&mut write, credential).await?;
                throttles::forget_account(&mut write, enrolment.account, credential.factor).await?;
            }
            once::spend_all(&mut write, enrolment.account, OnceKind::Attempt).await?;
            let keeps = match enrolment.right {
                Right::Session(id) => Some(id),
                Right::Link(_) => None,
            };
            let ended = sessions::end_all(&mut write, enrolment.account, keeps).await?;
            write.commit().await?;
            Ok(Some(ended))
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

    async fn rename(&self, id: CredentialId, account: AccountId, label: &str) -> Result<bool> {
        let update = sqlx::query("UPDATE credential SET label = ? WHERE credential = ? AND account = ?");
        let update = update.bind(label).bind(id.bits().to_vec()).bind(account.bits().to_vec());
        Ok(self.run(update).await? > 0)
    }

    async fn remove(
        &self,
        id: CredentialId,
        by: SessionId,
        staying: &[CredentialId],
    ) -> Result<Option<Vec<SessionId>>> {
        within(async {
            let mut write = self.write().await?;
            let Some(account) = sessions::account_of(&mut write, by).await? else { return Ok(None) };
            for id in staying {
                let held = sqlx::query("SELECT 1 FROM credential WHERE account = ? AND credential = ?");
                if write.rows(held.bind(&account.bits()[..]).bind(&id.bits()[..])).await?.is_empty() {
                    return Ok(None);
                }
            }
            let delete = sqlx::query("DELETE FROM credential WHERE account = ? AND credential = ?");
            if write.run(delete.bind(&account.bits()[..]).bind(&id.bits()[..])).await? == 0 {
                return Ok(None);
            }
            once::spend_all(&mut write, account, OnceKind::Attempt).await?;
            let ended = sessions::end_all(&mut write, account, Some(by)).await?;
            write.commit().await?;
            Ok(Some(ended))
        })
        .await
    }

    async fn offer(&self, account: AccountId, link: &EnrolmentLink<'_>) -> Result<()> {
        within(async {
            let mut write = self.write().await?;
            once::spend_all(&mut write, account, OnceKind::Enrolment).await?;
            once::keep_link(&mut write, account, link).await?;
            write.commit().await
        })
        .await
    }

    async fn reset(&self, account: AccountId, instead: Instead<'_>) -> Result<Option<Reset>> {
        within(async {
            let mut write = self.write().await?;
            let known = sqlx::query("SELECT 1 FROM account WHERE account = ?");
            if write.rows(known.bind(&account.bits()[..])).await?.is_empty() {
                return Ok(None);
            }
            let delete = sqlx::query("DELETE FROM credential WHERE account = ? RETURNING *");
            let gone = write.rows(delete.bind(&account.bits()[..])).await?;
            let gone = gone.iter().filter_map(|row| row::credential(row, self.factors).transpose());
            let credentials = gone.collect::<Result<Vec<_>>>()?;
            once::disown(&mut write, account).await?;
            match instead {
                Instead::Nothing => {}
                Instead::Link(link) => once::keep_link(&mut write, account, link).await?,
                Instead::Credentials(given) => {
                    for credential in given {
                        insert(&mut write, credential).await?;
                    }
                }
            }
            let sessions = sessions::end_all(&mut write, account, None).await?;
            write.commit().await?;
            Ok(Some(Reset { credentials, sessions }))
        })
        .await
    }
}

/// Whether the account may enrol, and the right still holds; a link is spent by it.
async fn may_enrol(write: &mut Write<'_>, enrolment: &Enrolment<'_>, now: Time) -> Result<bool> {
    let query = sqlx::query("SELECT 1 FROM account WHERE account = ? AND NOT disabled");
    if write.rows(query.bind(&enrolment.account.bits()[..])).await?.is_empty() {
        return Ok(false);
    }
    match enrolment.right {
        Right::Link(link) => once::spend(write, (OnceKind::Enrolment, link), now).await,
        Right::Session(id) => Ok(sessions::account_of(write, id).await? == Some(enrolment.account)),
    }
}

/// Whether another credential has the handle of this one.
async fn is_taken(write: &mut Write<'_>, credential: &Credential) -> Result<bool> {
    let query = sqlx::query("SELECT 1 FROM credential WHERE handle = ?").bind(credential.handle.clone());
    Ok(!write.rows(query).await?.is_empty())
}

/// Adds a credential, if its account is still there.
async fn insert(write: &mut Write<'_>, credential: &Credential) -> Result<()> {
    let insert = sqlx::query(
        "INSERT INTO credential (credential, account, factor, label, enrolled, used, handle, state, version)
         SELECT ?, account, ?, ?, ?, ?, ?, ?, ? FROM account WHERE account = ?",
    );
    let insert = insert
        .bind(&credential.id.bits()[..])
        .bind(credential.factor.0)
        .bind(credential.label.as_str())
        .bind(row::stamp(credential.created))
        .bind(credential.used.map(row::stamp))
        .bind(credential.handle.as_deref())
        .bind(&credential.state[..])
        .bind(row::integer(credential.version))
        .bind(&credential.account.bits()[..]);
    write.run(insert).await?;
    Ok(())
}
