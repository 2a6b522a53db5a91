//! Kinds of single values: texts, numbers, durations, sizes, paths; knows no key by name.

use super::{Item, Kind};
use crate::config::problem::hint;
use crate::stdx::span;
use bytesize::ByteSize;
use std::marker::PhantomData;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use toml::de::DeValue;

/// Longer than a year is a slip of the keyboard; far longer ones overflow clocks.
const LONGEST: Duration = Duration::from_secs(365 * 24 * 3600);

/// So much of a text is shown in a problem.
const SHOWN: usize = 60;

/// A value that is written as a text in quotes.
pub trait Parse: Sized {
    /// What is allowed, in words and with an example.
    fn allowed() -> String;

    /// Reads the text between the quotes.
    ///
    /// # Errors
    /// What is allowed, in words that follow `found "…"; `.
    fn parse(text: &str) -> Result<Self, String>;

    /// The value as it is written in TOML.
    fn write(&self) -> String;
}

/// Any [`Parse`].
pub struct Text<T>(PhantomData<T>);

impl<T: Parse> Kind for Text<T> {
    type Value = T;

    fn allowed() -> String {
        T::allowed()
    }

    fn read(item: &Item<'_>) -> Option<T> {
        let DeValue::String(text) = item.value() else {
            item.refuse(format_args!("allowed is {}", T::allowed()));
            return None;
        };
        T::parse(text).map_err(|what| item.refuse(what)).ok()
    }

    fn write(value: &T) -> String {
        value.write()
    }
}

impl Parse for String {
    fn allowed() -> String {
        "a text in quotes, such as \"Example Corp\"".to_owned()
    }

    fn parse(text: &str) -> Result<Self, String> {
        if text.trim().is_empty() || text.chars().any(char::is_control) {
            return Err("allowed is a text that is not empty and has no control characters".to_owned());
        }
        Ok(text.to_owned())
    }

    fn write(&self) -> String {
        format!("{self:?}")
    }
}

/// The name of a route, policy or pool: short and plain, because it becomes a label of metrics and part of log lines.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name(Arc<str>);

impl Name {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The name, shared.
    pub fn shared(&self) -> Arc<str> {
        self.0.clone()
    }
}

impl Parse for Name {
    fn allowed() -> String {
        "a name such as \"orders\"".to_owned()
    }

    fn parse(text: &str) -> Result<Self, String> {
        let fits = (1..=64).contains(&text.len());
        let plain = text.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c));
        if fits && plain {
            Ok(Name(text.into()))
        } else {
            Err("a name is 1 to 64 letters a-z, digits, or any of . _ -".to_owned())
        }
    }

    fn write(&self) -> String {
        format!("{:?}", self.0)
    }
}

/// `true` or `false`.
pub struct Flag;

impl Kind for Flag {
    type Value = bool;

    fn allowed() -> String {
        "true or false".to_owned()
    }

    fn read(item: &Item<'_>) -> Option<bool> {
        let flag = item.value().as_bool();
        if flag.is_none() {
            item.refuse("allowed are true and false, without quotes");
        }
        flag
    }

    fn write(value: &bool) -> String {
        value.to_string()
    }
}

/// A whole number from `LEAST` to `MOST`.
pub struct Number<const LEAST: u32, const MOST: u32>;

impl<const LEAST: u32, const MOST: u32> Kind for Number<LEAST, MOST> {
    type Value = u32;

    fn allowed() -> String {
        format!("a whole number from {LEAST} to {MOST}")
    }

    fn read(item: &Item<'_>) -> Option<u32> {
        let number = item.value().as_integer();
        let number = number.and_then(|number| u32::from_str_radix(number.as_str(), number.radix()).ok());
        let within = number.filter(|number| (LEAST..=MOST).contains(number));
        if within.is_none() {
            item.refuse(format_args!("allowed is {}", Self::allowed()));
        }
        within
    }

    fn write(value: &u32) -> String {
        value.to_string()
    }
}

/// A length of time of at least so many milliseconds.
pub struct Span<const LEAST_MS: u64 = 1>;

impl<const LEAST_MS: u64> Kind for Span<LEAST_MS> {
    type Value = Duration;

    fn allowed() -> String {
        let (least, most) = (span::written(Duration::from_millis(LEAST_MS)), span::written(LONGEST));
        format!("a duration from \"{least}\" to \"{most}\", such as \"1h 30m\"")
    }

    fn read(item: &Item<'_>) -> Option<Duration> {
        let read = match item.value() {
            DeValue::String(text) => duration(text).and_then(|span| match span < Duration::from_millis(LEAST_MS) {
                true => Err("it must be at least 1ms".to_owned()),
                false => Ok(span),
            }),
            DeValue::Integer(number) => Err(format!("a duration has a unit and quotes: write \"{number}s\"")),
            _ => Err(format!("allowed is {}", Self::allowed())),
        };
        read.map_err(|what| item.refuse(what)).ok()
    }

    fn write(value: &Duration) -> String {
        format!("\"{}\"", span::written(*value))
    }
}

/// Reads a length of time, here and on the command line.
///
/// # Errors
/// What is allowed, in words.
pub fn duration(text: &str) -> Result<Duration, String> {
    // humantime reads `M` as months, which nobody means.
    if text.contains('M') {
        return Err("allowed is a duration such as \"10m\" for minutes".to_owned());
    }
    match humantime::parse_duration(text) {
        Ok(span) if span > LONGEST => Err("it may be 365 days at most".to_owned()),
        Ok(span) => Ok(span),
        Err(_) if text.parse::<f64>().is_ok() => Err(format!("it needs a unit: write \"{text}s\"")),
        Err(_) => Err("allowed is a duration such as \"10s\" or \"1h 30m\"".to_owned()),
    }
}

/// A number of bytes from `LEAST` to `MOST`.
pub struct Size<const LEAST: u32, const MOST: u32>;

impl<const LEAST: u32, const MOST: u32> Kind for Size<LEAST, MOST> {
    type Value = u32;

    fn allowed() -> String {
        let shown =
            |bytes: u32| ByteSize::b(bytes.into()).display().iec().to_string().replace(' ', "").replace(".0", "");
        format!("a size from \"{}\" to \"{}\"", shown(LEAST), shown(MOST))
    }

    fn read(item: &Item<'_>) -> Option<u32> {
        let refused = |what: &str| {
            item.refuse(what);
            None
        };
        match item.value() {
            DeValue::String(text) => {
                let bytes = text.parse::<ByteSize>().ok().and_then(|size| u32::try_from(size.as_u64()).ok());
                let within = bytes.filter(|bytes| (LEAST..=MOST).contains(bytes));
                within.or_else(|| refused(&format!("allowed is {}", Self::allowed())))
            }
            DeValue::Integer(number) => refused(&format!("a size has a unit and quotes: write \"{number}B\"")),
            _ => refused(&format!("allowed is {}", Self::allowed())),
        }
    }

    fn write(value: &u32) -> String {
        format!("\"{}\"", ByteSize::b((*value).into()).display().iec().to_string().replace(' ', "").replace(".0", ""))
    }
}

/// A file or directory. One that does not begin with `/` is looked for beside the file it is written in.
pub struct FilePath;

impl Kind for FilePath {
    type Value = PathBuf;

    fn allowed() -> String {
        "the path of a file, in quotes".to_owned()
    }

    fn read(item: &Item<'_>) -> Option<PathBuf> {
        let Some(text) = item.text() else {
            item.refuse(format_args!("allowed is {}", Self::allowed()));
            return None;
        };
        let text = <String as Parse>::parse(text).map_err(|what| item.refuse(what)).ok()?;
        Some(item.place().directory().join(Path::new(&text)))
    }

    fn write(value: &PathBuf) -> String {
        format!("{:?}", value.display().to_string())
    }
}

/// A path that should be written whole, because it must lead to the same place for every command and service: one
/// that is not is read like any [`FilePath`], with a warning.
pub struct WholePath;

impl Kind for WholePath {
    type Value = PathBuf;

    fn allowed() -> String {
        "the absolute path of a directory, in quotes".to_owned()
    }

    fn read(item: &Item<'_>) -> Option<PathBuf> {
        if item.text().is_none() {
            item.refuse(format_args!("allowed is {}", Self::allowed()));
            return None;
        }
        if item.text().is_some_and(|text| !text.is_empty() && Path::new(text).is_relative()) {
            item.warn("a relative path: it is read from the directory of this file; write the absolute one");
        }
        FilePath::read(item)
    }

    fn write(value: &PathBuf) -> String {
        FilePath::write(value)
    }
}

/// What a value is, in words: `"abc"`, `the number 5`, `a list`.
pub fn found(value: &DeValue<'_>) -> String {
    match value {
        DeValue::String(text) if text.chars().count() > SHOWN => {
            format!("\"{}…\"", text.chars().take(SHOWN).collect::<String>().escape_debug())
        }
        DeValue::String(text) => format!("{text:?}"),
        DeValue::Integer(number) => format!("the number {number}"),
        DeValue::Float(number) => format!("the number {number}"),
        DeValue::Boolean(flag) => flag.to_string(),
        DeValue::Datetime(time) => format!("the date or time {time}"),
        DeValue::Array(_) => "a list".to_owned(),
        DeValue::Table(_) => "a table".to_owned(),
    }
}

/// `one of "a", "b"`.
pub fn words<T>(words: &[(&'static str, T)]) -> String {
    let all: Vec<String> = words.iter().map(|(word, _)| format!("{word:?}")).collect();
    format!("one of {}", all.join(", "))
}

/// Reads one of a few words.
///
/// # Errors
/// All of them, and the nearest.
pub fn one_of<T: Copy>(text: &str, known: &[(&'static str, T)]) -> Result<T, String> {
    let found = known.iter().find(|(word, _)| *word == text).map(|(_, value)| *value);
    found.ok_or_else(|| format!("allowed is {}{}", words(known), hint(text, known.iter().map(|(word, _)| *word))))
}
