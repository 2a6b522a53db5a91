//! `check`: everything that is wrong with a configuration, or what it comes to; changes nothing.

use super::ending::Ending;
use super::output::{Ink, Output, View, count};
use super::settings::ConfigFile;
use crate::config::{Loaded, Problem, Problems};
use crate::listen::ListenPlan;
use serde_json::{Value, json};
use std::path::Path;

/// Prints every problem and warning.
pub fn check(config: &ConfigFile, out: &Output) -> anyhow::Result<Ending> {
    let checked = Checked { file: &config.file, result: config.load() };
    out.show(&checked)?;
    Ok(if checked.result.is_ok() { Ending::Fine } else { Ending::No })
}

struct Checked<'a> {
    file: &'a Path,
    result: Result<Loaded, Problems>,
}

impl View for Checked<'_> {
    fn text(&self, ink: Ink) -> String {
        let file = self.file.display();
        match &self.result {
            Ok(loaded) => {
                let warnings = loaded.warnings.iter().map(|warning| format!("{} {warning}\n", ink.bold("warning:")));
                format!("{}{file} is {}: {}", warnings.collect::<String>(), ink.good("fine"), summary(loaded))
            }
            Err(problems) => {
                format!("{problems}\n{file}: {}", ink.bad(&count(problems.iter().len(), "problem")))
            }
        }
    }

    fn json(&self) -> Value {
        let (problems, warnings): (Vec<Value>, Vec<Value>) = match &self.result {
            Ok(loaded) => (Vec::new(), loaded.warnings.iter().map(problem).collect()),
            Err(problems) => (problems.iter().map(problem).collect(), Vec::new()),
        };
        json!({
            "file": self.file.to_string_lossy(),
            "fine": self.result.is_ok(),
            "problems": problems,
            "warnings": warnings,
        })
    }
}

/// What a configuration comes to, in a line.
fn summary(loaded: &Loaded) -> String {
    let plan = &loaded.plan;
    let members = plan.pools.iter().map(|pool| pool.members.len()).sum();
    let listeners = plan.listeners.iter().map(listener).collect::<Vec<_>>().join(", ");
    format!(
        "{}, {} with {}, {}, listening on {listeners}",
        count(plan.routes.len(), "route"),
        count(plan.pools.len(), "pool"),
        count(members, "member"),
        count(plan.certificates.len(), "certificate"),
    )
}

fn listener(plan: &ListenPlan) -> String {
    let kind = match (plan.tls, plan.redirect_to_https) {
        (true, _) => " (TLS)",
        (false, true) => " (to https)",
        (false, false) => "",
    };
    format!("{}{kind}", plan.address)
}

fn problem(problem: &Problem) -> Value {
    json!({
        "file": problem.file.to_string_lossy(),
        "line": problem.line,
        "column": problem.column,
        "key": problem.key,
        "what": problem.what,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checked(text: &str) -> (String, Value) {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("a.toml");
        std::fs::write(&file, text).expect("a file");
        let checked = Checked { file: &file, result: ConfigFile { file: file.clone() }.load() };
        let shown = checked.text(Ink::Plain).replace(&format!("{}/", folder.path().display()), "");
        (shown, checked.json())
    }

    #[test]
    fn a_fine_configuration_says_what_it_comes_to() {
        let (text, json) = checked(
            "[[listen]]\naddress = \"127.0.0.1:0\"\n[pool.a]\nmembers = [\"127.0.0.1:1\", \"127.0.0.1:2\"]\n\
             [[route]]\nname = \"a\"\nhost = \"a.test\"\npool = \"a\"\npolicy = \"open\"\n",
        );
        let expected = "a.toml is fine: 1 route, 1 pool with 2 members, 0 certificates, listening on 127.0.0.1:0";
        assert_eq!(text, expected);
        assert_eq!((&json["fine"], &json["problems"]), (&json!(true), &json!([])));
    }

    #[test]
    fn every_problem_has_a_line_and_the_last_line_counts_them() {
        let (text, json) = checked("[[listen]]\naddress = \"127.0.0.1:0\"\ntsl = true\nredirect = true\n");
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.last(), Some(&"a.toml: 2 problems"), "{text}");
        assert!(lines.iter().any(|line| line.starts_with("a.toml:3:1: listen[0].tsl: ")), "{text}");
        assert_eq!(json["problems"].as_array().map(Vec::len), Some(2));
    }
}
