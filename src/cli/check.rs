//! `check`: everything that is wrong with a configuration, or what it comes to; changes nothing.

use super::ending::{Ending, OTHER_FILE};
use super::output::{Ink, Output, View, count};
use super::settings::ConfigFile;
use crate::config::{Loaded, Problem, Problems};
use crate::listen::ListenPlan;
use serde_json::{Value, json};
use std::path::Path;

/// What `check` may be told.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    #[command(flatten)]
    config: ConfigFile,
    /// Say no to a configuration with warnings too
    #[arg(long)]
    strict: bool,
}

/// Prints every problem and warning.
pub fn check(arguments: &Arguments, out: &Output) -> anyhow::Result<Ending> {
    let Arguments { config, strict } = arguments;
    let bar = if *strict { Bar::NoWarning } else { Bar::NoProblem };
    let checked = Checked { file: &config.file, result: config.look(), bar };
    out.show(&checked)?;
    Ok(if checked.is_fine() { Ending::Fine } else { Ending::No })
}

/// What a configuration must be free of.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Bar {
    NoProblem,
    NoWarning,
}

struct Checked<'a> {
    file: &'a Path,
    result: Result<Loaded, Problems>,
    bar: Bar,
}

impl Checked<'_> {
    fn is_fine(&self) -> bool {
        self.result.as_ref().is_ok_and(|loaded| self.bar == Bar::NoProblem || loaded.warnings.is_empty())
    }
}

impl View for Checked<'_> {
    fn text(&self, ink: Ink) -> String {
        let file = self.file.display();
        match &self.result {
            Ok(loaded) => {
                let line =
                    |warning: &Problem| format!("{}: {} {}\n", warning.place(), ink.bold("warning:"), warning.matter());
                let warnings: String = loaded.warnings.iter().map(line).collect();
                match self.is_fine() {
                    true => format!("{warnings}{file} is {}: {}", ink.good("fine"), summary(loaded)),
                    false => format!("{warnings}{file}: {}", ink.bad(&count(loaded.warnings.len(), "warning"))),
                }
            }
            Err(problems) if problems.is_unread() => format!("{problems}; {OTHER_FILE}"),
            Err(problems) => {
                format!("{problems}\n{file}: {}", ink.bad(&count(problems.iter().len(), "problem")))
            }
        }
    }

    fn json(&self) -> Value {
        match &self.result {
            Ok(loaded) => json!({
                "file": self.file.to_string_lossy(),
                "fine": self.is_fine(),
                "problems": [],
                "warnings": loaded.warnings.iter().map(problem).collect::<Vec<_>>(),
            }),
            Err(problems) => broken(self.file, problems),
        }
    }
}

/// A configuration with problems, for scripts: the same from every command that needs one without.
pub fn broken(file: &Path, problems: &Problems) -> Value {
    let problems: Vec<Value> = problems.iter().map(problem).collect();
    json!({ "file": file.to_string_lossy(), "fine": false, "problems": problems, "warnings": [] })
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
    let mut value = serde_json::Map::new();
    value.insert("file".to_owned(), problem.file.to_string_lossy().into());
    if !problem.is_of_file() {
        value.insert("line".to_owned(), problem.line.into());
        value.insert("column".to_owned(), problem.column.into());
    }
    if !problem.key.is_empty() {
        value.insert("key".to_owned(), problem.key.as_str().into());
    }
    if let Some(of) = &problem.of {
        value.insert("of".to_owned(), of.as_str().into());
    }
    value.insert("what".to_owned(), problem.what.as_str().into());
    value.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checked(text: &str, bar: Bar) -> (String, Value) {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("a.toml");
        std::fs::write(&file, text).expect("a file");
        let checked = Checked { file: &file, result: ConfigFile { file: file.clone() }.load(), bar };
        let shown = checked.text(Ink::Plain).replace(&format!("{}/", folder.path().display()), "");
        (shown, checked.json())
    }

    const FINE: &str = "[[listen]]\naddress = \"127.0.0.1:0\"\n[pool.a]\nmembers = [\"127.0.0.1:1\", \"127.0.0.1:2\"]\n\
                        [[route]]\nname = \"a\"\nhost = \"a.test\"\npool = \"a\"\npolicy = \"open\"\n";

    #[test]
    fn a_fine_configuration_says_what_it_comes_to() {
        let (text, json) = checked(FINE, Bar::NoWarning);
        let expected = "a.toml is fine: 1 route, 1 pool with 2 members, 0 certificates, listening on 127.0.0.1:0";
        assert_eq!(text, expected);
        assert_eq!((&json["fine"], &json["problems"]), (&json!(true), &json!([])));
    }

    #[test]
    fn every_problem_has_a_line_and_the_last_line_counts_them() {
        let (text, json) =
            checked("[[listen]]\naddress = \"127.0.0.1:0\"\ntsl = true\nredirect = true\n", Bar::NoProblem);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.last(), Some(&"a.toml: 2 problems"), "{text}");
        assert!(lines.iter().any(|line| line.starts_with("a.toml:3:1: listen[0].tsl: ")), "{text}");
        assert_eq!(json["problems"].as_array().map(Vec::len), Some(2));
    }

    #[test]
    fn a_file_that_is_not_there_is_named_once_and_without_a_line() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("a.toml");
        let checked = Checked { file: &file, result: ConfigFile { file: file.clone() }.load(), bar: Bar::NoProblem };
        let said = checked.text(Ink::Plain);
        let why = "cannot be read: No such file or directory (os error 2); give another with --config FILE";
        assert_eq!(said, format!("{}: {why}", file.display()));
        let problem = &checked.json()["problems"][0];
        assert!(problem.get("line").is_none() && problem.get("key").is_none(), "{problem}");
    }

    #[test]
    fn a_warning_has_its_place_and_refuses_a_file_only_if_the_check_is_strict() {
        let text = format!("{FINE}[pool.b]\nmembers = [\"127.0.0.1:3\"]\n");
        let warning = "a.toml:10:7: warning: pool.b: no route uses this pool\n";
        let (said, json) = checked(&text, Bar::NoProblem);
        assert!(said.starts_with(&format!("{warning}a.toml is fine: 1 route")), "{said}");
        assert_eq!((&json["fine"], &json["warnings"][0]["key"]), (&json!(true), &json!("pool.b")));
        let (said, json) = checked(&text, Bar::NoWarning);
        assert_eq!(said, format!("{warning}a.toml: 1 warning"));
        assert_eq!(json["fine"], json!(false));
    }
}
