//! The tables, as steps that lead from each version of the file to the next; knows nothing of what is asked of them.
//!
//! During an upgrade the older release goes on using the file, so a step may add but must not take away what the
//! release before it reads or writes.

use super::OpenFailure;
use super::database::{Database, bounded};
use sqlx::sqlite::SqliteRow;
use sqlx::{AssertSqlSafe, Row};

/// Marks a file as ours, so that another's database is never written to: `PCLS` in ASCII.
const APPLICATION: i32 = 0x5043_4c53;

/// One step for each version, the first from an empty file. Never edited once released; a change is a new step.
const STEPS: [&str; 1] = [FIRST];

/// Ids are their 16 bytes, times are milliseconds since the epoch (the greatest integer is never), groups are joined by
/// commas, which no group contains, and proofs are a JSON array. No column that holds a value shares its name with
/// one of another table unless it means the same.
const FIRST: &str = "
    CREATE TABLE account (
        account  BLOB NOT NULL PRIMARY KEY,
        name     TEXT NOT NULL UNIQUE,
        holder   TEXT NOT NULL,
        groups   TEXT NOT NULL,
        disabled INTEGER NOT NULL,
        added    INTEGER NOT NULL
    ) STRICT;

    CREATE TABLE credential (
        number     INTEGER PRIMARY KEY,
        credential BLOB NOT NULL UNIQUE,
        account    BLOB NOT NULL REFERENCES account ON DELETE CASCADE,
        factor     TEXT NOT NULL,
        label      TEXT NOT NULL,
        enrolled   INTEGER NOT NULL,
        used       INTEGER,
        handle     BLOB UNIQUE,
        state      BLOB NOT NULL,
        version    INTEGER NOT NULL
    ) STRICT;
    CREATE INDEX credential_of_account ON credential (account);

    CREATE TABLE session (
        session BLOB NOT NULL PRIMARY KEY,
        account BLOB NOT NULL REFERENCES account ON DELETE CASCADE,
        proofs  TEXT NOT NULL,
        opened  INTEGER NOT NULL,
        used    INTEGER NOT NULL,
        device  TEXT NOT NULL,
        address TEXT NOT NULL
    ) STRICT;
    CREATE INDEX session_of_account ON session (account);
    CREATE INDEX session_by_use ON session (used);

    CREATE TABLE token (
        token   BLOB NOT NULL PRIMARY KEY,
        session BLOB NOT NULL REFERENCES session ON DELETE CASCADE,
        host    TEXT NOT NULL,
        UNIQUE (session, host)
    ) STRICT;

    CREATE TABLE once (
        kind    TEXT NOT NULL,
        key     BLOB NOT NULL,
        owner   BLOB REFERENCES account ON DELETE CASCADE,
        value   BLOB NOT NULL,
        expires INTEGER NOT NULL,
        PRIMARY KEY (kind, key)
    ) STRICT;
    CREATE INDEX once_of_owner ON once (owner);
    CREATE INDEX once_by_end ON once (expires);

    CREATE TABLE throttle (
        key      TEXT NOT NULL PRIMARY KEY,
        account  BLOB REFERENCES account ON DELETE CASCADE,
        failures INTEGER NOT NULL,
        rested   INTEGER NOT NULL,
        until    INTEGER NOT NULL,
        expires  INTEGER NOT NULL
    ) STRICT;
    CREATE INDEX throttle_of_account ON throttle (account);
    CREATE INDEX throttle_by_end ON throttle (expires);

    CREATE TABLE event (
        number  INTEGER PRIMARY KEY AUTOINCREMENT,
        at      INTEGER NOT NULL,
        name    TEXT NOT NULL,
        account BLOB,
        body    TEXT NOT NULL,
        hash    BLOB NOT NULL
    ) STRICT;
    CREATE INDEX event_of_account ON event (account, name, number);

    CREATE TABLE chain (
        only   INTEGER PRIMARY KEY CHECK (only = 1),
        newest INTEGER NOT NULL,
        head   BLOB NOT NULL,
        tag    BLOB NOT NULL
    ) STRICT;

    CREATE TABLE change (
        number INTEGER PRIMARY KEY AUTOINCREMENT,
        at     INTEGER NOT NULL DEFAULT (CAST(unixepoch('subsec') * 1000 AS INTEGER)),
        kind   TEXT NOT NULL,
        id     BLOB NOT NULL
    ) STRICT;

    CREATE TABLE master (
        only        INTEGER PRIMARY KEY CHECK (only = 1),
        fingerprint BLOB NOT NULL
    ) STRICT;

    CREATE TABLE signing_key (
        number INTEGER PRIMARY KEY,
        made   INTEGER NOT NULL,
        sealed BLOB NOT NULL
    ) STRICT;
";

type Result<T> = std::result::Result<T, OpenFailure>;

/// Brings the file to the newest version, in one transaction that holds the write lock: of any number of processes that
/// open it together one does the work and the others find it done. Where there is nothing to do the lock is not taken.
///
/// # Errors
/// If the file is not a database, not ours, or newer than this release knows.
pub(super) async fn migrate(database: &Database) -> Result<()> {
    // Looked at before anything is written: connections that write turn WAL on, even in a file that is not ours.
    let found = database.look(sqlx::query(HEAD)).await?;
    let is_current = steps_seen(&found)? == STEPS.len();
    if is_current && has_log(&database.look(sqlx::query(MODE)).await?)? {
        return Ok(());
    }
    bounded(async {
        let mut write = database.write().await?;
        if !has_log(&write.rows(sqlx::query(MODE)).await?)? {
            let why = "its file system cannot share memory between processes (no WAL)";
            return Err(OpenFailure::Unavailable(why.to_owned()));
        }
        let found = write.rows(sqlx::query(HEAD)).await?;
        for (step, version) in STEPS.iter().zip(1..).skip(steps_seen(&found)?) {
            write.script(*step).await?;
            write.script(AssertSqlSafe(format!("PRAGMA user_version = {version}"))).await?;
            write.script(AssertSqlSafe(format!("PRAGMA application_id = {APPLICATION}"))).await?;
        }
        Ok(write.commit().await?)
    })
    .await
}

/// What the file says of itself, as one row.
const HEAD: &str = "
    SELECT application_id, user_version, (SELECT count(*) FROM sqlite_schema) AS tables
    FROM pragma_application_id, pragma_user_version";

/// What it does with what is written.
const MODE: &str = "PRAGMA journal_mode";

/// Whether what is written goes to a log first, from what [`MODE`] found.
fn has_log(found: &[SqliteRow]) -> Result<bool> {
    Ok(only(found)?.try_get::<&str, _>(0)? == "wal")
}

/// How many steps a file has seen, from what [`HEAD`] found.
fn steps_seen(found: &[SqliteRow]) -> Result<usize> {
    let head = only(found)?;
    let application: i32 = head.try_get("application_id")?;
    let version: i32 = head.try_get("user_version")?;
    let tables: i32 = head.try_get("tables")?;
    let empty = application == 0 && version == 0 && tables == 0;
    if application != APPLICATION && !empty {
        return Err(OpenFailure::Unfit("it is the database of another program".to_owned()));
    }
    usize::try_from(version).ok().filter(|seen| *seen <= STEPS.len()).ok_or_else(|| {
        OpenFailure::Unfit(format!(
            "a newer release wrote it: it has version {version}, this release knows up to {}",
            STEPS.len()
        ))
    })
}

fn only(rows: &[SqliteRow]) -> Result<&SqliteRow> {
    let silent = || OpenFailure::Unavailable("SQLite does not answer questions about the file".to_owned());
    rows.first().ok_or_else(silent)
}
