//! What a request waits at several fixed rates; knows no throughput.

use super::cast::Cast;
use super::{Options, Scenario};
use crate::report::{Report, Table};
use crate::stage::Stage;
use anyhow::Result;
use serde_json::json;

pub(super) const SCENARIO: Scenario =
    Scenario { name: "latency", about: "p50, p99 and longest answer at a quarter, half and the whole of --rate", run };

fn run(stage: &Stage, options: &Options) -> Result<Report> {
    let cast = Cast::proxies(stage)?;
    let (mut tables, mut faults, mut windows) = (Vec::new(), cast.missing.clone(), Vec::new());
    for part in [4, 2, 1] {
        let rate = (options.rate / part).max(1).to_string();
        let rows = cast.measure(stage, options, &["paced", "--rate", &rate])?;
        let (head, cells) = rows.table(&[
            ("p50 µs", &|window| Some(window.outcome.p50_us)),
            ("p99 µs", &|window| Some(window.outcome.p99_us)),
            ("longest µs", &|window| Some(window.outcome.max_us)),
        ]);
        tables.push(Table { caption: format!("{rate} requests/s (× bare is of the p50):"), head, rows: cells });
        faults.extend(rows.faults());
        windows.push(json!({ "rate": rate, "contenders": rows.windows() }));
    }
    let Options { rounds, seconds, connections, .. } = options;
    Ok(Report {
        scenario: SCENARIO.name,
        question: "How long does a request wait for its answer when the gateway is not busy?".to_owned(),
        setting: format!(
            "An open loop: requests are due at fixed times, and an answer that is late delays no other's clock. \
             {connections} connections, {rounds} rounds of {seconds} s; medians."
        ),
        tables,
        findings: Vec::new(),
        faults,
        windows: json!(windows),
    })
}
