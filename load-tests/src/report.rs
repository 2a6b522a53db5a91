//! Results as people and as programs read them; knows neither what was measured nor how.

use crate::machine::Facts;
use anyhow::{Context, Result};
use serde::Serialize;
use serde_json::Value;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

/// What a scenario found.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// The scenario's name, which is also the files'.
    pub scenario: &'static str,
    /// What was asked, in a sentence or two.
    pub question: String,
    /// How it was measured: durations, connections, rounds.
    pub setting: String,
    /// The answers.
    pub tables: Vec<Table>,
    /// How they compare with the figures to reach.
    pub findings: Vec<String>,
    /// What is missing or spoiled. A report with any of these is not whole.
    pub faults: Vec<String>,
    /// Every single window.
    pub windows: Value,
}

/// One table; its first column holds names, the others numbers.
#[derive(Clone, Debug, Serialize)]
pub struct Table {
    /// What it shows.
    pub caption: String,
    /// The columns' names.
    pub head: Vec<String>,
    /// Its rows, each as long as the head.
    pub rows: Vec<Vec<String>>,
}

/// Stands where there is no number.
pub const NOTHING: &str = "–";

impl Report {
    /// As a page of Markdown.
    pub fn markdown(&self, facts: &Facts) -> String {
        let mut page = format!("# {}\n\n{}\n\n{}\n", self.scenario, self.question, self.setting);
        for table in &self.tables {
            let _ = write!(page, "\n{}", table.markdown());
        }
        for (title, lines) in [("Compared with what is to be reached", &self.findings), ("Not measured", &self.faults)]
        {
            if !lines.is_empty() {
                let _ = write!(page, "\n{title}:\n\n");
                lines.iter().for_each(|line| page += &format!("- {line}\n"));
            }
        }
        let Facts { cores, processor, kernel, rustc, profile, versions } = facts;
        let versions = versions.iter().map(|(name, version)| format!("{name} {version}"));
        let versions = versions.collect::<Vec<_>>().join(" · ");
        let _ = write!(
            page,
            "\n{versions}. {rustc}, profile `{profile}`. {cores} cores ({processor}), Linux {kernel}.\n\
             Only ratios within one run mean anything.\n"
        );
        page
    }

    /// Writes `SCENARIO.md` and `SCENARIO.json`.
    ///
    /// # Errors
    /// If the folder cannot be written to.
    pub fn write(&self, facts: &Facts, folder: &Path) -> Result<()> {
        fs::create_dir_all(folder)
            .and_then(|()| {
                let json = serde_json::json!({ "report": self, "machine": facts });
                fs::write(folder.join(format!("{}.md", self.scenario)), self.markdown(facts))?;
                fs::write(folder.join(format!("{}.json", self.scenario)), format!("{json:#}\n"))
            })
            .with_context(|| format!("the results of {}", self.scenario))
    }
}

impl Table {
    fn markdown(&self) -> String {
        let line = |cells: &[String]| format!("| {} |\n", cells.join(" | "));
        let rule = self.head.iter().enumerate().map(|(at, _)| if at == 0 { "---" } else { "---:" });
        let rule: Vec<String> = rule.map(str::to_owned).collect();
        let rows: String = self.rows.iter().map(|row| line(row)).collect();
        format!("{}\n\n{}{}{rows}", self.caption, line(&self.head), line(&rule))
    }
}

/// A number in a cell, with as many digits behind the point as its size is worth.
pub fn number(value: Option<f64>) -> String {
    match value {
        None => NOTHING.to_owned(),
        Some(value) if value.abs() >= 1000.0 => format!("{value:.0}"),
        Some(value) if value.abs() >= 100.0 => format!("{value:.1}"),
        Some(value) => format!("{value:.2}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_is_markdown() {
        let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
        let table = Table { caption: "Cost".into(), head: words(&["a", "b"]), rows: vec![words(&["x", "1.00"])] };
        assert_eq!(table.markdown(), "Cost\n\n| a | b |\n| --- | ---: |\n| x | 1.00 |\n");
    }

    #[test]
    fn numbers_have_no_more_digits_than_they_are_worth() {
        let cells = [Some(10.254), Some(123.45), Some(98765.4), None].map(number);
        assert_eq!(cells, ["10.25", "123.5", "98765", NOTHING]);
    }
}
