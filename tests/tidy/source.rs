//! One source file as the rules read it: comments and literals blanked, tests told apart; knows no rule.

use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};

/// A place where a rule is broken, and the rule's sentence.
#[derive(Debug, PartialEq)]
pub struct Breach {
    pub line: usize,
    pub rule: String,
}

/// A file of Rust.
pub struct Source {
    /// From the repository's root: `src/edge/admit.rs`.
    pub path: String,
    /// As written.
    pub text: String,
    /// As written, but with spaces for every comment and literal, so that only code is found in it.
    pub code: String,
    tests: Vec<Range<usize>>,
}

impl Source {
    /// Reads `text` as the file at `path`.
    pub fn read(path: &str, text: &str) -> Self {
        let code = blank(text);
        let tests = code.match_indices("#[cfg(test)]").map(|(at, _)| at..item_end(&code, at)).collect();
        let mut source = Source { path: path.into(), text: text.into(), code, tests };
        if !path.starts_with("src/") || source.code.contains("#![cfg(test)]") {
            source.tests = std::iter::once(0..source.code.len()).collect();
        }
        source
    }

    /// The first folder below `src/`, or the name of a file that lies there itself: `edge`, `main`.
    pub fn room(&self) -> &str {
        self.inner_path().split('/').next().unwrap_or_default().trim_end_matches(".rs")
    }

    /// Whether the file is one of `places`: folders or files below `src/`, separated by spaces.
    pub fn lies_in(&self, places: &str) -> bool {
        let path = self.inner_path().trim_end_matches(".rs");
        places.split_whitespace().any(|place| {
            let place = place.trim_end_matches(".rs");
            path.strip_prefix(place).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        })
    }

    /// Where `word` begins a word in the code, tests included.
    pub fn find<'a>(&'a self, word: &'a str) -> impl Iterator<Item = usize> + 'a {
        let before = |at: usize| self.code[..at].chars().next_back();
        let inside = move |at: usize| word.starts_with(is_name) && before(at).is_some_and(is_name);
        self.code.match_indices(word).map(|(at, _)| at).filter(move |at| !inside(*at))
    }

    /// Whether the code at `at` is not part of a test.
    pub fn ships(&self, at: usize) -> bool {
        !self.tests.iter().any(|range| range.contains(&at))
    }

    /// From each `keyword` to the end of the item it begins.
    pub fn items<'a>(&'a self, keyword: &'a str) -> impl Iterator<Item = Range<usize>> + 'a {
        let named = |at: &usize| self.code[at + keyword.len()..].trim_start().starts_with(is_name);
        self.find(keyword).filter(named).map(|at| at..item_end(&self.code, at))
    }

    /// The number of the line that holds `at`, from 1.
    pub fn line(&self, at: usize) -> usize {
        self.code[..at].bytes().filter(|byte| *byte == b'\n').count() + 1
    }

    /// A breach of `rule` at `at`.
    pub fn breach(&self, at: usize, rule: impl Into<String>) -> Breach {
        Breach { line: self.line(at), rule: rule.into() }
    }

    fn inner_path(&self) -> &str {
        self.path.strip_prefix("src/").unwrap_or(&self.path)
    }

    /// The paths, without `.rs`, of the modules that are declared for tests only and lie in files of their own.
    fn test_modules(&self) -> Vec<String> {
        let stem = self.path.trim_end_matches(".rs");
        let home = ["/mod", "/lib", "/main"].iter().find_map(|root| stem.strip_suffix(root)).unwrap_or(stem);
        let declared = self.tests.iter().filter_map(|range| {
            let item = self.code[range.clone()].trim_end_matches(';');
            item.rsplit_once("mod ").map(|(_, name)| name).filter(|name| name.chars().all(is_name))
        });
        declared.map(|name| format!("{home}/{name}")).collect()
    }
}

/// Every Rust file under `folders` of the repository, in order of path.
pub fn under(folders: &[&str]) -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut paths: Vec<PathBuf> = Vec::new();
    folders.iter().for_each(|folder| collect(&root.join(folder), &mut paths));
    paths.sort();
    let read = |path: &PathBuf| {
        let text = fs::read_to_string(path).expect("a source file is UTF-8");
        let inner = path.strip_prefix(root).expect("it was found under the root");
        Source::read(&inner.to_string_lossy(), &text)
    };
    let mut sources: Vec<Source> = paths.iter().map(read).collect();
    let for_tests: Vec<String> = sources.iter().flat_map(Source::test_modules).collect();
    for source in &mut sources {
        let stem = source.path.trim_end_matches(".rs");
        if for_tests.iter().any(|home| stem.strip_prefix(home).is_some_and(|r| r.is_empty() || r.starts_with('/'))) {
            source.tests = std::iter::once(0..source.code.len()).collect();
        }
    }
    sources
}

/// Whether `c` can be part of a name.
pub fn is_name(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

fn collect(folder: &Path, into: &mut Vec<PathBuf>) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for path in entries.map(|entry| entry.expect("the folder can be read").path()) {
        if path.is_dir() {
            collect(&path, into);
        } else if path.extension().is_some_and(|ext| ext == "rs") {
            into.push(path);
        }
    }
}

/// Where the item that begins at `from` ends: behind its block, or behind its semicolon.
fn item_end(code: &str, from: usize) -> usize {
    let (mut brackets, mut braces) = (0_i32, 0_i32);
    for (at, byte) in code.bytes().enumerate().skip(from) {
        match byte {
            b'(' | b'[' => brackets += 1,
            b')' | b']' => brackets -= 1,
            b'{' => braces += 1,
            b'}' => braces -= 1,
            _ => {}
        }
        if brackets == 0 && (byte == b'}' && braces <= 0 || byte == b';' && braces == 0) {
            return at + 1;
        }
    }
    code.len()
}

fn blank(text: &str) -> String {
    let mut code = text.as_bytes().to_vec();
    let mut at = 0;
    while at < code.len() {
        let end = at + hidden(&text.as_bytes()[at..]);
        code[at..end].iter_mut().filter(|byte| **byte != b'\n').for_each(|byte| *byte = b' ');
        at = end.max(at + 1);
    }
    String::from_utf8(code).expect("comments and literals are blanked whole")
}

/// How long the comment or literal is that `rest` begins with; 0 if it begins with neither.
fn hidden(rest: &[u8]) -> usize {
    let until = |end: &[u8], from: usize| {
        let found = rest.get(from..).and_then(|tail| tail.windows(end.len()).position(|window| window == end));
        found.map_or(rest.len(), |at| from + at + end.len())
    };
    match rest {
        [b'/', b'/', ..] => until(b"\n", 2),
        [b'/', b'*', ..] => comment(rest),
        [b'r', b'"' | b'#', ..] => {
            let hashes = rest[1..].iter().take_while(|byte| **byte == b'#').count();
            let end = [b"\"".as_slice(), &vec![b'#'; hashes]].concat();
            if rest.get(1 + hashes) == Some(&b'"') { until(&end, 2 + hashes) } else { 0 }
        }
        [b'"', ..] => string(rest),
        [b'\'', b'\\', ..] => until(b"'", 3),
        // A character of up to four bytes; anything else after a quote is a lifetime.
        [b'\'', first, ..] => {
            let width = if first.is_ascii() { 1 } else { first.leading_ones() as usize };
            if rest.get(1 + width) == Some(&b'\'') { width + 2 } else { 0 }
        }
        _ => 0,
    }
}

fn string(rest: &[u8]) -> usize {
    let mut at = 1;
    while at < rest.len() && rest[at] != b'"' {
        at += if rest[at] == b'\\' { 2 } else { 1 };
    }
    (at + 1).min(rest.len())
}

fn comment(rest: &[u8]) -> usize {
    let (mut at, mut depth) = (0, 0);
    while at < rest.len() {
        match &rest[at..] {
            [b'/', b'*', ..] => (depth, at) = (depth + 1, at + 2),
            [b'*', b'/', ..] => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
        if depth == 0 {
            break;
        }
    }
    at
}
