//! The engine in one SQLite file in WAL mode, which several processes may open at once; decides nothing.

mod accounts;
mod changes;
mod credentials;
mod database;
mod events;
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

/// Opens the store in the file `path`, making file and directory for the owner alone where there are none.
///
/// Proofs and credentials of a factor that `factors` does not find are left out of what is read, with a warning.
///
/// # Errors
/// If the file cannot be made or opened, is no database or another's, or was written by a newer release.
pub async fn open(path: &Path, factors: Factors) -> Result<Store> {
    let refuse = |cause: String| Unavailable(format!("cannot open {}: {cause}", path.display()));
    prepare(path).map_err(|error| refuse(error.to_string()))?;
    let database = Arc::new(Database::new(path, factors));
    schema::migrate(&database).await.map_err(|error| refuse(error.0))?;
    database.anchor().await.map_err(|error| refuse(error.0))?;
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
