//! The scenarios, one leaf each, and how they are run; knows what none of them measures.

mod auth_check;
mod cast;
mod latency;
mod memory_idle;
mod reload_under_load;
mod restart;
mod tls_handshake;

use crate::drive::Timing;
use crate::machine::Facts;
use crate::report::Report;
use crate::stage::{Deadline, Haproxy, Nginx, Portcullis, Stage};
use anyhow::{Context, Result, bail, ensure};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

/// A question that the load tests answer.
pub struct Scenario {
    /// As it is named on the command line.
    name: &'static str,
    /// What it asks, in one line.
    about: &'static str,
    /// Asks it.
    run: fn(&Stage, &Options) -> Result<Report>,
}

/// All of them, in the order they are run.
const ALL: &[Scenario] = &[
    auth_check::SCENARIO,
    latency::SCENARIO,
    tls_handshake::SCENARIO,
    memory_idle::SCENARIO,
    reload_under_load::SCENARIO,
    restart::SCENARIO,
];

/// Which scenarios, how long, how hard.
#[derive(clap::Args, Clone, Debug)]
pub struct Options {
    /// The scenarios; all of them if none is named
    pub scenarios: Vec<String>,
    /// Rounds, in each of which every contender has its turn
    #[arg(long, default_value_t = 5)]
    pub rounds: usize,
    /// Seconds that are measured in each turn
    #[arg(long, default_value_t = 5.0)]
    pub seconds: f64,
    /// Seconds of load before that
    #[arg(long, default_value_t = 1.0)]
    pub warm_up: f64,
    /// Connections of the driver
    #[arg(long, default_value_t = 32)]
    pub connections: u32,
    /// Requests a second where latency is measured
    #[arg(long, default_value_t = 4000)]
    pub rate: u32,
    /// Seconds that all of it may take
    #[arg(long, default_value_t = 3600)]
    pub limit: u64,
    /// Where the results go
    #[arg(long, default_value = concat!(env!("CARGO_MANIFEST_DIR"), "/results"), hide_default_value = true)]
    pub results: PathBuf,
    /// Try everything shortly: one round, no results written, any profile
    #[arg(long)]
    pub rehearse: bool,
}

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Everything was measured.
    Measured,
    /// Something was not; the reports say what.
    Incomplete,
}

/// A turn in a rehearsal, in seconds.
const REHEARSAL: f64 = 1.0;

/// Runs the scenarios that the options name, prints their reports and writes their results.
///
/// # Errors
/// If a name is unknown, or a scenario cannot be run at all.
pub fn run(options: &Options) -> Result<Verdict> {
    let chosen = choose(&options.scenarios)?;
    let options = options.settled()?;
    let deadline = Deadline::after(Duration::from_secs(options.limit));
    let facts = Facts::read(versions());
    let mut verdict = Verdict::Measured;
    for scenario in chosen {
        eprintln!("{}: {}", scenario.name, scenario.about);
        let stage = Stage::open(deadline)?;
        let report = (scenario.run)(&stage, &options).with_context(|| scenario.name)?;
        if options.rehearse {
            println!("A rehearsal: it shows that everything runs, and its numbers mean nothing.\n");
        }
        println!("{}", report.markdown(&facts));
        if !report.faults.is_empty() {
            verdict = Verdict::Incomplete;
        }
        if !options.rehearse {
            report.write(&facts, &options.results)?;
        }
    }
    Ok(verdict)
}

/// The scenarios' names and questions, for `--help`.
pub fn list() -> String {
    let lines = ALL.iter().map(|scenario| format!("  {:<18} {}", scenario.name, scenario.about));
    format!("Scenarios:\n{}", lines.collect::<Vec<_>>().join("\n"))
}

fn choose(names: &[String]) -> Result<Vec<&'static Scenario>> {
    let find = |name: &String| match ALL.iter().find(|scenario| scenario.name == name) {
        Some(scenario) => Ok(scenario),
        None => bail!("there is no scenario {name:?}\n\n{}", list()),
    };
    if names.is_empty() { Ok(ALL.iter().collect()) } else { names.iter().map(find).collect() }
}

fn versions() -> BTreeMap<String, String> {
    // The bare proxy is built from the same source as Portcullis: the workspace pins this version.
    let mut versions = BTreeMap::from([("Pingora".to_owned(), "0.9.1".to_owned())]);
    versions.insert("Portcullis".to_owned(), Portcullis::version());
    versions.extend(Nginx::find().map(|nginx| ("nginx".to_owned(), nginx.version())));
    versions.extend(Haproxy::find().map(|haproxy| ("HAProxy".to_owned(), haproxy.version())));
    versions.retain(|_, version| !version.is_empty());
    versions
}

impl Options {
    /// With what a rehearsal shortens, and without what makes no sense.
    fn settled(&self) -> Result<Self> {
        let optimised = !cfg!(debug_assertions);
        ensure!(optimised || self.rehearse, "this is a debug build: build with --profile dist, or give --rehearse");
        ensure!(self.rounds > 0 && self.connections > 0 && self.rate > 0, "rounds, connections and rate are above 0");
        ensure!(self.seconds > 0.0 && self.warm_up >= 0.0, "seconds are above 0, and warm-up is not below");
        let mut settled = self.clone();
        if self.rehearse {
            settled.rounds = 1;
            settled.seconds = REHEARSAL.min(self.seconds);
            settled.warm_up = 0.2;
        }
        Ok(settled)
    }

    /// One turn of a contender.
    fn timing(&self) -> Timing {
        Timing { connections: self.connections, warm_up: self.warm_up, seconds: self.seconds }
    }
}
