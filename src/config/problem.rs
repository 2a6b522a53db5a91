//! What is wrong with a configuration, and where; knows no key by name.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::{Path, PathBuf};

/// One thing that is wrong, or that should give pause, in one sentence.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Problem {
    /// The file it is in.
    pub file: PathBuf,
    /// The line, counted from 1; 0 if it concerns the file as a whole.
    pub line: usize,
    /// The column, counted from 1 in characters; 0 if it concerns the file as a whole.
    pub column: usize,
    /// The key with dots, such as `pool.orders.members[1]`; empty if it concerns the file as a whole.
    pub key: String,
    /// What the key belongs to, by its own name, such as `route "orders"`; `None` if it has none or none is known.
    pub of: Option<String>,
    /// What is wrong and what is allowed.
    pub what: String,
}

impl Problem {
    /// One that concerns a file as a whole.
    pub fn of_file(file: &Path, what: String) -> Self {
        Problem { file: file.to_owned(), line: 0, column: 0, key: String::new(), of: None, what }
    }

    /// Whether it concerns a file as a whole.
    pub fn is_of_file(&self) -> bool {
        self.line == 0
    }

    /// Where it is: `FILE:LINE:COLUMN`, or only the file.
    pub fn place(&self) -> String {
        let file = self.file.display();
        if self.is_of_file() { file.to_string() } else { format!("{file}:{}:{}", self.line, self.column) }
    }

    /// What it is, behind its key if it has one: `route[1].host (route "orders"): what`.
    pub fn matter(&self) -> String {
        match (self.key.as_str(), &self.of) {
            ("", _) => self.what.clone(),
            (key, None) => format!("{key}: {}", self.what),
            (key, Some(of)) => format!("{key} ({of}): {}", self.what),
        }
    }
}

/// `FILE:LINE:COLUMN: key: what`.
impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place(), self.matter())
    }
}

/// Everything that is wrong with a configuration, by file, line and column. Never empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problems {
    problems: Vec<Problem>,
    /// Where somebody may put it right.
    pub sources: Sources,
}

/// What a configuration was read from, or should have been.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sources {
    /// Files, with what each held when it was read.
    pub files: BTreeMap<PathBuf, Held>,
    /// Directories in which a file may appear.
    pub directories: Vec<PathBuf>,
}

/// What a file held when it was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Held {
    /// Bytes with this SHA-256.
    Bytes([u8; 32]),
    /// Nothing to read: it is no regular file, or too large.
    Unfit,
    /// Nobody knows: the system did not let it be read.
    Unknown,
}

impl Problems {
    /// The problems in order; `None` if there are none.
    fn new(problems: impl IntoIterator<Item = Problem>) -> Option<Self> {
        let sorted: BTreeSet<Problem> = problems.into_iter().collect();
        (!sorted.is_empty()).then(|| Problems { problems: sorted.into_iter().collect(), sources: Sources::default() })
    }

    /// The same problems, with where they were read from.
    pub(super) fn read_from(self, sources: Sources) -> Self {
        Problems { sources, ..self }
    }

    /// Whether not even the main file could be read.
    pub fn is_unread(&self) -> bool {
        let [problem] = &self.problems[..] else { return false };
        problem.is_of_file() && self.sources.files.keys().eq([&problem.file])
    }

    /// The problems in order.
    pub fn iter(&self) -> std::slice::Iter<'_, Problem> {
        self.problems.iter()
    }
}

impl<'a> IntoIterator for &'a Problems {
    type Item = &'a Problem;
    type IntoIter = std::slice::Iter<'a, Problem>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

/// One line for each.
impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, problem) in self.iter().enumerate() {
            write!(f, "{}{problem}", if at == 0 { "" } else { "\n" })?;
        }
        Ok(())
    }
}

impl std::error::Error for Problems {}

/// Collects what is found wrong while one configuration is read and compiled. Nothing that is reported stops anything.
#[derive(Debug, Default)]
pub(super) struct Report {
    problems: RefCell<Vec<Problem>>,
    /// File and key of every problem.
    blamed: RefCell<BTreeSet<(PathBuf, String)>>,
    /// Broken syntax: what else seems wrong may only follow from it.
    broken: RefCell<Vec<Problem>>,
    /// Keys that are there twice, each with the name in the header over it.
    repeated: RefCell<Vec<(Problem, String)>>,
    warnings: RefCell<Vec<Problem>>,
    /// What elements of lists call themselves, by file and key.
    names: RefCell<BTreeMap<(PathBuf, String), String>>,
}

impl Report {
    /// Adds a problem: this configuration cannot be used.
    pub fn problem(&self, problem: Problem) {
        self.blamed.borrow_mut().insert((problem.file.clone(), problem.key.clone()));
        self.problems.borrow_mut().push(problem);
    }

    /// Adds a problem of syntax; of each file the first is told, and nothing that is not syntax.
    pub fn broken(&self, problem: Problem) {
        self.broken.borrow_mut().push(problem);
    }

    /// Adds a key that is there twice, under this header. If the table of that name is a problem as a whole, nothing is
    /// said of the key: where `[[…]]` was meant, every further `[…]` repeats the first.
    pub fn repeated(&self, problem: Problem, header: &str) {
        self.repeated.borrow_mut().push((problem, header.to_owned()));
    }

    /// Adds a warning: this configuration can be used, and someone should look.
    pub fn warn(&self, warning: Problem) {
        self.warnings.borrow_mut().push(warning);
    }

    /// Notes how the element `key` of a list in `file` calls itself: everything that is said of it says so too.
    pub fn name(&self, file: &Path, key: &str, name: String) {
        self.names.borrow_mut().insert((file.to_owned(), key.to_owned()), name);
    }

    /// Whether a problem was found at `key` in `file` or anywhere below it.
    pub fn blames(&self, file: &Path, key: &str) -> bool {
        let blamed = self.blamed.borrow();
        let below = |start: String| {
            let next = blamed.range((file.to_owned(), start.clone())..).next();
            next.is_some_and(|(other, key)| other == file && key.starts_with(&start))
        };
        blamed.contains(&(file.to_owned(), key.to_owned())) || below(format!("{key}.")) || below(format!("{key}["))
    }

    /// The warnings, if there was no problem; else the problems.
    pub fn end(self) -> Result<Vec<Problem>, Problems> {
        let mut broken = self.broken.into_inner();
        broken.sort();
        broken.dedup_by(|later, first| later.file == first.file);
        if let Some(problems) = Problems::new(broken) {
            return Err(problems);
        }
        let (blamed, names) = (self.blamed.into_inner(), self.names.into_inner());
        let repeated = self.repeated.into_inner().into_iter();
        let repeated = repeated.filter(|(problem, header)| !blamed.contains(&(problem.file.clone(), header.clone())));
        let problems = self.problems.into_inner().into_iter().chain(repeated.map(|(problem, _)| problem));
        match Problems::new(problems.map(|problem| named(problem, &names))) {
            Some(problems) => Err(problems),
            None => {
                let warnings = self.warnings.into_inner().into_iter().map(|warning| named(warning, &names));
                Ok(warnings.collect::<BTreeSet<_>>().into_iter().collect())
            }
        }
    }
}

fn named(problem: Problem, names: &BTreeMap<(PathBuf, String), String>) -> Problem {
    let element = problem.key.split('.').next().unwrap_or_default();
    let of = names.get(&(problem.file.clone(), element.to_owned())).cloned();
    Problem { of, ..problem }
}

/// The one of `known` that `word` was probably meant to be.
pub(super) fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    // Two slips in a word are a typo, more are another word; in a short word one is enough.
    let slips = if word.chars().count() < 5 { 1 } else { 2 };
    let word = word.to_lowercase();
    let alike = known.into_iter().filter(|other| other.len().abs_diff(word.len()) <= slips);
    let near = alike.map(|other| (strsim::damerau_levenshtein(&word, &other.to_lowercase()), other));
    near.filter(|(far, _)| *far <= slips).min().map(|(_, other)| other)
}

/// `; the nearest is "x"`, if anything is near.
pub(super) fn hint<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    nearest(word, known).map(|name| format!("; the nearest is {name:?}")).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_typo_finds_its_word_and_another_word_finds_none() {
        assert_eq!(nearest("requre", ["require", "groups"]), Some("require"));
        assert_eq!(nearest("Gruops", ["require", "groups"]), Some("groups"));
        assert_eq!(nearest("idle", ["rise", "fall"]), None);
    }
}
