//! F10: what a TLS 1.3 handshake costs, full and resumed, beside nginx and bare Pingora.

use super::cast::{Cast, Rows};
use super::{Options, Scenario};
use crate::measure::Window;
use crate::report::{Report, Table, number};
use crate::stage::{Bare, Certificate, Contender, Nginx, OPEN_HOST, OPEN_ROUTE, Portcullis, Stage, free_port};
use anyhow::Result;
use serde_json::json;

pub(super) const SCENARIO: Scenario = Scenario {
    name: "tls_handshake",
    about: "CPU per new TLS 1.3 connection with one request on it, full and resumed, beside nginx (F10)",
    run,
};

fn run(stage: &Stage, options: &Options) -> Result<Report> {
    let cast = cast(stage)?;
    let full = cast.measure(stage, options, &["handshakes"])?;
    let resumed = cast.measure(stage, options, &["handshakes", "--resumption", "allowed"])?;
    Ok(Report {
        scenario: SCENARIO.name,
        question: "What does a client's arrival cost: TCP, a TLS 1.3 handshake, one request, and the end?".to_owned(),
        setting: format!(
            "TLS 1.3, ECDSA P-256, X25519; {} clients, each with one connection after the other, which carries one \
             request with a 128-byte answer. {} rounds of {} s; medians.",
            options.connections, options.rounds, options.seconds
        ),
        tables: vec![table("Full handshakes:", &full), table("Resumed where the server can:", &resumed)],
        findings: findings(&full, &resumed),
        faults: [cast.missing.clone(), full.faults(), resumed.faults()].concat(),
        windows: json!({ "full": full.windows(), "resumed": resumed.windows() }),
    })
}

fn cast(stage: &Stage) -> Result<Cast> {
    let certificate = Certificate::make(OPEN_HOST, stage.scratch())?;
    let bare = Bare::start(stage, Some(&certificate))?;
    let mut cast = Cast { contenders: vec![bare], missing: Vec::new() };
    match portcullis(stage, &certificate) {
        Ok(contender) => cast.contenders.push(contender),
        Err(error) => cast.missing.push(format!("Portcullis: {error:#}")),
    }
    match Nginx::find() {
        Some(nginx) => cast.contenders.push(nginx.tls(stage, &certificate)?),
        None => cast.missing.push("nginx is not installed".to_owned()),
    }
    cast.contenders.iter_mut().for_each(|contender| contender.target.host = OPEN_HOST.to_owned());
    Ok(cast)
}

fn portcullis(stage: &Stage, Certificate { cert, key }: &Certificate) -> Result<Contender> {
    let port = free_port()?;
    let more = format!(
        "\n[[listen]]\naddress = \"127.0.0.1:{port}\"\ntls = true\n\n[[certificate]]\ncert = \"{}\"\nkey = {{ file = \"{}\" }}\n",
        cert.display(),
        key.display()
    );
    let mut contender = Portcullis::start(stage, &more)?.open_route();
    contender.target.port = port;
    Ok(contender)
}

fn cpu(window: &Window) -> Option<f64> {
    Some(window.cpu_us())
}

fn table(caption: &str, rows: &Rows) -> Table {
    let share = |window: &Window| Some(window.outcome.resumed as f64 * 100.0 / window.outcome.whole.max(1) as f64);
    let (head, rows) = rows.table(&[
        ("CPU µs/connection", &cpu),
        ("connections/s", &|window| Some(window.rate())),
        ("resumed %", &share),
        ("p99 µs", &|window| Some(window.outcome.p99_us)),
    ]);
    Table { caption: caption.to_owned(), head, rows }
}

fn findings(full: &Rows, resumed: &Rows) -> Vec<String> {
    let cost = |rows: &Rows, name: &str| rows.find(name).and_then(|row| rows.median(row, cpu));
    let against = cost(full, OPEN_ROUTE).zip(cost(full, "nginx")).map(|(own, nginx)| own / nginx);
    let again = cost(resumed, OPEN_ROUTE).zip(cost(full, OPEN_ROUTE)).map(|(resumed, full)| resumed / full);
    vec![
        format!("F10: a full handshake costs ≤ 0.5 × nginx's. Here: {}.", number(against)),
        format!("F10: a resumed one costs ≤ 0.4 × a full one. Here: {}.", number(again)),
    ]
}
