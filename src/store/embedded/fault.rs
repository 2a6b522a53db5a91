//! What SQLite's result codes say to an operator: a sentence with what to do, and the code for whoever looks it up; asks
//! nothing.
//!
//! The lowest byte of a code is its sort, the bytes above tell more: <https://sqlite.org/rescode.html>.

use super::{OpenFailure, Unavailable};

/// The result code of SQLite, if the error has one.
pub(super) fn code(error: &sqlx::Error) -> Option<u32> {
    error.as_database_error()?.code()?.parse().ok()
}

/// Whether another process was in the way (`SQLITE_BUSY`).
pub(super) fn is_busy(code: u32) -> bool {
    sort(code) == BUSY
}

const BUSY: u32 = 5;
const READ_ONLY: u32 = 8;
const INPUT_OUTPUT: u32 = 10;
const DAMAGED: u32 = 11;
const FULL: u32 = 13;
const UNOPENED: u32 = 14;
const NO_DATABASE: u32 = 26;

/// `SQLITE_IOERR_SHORT_READ`.
const SHORT: u32 = INPUT_OUTPUT | 2 << 8;
/// `SQLITE_IOERR_WRITE`. `SQLITE_FULL` is said of a full disk alone; a quota and a limit on files end here.
const UNWRITTEN: u32 = INPUT_OUTPUT | 3 << 8;
/// `SQLITE_IOERR_SHMSIZE`.
const NO_ROOM_FOR_INDEX: u32 = INPUT_OUTPUT | 19 << 8;
/// `SQLITE_IOERR_CORRUPTFS`.
const DAMAGED_DISK: u32 = INPUT_OUTPUT | 33 << 8;

fn sort(code: u32) -> u32 {
    code & 0xff
}

/// What is wrong and what to do, for the codes that a machine's state brings about; `None` for those that only a mistake
/// in this program does, where SQLite's own words say most.
fn sentence(code: u32) -> Option<&'static str> {
    Some(match (code, sort(code)) {
        (NO_ROOM_FOR_INDEX, _) => "the disk is full, there is no room for the index of its log (-shm): make room",
        (SHORT, _) => {
            "a part of its file or of its log (-wal, -shm) is missing: restart the gateway if one is running (SIGTERM, \
             never kill -9); if that does not help, stop it and put the store back from the backup"
        }
        (UNWRITTEN, _) => {
            "it cannot be written: is there room on the disk, is a quota or a limit on the size of files reached? What \
             the disk itself has to say is in the kernel's log (dmesg)"
        }
        (DAMAGED_DISK, _) | (_, INPUT_OUTPUT) => "the disk or its file system fails: the kernel's log (dmesg) says how",
        (_, BUSY) => "another process holds the store's lock: end whatever has the file open (sqlite3, a backup)",
        (_, READ_ONLY) => {
            "it can be read but not written: is the disk mounted read-only, are the directory and what lies in it the \
             gateway's user's?"
        }
        (_, DAMAGED) => {
            "its file is damaged: stop the gateway, move portcullis.db, -wal and -shm away together, and put the store \
             back from the backup"
        }
        (_, FULL) => "the disk is full: make room",
        (_, UNOPENED) => {
            "its file or its log (-wal, -shm) cannot be opened: are the directory and what lies in it the gateway's \
             user's, is the disk there and not read-only, are file descriptors left (LimitNOFILE=)?"
        }
        (_, NO_DATABASE) => "its file is not a database: put the store back from the backup",
        (_, _) => return None,
    })
}

/// SQLite's messages name tables and files, never values.
impl From<sqlx::Error> for Unavailable {
    fn from(error: sqlx::Error) -> Self {
        let Some((code, said)) = code(&error).zip(error.as_database_error()) else {
            return Unavailable(error.to_string());
        };
        Unavailable(format!("{} (SQLite {code})", sentence(code).unwrap_or_else(|| said.message())))
    }
}

/// What is damaged or no database stays so however often it is opened.
impl From<sqlx::Error> for OpenFailure {
    fn from(error: sqlx::Error) -> Self {
        let sort = code(&error).map(sort);
        let Unavailable(why) = error.into();
        match sort {
            Some(DAMAGED | NO_DATABASE) => OpenFailure::Unfit(why),
            Some(_) | None => OpenFailure::Unavailable(why),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_operator_can_meet_is_said_in_a_sentence_with_what_to_do() {
        for (code, word) in [
            (4874, "make room"),
            (13, "make room"),
            (14, "file descriptors"),
            (270, "file descriptors"),
            (10, "dmesg"),
            (8458, "dmesg"),
            (778, "quota"),
            (522, "never kill -9"),
            (5, "holds the store's lock"),
            (517, "holds the store's lock"),
            (8, "read-only"),
            (1544, "read-only"),
            (11, "from the backup"),
            (26, "from the backup"),
        ] {
            assert!(sentence(code).is_some_and(|said| said.contains(word)), "{code}: {:?}", sentence(code));
        }
        assert_eq!(sentence(1), None, "a mistake in a statement is not the operator's");
    }
}
