//! One window of load on one contender, and what it cost; knows no scenario.

mod instructions;

use crate::drive::{Outcome, Timing};
use crate::machine::{Cpu, Ticks};
use crate::stage::{Contender, Driver, Stage};
use anyhow::{Context, Result};
use instructions::Counter;
pub use instructions::Instructions;
use serde::Serialize;

/// What one window of load cost.
#[derive(Clone, Debug, Serialize)]
pub struct Window {
    /// What the driver saw.
    pub outcome: Outcome,
    /// What the contender's processes used.
    pub cpu: Cpu,
    /// What the process that works for it used, if there is one.
    pub aside: Option<Cpu>,
    /// What the contender's processes executed, warm-up included, if this machine counts it.
    pub instructions: Option<Instructions>,
    /// The share of the machine that others on the same host took meanwhile, 0 to 1.
    pub stolen: f64,
}

/// Above this share of stolen time a window is not quiet: it costs caches and clock speed, not only time.
const QUIET: f64 = 0.02;

impl Window {
    /// Drives a kind of load at a contender and measures.
    ///
    /// # Errors
    /// If the contender or the driver ends on the way. Bad answers are no error here, but [`Outcome::fault`].
    pub fn measure(stage: &Stage, contender: &Contender, (kind, timing): (&[&str], Timing)) -> Result<Self> {
        let counter = Counter::attach(&contender.server.family()?);
        let driver = Driver::start(stage, kind, &contender.target, timing)?;
        driver.begun().with_context(|| contender.name.clone())?;
        let before = Snapshot::take(contender)?;
        let outcome = driver.finish().with_context(|| contender.name.clone())?;
        let after = Snapshot::take(contender)?;
        Ok(Window {
            outcome,
            cpu: after.cpu.since(before.cpu),
            aside: after.aside.zip(before.aside).map(|(after, before)| after.since(before)),
            instructions: counter.and_then(Counter::finish),
            stolen: after.ticks.stolen_since(before.ticks),
        })
    }

    /// User and system time of the contender for each answer, in microseconds.
    pub fn cpu_us(&self) -> f64 {
        self.for_each(self.cpu.total() * 1e6)
    }

    /// The same of the process that works for it.
    pub fn aside_us(&self) -> Option<f64> {
        self.aside.map(|cpu| self.for_each(cpu.total() * 1e6))
    }

    /// Answers a second.
    pub fn rate(&self) -> f64 {
        self.outcome.completed as f64 / self.outcome.seconds.max(f64::MIN_POSITIVE)
    }

    /// Whether nobody else on the host disturbed it.
    pub fn is_quiet(&self) -> bool {
        self.stolen <= QUIET
    }

    fn for_each(&self, cost: f64) -> f64 {
        cost / self.outcome.completed.max(1) as f64
    }
}

struct Snapshot {
    cpu: Cpu,
    aside: Option<Cpu>,
    ticks: Ticks,
}

impl Snapshot {
    fn take(contender: &Contender) -> Result<Self> {
        let aside = contender.aside.as_ref().map(|process| process.cpu()).transpose()?;
        Ok(Self { cpu: contender.server.cpu()?, aside, ticks: Ticks::read()? })
    }
}

/// The windows that one contender was measured in.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Windows(Vec<Window>);

impl Windows {
    /// Adds one.
    pub fn push(&mut self, window: Window) {
        self.0.push(window);
    }

    /// Why this is no measurement, if it is none.
    pub fn fault(&self) -> Option<String> {
        self.0
            .iter()
            .find_map(|window| window.outcome.fault())
            .or_else(|| self.0.is_empty().then(|| "no window".into()))
    }

    /// The median over the windows that count: the quiet ones, or all if fewer than half are quiet.
    pub fn median(&self, value: impl Fn(&Window) -> Option<f64>) -> Option<f64> {
        median(self.counting().into_iter().filter_map(value).collect())
    }

    /// How many windows count, and how many there are.
    pub fn shares(&self) -> (usize, usize) {
        (self.counting().len(), self.0.len())
    }

    fn counting(&self) -> Vec<&Window> {
        let quiet: Vec<&Window> = self.0.iter().filter(|window| window.is_quiet()).collect();
        if quiet.len() * 2 >= self.0.len() { quiet } else { self.0.iter().collect() }
    }
}

/// The middle of some values, or of the two in the middle.
pub fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let half = values.len() / 2;
    let upper = *values.get(half)?;
    match values.len() % 2 {
        0 => values.get(half - 1).map(|lower| (lower + upper) / 2.0),
        _ => Some(upper),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn window(p50_us: f64, stolen: f64) -> Window {
        let outcome = Outcome { p50_us, completed: 1, ..Outcome::default() };
        Window { outcome, cpu: Cpu::default(), aside: None, instructions: None, stolen }
    }

    fn p50(windows: &[(f64, f64)]) -> Option<f64> {
        let windows = Windows(windows.iter().map(|(p50, stolen)| window(*p50, *stolen)).collect());
        windows.median(|window| Some(window.outcome.p50_us))
    }

    #[test]
    fn a_median_is_in_the_middle() {
        assert_eq!(median(vec![3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(vec![4.0, 1.0, 2.0, 3.0]), Some(2.5));
        assert_eq!(median(Vec::new()), None);
    }

    #[test]
    fn disturbed_windows_do_not_count_unless_most_are() {
        assert_eq!(p50(&[(1.0, 0.0), (2.0, 0.0), (9.0, 0.5)]), Some(1.5));
        assert_eq!(p50(&[(1.0, 0.0), (2.0, 0.5), (9.0, 0.5)]), Some(2.0));
    }
}
