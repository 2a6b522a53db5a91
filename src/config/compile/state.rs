//! The state directory as it is found: whether it can be used, and whether it is meant; makes nothing.

use crate::config::raw::{At, Reading};
use crate::config::words::Main;
use std::fs::Metadata;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

/// `rwxrwxrwx` without the owner's part, except that the group may read: who else could read or place what is in it.
const OPEN_TO_OTHERS: u32 = 0o027;

/// What an owner needs to make files in a directory.
const WRITABLE_BY_OWNER: u32 = 0o300;

/// Root writes everywhere.
const ROOT: u32 = 0;

/// Reports a state that is no directory, and warns of one that cannot be written, that others may look into, or that is
/// probably another than was meant.
pub fn check(main: &Main, reading: &Reading<'_>) {
    let At { place, value: directory } = &main.gateway.value.state;
    let parent = directory.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let shown = directory.display();
    match std::fs::metadata(directory) {
        Ok(found) if !found.is_dir() => reading.problem(place, format!("{shown} is no directory")),
        Ok(found) => {
            for warning in warnings(found.permissions().mode() & 0o777, is_ours(&found)) {
                reading.warn(place, format!("{shown} {warning}"));
            }
        }
        Err(_) if !parent.exists() => {
            let parent = parent.display();
            reading.warn(place, format!("there is neither {shown} nor {parent}; the gateway would make both"));
        }
        Err(_) => {}
    }
}

/// Whose a directory is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Owner {
    /// The user who asks, who is not root.
    Asks,
    /// Somebody else, or root.
    Other,
}

fn is_ours(found: &Metadata) -> Owner {
    // The kernel gives this directory to the user that a process acts as.
    let ours = std::fs::metadata("/proc/self").is_ok_and(|of_process| of_process.uid() == found.uid());
    if ours && found.uid() != ROOT { Owner::Asks } else { Owner::Other }
}

fn warnings(mode: u32, owner: Owner) -> Vec<String> {
    let mut warnings = Vec::new();
    if owner == Owner::Asks && mode & WRITABLE_BY_OWNER != WRITABLE_BY_OWNER {
        warnings.push(format!("is yours, and you may not write it (mode {mode:03o}): the gateway could keep nothing"));
    }
    if mode & OPEN_TO_OTHERS != 0 {
        warnings.push(format!("holds keys, and others may look into it (mode {mode:03o}); make it 700"));
    }
    warnings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_directory_that_is_too_open_is_to_be_closed() {
        let closed = "is yours, and you may not write it (mode 500): the gateway could keep nothing";
        let open = "holds keys, and others may look into it (mode 755); make it 700";
        assert_eq!(warnings(0o500, Owner::Asks), [closed]);
        assert_eq!(warnings(0o500, Owner::Other), [""; 0]);
        assert_eq!(warnings(0o755, Owner::Asks), [open]);
        assert_eq!(warnings(0o555, Owner::Asks).len(), 2);
        assert_eq!(warnings(0o700, Owner::Asks), [""; 0]);
    }
}
