//! Whose a state directory is, and who else may change it: what another user makes in it would keep the gateway out of
//! its own store, or take the store's place; opens nothing.

use super::StateFailure;
use std::fs::{self, Metadata};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use tokio::net::UnixStream;

/// A state directory, or the store in it, that is another user's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{} belongs to the user {owner}, and this is the user {user}: whatever one of them makes there keeps the other out",
    path.display()
)]
pub struct Foreign {
    /// The directory, or the store's file.
    pub path: PathBuf,
    /// Whose it is.
    pub owner: String,
    /// As whom this process runs.
    pub user: String,
}

/// A state directory, or what lies in it, that other users may change.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{}: its mode is {mode:04o}, so other users could put a store or keys of their own in its place: \
     chmod {right:04o} {}",
    path.display(),
    path.display()
)]
pub struct Exposed {
    /// The directory, or the store's file.
    pub path: PathBuf,
    /// Its mode.
    pub mode: u32,
    /// The mode it should have.
    pub right: u32,
}

/// `-w--w-` of group and others.
const WRITABLE_BY_OTHERS: u32 = 0o022;

/// Checks that those of `paths` that exist belong to this process' user, and that nobody else may change them. Needs a
/// Tokio runtime around it.
///
/// # Errors
/// The first that is another user's, that others may change, or that cannot be looked at.
pub(super) fn check(paths: &[&Path]) -> Result<(), StateFailure> {
    for path in paths {
        let Some(found) = look(path)? else { continue };
        let owner = found.uid();
        let unseen = |error| StateFailure::Unseen { path: (*path).to_owned(), error };
        let user = our_user().map_err(unseen)?;
        if owner != user {
            let foreign = Foreign { path: (*path).to_owned(), owner: name_of(owner), user: name_of(user) };
            return Err(StateFailure::Foreign(foreign));
        }
        closed(path)?;
    }
    Ok(())
}

/// Checks that nobody but its owner may change what is at `path`, if there is anything.
///
/// # Errors
/// If others may, or it cannot be looked at.
pub(super) fn closed(path: &Path) -> Result<(), StateFailure> {
    let Some(found) = look(path)? else { return Ok(()) };
    let mode = found.permissions().mode() & 0o7777;
    if mode & WRITABLE_BY_OTHERS == 0 {
        return Ok(());
    }
    let right = if found.is_dir() { 0o700 } else { 0o600 };
    Err(StateFailure::Exposed(Exposed { path: path.to_owned(), mode, right }))
}

/// What is at `path`, if there is anything.
///
/// # Errors
/// If it cannot be looked at.
pub(super) fn look(path: &Path) -> Result<Option<Metadata>, StateFailure> {
    match fs::metadata(path) {
        Ok(found) => Ok(Some(found)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(StateFailure::Unseen { path: path.to_owned(), error }),
    }
}

/// The user this process runs as, for the record: `uid 0 (root)`; `None` if the system does not say. Needs a Tokio
/// runtime around it.
pub fn this_user() -> Option<String> {
    let user = our_user().ok()?;
    let users = fs::read_to_string("/etc/passwd").unwrap_or_default();
    let name = name_in(&users, user).map(|name| format!(" ({name})")).unwrap_or_default();
    Some(format!("uid {user}{name}"))
}

/// The number of the user this process runs as: what the kernel says of the other end of a pair of sockets.
fn our_user() -> io::Result<u32> {
    let (one, _other) = UnixStream::pair()?;
    Ok(one.peer_cred()?.uid())
}

/// A user's name, or their number, as `sudo -u` takes it, where the system knows none.
fn name_of(user: u32) -> String {
    let users = fs::read_to_string("/etc/passwd").unwrap_or_default();
    name_in(&users, user).unwrap_or_else(|| format!("'#{user}'"))
}

/// The name in a line `name:x:user:…`.
fn name_in(users: &str, user: u32) -> Option<String> {
    let number = user.to_string();
    users.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)? == number).then(|| name.to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_s_name_is_found_by_number() {
        let users = "root:x:0:0:root:/root:/bin/sh\nportcullis:x:993:993::/var/lib/portcullis:/sbin/nologin\n";
        assert_eq!(name_in(users, 993).as_deref(), Some("portcullis"));
        assert_eq!(name_in(users, 1), None);
    }

    #[tokio::test]
    async fn what_is_this_user_s_and_what_is_not_there_may_be_opened() {
        let folder = tempfile::tempdir().expect("a folder");
        assert!(check(&[folder.path(), &folder.path().join("state")]).is_ok());
    }

    #[tokio::test]
    async fn what_others_may_change_is_refused_with_the_remedy_and_what_they_may_read_is_not() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("portcullis.db");
        fs::write(&file, []).expect("a file");
        let set = |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("it is ours");
        for (path, modes, right) in [(folder.path(), [0o777, 0o770, 0o1777, 0o702], 0o700), (&file, [0o666; 4], 0o600)]
        {
            for mode in modes {
                set(path, mode);
                let said = check(&[path]).expect_err("others may change it").to_string();
                assert!(said.contains(&format!("its mode is {mode:04o}")), "{said}");
                assert!(said.ends_with(&format!("chmod {right:04o} {}", path.display())), "{said}");
            }
            set(path, right | 0o055);
            assert!(check(&[path]).is_ok(), "they may look");
        }
    }
}
