//! What a process was given besides its files: secrets, and how many files it may open; knows no configuration.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

/// Environment variables, systemd's credential directory and the limit of open files, as they were at one time.
#[derive(Clone, Default)]
pub struct Environment {
    variables: BTreeMap<OsString, OsString>,
    credentials: Option<PathBuf>,
    descriptors: Option<u64>,
    vantage: Vantage,
}

/// From where a configuration is read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Vantage {
    /// By the process that serves, or by one that needs every secret.
    #[default]
    Within,
    /// By a command that looks at it and uses no secret, where credentials may not be handed over.
    Outside,
}

impl Environment {
    /// What this process was given. The directory is `$CREDENTIALS_DIRECTORY`, see systemd.exec(5).
    pub fn of_process() -> Self {
        let credentials = std::env::var_os("CREDENTIALS_DIRECTORY").map(PathBuf::from);
        Environment { variables: std::env::vars_os().collect(), credentials, ..Environment::default() }
    }

    /// The same with one variable more.
    #[must_use]
    pub fn with_variable(mut self, name: &str, value: &str) -> Self {
        self.variables.insert(name.into(), value.into());
        self
    }

    /// The same with another credential directory.
    #[must_use]
    pub fn with_credentials(mut self, directory: impl Into<PathBuf>) -> Self {
        self.credentials = Some(directory.into());
        self
    }

    /// The same for the process that serves, which may have so many files and sockets open.
    #[must_use]
    pub fn with_descriptors(mut self, allowed: u64) -> Self {
        self.descriptors = Some(allowed);
        self
    }

    /// The same for a command that only looks: what is missing outside of the service alone is a warning. Never to serve
    /// from.
    #[must_use]
    pub fn from_outside(mut self) -> Self {
        self.vantage = Vantage::Outside;
        self
    }

    /// From where it is read.
    pub(super) fn vantage(&self) -> Vantage {
        self.vantage
    }

    /// How many files and sockets the gateway may have open; `None` where it is another process that reads.
    pub(super) fn descriptors(&self) -> Option<u64> {
        self.descriptors
    }

    /// A variable's value, if it is set.
    pub(super) fn variable(&self, name: &str) -> Option<&OsStr> {
        self.variables.get(OsStr::new(name)).map(OsString::as_os_str)
    }

    /// The credential directory, if there is one.
    pub(super) fn credentials(&self) -> Option<&Path> {
        self.credentials.as_deref()
    }
}

/// Shows no value: some of them are secrets.
impl std::fmt::Debug for Environment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Environment({} variables, {:?})", self.variables.len(), self.credentials)
    }
}
