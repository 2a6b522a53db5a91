//! Everything that runs while a scenario measures: origin, contenders, peers; knows no scenario and measures nothing.

mod certificate;
mod driver;
mod peer;
mod portcullis;
mod process;
mod template;

pub use certificate::Certificate;
pub use driver::Driver;
pub use peer::{Bare, Haproxy, Nginx};
pub use portcullis::{APP_HOST, MFA_SESSION, MFA_TOKEN, OPEN_HOST, OPEN_ROUTE, Portcullis};
pub use process::{Process, pinned};
pub use template::Places;

use crate::drive::Target;
use crate::machine::LOAD_CORE;
use anyhow::{Context, Result, ensure};
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// Holds what all scenarios need. All of it ends when this is dropped.
#[derive(Debug)]
pub struct Stage {
    /// Ports of everything on it.
    ports: Ports,
    _origin: Process,
    /// Configurations, logs and state; removed at the end. Fields are dropped in order, so after the processes.
    scratch: TempDir,
    deadline: Deadline,
}

/// The ports that are in use whatever the scenario.
#[derive(Clone, Copy, Debug)]
struct Ports {
    origin: u16,
}

/// When everything has to be over.
#[derive(Clone, Copy, Debug)]
pub struct Deadline(Instant);

/// A server under load, with what is asked of it.
#[derive(Clone, Debug)]
pub struct Contender {
    /// What results call it.
    pub name: String,
    /// What the driver sends.
    pub target: Target,
    /// The process that answers.
    pub server: Rc<Process>,
    /// A process that works for it and is counted by itself.
    pub aside: Option<Rc<Process>>,
}

impl Stage {
    /// Starts the origin.
    ///
    /// # Errors
    /// If it does not start.
    pub fn open(deadline: Deadline) -> Result<Self> {
        let scratch = tempfile::Builder::new().prefix("load-tests-").tempdir()?;
        let origin = free_port()?;
        let mut command = pinned(LOAD_CORE, own_program()?);
        command.args(["origin", "--port", &origin.to_string()]);
        let mut process = Process::start("origin", command, scratch.path())?;
        process.wait_for(origin, deadline)?;
        Ok(Self { ports: Ports { origin }, _origin: process, scratch, deadline })
    }

    /// Where files of the run belong.
    pub fn scratch(&self) -> &Path {
        self.scratch.path()
    }

    /// When everything has to be over.
    pub fn deadline(&self) -> Deadline {
        self.deadline
    }

    /// The origin's port.
    pub fn origin(&self) -> u16 {
        self.ports.origin
    }
}

impl Deadline {
    /// So long from now.
    pub fn after(limit: Duration) -> Self {
        Self(Instant::now() + limit)
    }

    /// What is left.
    ///
    /// # Errors
    /// If nothing is.
    pub fn left(self) -> Result<Duration> {
        let left = self.0.saturating_duration_since(Instant::now());
        ensure!(!left.is_zero(), "the time limit of the run is over (--limit)");
        Ok(left)
    }
}

/// A port of loopback that nobody listens on.
///
/// # Errors
/// If there is none.
pub fn free_port() -> Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}

/// This program, for its other verbs.
///
/// # Errors
/// If the system does not say.
pub fn own_program() -> Result<PathBuf> {
    std::env::current_exe().context("where this program is")
}
