//! The contenders that several scenarios share, measured in turns; knows no scenario's question.

use super::Options;
use crate::drive::Timing;
use crate::measure::{Window, Windows};
use crate::report::{NOTHING, number};
use crate::stage::{Bare, Contender, Haproxy, Nginx, Portcullis, Stage};
use anyhow::{Result, ensure};
use serde_json::{Value, json};

/// Contenders side by side, bare Pingora first.
pub(super) struct Cast {
    pub(super) contenders: Vec<Contender>,
    /// Who is missing, and why.
    pub(super) missing: Vec<String>,
}

/// What the contenders were measured at: one row for each.
pub(super) struct Rows {
    rows: Vec<(String, Windows)>,
}

/// A column of a table: its name, and its value in each window.
pub(super) type Column<'a> = (&'a str, &'a dyn Fn(&Window) -> Option<f64>);

impl Cast {
    /// Bare Pingora, Portcullis on both routes, and whichever peers are installed.
    pub(super) fn proxies(stage: &Stage) -> Result<Self> {
        let mut cast = Self { contenders: vec![Bare::start(stage, None)?], missing: Vec::new() };
        // As long as a session's cookie, unless there is one to take its length from.
        let mut cookie = format!("session={}", "a".repeat(43));
        let portcullis = Portcullis::start(stage, "").and_then(|gateway| {
            let (mut person, session) = gateway.sign_in()?;
            let token = gateway.approve_program(&mut person)?;
            Ok(([gateway.mfa_route(&session), gateway.token_route(&token)], gateway, session))
        });
        match portcullis {
            Ok((guarded, gateway, session)) => {
                for contender in &guarded {
                    prove(&gateway, contender)?;
                }
                cookie = session.pair;
                cast.contenders.push(gateway.open_route());
                cast.contenders.extend(guarded);
            }
            Err(error) => cast.missing.push(format!("Portcullis: {error:#}")),
        }
        match Nginx::find() {
            Some(nginx) => cast.contenders.extend([nginx.plain(stage)?, nginx.auth_request(stage, &cookie)?]),
            None => cast.missing.push("nginx is not installed".to_owned()),
        }
        match Haproxy::find() {
            Some(haproxy) => cast.contenders.push(haproxy.plain(stage)?),
            None => cast.missing.push("HAProxy is not installed".to_owned()),
        }
        Ok(cast)
    }

    /// Drives a kind of load at each of them in turn, in as many rounds as the options say.
    pub(super) fn measure(&self, stage: &Stage, options: &Options, kind: &[&str]) -> Result<Rows> {
        self.measure_at(stage, options.rounds, (kind, options.timing()))
    }

    fn measure_at(&self, stage: &Stage, rounds: usize, load: (&[&str], Timing)) -> Result<Rows> {
        let mut rows: Vec<_> = self.contenders.iter().map(|who| (who.name.clone(), Windows::default())).collect();
        for round in 0..rounds {
            eprintln!("  {}: round {} of {rounds}", load.0.join(" "), round + 1);
            // Each round begins with another contender, so that none is always measured behind the same one.
            for turn in 0..rows.len() {
                let at = (round + turn) % rows.len();
                if let (Some(contender), Some((_, windows))) = (self.contenders.get(at), rows.get_mut(at)) {
                    windows.push(Window::measure(stage, contender, load)?);
                }
            }
        }
        Ok(Rows { rows })
    }
}

/// That the MFA route is what it claims to be: closed without the session or token, and stamped with who it is.
fn prove(gateway: &Portcullis, mfa: &Contender) -> Result<()> {
    let field = mfa.target.field.clone().unwrap_or_default();
    let secret = field.split_once(": ").map_or("", |(_, secret)| secret).to_ascii_lowercase();
    let (status, _) = ask(mfa, None)?;
    ensure!(status == 401, "without a session the MFA route answers {status}, not 401: {}", gateway.address("", ""));
    let (status, seen) = ask(mfa, Some(&field))?;
    ensure!(status == 200, "with a session the MFA route answers {status}, not 200");
    let seen = seen.to_ascii_lowercase();
    for name in ["x-portcullis-account: bench", "x-portcullis-assurance: mfa", "x-portcullis-assertion: "] {
        ensure!(seen.contains(name), "the origin does not see {name:?} on the MFA route");
    }
    ensure!(!seen.contains(&secret), "the origin sees the session's cookie or token");
    Ok(())
}

/// What an API client gets for `/seen`: the status, and the request as the origin saw it.
fn ask(contender: &Contender, field: Option<&str>) -> Result<(u16, String)> {
    let mut target = contender.target.clone();
    target.path = "/seen".to_owned();
    target.field = field.map(str::to_owned);
    target.ask()
}

impl Rows {
    /// The median of a value for the contender at `row`; `None` if it has no measurement.
    pub(super) fn median(&self, row: usize, value: impl Fn(&Window) -> Option<f64>) -> Option<f64> {
        let (_, windows) = self.rows.get(row)?;
        windows.median(value).filter(|_| windows.fault().is_none())
    }

    /// The place of a contender.
    pub(super) fn find(&self, name: &str) -> Option<usize> {
        self.rows.iter().position(|(own, _)| own == name)
    }

    /// A row for each contender: its name, the columns' medians, and behind the first column its ratio to bare Pingora.
    pub(super) fn table(&self, columns: &[Column<'_>]) -> (Vec<String>, Vec<Vec<String>>) {
        let mut head = vec!["Contender".to_owned()];
        for (at, (name, _)) in columns.iter().enumerate() {
            head.push((*name).to_owned());
            head.extend((at == 0).then(|| "× bare".to_owned()));
        }
        head.push("quiet windows".to_owned());
        let rows = (0..self.rows.len()).map(|row| self.row(row, columns)).collect();
        (head, rows)
    }

    fn row(&self, row: usize, columns: &[Column<'_>]) -> Vec<String> {
        let Some((name, windows)) = self.rows.get(row) else { return Vec::new() };
        let mut cells = vec![name.clone()];
        for (at, (_, value)) in columns.iter().enumerate() {
            cells.push(number(self.median(row, value)));
            cells.extend((at == 0).then(|| number(self.ratio(row, value))));
        }
        let (counting, all) = windows.shares();
        cells.push(if windows.fault().is_some() { NOTHING.to_owned() } else { format!("{counting} of {all}") });
        cells
    }

    /// How often bare Pingora's value goes into this one's.
    pub(super) fn ratio(&self, row: usize, value: impl Fn(&Window) -> Option<f64>) -> Option<f64> {
        Some(self.median(row, &value)? / self.median(0, &value)?)
    }

    /// Who has no measurement, and why.
    pub(super) fn faults(&self) -> Vec<String> {
        let faults = self.rows.iter().filter_map(|(name, windows)| Some((name, windows.fault()?)));
        faults.map(|(name, fault)| format!("{name}: {fault}")).collect()
    }

    /// Every window, by contender.
    pub(super) fn windows(&self) -> Value {
        json!(
            self.rows
                .iter()
                .map(|(name, windows)| json!({ "contender": name, "windows": windows }))
                .collect::<Vec<_>>()
        )
    }
}
