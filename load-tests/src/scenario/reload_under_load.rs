//! F5: reloads while requests come, some of them of a broken configuration; knows nothing of what a reload does inside.
#![allow(
    clippy::disallowed_methods,
    reason = "a reload is over when a new host is answered: the runner looks until it is"
)]

use super::{Options, Scenario};
use crate::drive::{Outcome, Timing};
use crate::measure::median;
use crate::report::{Report, Table, number};
use crate::sign_in::Browser;
use crate::stage::{Driver, Portcullis, Stage};
use anyhow::{Context, Result, ensure};
use serde_json::json;
use std::fs;
use std::net::Ipv4Addr;
use std::thread::sleep;
use std::time::{Duration, Instant};

pub(super) const SCENARIO: Scenario = Scenario {
    name: "reload_under_load",
    about: "failed requests and memory over many reloads by SIGHUP, every tenth of a broken configuration (F5)",
    run,
};

/// F5 asks for a thousand; a rehearsal has a hundredth of it.
const RELOADS: u32 = 1000;
const REHEARSED: u32 = 10;
/// Every so many, the configuration is broken.
const BROKEN_EACH: u32 = 10;
/// How long a reload may take until it shows.
const PATIENCE: Duration = Duration::from_secs(5);
/// How often the runner looks for it: a look is a request of its own.
const LOOK: Duration = Duration::from_millis(5);
/// So many reloads fall into one drive of the load, which lasts long enough for slow ones.
const ROUND: u32 = 50;
const SECONDS_EACH: f64 = 0.2;

/// What happened while it was driven.
#[derive(Default)]
struct Story {
    outcomes: Vec<Outcome>,
    /// Reloads that were over while requests still came.
    under_load: u32,
    took_ms: Vec<f64>,
    resident: Vec<u64>,
}

fn run(stage: &Stage, options: &Options) -> Result<Report> {
    let gateway = Portcullis::start(stage, "")?;
    let (_person, session) = gateway.sign_in()?;
    let reloads = if options.rehearse { REHEARSED } else { RELOADS };
    let plain = fs::read_to_string(gateway.config())?;
    let contender = gateway.mfa_route(&session);
    let mut story = Story { resident: vec![gateway.server().resident()?], ..Story::default() };
    for first in (1..=reloads).step_by(ROUND as usize) {
        let last = reloads.min(first + ROUND - 1);
        let seconds = f64::from(last - first + 1) * SECONDS_EACH;
        let timing = Timing { connections: options.connections, warm_up: 0.0, seconds };
        let mut driver = Driver::start(stage, &["closed"], &contender.target, timing)?;
        driver.begun()?;
        for number in first..=last {
            story.took_ms.extend(reload(&gateway, &plain, number)?);
            story.under_load += u32::from(driver.is_driving()?);
        }
        story.outcomes.push(driver.finish()?);
        story.resident.push(gateway.server().resident()?);
    }
    Ok(report(&story, reloads))
}

/// One reload; milliseconds until the new edition answers, or `None` if it was a broken one.
fn reload(gateway: &Portcullis, plain: &str, number: u32) -> Result<Option<f64>> {
    let broken = number.is_multiple_of(BROKEN_EACH);
    let host = format!("edition-{number}.localhost");
    let route = format!(
        "\n[[route]]\nname = \"{host}\"\nhost = \"{host}\"\npath = \"/**\"\npool = \"origin\"\npolicy = \"{}\"\n",
        if broken { "no-such-policy" } else { "open" }
    );
    // Written aside and moved, so that the gateway never reads half a file.
    let aside = gateway.config().with_extension("new");
    fs::write(&aside, format!("{plain}{route}"))?;
    fs::rename(&aside, gateway.config())?;
    let began = Instant::now();
    gateway.server().signal("HUP")?;
    if broken {
        // Nothing is to be seen of it; the next good one has to follow all the same.
        sleep(LOOK);
        return Ok(None);
    }
    let mut browser = Browser::new((Ipv4Addr::LOCALHOST, gateway.port()).into());
    while browser.open(&gateway.address(&host, "/")).context("looking for the new edition")?.status != 200 {
        ensure!(began.elapsed() < PATIENCE, "reload {number} does not show after {PATIENCE:?}");
        sleep(LOOK);
    }
    Ok(Some(began.elapsed().as_secs_f64() * 1000.0))
}

fn report(story: &Story, reloads: u32) -> Report {
    let faults: Vec<String> = story.outcomes.iter().filter_map(Outcome::fault).collect();
    let requests: u64 = story.outcomes.iter().map(|outcome| outcome.whole).sum();
    let reopened: u64 = story.outcomes.iter().map(|outcome| outcome.reopened).sum();
    let longest = story.outcomes.iter().map(|outcome| outcome.max_us).fold(0.0, f64::max) / 1000.0;
    // The first load fills caches and pools, so growth counts from behind it.
    let growth = story.resident.get(1).zip(story.resident.last());
    let growth = growth.map(|(first, last)| (*last as f64 / *first as f64 - 1.0) * 100.0);
    let lines = [
        ("reloads that were over while requests came", story.under_load.to_string()),
        ("requests", requests.to_string()),
        ("failed", if faults.is_empty() { "0".to_owned() } else { faults.join(", ") }),
        ("connections the gateway asked to open anew", reopened.to_string()),
        ("longest answer, ms", number(Some(longest))),
        ("reload until it shows, median ms", number(median(story.took_ms.clone()))),
        ("growth of resident memory, %", number(growth)),
    ];
    Report {
        scenario: SCENARIO.name,
        question: "Does a reload cost anybody a request?".to_owned(),
        setting: format!(
            "{reloads} reloads by SIGHUP while the MFA route is driven in a closed loop; each adds a route, and every \
             {BROKEN_EACH}th is broken."
        ),
        tables: vec![Table {
            caption: "What happened:".to_owned(),
            head: ["", ""].map(str::to_owned).to_vec(),
            rows: lines.into_iter().map(|(name, value)| vec![name.to_owned(), value]).collect(),
        }],
        findings: vec!["F5: 0 failed requests, growth of resident memory ≤ 5 %.".to_owned()],
        faults,
        windows: json!({ "outcomes": story.outcomes, "took_ms": story.took_ms, "resident": story.resident }),
    }
}
