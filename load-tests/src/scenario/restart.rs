//! What a restart takes, and that sessions live through it; knows nothing of upgrades without a gap.

use super::{Options, Scenario};
use crate::measure::median;
use crate::report::{Report, Table, number};
use crate::stage::{Portcullis, Stage};
use anyhow::{Result, ensure};
use serde_json::json;
use std::time::Instant;

pub(super) const SCENARIO: Scenario = Scenario {
    name: "restart",
    about: "from SIGTERM to the first answer of the next process, with the session of the one before",
    run,
};

/// Restarts in each round that the options ask for.
const RESTARTS: usize = 4;

fn run(stage: &Stage, options: &Options) -> Result<Report> {
    let mut gateway = Portcullis::start(stage, "")?;
    let (_, session) = gateway.sign_in()?;
    let target = gateway.mfa_route(&session).target;
    let mut took = Vec::new();
    for _ in 0..RESTARTS * options.rounds {
        let (status, _) = target.ask()?;
        ensure!(status == 200, "the session is answered {status} before the restart");
        let began = Instant::now();
        gateway = gateway.restart(stage)?;
        let (status, _) = target.ask()?;
        took.push(began.elapsed().as_secs_f64() * 1000.0);
        ensure!(status == 200, "after a restart the session is answered {status}: it was lost");
    }
    let longest = took.iter().copied().reduce(f64::max);
    let row = |name: &str, value: String| vec![name.to_owned(), value];
    Ok(Report {
        scenario: SCENARIO.name,
        question: "How long is nobody there when the gateway is restarted, and is anybody signed out by it?".to_owned(),
        setting: format!("{} restarts by SIGTERM, one kept session, no load.", took.len()),
        tables: vec![Table {
            caption: "From SIGTERM to the first answer on the MFA route, in milliseconds:".to_owned(),
            head: ["", "ms"].map(str::to_owned).to_vec(),
            rows: vec![row("median", number(median(took.clone()))), row("longest", number(longest))],
        }],
        findings: vec!["Every session outlived every restart.".to_owned()],
        faults: Vec::new(),
        windows: json!(took),
    })
}
