//! Descriptors of open files and sockets: how many this process may have, and whether a failure means that the system
//! had none left, or no memory for one. Knows nothing of what they are for.

use rustix::io::Errno;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::error::Error;
use std::io;

/// What the system says when this process, or the whole machine, has run out.
const EXHAUSTED: [Errno; 4] = [Errno::MFILE, Errno::NFILE, Errno::NOBUFS, Errno::NOMEM];

/// Raises the limit of open files as far as this process may by itself, and gives what then is allowed.
pub fn raise() -> u64 {
    let before = getrlimit(Resource::Nofile);
    if before.current != before.maximum {
        // Where it is forbidden the limit stays as it is, and that is what is given.
        let _ = setrlimit(Resource::Nofile, Rlimit { current: before.maximum, maximum: before.maximum });
    }
    getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX)
}

/// Whether a failure, or what lies behind it, is that there was none left: then it says nothing of the other side.
pub fn are_exhausted(failure: &(dyn Error + 'static)) -> bool {
    let mut cause = Some(failure);
    while let Some(error) = cause {
        let system = error.downcast_ref::<io::Error>().and_then(io::Error::raw_os_error);
        if system.is_some_and(|code| EXHAUSTED.iter().any(|errno| errno.raw_os_error() == code)) {
            return true;
        }
        cause = error.source();
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("connecting")]
    struct Connecting(#[source] io::Error);

    #[test]
    fn running_out_is_told_from_every_other_failure_however_deep_it_lies() {
        // EMFILE, ENFILE, ENOBUFS, ENOMEM on Linux.
        for code in [24, 23, 105, 12] {
            assert!(are_exhausted(&io::Error::from_raw_os_error(code)));
            assert!(are_exhausted(&Connecting(io::Error::from_raw_os_error(code))));
        }
        assert!(!are_exhausted(&Connecting(io::ErrorKind::ConnectionRefused.into())));
    }

    #[test]
    fn the_limit_of_open_files_is_raised_to_the_highest_allowed() {
        let raised = raise();
        assert_eq!(Some(raised).filter(|limit| *limit != u64::MAX), getrlimit(Resource::Nofile).maximum);
    }
}
