//! Whose a state directory is: what another user makes in it would keep the gateway out of its own store; opens nothing.

use super::StateFailure;
use std::fs;
use std::io::{self, ErrorKind};
use std::os::unix::fs::MetadataExt;
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

/// Checks that those of `paths` that exist belong to this process' user. Needs a Tokio runtime around it.
///
/// # Errors
/// The first that is another user's, or that cannot be looked at.
pub(super) fn check(paths: &[&Path]) -> Result<(), StateFailure> {
    let unseen = |path: &Path, error| StateFailure::Unseen { path: path.to_owned(), error };
    for path in paths {
        let owner = match fs::metadata(path) {
            Ok(found) => found.uid(),
            Err(error) if error.kind() == ErrorKind::NotFound => continue,
            Err(error) => return Err(unseen(path, error)),
        };
        let user = our_user().map_err(|error| unseen(path, error))?;
        if owner != user {
            let foreign = Foreign { path: (*path).to_owned(), owner: name_of(owner), user: name_of(user) };
            return Err(StateFailure::Foreign(foreign));
        }
    }
    Ok(())
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
}
