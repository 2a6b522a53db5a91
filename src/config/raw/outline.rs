//! Where headers and keys stand in a text of TOML, line by line, to tell of what is there twice; reads no value.

use std::collections::HashMap;

/// The lines of a text, and where each header is for the first time.
pub struct Outline<'a> {
    lines: Vec<&'a str>,
    first: HashMap<&'a str, usize>,
}

/// Something that is there twice. Lines are counted from 1.
#[derive(Debug, PartialEq, Eq)]
pub struct Repeated {
    /// `table` or `key`.
    pub what: &'static str,
    /// Its name with dots; empty if it cannot be told from the lines.
    pub key: String,
    /// The name in the header that it is or stands under; empty above the first.
    pub header: String,
    /// The line where it is for the first time, if that can be told.
    pub first: Option<usize>,
}

impl<'a> Outline<'a> {
    /// The outline of a text.
    pub fn of(text: &'a str) -> Self {
        let lines: Vec<&str> = text.lines().map(str::trim).collect();
        let mut first = HashMap::new();
        for (at, line) in lines.iter().enumerate() {
            if let Some(name) = header(line) {
                first.entry(name).or_insert(at);
            }
        }
        Outline { lines, first }
    }

    /// What is repeated where `key` stands in line `line`; `None` if the table around it is repeated as a whole, of
    /// which it is only a part.
    pub fn repeated(&self, line: usize, key: &str) -> Option<Repeated> {
        let own = line.checked_sub(1)?;
        let above = self.lines.get(..=own)?;
        let at = above.iter().rposition(|line| header(line).is_some());
        let name = at.and_then(|at| above.get(at)).and_then(|line| header(line)).unwrap_or_default();
        let earlier = self.first.get(name).copied().filter(|first| at.is_some_and(|at| *first < at));
        if at == Some(own) {
            let first = earlier.map(|first| first + 1);
            return Some(Repeated { what: "table", key: name.to_owned(), header: name.to_owned(), first });
        }
        let many = at.and_then(|at| above.get(at)).is_some_and(|line| line.starts_with("[["));
        if earlier.is_some() && !many {
            return None;
        }
        let gives = |line: &str| line.strip_prefix(key).is_some_and(|rest| rest.trim_start().starts_with('='));
        let mut repeated = Repeated { what: "key", key: String::new(), header: name.to_owned(), first: None };
        if above.last().is_some_and(|line| gives(line)) {
            let from = at.map_or(0, |at| at + 1);
            repeated.first = (from..own).find(|at| above.get(*at).is_some_and(|line| gives(line))).map(|at| at + 1);
            repeated.key = if name.is_empty() { key.to_owned() } else { format!("{name}.{key}") };
        }
        Some(repeated)
    }
}

/// The name in a header.
fn header(line: &str) -> Option<&str> {
    let name = line.strip_prefix('[')?;
    name.trim_start_matches(['[', ' ']).split(']').next().map(str::trim_end)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "a = 1\na = 2\n[gateway]\nthreads = 1\nthreads = 2\n[gateway]\nthreads = 3\n[[listen]]\n\
                        [[listen]]\ntls = true\ntls = true\nx = { y = 1, y = 2 }\n";

    #[test]
    fn what_is_repeated_is_named_with_its_first_line() {
        let outline = Outline::of(TEXT);
        let told = |line, key| outline.repeated(line, key).map(|it| (it.what, it.key, it.first));
        assert_eq!(told(2, "a"), Some(("key", "a".to_owned(), Some(1))));
        assert_eq!(told(5, "threads"), Some(("key", "gateway.threads".to_owned(), Some(4))));
        assert_eq!(told(6, "gateway"), Some(("table", "gateway".to_owned(), Some(3))));
        assert_eq!(told(7, "threads"), None, "the table was told");
        assert_eq!(told(11, "tls"), Some(("key", "listen.tls".to_owned(), Some(10))));
        assert_eq!(told(12, "y"), Some(("key", String::new(), None)));
        assert_eq!(told(99, "y"), None);
    }
}
