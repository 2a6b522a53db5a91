//! The engine in one SQLite file in WAL mode, which several processes may open at once; decides nothing.

mod accounts;
mod changes;
mod credentials;
mod database;
mod events;
mod fault;
mod ground;
mod keys;
mod once;
mod row;
mod schema;
mod sessions;
mod throttles;

use self::database::Database;
use super::{Result, Store, Unavailable};
use crate::identity::FactorName;
use crate::stdx::entropy;
use crate::stdx::id::base32;
use std::fs::{self, DirBuilder, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;
use std::sync::Arc;

/// Finds a factor of this build by its word, as `factor::named` does: the store keeps words and knows no factor.
pub type Factors = fn(&str) -> Option<FactorName>;

/// Why a store does not open.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OpenFailure {
    /// The file is no database, another program's, or a newer release's: it stays so however often it is opened.
    #[error("{0}")]
    Unfit(String),
    /// It cannot be used now.
    #[error("{0}")]
    Unavailable(String),
}

impl OpenFailure {
    fn at(self, path: &Path) -> Self {
        let told = |why| format!("cannot open {}: {why}", path.display());
        match self {
            OpenFailure::Unfit(why) => OpenFailure::Unfit(told(why)),
            OpenFailure::Unavailable(why) => OpenFailure::Unavailable(told(why)),
        }
    }
}

impl From<Unavailable> for OpenFailure {
    fn from(Unavailable(why): Unavailable) -> Self {
        OpenFailure::Unavailable(why)
    }
}

impl From<io::Error> for OpenFailure {
    fn from(error: io::Error) -> Self {
        OpenFailure::Unavailable(error.to_string())
    }
}

/// Opens the store in the file `path`, making file and directory for the owner alone where there are none.
///
/// Proofs and credentials of a factor that `factors` does not find are left out of what is read, with a warning.
///
/// # Errors
/// If the file cannot be made or opened, is no database or another's, or was written by a newer release.
pub async fn open(path: &Path, factors: Factors) -> std::result::Result<Store, OpenFailure> {
    let database = database(path, factors).await.map_err(|failure| failure.at(path))?;
    Ok(Store {
        accounts: database.clone(),
        credentials: database.clone(),
        sessions: database.clone(),
        once: database.clone(),
        throttles: database.clone(),
        events: database.clone(),
        changes: database.clone(),
        keys: database.clone(),
        ground: database,
    })
}

async fn database(path: &Path, factors: Factors) -> std::result::Result<Arc<Database>, OpenFailure> {
    prepare(path)?;
    let database = Arc::new(Database::new(path, factors));
    schema::migrate(&database).await?;
    database.anchor().await?;
    Ok(database)
}

/// Makes the directory and an empty file, which is an empty database, before SQLite would with wider permissions; its
/// side files take theirs from it.
///
/// The file is made under another name and then linked. It is never opened here under its own: closing it would end
/// every lock that this process holds on it (POSIX), and another store of this process may have it open.
fn prepare(path: &Path) -> io::Result<()> {
    if let Some(directory) = path.parent().filter(|parent| !parent.as_os_str().is_empty()) {
        DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
    }
    if !path.try_exists()? {
        let mut fresh = path.as_os_str().to_owned();
        fresh.push(format!(".{}", base32(&entropy::bytes::<8>())));
        drop(OpenOptions::new().write(true).create_new(true).mode(0o600).open(&fresh)?);
        let linked = fs::hard_link(&fresh, path);
        fs::remove_file(&fresh)?;
        linked.or_else(|error| if error.kind() == io::ErrorKind::AlreadyExists { Ok(()) } else { Err(error) })?;
    }
    let mode = fs::metadata(path)?.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        tracing::warn!(file = %path.display(), mode = format!("{mode:o}"), "other users may open the store");
    }
    Ok(())
}

#[cfg(test)]
mod tests;
