//! An explanation as it is shown: the outcome, what was asked, and every condition with has, needs and remedy; knows
//! neither policies nor where it comes from.

use crate::cli::output::{Ink, View, harmless};
use crate::cli::table::{Table, pairs};
use crate::policy::Line;
use serde_json::{Map, Value, json};

/// An explanation.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Whether the request passes.
    pub permitted: bool,
    /// The word for it, as in the access log.
    pub outcome: String,
    /// What the caller gets.
    pub answer: String,
    /// What is known of the request, by name; empty values are left out.
    pub facts: Vec<(&'static str, String)>,
    /// Every condition, if a policy judged.
    pub conditions: Vec<Judged>,
    /// What was assumed.
    pub notes: Vec<String>,
}

/// A condition as it was judged, here or in the gateway.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Judged {
    condition: String,
    holds: bool,
    has: String,
    needs: String,
    remedy: String,
}

impl From<&Line> for Judged {
    fn from(line: &Line) -> Self {
        let Line { condition, holds, has, needs, remedy } = line.clone();
        Judged { condition: condition.to_owned(), holds, has, needs, remedy }
    }
}

impl Judged {
    /// Reads a condition that the gateway wrote as JSON.
    pub fn from_json(value: &Value) -> Option<Self> {
        let text = |key: &str| value.get(key).and_then(Value::as_str).map(str::to_owned);
        Some(Judged {
            condition: text("condition")?,
            holds: value.get("holds")?.as_bool()?,
            has: text("has").unwrap_or_default(),
            needs: text("needs").unwrap_or_default(),
            remedy: text("remedy").unwrap_or_default(),
        })
    }

    fn json(&self) -> Value {
        json!({
            "condition": self.condition, "holds": self.holds, "has": self.has, "needs": self.needs,
            "remedy": self.remedy,
        })
    }
}

impl View for Report {
    fn text(&self, ink: Ink) -> String {
        let word = if self.permitted { ink.good("permitted") } else { ink.bad("refused") };
        let mut text = word;
        if !self.answer.is_empty() {
            text += &format!("  {}", harmless(&self.answer));
        }
        text += &format!("\n\n{}", pairs(&self.facts, "  "));
        if !self.conditions.is_empty() {
            text += &format!("\n\n{}", conditions(&self.conditions, ink));
        }
        for note in &self.notes {
            text += &format!("\n\n{} {}", ink.bold("note:"), harmless(note));
        }
        text
    }

    fn json(&self) -> Value {
        let facts = self.facts.iter().filter(|(_, value)| !value.is_empty());
        let mut value: Map<String, Value> =
            facts.map(|(name, value)| (name.replace(' ', "_"), Value::from(value.as_str()))).collect();
        value.insert("permitted".to_owned(), self.permitted.into());
        value.insert("outcome".to_owned(), self.outcome.as_str().into());
        value.insert("answer".to_owned(), self.answer.as_str().into());
        value.insert("conditions".to_owned(), self.conditions.iter().map(Judged::json).collect());
        value.insert("notes".to_owned(), self.notes.iter().map(String::as_str).collect());
        value.into()
    }
}

fn conditions(conditions: &[Judged], ink: Ink) -> String {
    let mut table = Table::new(&["", "condition", "has", "needs", "remedy"]);
    for judged in conditions {
        let mark = if judged.holds { "✓" } else { "✗" };
        let Judged { condition, has, needs, remedy, .. } = judged.clone();
        table.row([mark.to_owned(), condition, has, needs, remedy]);
    }
    table.text(ink, "  ")
}
