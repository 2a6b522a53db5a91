//! Sessions and their tokens as two tables.

use super::changes::note;
use super::database::{Database, Write, within};
use super::row::{self, SESSION_ENDED};
use crate::identity::{Account, AccountId, AccountName, Proofs, Session, SessionId, SessionRules, TokenHash};
use crate::stdx::clock::Time;
use crate::store::{Change, Opened, Opening, Result, Sessions, beyond};
use async_trait::async_trait;
use data_encoding::HEXLOWER;
use sqlx::Row;
use sqlx::sqlite::SqliteRow;
use std::time::Duration;

#[async_trait]
impl Sessions for Database {
    async fn open(&self, session: &Session, opening: Opening<'_>) -> Result<Option<Vec<SessionId>>> {
        within(async {
            let mut write = self.write().await?;
            if let Some(lender) = opening.lender
                && account_of(&mut write, lender).await? != Some(session.account)
            {
                return Ok(None);
            }
            let ended = match opening.most {
                Some(most) => self.end_beyond(&mut write, session.account, most).await?,
                None => Vec::new(),
            };
            if !insert(&mut write, session).await? {
                return Ok(None);
            }
            if let Some((token, host)) = opening.token {
                insert_token(&mut write, session.id, token, host).await?;
            }
            write.commit().await?;
            Ok(Some(ended))
        })
        .await
    }

    async fn add_token(&self, id: SessionId, token: TokenHash, host: &str) -> Result<bool> {
        within(async {
            let mut write = self.write().await?;
            let delete = sqlx::query("DELETE FROM token WHERE session = ? AND host = ?");
            let replaced = write.run(delete.bind(&id.bits()[..]).bind(host)).await? > 0;
            let added = insert_token(&mut write, id, token, host).await?;
            if replaced {
                note(&mut write, Change::SessionRaised(id)).await?;
            }
            write.commit().await?;
            Ok(added)
        })
        .await
    }

    async fn by_id(&self, id: SessionId) -> Result<Option<(Session, Account)>> {
        let query = sqlx::query("SELECT * FROM session JOIN account USING (account) WHERE session = ?");
        let Some(row) = self.read_one(query.bind(&id.bits()[..])).await? else { return Ok(None) };
        Ok(Some((row::session(&row, self.factors)?, row::account(&row)?)))
    }

    async fn by_token(&self, token: &TokenHash) -> Result<Option<Opened>> {
        let query = sqlx::query(
            "SELECT * FROM token JOIN session USING (session) JOIN account USING (account) WHERE token.token = ?",
        );
        let Some(row) = self.read_one(query.bind(&token.0[..])).await? else { return Ok(None) };
        Ok(Some(Opened {
            session: row::session(&row, self.factors)?,
            account: row::account(&row)?,
            host: row.try_get("host")?,
        }))
    }

    async fn raise(&self, id: SessionId, proofs: &Proofs, token: TokenHash, host: &str) -> Result<bool> {
        within(async {
            let mut write = self.write().await?;
            let update = sqlx::query("UPDATE session SET proofs = ? WHERE session = ?");
            let raised = write.run(update.bind(row::proofs(proofs)).bind(&id.bits()[..])).await? > 0;
            if raised {
                write.run(sqlx::query("DELETE FROM token WHERE session = ?").bind(&id.bits()[..])).await?;
                insert_token(&mut write, id, token, host).await?;
                note(&mut write, Change::SessionRaised(id)).await?;
            }
            write.commit().await?;
            Ok(raised)
        })
        .await
    }

    async fn end(&self, id: SessionId) -> Result<bool> {
        within(async {
            let mut write = self.write().await?;
            let delete = sqlx::query("DELETE FROM session WHERE session = ?").bind(&id.bits()[..]);
            let ended = write.run(delete).await? > 0;
            if ended {
                note(&mut write, Change::SessionEnded(id)).await?;
            }
            write.commit().await?;
            Ok(ended)
        })
        .await
    }

    async fn end_all(&self, account: AccountId, except: Option<SessionId>) -> Result<usize> {
        within(async {
            let mut write = self.write().await?;
            let ended = end_all(&mut write, account, except).await?;
            write.commit().await?;
            Ok(ended.len())
        })
        .await
    }

    async fn end_every(&self) -> Result<usize> {
        within(async {
            let mut write = self.write().await?;
            let note = sqlx::query("INSERT INTO change (kind, id) SELECT ?, session FROM session");
            write.run(note.bind(SESSION_ENDED)).await?;
            let ended = write.run(sqlx::query("DELETE FROM session")).await?;
            write.commit().await?;
            Ok(ended as usize)
        })
        .await
    }

    async fn of(&self, account: AccountId) -> Result<Vec<Session>> {
        let query = sqlx::query("SELECT * FROM session WHERE account = ? ORDER BY used DESC");
        let rows = self.read(query.bind(&account.bits()[..])).await?;
        rows.iter().map(|row| row::session(row, self.factors)).collect()
    }

    async fn list(&self, limit: usize) -> Result<Vec<(AccountName, Session)>> {
        let query = sqlx::query("SELECT * FROM session JOIN account USING (account) ORDER BY used DESC LIMIT ?");
        let rows = self.read(query.bind(row::integer(limit))).await?;
        rows.iter().map(|row| Ok((row::account_name(row)?, row::session(row, self.factors)?))).collect()
    }

    async fn touch(&self, uses: &[(SessionId, Time)]) -> Result<()> {
        // One statement for all: thousands of sessions are written behind at once, and nobody else writes meanwhile.
        let uses: Vec<(String, i64)> =
            uses.iter().map(|(id, used)| (HEXLOWER.encode(&id.bits()), row::stamp(*used))).collect();
        let uses = serde_json::to_string(&uses).expect("words and numbers are always JSON");
        let update = sqlx::query(
            "UPDATE session SET used = use.at
             FROM (SELECT unhex(value ->> 0) AS id, max(value ->> 1) AS at FROM json_each(?) GROUP BY 1) AS use
             WHERE session.session = use.id AND session.used < use.at",
        );
        self.run(update.bind(uses)).await?;
        Ok(())
    }

    async fn sweep(&self, now: Time, rules: SessionRules) -> Result<usize> {
        within(async {
            let mut write = self.write().await?;
            let note = sqlx::query(
                "INSERT INTO change (kind, id) SELECT ?, session FROM session WHERE used <= ? OR opened <= ?",
            );
            let (idle, absolute) = (before(now, rules.idle), before(now, rules.absolute));
            write.run(note.bind(SESSION_ENDED).bind(idle).bind(absolute)).await?;
            let delete = sqlx::query("DELETE FROM session WHERE used <= ? OR opened <= ?");
            let ended = write.run(delete.bind(idle).bind(absolute)).await?;
            write.commit().await?;
            Ok(ended as usize)
        })
        .await
    }
}

/// Ends the sessions of an account, except one, and notes each in the feed; gives them.
pub(super) async fn end_all(
    write: &mut Write<'_>,
    account: AccountId,
    except: Option<SessionId>,
) -> Result<Vec<SessionId>> {
    let except = except.map(|id| id.bits().to_vec());
    let delete = sqlx::query("DELETE FROM session WHERE account = ? AND session IS NOT ? RETURNING session");
    let rows = write.rows(delete.bind(&account.bits()[..]).bind(except)).await?;
    note_ended(write, &rows).await
}

impl Database {
    /// Ends sessions of an account until there is room for one more of `most`; gives them.
    async fn end_beyond(&self, write: &mut Write<'_>, account: AccountId, most: usize) -> Result<Vec<SessionId>> {
        let count = sqlx::query("SELECT COUNT(*) AS sessions FROM session WHERE account = ?");
        let rows = write.rows(count.bind(account.bits().to_vec())).await?;
        if rows.first().map_or(Ok(0), |row| row::count(row, "sessions"))? < most as u64 {
            return Ok(Vec::new());
        }
        let rows =
            write.rows(sqlx::query("SELECT * FROM session WHERE account = ?").bind(account.bits().to_vec())).await?;
        let held = rows.iter().map(|row| row::session(row, self.factors)).collect::<Result<Vec<_>>>()?;
        let over = beyond(held, most);
        for id in &over {
            write.run(sqlx::query("DELETE FROM session WHERE session = ?").bind(id.bits().to_vec())).await?;
            note(write, Change::SessionEnded(*id)).await?;
        }
        Ok(over)
    }
}

/// Notes in the feed that sessions ended; gives them.
async fn note_ended(write: &mut Write<'_>, rows: &[SqliteRow]) -> Result<Vec<SessionId>> {
    let mut ended = Vec::with_capacity(rows.len());
    for row in rows {
        let id = SessionId::new(row::bits(row, "session")?);
        note(write, Change::SessionEnded(id)).await?;
        ended.push(id);
    }
    Ok(ended)
}

/// Whose a session is, if it is there.
pub(super) async fn account_of(write: &mut Write<'_>, id: SessionId) -> Result<Option<AccountId>> {
    let rows = write.rows(sqlx::query("SELECT account FROM session WHERE session = ?").bind(&id.bits()[..])).await?;
    rows.first().map(|row| row::bits(row, "account").map(AccountId::new)).transpose()
}

/// Adds a session, if its account is still there and enabled; whether it did.
async fn insert(write: &mut Write<'_>, session: &Session) -> Result<bool> {
    let insert = sqlx::query(
        "INSERT INTO session (session, account, proofs, opened, used, device, address)
         SELECT ?, account, ?, ?, ?, ?, ? FROM account WHERE account = ? AND NOT disabled",
    );
    let insert = insert
        .bind(&session.id.bits()[..])
        .bind(row::proofs(&session.proofs))
        .bind(row::stamp(session.created))
        .bind(row::stamp(session.used))
        .bind(session.device.name.as_str())
        .bind(session.device.address.to_string())
        .bind(&session.account.bits()[..]);
    Ok(write.run(insert).await? > 0)
}

/// Adds a token, if its session is still there; whether it did.
async fn insert_token(write: &mut Write<'_>, id: SessionId, token: TokenHash, host: &str) -> Result<bool> {
    let insert =
        sqlx::query("INSERT INTO token (token, session, host) SELECT ?, session, ? FROM session WHERE session = ?");
    Ok(write.run(insert.bind(&token.0[..]).bind(host).bind(&id.bits()[..])).await? > 0)
}

/// The stamp `span` before `now`; below the epoch rather than at it, so that a span longer than time itself ends
/// nothing.
fn before(now: Time, span: Duration) -> i64 {
    row::stamp(now).saturating_sub(row::integer(span.as_millis()))
}
