//! F1 and F2: what an MFA-checked request costs, beside a request that nobody checks and beside a peer's sub-request.

use super::cast::{Cast, Rows};
use super::{Options, Scenario};
use crate::measure::Window;
use crate::report::{Report, Table, number};
use crate::stage::{MFA_SESSION, MFA_TOKEN, OPEN_ROUTE, Stage};
use anyhow::Result;
use serde_json::json;

pub(super) const SCENARIO: Scenario = Scenario {
    name: "auth_check",
    about: "CPU per request with and without an MFA session, beside bare Pingora, nginx and HAProxy (F1, F2)",
    run,
};

fn run(stage: &Stage, options: &Options) -> Result<Report> {
    let cast = Cast::proxies(stage)?;
    let cost = cast.measure(stage, options, &["closed"])?;
    let rate = options.rate.to_string();
    let latency = cast.measure(stage, options, &["paced", "--rate", &rate])?;
    let Options { rounds, seconds, warm_up, connections, .. } = options;
    Ok(Report {
        scenario: SCENARIO.name,
        question:
            "What does it cost to check, on every request, that the caller holds a live MFA session, and to tell \
                   the service who it is? The MFA route needs a session with two factors and a group, and the origin \
                   was seen to get identity headers and assertion, but no cookie."
                .to_owned(),
        setting: format!(
            "HTTP/1.1 kept alive, {connections} connections, 128-byte answers, access logs off. One worker, alone on its \
             core; driver, origin and authorizer on the other. {rounds} rounds with every contender in turn, {seconds} s \
             after {warm_up} s of warm-up; medians."
        ),
        tables: vec![cost_table(&cost), latency_table(&latency, options.rate)],
        findings: findings(&cost),
        faults: [cast.missing.clone(), cost.faults(), latency.faults()].concat(),
        windows: json!({ "cost": cost.windows(), "latency": latency.windows() }),
    })
}

fn cpu(window: &Window) -> Option<f64> {
    Some(window.cpu_us())
}

/// Thousands of instructions for each answer, the warm-up's among them.
fn instructions(window: &Window) -> Option<f64> {
    let count = window.instructions?;
    Some((count.user + count.kernel) as f64 / window.outcome.whole.max(1) as f64 / 1000.0)
}

fn cost_table(cost: &Rows) -> Table {
    let (head, rows) = cost.table(&[
        ("CPU µs/request", &cpu),
        ("of it in user space", &|window| Some(window.cpu_us() * window.cpu.user / window.cpu.total())),
        ("+ authorizer µs", &Window::aside_us),
        ("k instructions/request", &instructions),
        ("requests/s", &|window| Some(window.rate())),
    ]);
    let caption =
        "User and system time of all processes of the contender, divided by completed requests, at full load:";
    Table { caption: caption.to_owned(), head, rows }
}

fn latency_table(latency: &Rows, rate: u32) -> Table {
    let (head, rows) = latency.table(&[
        ("p50 µs", &|window| Some(window.outcome.p50_us)),
        ("p99 µs", &|window| Some(window.outcome.p99_us)),
        ("CPU µs/request", &cpu),
    ]);
    let caption = format!("Latency at {rate} requests/s, however long answers take (× bare is of the p50):");
    Table { caption, head, rows }
}

fn findings(cost: &Rows) -> Vec<String> {
    let ratio = |name: &str| cost.find(name).and_then(|row| cost.ratio(row, cpu));
    let mfa = ratio(MFA_SESSION);
    let open = ratio(OPEN_ROUTE);
    let nginx = ratio("nginx auth_request");
    let token = ratio(MFA_TOKEN);
    let check = mfa.zip(open).map(|(mfa, open)| mfa / open);
    vec![
        format!("F1: an MFA-checked request costs ≤ 1.08 × bare Pingora. Here: {}.", number(mfa)),
        format!("The same with an access token, which was verified once: {}.", number(token)),
        format!("The check by itself, MFA route against open route of the same process: {} ×.", number(check)),
        format!(
            "F2, moonshot: below nginx `auth_request` with its authorizer for free. Here: {} against {}.",
            number(mfa),
            number(nginx)
        ),
    ]
}
