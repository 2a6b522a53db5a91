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
    /// What is known of the request, by name.
    pub facts: Vec<(&'static str, Fact)>,
    /// Every condition, if a policy judged.
    pub conditions: Vec<Judged>,
    /// What was assumed.
    pub notes: Vec<String>,
}

/// Something that is known of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fact {
    /// A word or sentence. An empty one is as good as none.
    Text(String),
    /// A number.
    Number(u64),
    /// Several of a kind.
    List(Vec<String>),
    /// Who asks: the account, if it has a name, and its groups, if they are known; nobody, if neither is there.
    Caller {
        /// The account.
        account: Option<String>,
        /// Its groups.
        groups: Option<Vec<String>>,
    },
}

impl Fact {
    /// For people; empty if there is nothing to say.
    fn text(&self) -> String {
        match self {
            Fact::Text(text) => text.clone(),
            Fact::Number(number) => number.to_string(),
            Fact::List(list) => list.join(", "),
            Fact::Caller { account: None, groups: None } => "nobody who is signed in".to_owned(),
            Fact::Caller { account: Some(account), groups: None } => account.clone(),
            Fact::Caller { account, groups: Some(groups) } => {
                let groups = if groups.is_empty() { "no group".to_owned() } else { groups.join(", ") };
                format!("{} ({groups})", account.as_deref().unwrap_or("somebody"))
            }
        }
    }

    /// For scripts; `None` if there is nothing to say.
    fn json(&self) -> Option<Value> {
        match self {
            Fact::Text(text) => (!text.is_empty()).then(|| text.as_str().into()),
            Fact::Number(number) => Some((*number).into()),
            Fact::List(list) => (!list.is_empty()).then(|| list.clone().into()),
            Fact::Caller { account: None, groups: None } => None,
            Fact::Caller { account, groups } => {
                let account = account.clone().map(|account| ("account".to_owned(), account.into()));
                let groups = groups.clone().map(|groups| ("groups".to_owned(), groups.into()));
                Some(Value::Object(account.into_iter().chain(groups).collect()))
            }
        }
    }
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
        let mut value = json!({ "condition": self.condition, "holds": self.holds });
        for (name, text) in [("has", &self.has), ("needs", &self.needs), ("remedy", &self.remedy)] {
            if !text.is_empty() {
                value[name] = text.as_str().into();
            }
        }
        value
    }
}

impl View for Report {
    fn text(&self, ink: Ink) -> String {
        let word = if self.permitted { ink.good("permitted") } else { ink.bad("refused") };
        let mut text = word;
        if !self.answer.is_empty() {
            text += &format!("  {}", harmless(&self.answer));
        }
        let facts: Vec<(&str, String)> = self.facts.iter().map(|(name, fact)| (*name, fact.text())).collect();
        text += &format!("\n\n{}", pairs(&facts, "  "));
        if !self.conditions.is_empty() {
            text += &format!("\n\n{}", conditions(&self.conditions, ink));
        }
        for (at, note) in self.notes.iter().enumerate() {
            let gap = if at == 0 { "\n\n" } else { "\n" };
            text += &format!("{gap}{} {}", ink.bold("note:"), harmless(note));
        }
        text
    }

    fn json(&self) -> Value {
        let facts = self.facts.iter().filter_map(|(name, fact)| Some((name.replace(' ', "_"), fact.json()?)));
        let mut value: Map<String, Value> = facts.collect();
        value.insert("permitted".to_owned(), self.permitted.into());
        value.insert("outcome".to_owned(), self.outcome.as_str().into());
        if !self.answer.is_empty() {
            value.insert("answer".to_owned(), self.answer.as_str().into());
        }
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
