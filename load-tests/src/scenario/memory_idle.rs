//! F11: the memory that an idle kept-alive connection holds; knows no throughput.
#![allow(clippy::disallowed_methods, reason = "memory that is given back is given back after a while")]

use super::cast::Cast;
use super::{Options, Scenario};
use crate::drive::Timing;
use crate::measure::median;
use crate::report::{Report, Table, number};
use crate::stage::{Contender, Driver, MFA_SESSION, OPEN_ROUTE, Stage};
use anyhow::Result;
use serde::Serialize;
use serde_json::json;
use std::thread::sleep;
use std::time::Duration;

pub(super) const SCENARIO: Scenario = Scenario {
    name: "memory_idle",
    about: "resident memory per idle kept-alive connection, beside bare Pingora, nginx and HAProxy (F11)",
    run,
};

/// Enough for a few pages more or less not to matter, and within the open files that servers get here.
const CONNECTIONS: u32 = 4000;

/// How long connections keep still before they are weighed.
const SETTLE: Duration = Duration::from_millis(500);

/// What one contender's connections were found to hold, in bytes, in each round.
#[derive(Default, Serialize)]
struct Weighed {
    contender: String,
    bytes: Vec<f64>,
    fault: Option<String>,
}

fn run(stage: &Stage, options: &Options) -> Result<Report> {
    let mut weighed: Vec<Weighed> = Vec::new();
    let mut missing = Vec::new();
    for _ in 0..options.rounds {
        // New processes in each round: what the first round left to the allocator would hide what the next one needs.
        let cast = Cast::proxies(stage)?;
        let contenders = cast.contenders.iter().filter(|contender| contender.name != OPEN_ROUTE);
        for (at, contender) in contenders.enumerate() {
            let (bytes, fault) = weigh(stage, contender)?;
            if at == weighed.len() {
                weighed.push(Weighed { contender: contender.name.clone(), ..Weighed::default() });
            }
            if let Some(row) = weighed.get_mut(at) {
                row.bytes.push(bytes);
                row.fault = row.fault.take().or(fault);
            }
        }
        missing = cast.missing;
    }
    let faults = weighed.iter().filter_map(|row| Some(format!("{}: {}", row.contender, row.fault.as_ref()?)));
    Ok(Report {
        scenario: SCENARIO.name,
        question: "What does a connection hold that had one request and now keeps still?".to_owned(),
        setting: format!(
            "{CONNECTIONS} connections over plain HTTP/1.1, each with one request behind it, weighed {SETTLE:?} after the \
             last; growth of the resident memory of all processes, divided by connections; {} rounds, each with new \
             processes; medians.",
            options.rounds
        ),
        tables: vec![table(&weighed)],
        findings: findings(&weighed),
        faults: faults.chain(missing).collect(),
        windows: json!(weighed),
    })
}

fn table(weighed: &[Weighed]) -> Table {
    let row = |row: &Weighed| vec![row.contender.clone(), number(row.kib())];
    Table {
        caption: "Memory of each idle connection:".to_owned(),
        head: ["Contender", "KiB"].map(str::to_owned).to_vec(),
        rows: weighed.iter().map(row).collect(),
    }
}

fn findings(weighed: &[Weighed]) -> Vec<String> {
    let of = |name: &str| number(weighed.iter().find(|row| row.contender == name).and_then(Weighed::kib));
    vec![format!(
        "F11: at first as little as Envoy, then as nginx; bare Pingora's read buffer of 64 KiB is not acceptable. Here: {} \
         against nginx's {} and bare Pingora's {}.",
        of(MFA_SESSION),
        of("nginx"),
        of("bare Pingora")
    )]
}

impl Weighed {
    /// The median; `None` if something went wrong in any round.
    fn kib(&self) -> Option<f64> {
        median(self.bytes.clone()).filter(|_| self.fault.is_none()).map(|bytes| bytes / 1024.0)
    }
}

/// Bytes for each connection, and what went wrong.
fn weigh(stage: &Stage, contender: &Contender) -> Result<(f64, Option<String>)> {
    let timing = Timing { connections: CONNECTIONS, warm_up: 0.0, seconds: SETTLE.as_secs_f64() * 2.0 };
    let before = contender.server.resident()?;
    let driver = Driver::start(stage, &["idle"], &contender.target, timing)?;
    driver.begun()?;
    sleep(SETTLE);
    let after = contender.server.resident()?;
    let outcome = driver.finish()?;
    Ok(((after as f64 - before as f64) / f64::from(CONNECTIONS), outcome.fault()))
}
