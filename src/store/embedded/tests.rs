//! What only a file can do: be shared, be another's, be damaged, and fill a disk.

mod record;
mod whole;

use super::*;
use crate::identity::{Account, AccountId, AccountKind, AccountName};
use crate::stdx::clock::Time;
use crate::stdx::digest::Mac;
use crate::store::{Chain, Change, EventRow, OnceKind, Reserved, ThrottleRule, Throttled};
use std::path::PathBuf;
use std::time::Duration;
use tempfile::TempDir;
use tokio::task::JoinSet;

fn no_factors(_: &str) -> Option<FactorName> {
    None
}

fn somewhere() -> (TempDir, PathBuf) {
    let directory = tempfile::tempdir().expect("the test may make a directory");
    let path = directory.path().join("state").join("portcullis.db");
    (directory, path)
}

async fn opened(path: &Path) -> Store {
    opened_with(path, 1).await
}

/// With another key for each number.
async fn opened_with(path: &Path, key: u8) -> Store {
    let store = open(path, no_factors).await.expect("the store opens");
    store.events.bind(chain(key));
    store
}

fn chain(key: u8) -> Chain {
    Chain::new(Mac::new(&[key; 32]))
}

async fn refusal(path: &Path) -> String {
    match open(path, no_factors).await {
        Ok(_) => panic!("the store opened"),
        Err(error) => error.to_string(),
    }
}

fn account(name: &str) -> Account {
    Account {
        id: AccountId::fresh(),
        name: AccountName::parse(name).expect("a sound name"),
        groups: Vec::new(),
        kind: AccountKind::Person,
        disabled: false,
        created: Time::from_secs(1),
    }
}

fn event(body: String) -> EventRow {
    EventRow { at: Time::from_secs(1), name: "sign-in.failed".to_owned(), account: None, body }
}

async fn sql(path: &Path, statements: &'static str) {
    use sqlx::ConnectOptions;
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(path).create_if_missing(true);
    let mut connection = options.connect().await.expect("SQLite opens the file");
    sqlx::raw_sql(statements).execute(&mut connection).await.expect("the statements run");
    sqlx::Connection::close(connection).await.expect("the file closes");
}

#[tokio::test]
async fn file_and_directory_are_the_owners_alone() {
    let (_directory, path) = somewhere();
    let store = opened(&path).await;
    store.accounts.add(&account("alice")).await.expect("the store answers");
    let state = path.parent().expect("the file is in a directory");
    assert_eq!(fs::metadata(state).expect("it exists").permissions().mode() & 0o777, 0o700);
    let files: Vec<_> = fs::read_dir(state).expect("it lists").map(|entry| entry.expect("an entry").path()).collect();
    assert_eq!(files.len(), 3, "{files:?}");
    for file in files {
        assert_eq!(fs::metadata(&file).expect("it exists").permissions().mode() & 0o777, 0o600, "{file:?}");
    }
}

#[tokio::test]
async fn what_was_written_is_there_after_a_restart() {
    let (_directory, path) = somewhere();
    let alice = account("alice");
    assert!(opened(&path).await.accounts.add(&alice).await.expect("the store answers"));
    assert_eq!(opened(&path).await.accounts.by_id(alice.id).await.expect("the store answers"), Some(alice));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_may_open_a_new_file_at_once() {
    let (_directory, path) = somewhere();
    let mut opening = JoinSet::new();
    for number in 0..8 {
        let path = path.clone();
        opening.spawn(async move {
            let store = opened(&path).await;
            store.accounts.add(&account(&format!("user{number}"))).await.expect("the store answers")
        });
    }
    assert!(opening.join_all().await.into_iter().all(|added| added));
    assert_eq!(opened(&path).await.accounts.list().await.expect("the store answers").len(), 8);
}

#[tokio::test]
async fn two_that_opened_one_file_see_each_others_changes() {
    let (_directory, path) = somewhere();
    let (gateway, command) = (opened(&path).await, opened(&path).await);
    let alice = account("alice");
    command.accounts.add(&alice).await.expect("the store answers");
    assert_eq!(gateway.accounts.by_name(&alice.name).await.expect("the store answers"), Some(alice.clone()));
    let feed = gateway.changes.after(0, 10).await.expect("the store answers");
    assert_eq!(feed, [(1, Change::Account(alice.id))]);
    gateway.accounts.remove(alice.id).await.expect("the store answers");
    assert_eq!(command.accounts.list().await.expect("the store answers"), []);
    assert_eq!(command.changes.newest().await.expect("the store answers"), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_that_opened_one_file_share_one_time_values_and_counters() {
    let (_directory, path) = somewhere();
    let stores = [opened(&path).await, opened(&path).await];
    let now = Time::from_secs(100);
    let rule = ThrottleRule::Window { most: 5, per: Duration::from_secs(60) };
    stores[0].once.put(OnceKind::Attempt, [1; 32], None, b"x", Time::from_secs(200)).await.expect("the store answers");
    let mut racing = JoinSet::new();
    for number in 0..40 {
        let (store, source) = (stores[number % 2].clone(), Throttled::Source("k".to_owned()));
        racing.spawn(async move {
            let taken = store.once.take(OnceKind::Attempt, [1; 32], now).await.expect("the store answers");
            let reserved = store.throttles.reserve_all(&[(&source, rule)], now).await.expect("the store answers");
            (taken.is_some(), reserved == [Reserved::Go])
        });
    }
    let (taken, gone): (Vec<_>, Vec<_>) = racing.join_all().await.into_iter().unzip();
    let (taken, gone) = (taken.into_iter().filter(|it| *it).count(), gone.into_iter().filter(|it| *it).count());
    assert_eq!((taken, gone), (1, 5));
}

#[tokio::test]
async fn a_newer_file_is_refused() {
    let (_directory, path) = somewhere();
    drop(opened(&path).await);
    sql(&path, "PRAGMA user_version = 1000").await;
    let refusal = refusal(&path).await;
    assert!(refusal.contains("version 1000") && refusal.contains("a newer release wrote it"), "{refusal}");
}

#[tokio::test]
async fn the_database_of_another_program_is_refused_and_left_as_it_is() {
    let (directory, _) = somewhere();
    let path = directory.path().join("other.db");
    sql(&path, "CREATE TABLE song (title TEXT)").await;
    let before = fs::read(&path).expect("the test may read");
    assert!(refusal(&path).await.contains("of another program"));
    assert!(fs::read(&path).expect("the test may read") == before, "the file was changed");
}

#[tokio::test]
async fn a_file_that_is_no_database_is_refused_with_its_name() {
    let (directory, _) = somewhere();
    let path = directory.path().join("notes.txt");
    fs::write(&path, "milk, bread, ".repeat(1000)).expect("the test may write");
    let refusal = refusal(&path).await;
    assert!(refusal.contains("notes.txt") && refusal.contains("not a database"), "{refusal}");
}

#[tokio::test]
async fn a_damaged_record_is_an_error_and_not_a_default() {
    let (_directory, path) = somewhere();
    let store = opened(&path).await;
    sql(&path, "INSERT INTO account VALUES (x'01', 'alice', 'person', '', 0, 0)").await;
    let error = store.accounts.list().await.expect_err("an id has 16 bytes");
    assert_eq!(error.to_string(), "the store is unavailable: a stored record is damaged: account");
}

#[tokio::test]
async fn a_refused_attempt_writes_nothing_and_waits_for_nobody_who_writes() {
    let (_directory, path) = somewhere();
    prepare(&path).expect("the test may make files");
    let database = Arc::new(Database::new(&path, no_factors));
    schema::migrate(&database).await.expect("a new file");
    database.anchor().await.expect("the file opens");
    let throttles: &dyn crate::store::Throttles = &*database;
    let (source, name) = (Throttled::Source("k".to_owned()), Throttled::Name("nobody".to_owned(), FactorName("totp")));
    let wide = ThrottleRule::Window { most: 100, per: Duration::from_secs(60) };
    let narrow = ThrottleRule::Window { most: 1, per: Duration::from_secs(60) };
    let both = [(&source, wide), (&name, narrow)];
    let attempt = || throttles.reserve_all(&both, Time::from_secs(1));
    assert_eq!(attempt().await.expect("the store answers"), [Reserved::Go, Reserved::Go]);
    let written = || fs::read(path.with_extension("db-wal")).expect("there is a log");
    let before = written();
    let held = database.write().await.expect("nobody else writes");
    let refused = [Reserved::Go, Reserved::Wait(Time::from_secs(61))];
    for _ in 0..100 {
        assert_eq!(attempt().await.expect("it does not wait for the write lock"), refused);
    }
    held.commit().await.expect("it had changed nothing");
    assert_eq!(attempt().await.expect("the store answers"), refused);
    assert!(!before.is_empty() && written() == before, "the log has grown");
}

#[tokio::test]
async fn a_file_that_was_moved_away_answers_nothing_until_it_is_back() {
    let (_directory, path) = somewhere();
    let store = opened(&path).await;
    let away = path.with_extension("away");
    fs::rename(&path, &away).expect("the test may move it");
    let gone = store.ground.check().expect_err("the file is gone").to_string();
    assert!(gone.contains("is gone: put it back, or restart"), "{gone}");
    for refused in [store.accounts.add(&account("alice")).await.err(), store.accounts.list().await.err()] {
        assert_eq!(refused.map(|error| error.to_string()), Some(gone.clone()));
    }
    fs::rename(&away, &path).expect("the test may move it");
    store.ground.check().expect("it is back");
    assert!(store.accounts.add(&account("alice")).await.expect("the store answers"));
}

#[tokio::test]
async fn a_file_that_was_replaced_is_not_written_to_and_a_restart_is_asked_for() {
    let (_directory, path) = somewhere();
    let store = opened(&path).await;
    let copy = path.with_extension("copy");
    fs::write(&copy, []).expect("the test may write");
    fs::rename(&copy, &path).expect("the test may move it");
    let error = store.accounts.add(&account("alice")).await.expect_err("it is another file").to_string();
    assert!(error.contains("another file lies in place of") && error.contains("restart the gateway"), "{error}");
    assert_eq!(fs::metadata(&path).expect("it exists").len(), 0, "nothing was written to it");
}

#[tokio::test]
async fn a_log_that_is_deleted_under_the_store_is_noticed_like_a_file_that_was_replaced() {
    for suffix in ["-wal", "-shm"] {
        let (_directory, path) = somewhere();
        let store = opened(&path).await;
        store.accounts.add(&account("alice")).await.expect("the store answers");
        let mut beside = path.clone().into_os_string();
        beside.push(suffix);
        fs::remove_file(&beside).expect("it lies beside the file");
        let lost = store.ground.check().expect_err("what is written now is lost").to_string();
        assert!(lost.contains(suffix) && lost.contains("restart the gateway"), "{lost}");
        assert!(store.accounts.add(&account("bob")).await.is_err());
        let (alice, bob) = (account("alice").name, account("bob").name);
        assert!(store.accounts.by_name(&alice).await.is_err());
        assert!(store.accounts.still_known(&alice).await.expect("it is open").is_some(), "what is open still tells");
        assert_eq!(store.accounts.still_known(&bob).await.expect("it is open"), None);
        assert!(!fs::exists(&beside).expect("the test may look"), "and nothing was opened anew");
    }
}

#[tokio::test]
async fn a_store_is_opened_and_read_beside_a_lock_that_another_process_holds() {
    use sqlx::ConnectOptions;
    let (_directory, path) = somewhere();
    let gateway = opened(&path).await;
    gateway.accounts.add(&account("alice")).await.expect("the store answers");
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(&path).busy_timeout(Duration::ZERO);
    let mut other = options.connect().await.expect("SQLite opens the file");
    sqlx::raw_sql("BEGIN IMMEDIATE").execute(&mut other).await.expect("nobody else writes");
    assert_eq!(opened(&path).await.accounts.list().await.expect("reading needs no lock").len(), 1);
    let mut third = options.connect().await.expect("SQLite opens the file");
    let busy = sqlx::raw_sql("BEGIN IMMEDIATE").execute(&mut third).await.expect_err("the lock is held");
    let said = Unavailable::from(busy).to_string();
    assert!(said.contains("another process holds the store's lock"), "{said}");
}

#[tokio::test]
async fn a_file_that_will_never_do_is_told_from_one_that_cannot_be_used_now() {
    let (directory, path) = somewhere();
    drop(opened(&path).await);
    sql(&path, "PRAGMA user_version = 1000").await;
    let notes = directory.path().join("notes.txt");
    fs::write(&notes, "milk, bread, ".repeat(1000)).expect("the test may write");
    for unfit in [path, notes.clone()] {
        let failure = open(&unfit, no_factors).await.err();
        assert!(matches!(failure, Some(OpenFailure::Unfit(_))), "{failure:?}");
    }
    let failure = open(&notes.join("portcullis.db"), no_factors).await.err();
    assert!(matches!(failure, Some(OpenFailure::Unavailable(_))), "{failure:?}");
}

#[tokio::test]
async fn a_full_disk_fails_writes_alone_and_only_while_it_is_full() {
    let (_directory, path) = somewhere();
    prepare(&path).expect("the test may make files");
    let database = Arc::new(Database::new(&path, no_factors));
    schema::migrate(&database).await.expect("a new file");
    database.anchor().await.expect("the file opens");
    let events: &dyn crate::store::Events = &*database;
    events.bind(chain(1));
    events.append(&[event("first".to_owned())]).await.expect("there is room");
    database.fill_disk().await.expect("the store answers");
    let error = events.append(&[event("x".repeat(100_000))]).await.expect_err("there is no room");
    assert!(error.to_string().contains("full"), "{error}");
    assert_eq!(events.after(0, 10).await.expect("reading needs no room").len(), 1);
    events.append(&[event("second".to_owned())]).await.expect("there is room again");
    assert_eq!(events.newest().await.expect("the store answers"), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_write_whose_caller_went_away_happened_whole_or_not_at_all() {
    let (_directory, path) = somewhere();
    let store = opened(&path).await;
    for number in 0..40 {
        let (store, alice) = (store.clone(), account(&format!("user{number}")));
        let mut task = JoinSet::new();
        task.spawn(async move { store.accounts.add(&alice).await });
        for _ in 0..number {
            tokio::task::yield_now().await;
        }
        task.shutdown().await;
    }
    store.accounts.add(&account("last")).await.expect("the store still answers");
    let added = store.accounts.list().await.expect("the store answers").len();
    let noted = store.changes.after(0, 100).await.expect("the store answers").len();
    assert_eq!(added, noted);
}

#[tokio::test]
async fn a_question_that_takes_too_long_is_unavailable() {
    let (_directory, path) = somewhere();
    let database = Arc::new(Database::new(&path, no_factors));
    prepare(&path).expect("the test may make files");
    schema::migrate(&database).await.expect("a new file");
    let held = database.write().await.expect("nobody else writes");
    tokio::time::pause();
    let accounts: &dyn crate::store::Accounts = &*database;
    let error = accounts.add(&account("alice")).await.expect_err("another holds the only connection that writes");
    assert!(error.to_string().contains("no answer within 5 s"), "{error}");
    tokio::time::resume();
    held.commit().await.expect("it had changed nothing");
    assert!(accounts.add(&account("alice")).await.expect("the store answers again"));
}
