//! `reload`: asks the running gateway to load its configuration again, and says what came of it.

use super::ending::Ending;
use super::output::{Ink, Output, View, count};
use super::settings::Gateway;
use crate::admin::Reloaded;
use http::Method;
use serde_json::Value;

/// What `reload` may be told.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    #[command(flatten)]
    gateway: Gateway,
}

/// Has the running gateway reload.
pub async fn reload(arguments: &Arguments, out: &Output) -> anyhow::Result<Ending> {
    let (status, answer) = arguments.gateway.ask(Method::POST, "/reload").await?;
    let reloaded = Reloaded::from_json(&answer);
    let reloaded = reloaded.ok_or_else(|| anyhow::anyhow!("the gateway answered {status}: {}", said(&answer)))?;
    out.show(&reloaded)?;
    Ok(match reloaded {
        Reloaded::Applied { .. } | Reloaded::Unchanged { .. } => Ending::Fine,
        Reloaded::Refused { .. } => Ending::No,
    })
}

fn said(answer: &Value) -> String {
    answer.get("error").and_then(Value::as_str).map_or_else(|| answer.to_string(), str::to_owned)
}

impl View for Reloaded {
    fn text(&self, ink: Ink) -> String {
        match self {
            Reloaded::Applied { edition, notes } => {
                let notes: String = notes.iter().map(|note| format!("\n{} {note}", ink.bold("note:"))).collect();
                format!("edition {edition} is {}{notes}", ink.good("live"))
            }
            Reloaded::Unchanged { edition } => format!("nothing has changed; edition {edition} stays"),
            Reloaded::Refused { edition, problems, tried_again } => {
                let lines: String = problems.iter().map(|problem| format!("{problem}\n")).collect();
                let counted = count(problems.len(), "problem");
                let again = if *tried_again { "; the files are tried again by themselves" } else { "" };
                format!("{lines}{}: {counted}; edition {edition} keeps serving{again}", ink.bad("refused"))
            }
        }
    }

    fn json(&self) -> Value {
        self.to_json()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admin::{Place, Problem};

    #[test]
    fn a_refused_reload_shows_every_problem_and_what_serves_on() {
        let problem = |line, key: &str| {
            let place = Some(Place { file: "a.toml".to_owned(), line, column: 1 });
            Problem { place, key: key.to_owned(), what: "unknown".to_owned() }
        };
        let problems = vec![problem(1, "x"), problem(2, "y")];
        let text = Reloaded::Refused { edition: 3, problems, tried_again: false }.text(Ink::Plain);
        assert!(text.starts_with("a.toml:1:1: x: unknown\na.toml:2:1: y: unknown\n"), "{text}");
        assert!(text.ends_with("refused: 2 problems; edition 3 keeps serving"), "{text}");
    }

    #[test]
    fn a_reload_that_is_tried_again_by_itself_says_so() {
        let text = Reloaded::Refused { edition: 3, problems: Vec::new(), tried_again: true }.text(Ink::Plain);
        assert!(text.ends_with("edition 3 keeps serving; the files are tried again by themselves"), "{text}");
    }
}
