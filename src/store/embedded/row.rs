//! Values as columns hold them, and rows read back as values; a damaged record is an error, never a default.

use super::{Factors, Result, Unavailable};
use crate::identity::{
    Account, AccountId, AccountKind, AccountName, Credential, CredentialId, Device, FactorName, Group, Kinds, Proof,
    Proofs, Session, SessionId,
};
use crate::stdx::clock::Time;
use crate::store::Change;
use serde::{Deserialize, Serialize};
use sqlx::Row;
use sqlx::sqlite::SqliteRow;

/// A time as its column holds it; whatever does not fit is never.
pub(super) fn stamp(time: Time) -> i64 {
    i64::try_from(time.millis()).unwrap_or(i64::MAX)
}

/// A count as its column holds it.
pub(super) fn integer(count: impl TryInto<i64>) -> i64 {
    count.try_into().unwrap_or(i64::MAX)
}

/// The number in a column.
pub(super) fn count(row: &SqliteRow, column: &str) -> Result<u64> {
    u64::try_from(row.try_get::<i64, _>(column)?).map_err(|_| damaged(column))
}

/// The time in a column.
pub(super) fn time(row: &SqliteRow, column: &str) -> Result<Time> {
    let stamp = count(row, column)?;
    Ok(if stamp == i64::MAX as u64 { Time::NEVER } else { Time::from_millis(stamp) })
}

/// The 16 bytes of an id in a column.
pub(super) fn bits(row: &SqliteRow, column: &str) -> Result<[u8; 16]> {
    row.try_get::<Vec<u8>, _>(column)?.try_into().map_err(|_| damaged(column))
}

/// The 32 bytes of a digest in a column.
pub(super) fn digest(row: &SqliteRow, column: &str) -> Result<[u8; 32]> {
    row.try_get::<Vec<u8>, _>(column)?.try_into().map_err(|_| damaged(column))
}

/// The columns of `account`.
pub(super) fn account(row: &SqliteRow) -> Result<Account> {
    let groups: &str = row.try_get("groups")?;
    let groups = groups.split(',').filter(|group| !group.is_empty()).map(Group::parse);
    Ok(Account {
        id: AccountId::new(bits(row, "account")?),
        name: account_name(row)?,
        kind: AccountKind::parse(row.try_get("holder")?).ok_or_else(|| damaged("holder"))?,
        groups: groups.collect::<std::result::Result<_, _>>().map_err(|_| damaged("groups"))?,
        disabled: row.try_get("disabled")?,
        created: time(row, "added")?,
    })
}

/// The column `name` of `account`.
pub(super) fn account_name(row: &SqliteRow) -> Result<AccountName> {
    AccountName::parse(row.try_get("name")?).map_err(|_| damaged("name"))
}

/// Groups as their column holds them.
pub(super) fn groups(groups: &[Group]) -> String {
    groups.iter().map(Group::as_str).collect::<Vec<_>>().join(",")
}

/// The columns of `credential`; `None` if this build has no such factor.
pub(super) fn credential(row: &SqliteRow, factors: Factors) -> Result<Option<Credential>> {
    let id = CredentialId::new(bits(row, "credential")?);
    let Some(factor) = known(row.try_get("factor")?, factors) else { return Ok(None) };
    let used: Option<i64> = row.try_get("used")?;
    Ok(Some(Credential {
        id,
        account: AccountId::new(bits(row, "account")?),
        factor,
        label: row.try_get("label")?,
        created: time(row, "enrolled")?,
        used: used.map(|_| time(row, "used")).transpose()?,
        handle: row.try_get("handle")?,
        state: row.try_get("state")?,
        version: count(row, "version")?,
    }))
}

/// The columns of `session`.
pub(super) fn session(row: &SqliteRow, factors: Factors) -> Result<Session> {
    let address: &str = row.try_get("address")?;
    Ok(Session {
        id: SessionId::new(bits(row, "session")?),
        account: AccountId::new(bits(row, "account")?),
        proofs: parse_proofs(row.try_get("proofs")?, factors)?,
        created: time(row, "opened")?,
        used: time(row, "used")?,
        device: Device { name: row.try_get("device")?, address: address.parse().map_err(|_| damaged("address"))? },
    })
}

/// The columns `kind` and `id` of `change`.
pub(super) fn change(row: &SqliteRow) -> Result<Change> {
    let id = bits(row, "id")?;
    match row.try_get("kind")? {
        ACCOUNT => Ok(Change::Account(AccountId::new(id))),
        SESSION_ENDED => Ok(Change::SessionEnded(SessionId::new(id))),
        SESSION_RAISED => Ok(Change::SessionRaised(SessionId::new(id))),
        other => Err(Unavailable(format!("a newer release wrote the change {other:?}"))),
    }
}

/// The word of [`Change::Account`].
pub(super) const ACCOUNT: &str = "account";
/// The word of [`Change::SessionEnded`].
pub(super) const SESSION_ENDED: &str = "session-ended";
/// The word of [`Change::SessionRaised`].
pub(super) const SESSION_RAISED: &str = "session-raised";

/// One proof as the column holds it.
#[derive(Serialize, Deserialize)]
struct ProofRecord {
    factor: String,
    kinds: u8,
    phishing_resistant: bool,
    recovery: bool,
    at: u64,
}

/// Proofs as their column holds them.
pub(super) fn proofs(proofs: &Proofs) -> String {
    let records = proofs.iter().map(|proof| ProofRecord {
        factor: proof.factor.0.to_owned(),
        kinds: proof.kinds.bits(),
        phishing_resistant: proof.phishing_resistant,
        recovery: proof.recovery,
        at: proof.at.millis(),
    });
    serde_json::to_string(&records.collect::<Vec<_>>()).expect("words, numbers and booleans are always JSON")
}

/// What [`proofs`] wrote. A proof of an unknown factor is left out; if it was a recovery, so are all others, for it
/// limited what they allow.
fn parse_proofs(text: &str, factors: Factors) -> Result<Proofs> {
    let records: Vec<ProofRecord> = serde_json::from_str(text).map_err(|_| damaged("proofs"))?;
    let mut proofs = Proofs::new();
    for record in records {
        match known(&record.factor, factors) {
            Some(factor) => proofs.add(Proof {
                factor,
                kinds: Kinds::from_bits(record.kinds),
                phishing_resistant: record.phishing_resistant,
                recovery: record.recovery,
                at: Time::from_millis(record.at),
            }),
            None if record.recovery => return Ok(Proofs::new()),
            None => {}
        }
    }
    Ok(proofs)
}

fn known(word: &str, factors: Factors) -> Option<FactorName> {
    let factor = factors(word);
    if factor.is_none() {
        tracing::warn!(factor = word, "a stored record names a factor that this build does not have; it is left out");
    }
    factor
}

/// The error for a value that we would not have written.
pub(super) fn damaged(column: &str) -> Unavailable {
    Unavailable(format!("a stored record is damaged: {column}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn only_password(word: &str) -> Option<FactorName> {
        (word == "password").then_some(FactorName("password"))
    }

    fn stored(factor: &str, recovery: bool) -> String {
        format!(r#"{{"factor":"{factor}","kinds":1,"phishing_resistant":false,"recovery":{recovery},"at":7}}"#)
    }

    #[test]
    fn a_proof_of_an_unknown_factor_is_left_out() {
        let text = format!("[{},{}]", stored("password", false), stored("smell", false));
        let proofs = parse_proofs(&text, only_password).expect("the text is sound");
        assert_eq!(proofs.iter().map(|proof| proof.factor.0).collect::<Vec<_>>(), ["password"]);
    }

    #[test]
    fn an_unknown_recovery_takes_every_other_proof_with_it() {
        let text = format!("[{},{}]", stored("password", false), stored("old_recovery", true));
        assert_eq!(parse_proofs(&text, only_password).expect("the text is sound"), Proofs::new());
    }

    #[test]
    fn a_damaged_proof_is_an_error() {
        for text in ["", "[", "{}", r#"[{"factor":"password"}]"#] {
            assert!(parse_proofs(text, only_password).is_err(), "{text:?}");
        }
    }

    #[test]
    fn never_stays_never() {
        assert_eq!(stamp(Time::NEVER), i64::MAX);
        assert_eq!(stamp(Time::from_millis(5)), 5);
    }
}
