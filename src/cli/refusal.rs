//! What to do about a gateway or a store that does not open: the sentence of what is wrong, and the command that helps.

use super::ending::{OTHER_FILE, Unusable};
use crate::config::Problems;
use crate::gateway::{Foreign, StartFailure, StateFailure};
use crate::token::KeyFailure;

/// Why a gateway does not start, and whether it is worth being started again.
pub fn unstarted(failure: StartFailure) -> anyhow::Error {
    match failure {
        // It may lie on a disk that is not there yet.
        StartFailure::Configuration(problems) if is_missing(&problems) => anyhow::anyhow!("{problems}; {OTHER_FILE}"),
        StartFailure::Configuration(problems) => Unusable(problems.into()).into(),
        StartFailure::State(failure) if mends_itself(&failure) => advised(failure),
        StartFailure::State(failure) => Unusable(advised(failure)).into(),
        failure @ (StartFailure::Listen(_)
        | StartFailure::Admin(_)
        | StartFailure::System { .. }
        | StartFailure::Inconsistent) => failure.into(),
    }
}

/// Whether there is no configuration at all.
fn is_missing(problems: &Problems) -> bool {
    problems.is_unread() && problems.sources.files.keys().all(|file| matches!(file.try_exists(), Ok(false)))
}

/// Whether what is wrong with a state directory may be over by itself, as a disk that is away or a lock that is held.
fn mends_itself(failure: &StateFailure) -> bool {
    match failure {
        StateFailure::Unseen { .. } | StateFailure::Store { .. } | StateFailure::Master { .. } => true,
        StateFailure::Keys(failure) => matches!(failure, KeyFailure::Down(_)),
        StateFailure::Foreign(_) | StateFailure::Exposed(_) | StateFailure::Unfit { .. } => false,
    }
}

/// What is wrong with a state directory, and what helps.
pub fn advised(failure: StateFailure) -> anyhow::Error {
    let advice = match &failure {
        StateFailure::Foreign(Foreign { path, owner, .. }) if path.is_dir() => {
            format!("run as that user: sudo -u {owner} {}", command())
        }
        StateFailure::Foreign(Foreign { path, user, .. }) => {
            format!("give it back to the user of its directory: chown {user} {}", quoted(&path.to_string_lossy()))
        }
        StateFailure::Unseen { .. } => {
            format!("run as the user that the gateway runs as: sudo -u portcullis {}", command())
        }
        StateFailure::Exposed(_)
        | StateFailure::Unfit { .. }
        | StateFailure::Store { .. }
        | StateFailure::Master { .. }
        | StateFailure::Keys(_) => return failure.into(),
    };
    anyhow::anyhow!("{failure}\n{advice}")
}

/// The command as it was given, to be given again.
fn command() -> String {
    std::env::args_os().map(|word| quoted(&word.to_string_lossy())).collect::<Vec<_>>().join(" ")
}

/// A word as a shell reads it.
fn quoted(word: &str) -> String {
    let plain = word.chars().all(|c| c.is_ascii_alphanumeric() || "-_./:=,@+".contains(c));
    if plain { word.to_owned() } else { format!("'{}'", word.replace('\'', r"'\''")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_is_quoted_only_where_a_shell_would_read_it_differently() {
        assert_eq!(quoted("--config=/etc/a.toml"), "--config=/etc/a.toml");
        assert_eq!(quoted("lost phone; it's"), r"'lost phone; it'\''s'");
    }

    #[tokio::test]
    async fn another_user_s_directory_says_as_whom_to_run() {
        let folder = tempfile::tempdir().expect("a folder");
        let (owner, user) = ("portcullis".to_owned(), "root".to_owned());
        let foreign = Foreign { path: folder.path().to_owned(), owner, user };
        let said = advised(StateFailure::Foreign(foreign)).to_string();
        assert!(said.contains("belongs to the user portcullis, and this is the user root"), "{said}");
        assert!(said.contains("\nrun as that user: sudo -u portcullis "), "{said}");
    }
}
