//! Connections to the file: one that writes and a few that read, each question bounded in time; knows no table.

use super::fault;
use super::ground::File;
use super::{Factors, OpenFailure, Result, Unavailable};
use crate::store::Chain;
use sqlx::sqlite::{
    SqliteArguments, SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqliteRow, SqliteSynchronous,
};
use sqlx::{ConnectOptions, SqlSafeStr, Sqlite};
use std::future::Future;
use std::path::Path;
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::Duration;
use tokio::sync::{Mutex as TurnMutex, Semaphore, SemaphorePermit};

/// How long a caller waits for an answer, queueing included. Longer than any healthy disk needs, short enough that a
/// person who signs in is told.
pub(super) const QUESTION_LIMIT: Duration = Duration::from_secs(5);

/// How long SQLite itself waits for a lock that another process holds. Less than a caller waits, so that the caller is
/// told of the lock.
const BUSY_LIMIT: Duration = Duration::from_secs(4);

/// Pause before a connection is tried again that SQLite refused at once because another process opens the file.
const BUSY_PAUSE: Duration = Duration::from_millis(20);

/// Connections that read. Reads are rare (the hot path has a cache) and each connection costs a thread.
const READERS: usize = 4;

/// To what size the log beside the file is cut back once it was copied into the file: a burst must not keep the disk
/// full for ever.
const LOG_KEPT_BYTES: &str = "16777216";

/// One question to SQLite, with its arguments.
pub(super) type Query = sqlx::query::Query<'static, Sqlite, SqliteArguments>;

/// The open file.
pub(super) struct Database {
    writer: Lane,
    readers: Lane,
    /// Written once. While it is open the log and its index stay on disk, so that reading needs no space when the disk
    /// is full and the other connections were closed after errors. Asked only what must be answered when the files are
    /// not in their place, where no other may be opened; locked for one such question.
    anchor: OnceLock<TurnMutex<SqliteConnection>>,
    /// Looked at before each question.
    pub file: File,
    /// Finds the factor of a stored word.
    pub factors: Factors,
    /// What events are chained under, once somebody said.
    pub chain: OnceLock<Chain>,
}

impl Database {
    /// Touches nothing yet: connections are opened when they are needed.
    pub fn new(path: &Path, factors: Factors) -> Self {
        let common = SqliteConnectOptions::new()
            .filename(path)
            .busy_timeout(BUSY_LIMIT)
            .foreign_keys(true)
            .disable_statement_logging();
        let writing = common
            .clone()
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .pragma("journal_size_limit", LOG_KEPT_BYTES);
        let reading = common.pragma("query_only", "ON");
        let (writer, readers) = (Lane::new(writing, 1), Lane::new(reading, READERS));
        Database { writer, readers, anchor: OnceLock::new(), file: File::new(path), factors, chain: OnceLock::new() }
    }

    /// Opens the connection that keeps the log on disk for as long as this store lives.
    ///
    /// # Errors
    /// If it cannot be opened, or the file turns out to be damaged.
    pub async fn anchor(&self) -> std::result::Result<(), OpenFailure> {
        bounded(async {
            let mut anchor = self.readers.connect().await?;
            sqlx::query("SELECT count(*) FROM sqlite_schema").fetch_all(&mut anchor).await?;
            self.anchor.get_or_init(|| TurnMutex::new(anchor));
            Ok(self.file.remember_beside()?)
        })
        .await
    }

    /// All rows that one question gives, from the files that were opened, wherever they lie by now.
    pub async fn read_through_anchor(&self, query: Query) -> Result<Vec<SqliteRow>> {
        within(async {
            let anchor = self.anchor.get().ok_or_else(|| Unavailable("it is not open".to_owned()))?;
            Ok(query.fetch_all(&mut *anchor.lock().await).await?)
        })
        .await
    }

    /// All rows that one question gives.
    pub async fn read(&self, query: Query) -> Result<Vec<SqliteRow>> {
        self.ask(query).await
    }

    /// The same while the file is opened, when it may turn out to be none of ours.
    pub async fn look(&self, query: Query) -> std::result::Result<Vec<SqliteRow>, OpenFailure> {
        self.ask(query).await
    }

    async fn ask<E: From<Unavailable> + From<sqlx::Error>>(
        &self,
        query: Query,
    ) -> std::result::Result<Vec<SqliteRow>, E> {
        bounded(async {
            self.file.check()?;
            let mut held = self.readers.take().await?;
            let rows = query.fetch_all(&mut held.connection).await?;
            held.give_back();
            Ok(rows)
        })
        .await
    }

    /// The one row that a question gives, if it gives one.
    pub async fn read_one(&self, query: Query) -> Result<Option<SqliteRow>> {
        Ok(self.read(query).await?.into_iter().next())
    }

    /// Runs one statement as a transaction; gives how many rows it changed.
    pub async fn run(&self, statement: Query) -> Result<u64> {
        within(async {
            let mut write = self.write().await?;
            let changed = write.run(statement).await?;
            write.commit().await?;
            Ok(changed)
        })
        .await
    }

    /// Begins a transaction that holds the write lock from its beginning, so that what it reads stays true until it
    /// commits. To be used within [`within`].
    pub async fn write(&self) -> Result<Write<'_>> {
        self.file.check()?;
        let mut held = self.writer.take().await?;
        sqlx::query("BEGIN IMMEDIATE").execute(&mut held.connection).await?;
        Ok(Write(held))
    }
}

/// A write transaction. Dropped without [`Write::commit`] (after an error, or because the caller went away) it takes
/// its connection with it, which rolls it back; whatever state a failure left SQLite in goes the same way.
pub(super) struct Write<'a>(Held<'a>);

impl Write<'_> {
    /// Runs a statement; gives how many rows it changed.
    pub async fn run(&mut self, query: Query) -> Result<u64> {
        Ok(query.execute(&mut self.0.connection).await?.rows_affected())
    }

    /// Runs a statement; gives all its rows.
    pub async fn rows(&mut self, query: Query) -> Result<Vec<SqliteRow>> {
        Ok(query.fetch_all(&mut self.0.connection).await?)
    }

    /// Runs several statements without arguments.
    pub async fn script(&mut self, statements: impl SqlSafeStr) -> Result<()> {
        sqlx::raw_sql(statements).execute(&mut self.0.connection).await?;
        Ok(())
    }

    /// Makes it durable.
    pub async fn commit(mut self) -> Result<()> {
        self.run(sqlx::query("COMMIT")).await?;
        self.0.give_back();
        Ok(())
    }
}

/// Gives a question [`QUESTION_LIMIT`] to be answered.
pub(super) async fn within<T>(question: impl Future<Output = Result<T>>) -> Result<T> {
    bounded(question).await
}

/// The same for questions that may fail in other ways as well.
pub(super) async fn bounded<T, E: From<Unavailable>>(
    question: impl Future<Output = std::result::Result<T, E>>,
) -> std::result::Result<T, E> {
    match tokio::time::timeout(QUESTION_LIMIT, question).await {
        Ok(answer) => answer,
        Err(_) => Err(Unavailable(format!("no answer within {} s", QUESTION_LIMIT.as_secs())).into()),
    }
}

/// Connections of one kind, opened as they are needed.
struct Lane {
    options: SqliteConnectOptions,
    /// One for each connection there may be; callers queue for them in order.
    seats: Semaphore,
    /// Connections that nobody uses. Every caller takes and returns here; held for a push or a pop alone.
    idle: Mutex<Vec<SqliteConnection>>,
}

/// A connection in use. It is given back only after success; otherwise it is closed and the next caller opens another.
struct Held<'a> {
    lane: &'a Lane,
    connection: SqliteConnection,
    _seat: SemaphorePermit<'a>,
}

impl Lane {
    fn new(options: SqliteConnectOptions, most: usize) -> Self {
        Lane { options, seats: Semaphore::new(most), idle: Mutex::new(Vec::new()) }
    }

    async fn take(&self) -> Result<Held<'_>> {
        let seat = self.seats.acquire().await.map_err(|closed| Unavailable(closed.to_string()))?;
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let connection = match idle {
            Some(connection) => connection,
            None => self.connect().await?,
        };
        Ok(Held { lane: self, connection, _seat: seat })
    }

    /// Opens a connection. Turning WAL on, and recovering after a crash, can be refused at once while another process
    /// does the same, whatever the busy timeout; so it is tried again until the caller's time is up.
    async fn connect(&self) -> Result<SqliteConnection> {
        loop {
            match self.options.connect().await {
                Err(error) if fault::code(&error).is_some_and(fault::is_busy) => {
                    tokio::time::sleep(BUSY_PAUSE).await;
                }
                connected => return Ok(connected?),
            }
        }
    }
}

impl Held<'_> {
    fn give_back(self) {
        self.lane.idle.lock().unwrap_or_else(PoisonError::into_inner).push(self.connection);
    }
}

#[cfg(test)]
impl Database {
    /// Lets the file grow no further, as a full disk would, until the next connection that writes.
    pub async fn fill_disk(&self) -> Result<()> {
        let mut held = self.writer.take().await?;
        sqlx::query("PRAGMA max_page_count = 1").fetch_all(&mut held.connection).await?;
        held.give_back();
        Ok(())
    }
}
