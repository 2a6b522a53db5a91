//! F11: the memory that an idle kept-alive connection holds; knows no throughput.
#![allow(clippy::disallowed_methods, reason = "memory that is given back is given back after a while")]

use super::cast::Cast;
use super::{Options, Scenario};
use crate::drive::Timing;
use crate::measure::median;
use crate::report::{NOTHING, Report, Table, number};
use crate::stage::{Contender, Driver, Stage};
use anyhow::Result;
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

/// What one contender's connections were found to hold.
#[derive(Default)]
struct Weighed {
    bytes: Vec<f64>,
    fault: Option<String>,
}

fn run(stage: &Stage, options: &Options) -> Result<Report> {
    let cast = Cast::proxies(stage)?;
    let mut weighed: Vec<Weighed> = cast.contenders.iter().map(|_| Weighed::default()).collect();
    for _ in 0..options.rounds {
        for (contender, weighed) in cast.contenders.iter().zip(&mut weighed) {
            let (bytes, fault) = weigh(stage, contender)?;
            weighed.bytes.push(bytes);
            weighed.fault = weighed.fault.take().or(fault);
        }
    }
    let named = || cast.contenders.iter().map(|contender| contender.name.clone()).zip(&weighed);
    let row = |(name, Weighed { bytes, fault }): (String, &Weighed)| {
        let (first, middle) = (bytes.first().copied(), median(bytes.clone()));
        let cells = [first, middle].map(|value| number(value.map(|bytes| bytes / 1024.0)));
        let [first, middle] = if fault.is_none() { cells } else { [NOTHING; 2].map(str::to_owned) };
        vec![name, first, middle]
    };
    let faults = named().filter_map(|(name, weighed)| Some(format!("{name}: {}", weighed.fault.as_ref()?)));
    Ok(Report {
        scenario: SCENARIO.name,
        question: "What does a connection hold that had one request and now keeps still?".to_owned(),
        setting: format!(
            "{CONNECTIONS} connections over plain HTTP/1.1, each with one request behind it, weighed {SETTLE:?} after the \
             last; growth of the resident memory of all processes, divided by connections; {} rounds.",
            options.rounds
        ),
        tables: vec![Table {
            caption: "KiB for each idle connection. Later rounds reuse what the first one left to the allocator:"
                .to_owned(),
            head: ["Contender", "first round", "median"].map(str::to_owned).to_vec(),
            rows: named().map(row).collect(),
        }],
        findings: Vec::new(),
        faults: faults.chain(cast.missing.iter().cloned()).collect(),
        windows: json!(
            named().map(|(name, weighed)| json!({ "contender": name, "bytes": weighed.bytes })).collect::<Vec<_>>()
        ),
    })
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
