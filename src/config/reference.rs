//! The reference in Markdown, from the same declarations that the reader uses; knows no key by name.

use super::raw::{KeyWords, Presence, Table, TableWords};
use super::words::{Main, Shared};
use std::fmt::Write;

const OPENING: &str = "\
# Configuration

One TOML file, and the files that it includes. Unknown and duplicate keys are problems. Durations are written `\"10m\"`
or `\"1h 30m\"`, sizes `\"32KiB\"`. A path that does not begin with `/` is looked for beside the file that it is
written in. Secrets are never written here: a key that needs one says where it is.

This page is generated: `portcullis reference`.
";

/// The header of what stands before any table.
const TOP: &str = "Top level";

/// The reference of every table and key, in Markdown.
pub fn reference() -> String {
    let mut text = OPENING.to_owned();
    for table in tables() {
        // Writing to a text cannot fail.
        let _ = write(&mut text, &table);
    }
    text
}

/// Every table, the top level first.
pub(super) fn tables() -> Vec<TableWords> {
    let plain = |keys: Vec<KeyWords>| keys.into_iter().filter(|key| !key.example.is_empty()).collect();
    let top = TableWords { header: TOP.to_owned(), doc: "Before any table.", keys: plain(Main::keys()) };
    let mut tables = vec![top];
    tables.extend(Main::tables(""));
    tables.extend(Shared::tables(""));
    tables.retain(|table| !table.keys.is_empty() || table.header.contains("factor."));
    tables
}

fn write(text: &mut String, table: &TableWords) -> std::fmt::Result {
    let header = if table.header == TOP { TOP.to_owned() } else { format!("`{}`", table.header) };
    writeln!(text, "\n## {header}\n\n{}", table.doc.trim())?;
    let keys = || table.keys.iter().filter(|key| !key.example.is_empty());
    if keys().next().is_some() {
        writeln!(text, "\n| Key | What it is | Allowed | If not given | Example |\n|---|---|---|---|---|")?;
    }
    for KeyWords { name, doc, allowed, presence, example, .. } in keys() {
        let absent = match presence {
            Presence::Required => "must be given".to_owned(),
            Presence::Optional => String::new(),
            Presence::Default(default) => format!("`{default}`"),
        };
        writeln!(text, "| `{name}` | {} | {allowed} | {absent} | `{example}` |", doc.trim())?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_printed_reference_is_the_one_in_the_documentation() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/config.md");
        let written = std::fs::read_to_string(path).expect("docs/config.md is there");
        assert_eq!(written, reference(), "write it anew: portcullis reference > docs/config.md");
    }
}
