//! What a command prints: typeset text for people or JSON for scripts, from one view; knows no view.

use serde_json::Value;
use std::io::{self, IsTerminal, Write};

/// For whom is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// Aligned text.
    People,
    /// JSON.
    Json,
}

/// Whether text may be set off by colour and weight.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ink {
    /// On a terminal whose user has nothing against it.
    Colour,
    /// Everywhere else.
    Plain,
}

/// Something that can be shown in both forms.
pub trait View {
    /// For people; without a line end behind the last line.
    fn text(&self, ink: Ink) -> String;

    /// For scripts.
    fn json(&self) -> Value;
}

/// Where is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stream {
    Out,
    Err,
}

/// Standard output, or what stands beside it, in the form that was asked for.
#[derive(Clone, Copy, Debug)]
pub struct Output {
    form: Form,
    ink: Ink,
    stream: Stream,
}

impl Output {
    /// Output in `form`, in colour if standard output is a terminal and `NO_COLOR` is not set.
    pub fn new(form: Form) -> Self {
        Output { form, ink: Ink::on(io::stdout().is_terminal()), stream: Stream::Out }
    }

    /// Standard error in the same form, for what must not stand in the way of an answer.
    pub fn aside(&self) -> Self {
        Output { form: self.form, ink: Ink::on(io::stderr().is_terminal()), stream: Stream::Err }
    }

    /// Whether scripts read it.
    pub fn is_for_scripts(&self) -> bool {
        self.form == Form::Json
    }

    /// Prints a view.
    ///
    /// # Errors
    /// If standard output is closed.
    pub fn show(&self, view: &impl View) -> io::Result<()> {
        match self.form {
            Form::People => self.write(&view.text(self.ink)),
            Form::Json => self.write(&format!("{:#}", view.json())),
        }
    }

    /// Prints a view if JSON was asked for: what people are told then, they are told elsewhere.
    ///
    /// # Errors
    /// If standard output is closed.
    pub fn show_to_scripts(&self, view: &impl View) -> io::Result<()> {
        match self.form {
            Form::People => Ok(()),
            Form::Json => self.show(view),
        }
    }

    /// Prints a view as one of many: its JSON is one line.
    ///
    /// # Errors
    /// If standard output is closed.
    pub fn line(&self, view: &impl View) -> io::Result<()> {
        match self.form {
            Form::People => self.write(&view.text(self.ink)),
            Form::Json => self.write(&view.json().to_string()),
        }
    }

    /// Prints a text, or what stands for it in JSON.
    ///
    /// # Errors
    /// If standard output is closed.
    pub fn say(&self, text: &str, json: impl FnOnce() -> Value) -> io::Result<()> {
        match self.form {
            Form::People => self.write(text),
            Form::Json => self.write(&format!("{:#}", json())),
        }
    }

    fn write(&self, text: &str) -> io::Result<()> {
        match self.stream {
            Stream::Out => {
                let mut out = io::stdout().lock();
                writeln!(out, "{text}")?;
                out.flush()
            }
            Stream::Err => writeln!(io::stderr().lock(), "{text}"),
        }
    }
}

impl Ink {
    /// What a terminal is written to with, and what is not one, `NO_COLOR` being respected.
    fn on(terminal: bool) -> Self {
        let declined = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        if terminal && !declined { Ink::Colour } else { Ink::Plain }
    }

    /// Headings.
    pub fn bold(self, text: &str) -> String {
        self.painted("1", text)
    }

    /// What may stand back.
    pub fn dim(self, text: &str) -> String {
        self.painted("2", text)
    }

    /// Yes.
    pub fn good(self, text: &str) -> String {
        self.painted("1;32", text)
    }

    /// No.
    pub fn bad(self, text: &str) -> String {
        self.painted("1;31", text)
    }

    fn painted(self, code: &str, text: &str) -> String {
        match self {
            Ink::Colour => format!("\u{1b}[{code}m{text}\u{1b}[0m"),
            Ink::Plain => text.to_owned(),
        }
    }
}

/// `1 problem`, `2 problems`.
pub fn count(number: usize, noun: &str) -> String {
    format!("{number} {noun}{}", if number == 1 { "" } else { "s" })
}

/// `text` without characters that are obeyed and not shown: what a stranger typed must neither move the cursor of
/// whoever reads it nor turn the order of what stands around it.
pub fn harmless(text: &str) -> String {
    let escaped = |c: char| if is_obeyed(c) { c.escape_default().to_string() } else { c.to_string() };
    if text.contains(is_obeyed) { text.chars().map(escaped).collect() } else { text.to_owned() }
}

/// Control characters, and the embeddings, overrides and isolates of bidirectional text (Unicode UAX #9 §2).
fn is_obeyed(c: char) -> bool {
    c.is_control() || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_is_singular() {
        assert_eq!((count(0, "route"), count(1, "route")), ("0 routes".to_owned(), "1 route".to_owned()));
    }

    #[test]
    fn control_characters_are_shown_and_not_obeyed() {
        assert_eq!(harmless("a\u{1b}[2Jb\n\u{85}"), "a\\u{1b}[2Jb\\n\\u{85}");
        assert_eq!(harmless("äöü ✓ שלום"), "äöü ✓ שלום");
    }

    #[test]
    fn what_turns_the_order_of_text_is_shown_and_not_obeyed() {
        assert_eq!(harmless("\u{202e}ecila\u{202c}"), "\\u{202e}ecila\\u{202c}");
        assert_eq!(harmless("\u{202a}\u{2066}x\u{2069}"), "\\u{202a}\\u{2066}x\\u{2069}");
    }
}
