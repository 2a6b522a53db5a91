//! Kinds of value that hold others: lists, tables, tables by name; knows no key by name.

use super::{At, Item, Kind, Place, Section, Table, TableWords};
use crate::config::raw::Name;
use std::marker::PhantomData;

/// `[A, B]`.
pub struct List<K>(PhantomData<K>);

impl<K: Kind> Kind for List<K> {
    type Value = Vec<At<K::Value>>;

    fn allowed() -> String {
        format!("a list in brackets, each {}", K::allowed())
    }

    fn read(item: &Item<'_>) -> Option<Self::Value> {
        let Some(elements) = item.elements() else {
            item.refuse(format_args!("allowed is {}", Self::allowed()));
            return None;
        };
        let read = |element: &Item<'_>| K::read(element).map(|value| At { place: element.place().clone(), value });
        Some(elements.iter().filter_map(read).collect())
    }

    fn write(value: &Self::Value) -> String {
        let written: Vec<String> = value.iter().map(|element| K::write(&element.value)).collect();
        format!("[{}]", written.join(", "))
    }

    fn tables(path: &str) -> Vec<TableWords> {
        let mut tables = K::tables(path);
        if let Some(element) = tables.first_mut() {
            element.header = format!("{path} = [{{ … }}]");
        }
        tables
    }
}

/// `[PATH]`, or `{ … }`.
pub struct Sub<T>(PhantomData<T>);

impl<T: Table> Kind for Sub<T> {
    type Value = T;

    fn allowed() -> String {
        "a table".to_owned()
    }

    fn read(item: &Item<'_>) -> Option<T> {
        let Some(section) = item.section() else {
            let keys = if T::NAMES.is_empty() { String::new() } else { format!(" with {}", T::NAMES.join(", ")) };
            item.refuse(format_args!("allowed is a table{keys}"));
            return None;
        };
        Some(whole(&section))
    }

    fn write(_: &T) -> String {
        "{}".to_owned()
    }

    fn tables(path: &str) -> Vec<TableWords> {
        described::<T>(format!("[{path}]"), path)
    }
}

/// `[[PATH]]`, any number of times.
pub struct Tables<T>(PhantomData<T>);

impl<T: Table> Kind for Tables<T> {
    type Value = Vec<At<T>>;

    fn allowed() -> String {
        "tables in doubled brackets".to_owned()
    }

    fn read(item: &Item<'_>) -> Option<Self::Value> {
        let Some(elements) = item.elements() else {
            item.refuse(format_args!("it may be given many times, so its header is [[{}]]", item.place().key()));
            return None;
        };
        let read =
            |element: &Item<'_>| Sub::<T>::read(element).map(|value| At { place: element.place().clone(), value });
        Some(elements.iter().filter_map(read).collect())
    }

    fn write(_: &Self::Value) -> String {
        "[]".to_owned()
    }

    fn tables(path: &str) -> Vec<TableWords> {
        described::<T>(format!("[[{path}]]"), path)
    }
}

/// `[PATH.NAME]`, one for each name.
pub struct Named<T>(PhantomData<T>);

/// A table that was given a name.
#[derive(Debug)]
pub struct Entry<T> {
    /// The name.
    pub name: Name,
    /// Where the table is.
    pub place: Place,
    /// What is in it.
    pub body: T,
}

impl<T: Table> Kind for Named<T> {
    type Value = Vec<Entry<T>>;

    fn allowed() -> String {
        "tables by name".to_owned()
    }

    fn read(item: &Item<'_>) -> Option<Self::Value> {
        let Some(section) = item.section() else {
            item.refuse(format_args!("each has a name, so its header is [{}.NAME]", item.place().key()));
            return None;
        };
        let mut entries = Vec::new();
        for (name, place, item) in section.entries() {
            match <Name as super::Parse>::parse(name) {
                Ok(name) => entries.extend(Sub::<T>::read(&item).map(|body| Entry { name, place, body })),
                Err(what) => section.reading().problem(&place, what),
            }
        }
        Some(entries)
    }

    fn write(_: &Self::Value) -> String {
        "{}".to_owned()
    }

    fn tables(path: &str) -> Vec<TableWords> {
        described::<T>(format!("[{path}.NAME]"), &format!("{path}.NAME"))
    }
}

/// Reads every key of a table and reports those that it does not have.
fn whole<T: Table>(section: &Section<'_>) -> T {
    section.refuse_others(T::NAMES, None);
    T::read(section)
}

fn described<T: Table>(header: String, path: &str) -> Vec<TableWords> {
    let mut tables = vec![TableWords { header, doc: T::DOC, keys: T::keys() }];
    tables.extend(T::tables(path));
    tables
}
