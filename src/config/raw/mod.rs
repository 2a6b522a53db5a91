//! From TOML to typed values with places: every value is read through its declared kind, so a key that is read is
//! declared, and one that is declared is read. Knows no key by name and no rule between keys.

mod declare;
mod document;
mod include;
mod outline;
mod secret;
mod section;
mod shape;
mod value;

pub(in crate::config) use declare::table;
pub use document::{Document, Place, Reading};
pub use include::Include;
pub use secret::{Fetched, SecretSource};
pub use section::{Item, Section};
pub use shape::{Entry, List, Named, Sub, Tables};
pub use value::{FilePath, Flag, Name, Number, Parse, Size, Span, Text, WholePath, duration, found, one_of, words};

/// A value and where it is written.
#[derive(Clone, Debug)]
pub struct At<T> {
    /// Where.
    pub place: Place,
    /// What.
    pub value: T,
}

/// A kind of value that a key may have.
pub trait Kind {
    /// What reading gives.
    type Value;

    /// The kind in words, for the reference and for problems: `a duration such as "10s"`.
    fn allowed() -> String;

    /// Reads a value; `None` if it is not of this kind, which was then reported.
    fn read(item: &Item<'_>) -> Option<Self::Value>;

    /// The value as it is written in TOML.
    fn write(value: &Self::Value) -> String;

    /// The tables that values of this kind hold, with the header under which `path` would stand.
    fn tables(path: &str) -> Vec<TableWords> {
        let _ = path;
        Vec::new()
    }
}

/// A table: its keys, each declared once.
pub trait Table: Sized {
    /// What the table is for.
    const DOC: &'static str;

    /// Reads every key. Keys that are none of these are left for [`Section::refuse_others`].
    fn read(section: &Section<'_>) -> Self;

    /// The names of its keys.
    const NAMES: &'static [&'static str];

    /// Its keys, as declared.
    fn keys() -> Vec<KeyWords>;

    /// The tables within it, which itself stands at `path`.
    fn tables(path: &str) -> Vec<TableWords>;
}

/// A table in the reference.
#[derive(Debug)]
pub struct TableWords {
    /// `[pool.NAME]`.
    pub header: String,
    /// What it is for.
    pub doc: &'static str,
    /// Its keys.
    pub keys: Vec<KeyWords>,
}

/// A key in the reference.
#[derive(Debug)]
pub struct KeyWords {
    /// Its name.
    pub name: &'static str,
    /// What is allowed.
    pub allowed: String,
    /// Whether it must be given, and what it is if not.
    pub presence: Presence,
    /// What it is for.
    pub doc: &'static str,
    /// A value, as it is written; empty for tables, which have examples of their own.
    pub example: &'static str,
    /// Reads a value as this key would: for the test that every example can be read.
    #[cfg_attr(not(test), expect(dead_code, reason = "only the test of the examples reads them"))]
    pub read: fn(&Item<'_>) -> bool,
}

/// Whether a key must be given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Presence {
    /// It must.
    Required,
    /// If not, nothing stands in.
    Optional,
    /// If not, this stands in.
    Default(String),
}
