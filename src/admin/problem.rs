//! What is wrong with a configuration, as it travels to the command that asked; finds nothing itself.

use serde_json::{Value, json};
use std::fmt;

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Where, if it is a place in a file.
    pub place: Option<Place>,
    /// The key with dots; empty if it concerns none.
    pub key: String,
    /// What is wrong and what is allowed.
    pub what: String,
}

/// A place in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The file.
    pub file: String,
    /// The line, counted from 1.
    pub line: usize,
    /// The column, counted from 1 in characters.
    pub column: usize,
}

impl Problem {
    /// Something that is wrong at no place in particular.
    pub fn nowhere(what: String) -> Self {
        Problem { place: None, key: String::new(), what }
    }

    /// As `check` writes it too; `file`, `line` and `column` are null where there is no place.
    pub fn to_json(&self) -> Value {
        let place = self.place.as_ref();
        json!({
            "file": place.map(|place| &place.file),
            "line": place.map(|place| place.line),
            "column": place.map(|place| place.column),
            "key": self.key,
            "what": self.what,
        })
    }

    /// What [`Problem::to_json`] wrote, read back; a text alone is what an older gateway says.
    pub fn from_json(value: &Value) -> Option<Self> {
        if let Some(line) = value.as_str() {
            return Some(Problem::nowhere(line.to_owned()));
        }
        let text = |key: &str| value.get(key).and_then(Value::as_str).map(str::to_owned);
        let number = |key: &str| value.get(key)?.as_u64().and_then(|number| usize::try_from(number).ok());
        let place = || Some(Place { file: text("file")?, line: number("line")?, column: number("column")? });
        Some(Problem { place: place(), key: text("key")?, what: text("what")? })
    }
}

/// `FILE:LINE:COLUMN: key: what`, without what there is none of.
impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(Place { file, line, column }) = &self.place {
            write!(f, "{file}:{line}:{column}: ")?;
        }
        if !self.key.is_empty() {
            write!(f, "{}: ", self.key)?;
        }
        f.write_str(&self.what)
    }
}
