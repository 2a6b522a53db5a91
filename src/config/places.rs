//! Where things are written that may turn out to be wrong only when they are put to use; knows not how.

use super::problem::Problem;
use super::raw::At;
use super::words::Main;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

/// Where each listener's address is written.
#[derive(Clone, Debug, Default)]
pub struct Places {
    file: PathBuf,
    listeners: Vec<At<SocketAddr>>,
}

impl Places {
    /// The places in the main file.
    pub(super) fn of(file: &Path, main: &Main) -> Self {
        let listeners = main.listen.value.iter().filter_map(|listen| listen.value.address.clone()).collect();
        Places { file: file.to_owned(), listeners }
    }

    /// What is wrong with the listener on `address`, as a problem where that is written.
    pub fn problem(&self, address: SocketAddr, what: String) -> Problem {
        match self.listeners.iter().find(|listen| listen.value == address) {
            Some(At { place, .. }) => place.says(what),
            None => Problem::of_file(&self.file, what),
        }
    }
}
