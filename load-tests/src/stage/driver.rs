//! A driver process and what it says; knows not what it drives.

use super::{Deadline, Stage, own_program, pinned};
use crate::drive::{BEGIN, Outcome, Target, Timing};
use crate::machine::LOAD_CORE;
use anyhow::{Context, Result, bail, ensure};
use std::io::{BufRead, BufReader};
use std::process::{Child, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;

/// A drive under way. It ends when this is dropped.
#[derive(Debug)]
pub struct Driver {
    child: Child,
    lines: Receiver<String>,
    deadline: Deadline,
}

impl Driver {
    /// Starts a kind of load, given as the driver's arguments for it: `["closed"]`, `["paced", "--rate", "4000"]`.
    ///
    /// # Errors
    /// If the driver cannot be started.
    pub fn start(stage: &Stage, kind: &[&str], target: &Target, timing: Timing) -> Result<Self> {
        let mut command = pinned(LOAD_CORE, own_program()?);
        command.arg("drive").args(kind).args(target.arguments()).args(timing.arguments());
        let mut child = command.stdout(Stdio::piped()).spawn().context("the load driver")?;
        let output = child.stdout.take().context("the driver's output is piped")?;
        let (says, lines) = channel();
        // Ends with the driver's output.
        thread::spawn(move || {
            BufReader::new(output).lines().map_while(Result::ok).try_for_each(|line| says.send(line))
        });
        Ok(Self { child, lines, deadline: stage.deadline() })
    }

    /// Waits until its warm-up is over.
    ///
    /// # Errors
    /// If the driver fails, or the run's time is over.
    pub fn begun(&self) -> Result<()> {
        let line = self.line()?;
        ensure!(line == BEGIN, "the driver says {line:?} instead of {BEGIN:?}");
        Ok(())
    }

    /// Waits for its end.
    ///
    /// # Errors
    /// If the driver fails, or the run's time is over.
    pub fn finish(self) -> Result<Outcome> {
        let line = self.line()?;
        serde_json::from_str(&line).with_context(|| format!("the driver says {line:?}"))
    }

    /// Whether it is still at it.
    ///
    /// # Errors
    /// If the system does not say.
    pub fn is_driving(&mut self) -> Result<bool> {
        Ok(self.child.try_wait()?.is_none())
    }

    fn line(&self) -> Result<String> {
        match self.lines.recv_timeout(self.deadline.left()?) {
            Ok(line) => Ok(line),
            Err(_) => bail!("the driver ended without a word, or the run's time limit (--limit) is over"),
        }
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
