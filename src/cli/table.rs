//! Aligned columns for people; knows nothing of what stands in them.

use super::output::{Ink, harmless};

/// Space between columns.
const GAP: &str = "  ";

/// Rows under a header. A column without any text is left out.
#[derive(Clone, Debug)]
pub struct Table {
    header: &'static [&'static str],
    rows: Vec<Vec<String>>,
}

impl Table {
    /// A table without rows.
    pub fn new(header: &'static [&'static str]) -> Self {
        Table { header, rows: Vec::new() }
    }

    /// Adds a row with a cell for each column.
    pub fn row<const N: usize>(&mut self, cells: [String; N]) {
        self.rows.push(cells.iter().map(|cell| harmless(cell)).collect());
    }

    /// The table as text, each line behind `indent`.
    pub fn text(&self, ink: Ink, indent: &str) -> String {
        let columns: Vec<(usize, usize)> =
            (0..self.header.len()).map(|at| (at, self.width(at))).filter(|(_, width)| *width > 0).collect();
        let set = |cells: &dyn Fn(usize) -> String| {
            let padded = columns.iter().map(|(at, width)| pad(&cells(*at), *width));
            padded.collect::<Vec<_>>().join(GAP).trim_end().to_owned()
        };
        let header = set(&|at| self.header.get(at).map(|text| text.to_uppercase()).unwrap_or_default());
        let rows = self.rows.iter().map(|row| set(&|at| row.get(at).cloned().unwrap_or_default()));
        let lines = std::iter::once(ink.dim(&header)).chain(rows);
        lines.map(|line| format!("{indent}{line}")).collect::<Vec<_>>().join("\n")
    }

    /// The characters of a column's longest cell, the header's included; 0 if every cell is empty.
    fn width(&self, at: usize) -> usize {
        let cells = self.rows.iter().filter_map(|row| row.get(at)).map(|cell| cell.chars().count());
        match (cells.max().unwrap_or(0), self.header.get(at)) {
            (0, _) | (_, None) => 0,
            (widest, Some(name)) => widest.max(name.chars().count()),
        }
    }
}

/// Names and values, the values aligned; empty values are left out.
pub fn pairs(pairs: &[(&str, String)], indent: &str) -> String {
    let shown: Vec<_> = pairs.iter().filter(|(_, value)| !value.is_empty()).collect();
    let width = shown.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0);
    let line = |(name, value): &&(&str, String)| format!("{indent}{}{GAP}{}", pad(name, width), harmless(value));
    shown.iter().map(line).collect::<Vec<_>>().join("\n")
}

/// `text` filled up with spaces to `width` characters.
pub fn pad(text: &str, width: usize) -> String {
    let missing = width.saturating_sub(text.chars().count());
    format!("{text}{}", " ".repeat(missing))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned_and_empty_ones_left_out() {
        let mut table = Table::new(&["host", "methods", "pool"]);
        table.row(["a.test".to_owned(), String::new(), "öl".to_owned()]);
        table.row(["long.a.test".to_owned(), String::new(), "orders".to_owned()]);
        assert_eq!(table.text(Ink::Plain, " "), " HOST         POOL\n a.test       öl\n long.a.test  orders");
    }

    #[test]
    fn values_of_pairs_begin_in_one_column() {
        let text = pairs(&[("a", "1".to_owned()), ("none", String::new()), ("long", "2".to_owned())], "");
        assert_eq!(text, "a     1\nlong  2");
    }

    #[test]
    fn a_table_does_not_obey_what_stands_in_it() {
        let mut table = Table::new(&["name"]);
        table.row(["\u{1b}[2J".to_owned()]);
        assert!(!table.text(Ink::Plain, "").contains('\u{1b}'));
    }
}
