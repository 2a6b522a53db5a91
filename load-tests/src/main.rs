//! The command line of the load tests; measures nothing itself.

use anyhow::Result;
use clap::{Parser, Subcommand};
use load_tests::drive::{self, Drive};
use load_tests::origin::{self, Answer};
use load_tests::scenario::{self, Options, Verdict};
use load_tests::{bare, machine};
use std::process::ExitCode;

// Portcullis' allocator, so that bare Pingora is no worse off.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Measures Portcullis beside its peers.
#[derive(Parser)]
#[command(version, after_help = scenario::list())]
struct Arguments {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Run scenarios (all of them if none is named) and write their results
    Run(Options),
    /// Answer every request with 128 bytes, or as many as `/bytes/N` says
    Origin {
        /// The port on loopback
        #[arg(long)]
        port: u16,
    },
    /// Answer every request with 204 at once
    Authorizer {
        /// The port on loopback
        #[arg(long)]
        port: u16,
    },
    /// Proxy with Pingora and nothing else: the ×1 of all figures
    Bare(bare::Settings),
    /// Send requests and print what came of them, for the runner
    #[command(subcommand)]
    Drive(Drive),
}

fn main() -> ExitCode {
    match act(Arguments::parse().verb) {
        Ok(Verdict::Measured) => ExitCode::SUCCESS,
        Ok(Verdict::Incomplete) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("{error:#}");
            // As for Portcullis' own commands: the machinery failed.
            ExitCode::from(3)
        }
    }
}

fn act(verb: Verb) -> Result<Verdict> {
    match verb {
        Verb::Run(options) => {
            machine::keep_to_load_core()?;
            return scenario::run(&options);
        }
        Verb::Origin { port } => origin::serve(port, Answer::Bytes)?,
        Verb::Authorizer { port } => origin::serve(port, Answer::NoContent)?,
        Verb::Bare(settings) => bare::serve(&settings),
        Verb::Drive(load) => drive::run(&load)?,
    }
    Ok(Verdict::Measured)
}
