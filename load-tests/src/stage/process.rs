//! Processes that the runner starts, and only those: pinned, watched, and ended with everything they started.
#![allow(
    clippy::disallowed_methods,
    reason = "other processes tell nobody when they are ready or gone: the runner looks"
)]

use super::Deadline;
use crate::machine::{self, Cpu};
use anyhow::{Context, Result, bail, ensure};
use std::ffi::OsStr;
use std::fs::{self, File};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// How often something is looked at that will be true soon.
const LOOK: Duration = Duration::from_millis(5);

/// How long a process may take to end by itself.
const PATIENCE: Duration = Duration::from_secs(3);

/// Open files, in the driver and in each server: more than any scenario's connections.
const FILES: &str = "--nofile=16384";

/// A process of ours. It ends when this is dropped, and if the runner itself is killed.
#[derive(Debug)]
pub struct Process {
    name: String,
    child: Child,
    log: PathBuf,
}

/// A command that will run on one core.
pub fn pinned(core: u8, program: impl AsRef<OsStr>) -> Command {
    // All three replace themselves by what they start, so the process id stays the same.
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "TERM", "prlimit", FILES]);
    command.args(["taskset", "--cpu-list", &core.to_string()]).arg(program);
    command.stdin(Stdio::null());
    command
}

impl Process {
    /// Starts a [`pinned`] command. What it says goes to
    /// a file in `folder`, for its last words.
    ///
    /// # Errors
    /// If it cannot be started.
    pub fn start(name: &str, mut command: Command, folder: &Path) -> Result<Self> {
        let log = folder.join(format!("{}.log", name.replace(' ', "-")));
        let file = File::create(&log)?;
        let child = command.stdout(file.try_clone()?).stderr(file).spawn();
        let child =
            child.with_context(|| format!("{name}: setpriv, prlimit and taskset are in Debian's util-linux"))?;
        Ok(Self { name: name.to_owned(), child, log })
    }

    /// Waits until it takes connections on a port of loopback.
    ///
    /// # Errors
    /// If it ends before, or takes until the deadline.
    pub fn wait_for(&mut self, port: u16, deadline: Deadline) -> Result<()> {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        while TcpStream::connect(address).is_err() {
            if let Some(status) = self.child.try_wait()? {
                bail!("{} ended at once, with {status}: {}", self.name, self.last_words());
            }
            deadline.left().with_context(|| format!("{} does not listen: {}", self.name, self.last_words()))?;
            sleep(LOOK);
        }
        Ok(())
    }

    /// What it and its descendants have used.
    ///
    /// # Errors
    /// If it has ended.
    pub fn cpu(&self) -> Result<Cpu> {
        Cpu::of_family(self.child.id()).with_context(|| format!("{}: {}", self.name, self.last_words()))
    }

    /// The memory that it and its descendants hold, in bytes.
    ///
    /// # Errors
    /// If it has ended.
    pub fn resident(&self) -> Result<u64> {
        machine::resident(self.child.id()).with_context(|| format!("{}: {}", self.name, self.last_words()))
    }

    /// The ids of it and its descendants.
    ///
    /// # Errors
    /// If it has ended.
    pub fn family(&self) -> Result<Vec<u32>> {
        machine::family(self.child.id())
    }

    /// Sends it a signal such as `HUP`.
    ///
    /// # Errors
    /// If it has ended.
    pub fn signal(&self, signal: &str) -> Result<()> {
        ensure!(send(signal, &[self.child.id()])?, "{} has ended: {}", self.name, self.last_words());
        Ok(())
    }

    /// Asks it to end, and waits until it has.
    ///
    /// # Errors
    /// If it takes until the deadline.
    pub fn stop(mut self, deadline: Deadline) -> Result<()> {
        self.signal("TERM")?;
        while self.child.try_wait()?.is_none() {
            deadline.left().with_context(|| format!("{} does not end", self.name))?;
            sleep(LOOK);
        }
        Ok(())
    }

    /// The end of what it wrote.
    fn last_words(&self) -> String {
        let text = fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        match lines.get(lines.len().saturating_sub(5)..) {
            Some(last) if !last.is_empty() => last.join("\n"),
            _ => "it wrote nothing".to_owned(),
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if !matches!(self.child.try_wait(), Ok(None)) {
            return;
        }
        // A master that is killed leaves its workers behind; so it is asked first, and then all it started are ended.
        let family = self.family().unwrap_or_else(|_| vec![self.child.id()]);
        let _ = send("TERM", &[self.child.id()]);
        let asked = Instant::now();
        while matches!(self.child.try_wait(), Ok(None)) && asked.elapsed() < PATIENCE {
            sleep(LOOK);
        }
        if !matches!(self.child.try_wait(), Ok(None)) {
            return;
        }
        let _ = send("KILL", &family);
        let _ = self.child.wait();
    }
}

/// Whether all of them were there to get it.
fn send(signal: &str, pids: &[u32]) -> Result<bool> {
    let mut kill = Command::new("kill");
    kill.arg(format!("-{signal}")).args(pids.iter().map(u32::to_string)).stderr(Stdio::null());
    Ok(kill.status().context("kill (package procps)")?.success())
}
