//! How a command ends: the exit codes, and what is said on standard error on the way out; knows no verb.

use crate::config::Problems;
use std::io::{self, Write};
use std::process::ExitCode;

/// How a command ended that could do what it was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// As hoped.
    Fine,
    /// The answer is no, and was printed.
    No,
}

/// Why a command stopped, where it is not the machinery that failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Stopped {
    /// The answer is no.
    #[error("{0}")]
    No(String),
    /// It cannot be asked like that.
    #[error("{0}")]
    Misuse(String),
}

impl Stopped {
    /// The answer is no.
    pub fn no(why: impl Into<String>) -> anyhow::Error {
        Stopped::No(why.into()).into()
    }

    /// It cannot be asked like that.
    pub fn misuse(why: impl Into<String>) -> anyhow::Error {
        Stopped::Misuse(why.into()).into()
    }
}

/// The gateway does not start with what it was given, however often it is started.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Unusable(pub anyhow::Error);

/// `EX_CONFIG` of sysexits.h: a service manager that is told it waits for somebody to mend what is wrong.
const UNUSABLE: u8 = 78;

/// What helps where the configuration is not where it was looked for.
pub const OTHER_FILE: &str = "give another with --config FILE";

/// Says what is left to say, and gives the exit code.
pub fn close(result: anyhow::Result<Ending>) -> ExitCode {
    match result {
        Ok(Ending::Fine) => ExitCode::SUCCESS,
        Ok(Ending::No) => ExitCode::from(1),
        // Whoever read our output has enough: `portcullis routes | head`.
        Err(error) if is_closed_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            complain(&words(&error));
            ExitCode::from(code(&error))
        }
    }
}

/// Ends a command line that could not be read, or that asked for help.
pub fn usage(usage: &clap::Error) -> ExitCode {
    // There is nobody left to tell if it cannot be printed.
    drop(usage.print());
    ExitCode::from(u8::try_from(usage.exit_code()).unwrap_or(2))
}

/// Writes a line to standard error. If that is closed there is nobody left to tell.
pub fn complain(text: &str) {
    drop(writeln!(io::stderr(), "{text}"));
}

fn code(error: &anyhow::Error) -> u8 {
    if error.is::<Unusable>() {
        return UNUSABLE;
    }
    match (error.downcast_ref::<Stopped>(), error.downcast_ref::<Problems>()) {
        (Some(Stopped::Misuse(_)), _) => 2,
        (Some(Stopped::No(_)), _) | (None, Some(_)) => 1,
        (None, None) => 3,
    }
}

fn words(error: &anyhow::Error) -> String {
    let error = error.downcast_ref::<Unusable>().map_or(error, |Unusable(cause)| cause);
    match error.downcast_ref::<Problems>() {
        Some(problems) if problems.is_unread() => format!("portcullis: {problems}; {OTHER_FILE}"),
        Some(problems) => format!("{problems}\nportcullis: the configuration has {}", counted(problems)),
        None => format!("portcullis: {error:#}"),
    }
}

fn counted(problems: &Problems) -> String {
    super::output::count(problems.iter().len(), "problem")
}

fn is_closed_pipe(error: &anyhow::Error) -> bool {
    error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_way_to_stop_has_its_exit_code() {
        assert_eq!(code(&Stopped::no("no such account")), 1);
        assert_eq!(code(&Stopped::misuse("give --yes")), 2);
        assert_eq!(code(&anyhow::anyhow!("the disk is full")), 3);
        assert_eq!(code(&Unusable(anyhow::anyhow!("a newer release wrote it")).into()), 78);
        assert_eq!(code(&Stopped::no("it is refused").context("while asking")), 1);
    }
}
