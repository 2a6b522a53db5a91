//! A table of a file, read key by key; knows no key by name.

use super::{At, Kind, Place, Reading, Table};
use crate::config::problem::nearest;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// A table that is being read.
pub struct Section<'a> {
    table: &'a DeTable<'a>,
    place: Place,
    reading: &'a Reading<'a>,
}

/// A value that is being read.
pub struct Item<'a> {
    value: &'a Spanned<DeValue<'a>>,
    place: Place,
    reading: &'a Reading<'a>,
}

impl<'a> Section<'a> {
    /// A table at `place`.
    pub fn new(table: &'a DeTable<'a>, place: Place, reading: &'a Reading<'a>) -> Self {
        Section { table, place, reading }
    }

    /// A key that must be there; reported and `None` if it is not.
    pub fn required<K: Kind>(&self, name: &str) -> Option<At<K::Value>> {
        if self.item(name).is_none() {
            let place = self.place.below(name, self.place.at());
            self.reading.problem(&place, format!("missing; it must be given: {}", K::allowed()));
        }
        self.optional::<K>(name)
    }

    /// A key that may be there.
    pub fn optional<K: Kind>(&self, name: &str) -> Option<At<K::Value>> {
        let item = self.item(name)?;
        K::read(&item).map(|value| At { place: item.place, value })
    }

    /// A key for which `default` stands in.
    pub fn or<K: Kind>(&self, name: &str, default: K::Value) -> At<K::Value> {
        self.optional::<K>(name)
            .unwrap_or_else(|| At { place: self.place.below(name, self.place.at()), value: default })
    }

    /// A table which, if it is not there, is read as if it were there and empty.
    pub fn implied<T: Table>(&self, name: &str) -> At<T> {
        let empty = DeTable::new();
        let given = self.optional::<super::Sub<T>>(name);
        given.unwrap_or_else(|| {
            let place = self.place.below(name, self.place.at());
            let value = T::read(&Section { table: &empty, place: place.clone(), reading: self.reading });
            At { place, value }
        })
    }

    /// What was read so far, and the report.
    pub fn reading(&self) -> &'a Reading<'a> {
        self.reading
    }

    /// Every key and value, in the order of the file. Values are placed at themselves, keys at the key.
    pub fn entries(&self) -> Vec<(&'a str, Place, Item<'a>)> {
        let mut entries: Vec<_> = self
            .table
            .iter()
            .map(|(key, value)| {
                let name: &str = key.get_ref();
                (name, self.place.below(name, key.span().start), self.wrap(name, value))
            })
            .collect();
        entries.sort_by_key(|(_, place, _)| place.at());
        entries
    }

    /// Reports every key that is none of `known`, with the nearest that is, else with `rule`, else with all that are.
    pub fn refuse_others(&self, known: &[&str], rule: Option<&str>) {
        for (name, place, _) in self.entries() {
            if known.contains(&name) {
                continue;
            }
            let what = match (rule, nearest(name, known.iter().copied())) {
                (_, Some(near)) => format!("there is no such key; did you mean {near}?"),
                (Some(rule), None) => rule.to_owned(),
                (None, None) => format!("there is no such key; allowed are {}", known.join(", ")),
            };
            self.reading.problem(&place, what);
        }
    }

    fn item(&self, name: &str) -> Option<Item<'a>> {
        self.table.get(name).map(|value| self.wrap(name, value))
    }

    fn wrap(&self, name: &str, value: &'a Spanned<DeValue<'a>>) -> Item<'a> {
        Item { value, place: self.place.below(name, value.span().start), reading: self.reading }
    }
}

impl<'a> Item<'a> {
    /// The value as TOML has it.
    pub fn value(&self) -> &'a DeValue<'a> {
        self.value.get_ref()
    }

    /// Where it is.
    pub fn place(&self) -> &Place {
        &self.place
    }

    /// The value as a text.
    pub fn text(&self) -> Option<&'a str> {
        self.value().as_str()
    }

    /// The value as `true` or `false`.
    pub fn flag(&self) -> Option<bool> {
        self.value().as_bool()
    }

    /// The value as a table.
    pub fn section(&self) -> Option<Section<'a>> {
        let table = self.value().as_table()?;
        Some(Section { table, place: self.place.clone(), reading: self.reading })
    }

    /// The elements of the value as a list.
    pub fn elements(&self) -> Option<Vec<Item<'a>>> {
        let element = |(index, value): (usize, &'a Spanned<DeValue<'a>>)| {
            let place = self.place.element(index, value.span().start);
            Item { value, place, reading: self.reading }
        };
        Some(self.value().as_array()?.iter().enumerate().map(element).collect())
    }

    /// Reports that the value is wrong: `found …; what`.
    pub fn refuse(&self, what: impl std::fmt::Display) {
        self.reading.problem(&self.place, format!("found {}; {what}", super::found(self.value())));
    }

    /// Warns of the value.
    pub fn warn(&self, what: impl Into<String>) {
        self.reading.warn(&self.place, what);
    }

    /// Reports something about the value without showing it.
    pub fn problem(&self, what: impl Into<String>) {
        self.reading.problem(&self.place, what);
    }
}
