//! Hands a token over: to standard output, or to a command that takes this program's place; never as a word that others
//! could see in the list of processes.

use super::aim::Aim;
use super::asking::{Http, authorization};
use super::curl;
use super::kept::Kept;
use super::proof::Proving;
use crate::cli::output::Output;
use crate::stdx::clock::{Clock, SystemClock};
use anyhow::Context;
use rustix::io::{FdFlags, fcntl_setfd};
use serde_json::json;
use std::ffi::OsString;
use std::io::{PipeReader, Write};
use std::os::fd::AsRawFd;
use std::os::unix::process::CommandExt;
use std::process::Command;
use zeroize::Zeroizing;

/// What a command finds in its environment.
const VARIABLES: (&str, &str) = ("PORTCULLIS_AUTHORIZATION", "PORTCULLIS_DPOP");

/// What fits into a pipe that nobody reads yet, in bytes: a page at the least (pipe(7)). A token and a proof have half.
const LONGEST: usize = 4096;

/// The header fields of one request.
pub struct Fields {
    authorization: Zeroizing<String>,
    /// Good once.
    proof: Option<String>,
}

impl Fields {
    /// The fields of a request that is sent now.
    ///
    /// # Errors
    /// If no proof can be made.
    pub fn of(aim: &Aim, kept: &Kept, http: &Http) -> anyhow::Result<Self> {
        let proving = Proving {
            method: &aim.method,
            url: &aim.url,
            token: Some(&kept.access),
            nonce: http.nonce(&aim.url),
            now: SystemClock.now(),
        };
        let proof = kept.key.as_ref().map(|key| key.prove(&proving)).transpose()?;
        Ok(Fields { authorization: authorization(kept.key.as_ref(), &kept.access)?, proof })
    }

    /// Prints them, as the lines of a request.
    ///
    /// # Errors
    /// If standard output is closed.
    pub fn print(&self, out: &Output) -> anyhow::Result<()> {
        let object = || json!({ "authorization": *self.authorization, "dpop": self.proof });
        Ok(out.say(self.lines().trim_end(), object)?)
    }

    /// Becomes the command, which finds the fields in its environment; curl is given them as an option.
    ///
    /// # Errors
    /// If it cannot be started. Otherwise this does not return.
    pub fn become_command(&self, program: &OsString, words: &[OsString], aim: &Aim) -> anyhow::Error {
        let mut command = Command::new(program);
        command.env(VARIABLES.0, &*self.authorization);
        match &self.proof {
            Some(proof) => command.env(VARIABLES.1, proof),
            None => command.env_remove(VARIABLES.1),
        };
        if !curl::is_curl(program) {
            return started(command.args(words), program);
        }
        let pipe = match self.piped() {
            Ok(pipe) => pipe,
            Err(error) => return error,
        };
        let (before, behind) = words.split_at(curl::first_place(words));
        command.args(before).arg("--header").arg(format!("@/dev/fd/{}", pipe.as_raw_fd()));
        if !aim.origin.is_plain() {
            // An address without a scheme, or a redirect, must not take the token into the clear.
            command.args(["--proto", "=https"]);
        }
        started(command.args(behind), program)
    }

    /// The fields in a pipe that the command inherits: there is no file, so none is left behind.
    fn piped(&self) -> anyhow::Result<PipeReader> {
        let lines = self.lines();
        if lines.len() > LONGEST {
            anyhow::bail!("the token is too long to be handed over: {} bytes", lines.len());
        }
        let (reader, mut writer) = std::io::pipe().context("a pipe for the token")?;
        writer.write_all(lines.as_bytes()).context("a pipe for the token")?;
        fcntl_setfd(&reader, FdFlags::empty()).context("a pipe for the token")?;
        Ok(reader)
    }

    fn lines(&self) -> Zeroizing<String> {
        let proof = self.proof.as_ref().map_or_else(String::new, |proof| format!("DPoP: {proof}\n"));
        Zeroizing::new(format!("Authorization: {}\n{proof}", *self.authorization))
    }
}

fn started(command: &mut Command, program: &OsString) -> anyhow::Error {
    let error = command.exec();
    anyhow::Error::new(error).context(format!("{} cannot be started", program.display()))
}
