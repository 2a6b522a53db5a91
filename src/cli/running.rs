//! A gateway that runs beside a command: where its state is, and whether what lies there is what it has open. Asks it, and
//! opens nothing.

use super::home::Essentials;
use crate::admin::{self, Unanswered};
use crate::store::FileId;
use http::Method;
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};

/// What is known of a running gateway's state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Running {
    /// It is in this directory.
    On {
        /// The directory.
        state: PathBuf,
        /// The store's files, as the gateway has them open.
        store: Held,
    },
    /// There is a gateway, which does not say.
    Somewhere,
    /// No gateway answers.
    Nowhere,
}

/// The files that a gateway has open.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Held {
    /// By their names in the state directory, the store itself first; none if it does not say.
    files: Vec<(String, FileId)>,
    /// What it says has happened to them.
    lost: Option<String>,
}

/// What lies in a state directory is not what the gateway that runs on it has open: it would not see what is written
/// there, and would lose what it has.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Parted(String);

impl Running {
    /// Asks the gateway that a configuration names, if it names one.
    pub async fn beside(essentials: &Essentials) -> Self {
        match &essentials.socket {
            Some(socket) => Self::behind(socket).await,
            None => Running::Nowhere,
        }
    }

    async fn behind(socket: &Path) -> Self {
        match admin::ask(socket, Method::GET, "/status").await {
            Ok((_, status)) => match status.get("state").and_then(Value::as_str) {
                Some(state) => Running::On { state: PathBuf::from(state), store: Held::told(status.get("store")) },
                None => Running::Somewhere,
            },
            Err(Unanswered::Broken { .. }) => Running::Somewhere,
            Err(Unanswered::Nobody(_) | Unanswered::Forbidden(_)) => Running::Nowhere,
        }
    }

    /// Whether its state may be in this directory. One that does not say where its state is counts.
    pub fn may_be_on(&self, state: &Path) -> bool {
        match self {
            Running::On { state: theirs, .. } => same(theirs, state),
            Running::Somewhere => true,
            Running::Nowhere => false,
        }
    }

    /// Makes sure that what lies in a state directory is what a gateway that runs on it has open.
    ///
    /// # Errors
    /// What lies there instead, and what to do.
    pub fn in_place(&self, state: &Path) -> Result<(), Parted> {
        match self {
            Running::On { state: theirs, store } if same(theirs, state) => store.in_place(state),
            Running::On { .. } | Running::Somewhere | Running::Nowhere => Ok(()),
        }
    }
}

impl Held {
    /// What the status of a gateway tells.
    fn told(store: Option<&Value>) -> Self {
        let Some(store) = store else { return Held::default() };
        let files = store.get("files").and_then(Value::as_array).into_iter().flatten();
        let lost = store.get("lost").and_then(Value::as_str).map(str::to_owned);
        Held { files: files.filter_map(file).collect(), lost }
    }

    fn in_place(&self, state: &Path) -> Result<(), Parted> {
        for (place, (name, open)) in self.files.iter().enumerate() {
            let path = state.join(name);
            let found = fs::metadata(&path).ok().map(|found| FileId::of(&found));
            if found != Some(*open) {
                return Err(Parted(match (place, found) {
                    (0, None) => taken_away(state),
                    (0, Some(_)) => replaced(state),
                    (_, None) => log_taken_away(&path),
                    (_, Some(_)) => log_replaced(&path),
                }));
            }
        }
        let told = |lost: &String| Err(Parted(format!("the running gateway says of its store: {lost}")));
        self.lost.as_ref().map_or(Ok(()), told)
    }
}

/// A file that a gateway has open, as its status lists it.
fn file(listed: &Value) -> Option<(String, FileId)> {
    let number = |key: &str| listed.get(key)?.as_u64();
    let name = listed.get("name")?.as_str()?.to_owned();
    Some((name, FileId { device: number("device")?, inode: number("inode")? }))
}

/// What is said where a gateway's store has no name any more.
pub fn taken_away(state: &Path) -> String {
    format!(
        "there is no store in {} any more, but a gateway is running on it: what it still holds open has no name and is \
         lost when it ends\nput the file back from the backup, or begin with an empty store; either way with the gateway \
         stopped",
        state.display()
    )
}

fn replaced(state: &Path) -> String {
    format!(
        "another file lies in place of the store in {} than the one that the running gateway has open, so it would not \
         see what is written now\nrestart the gateway to use the file that lies there, or put the other one back",
        state.display()
    )
}

fn log_taken_away(path: &Path) -> String {
    format!(
        "{} is gone, and the running gateway still has it open: it would not see what is written now, and what it holds \
         would be lost with it\ngive no more commands, but put the file back, or restart the gateway with SIGTERM \
         (systemctl restart portcullis; never kill -9): as it ends it writes back what it holds",
        path.display()
    )
}

fn log_replaced(path: &Path) -> String {
    format!(
        "another {} lies in place of the one that the running gateway has open: it would not see what is written now, and \
         what it holds would be lost with it\ngive no more commands; end whatever else has the store open (sqlite3, a \
         backup), move portcullis.db-wal and portcullis.db-shm away, and restart the gateway with SIGTERM (systemctl \
         restart portcullis; never kill -9): as it ends it writes back what it holds",
        path.display()
    )
}

/// Whether two paths are of one directory.
pub fn same(one: &Path, other: &Path) -> bool {
    let real = |path: &Path| fs::canonicalize(path).or_else(|_| std::path::absolute(path));
    matches!((real(one), real(other)), (Ok(one), Ok(other)) if one == other)
}
