//! A regex over a whole path, in linear time and bounded memory; knows the segments its matches must begin with.

use std::borrow::Cow;
use std::cmp::{Ordering, Reverse};
use std::iter::Peekable;
use std::str::Chars;

use regex_automata::meta::{BuildError, Regex};

use crate::route::escape;

/// Most memory the program of one regex may take, 1 MiB: `\w{1000}` fits in no table that is to hold thousands of
/// routes.
pub const MAX_REGEX_BYTES: usize = 1 << 20;

/// A compiled regex. Two are equal if their texts are. Ordered as a lookup tries them: the longer text first.
#[derive(Clone, Debug)]
pub(in crate::route) struct PathRegex {
    text: Box<str>,
    program: Regex,
}

/// Why a regex is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RegexFault {
    #[error("this is no regular expression: {0}")]
    Syntax(String),
    #[error("the regular expression needs more than {} KiB; shorten its repetitions", MAX_REGEX_BYTES / 1024)]
    TooLarge,
    #[error("the regular expression matches no path: a path starts with `/`")]
    NotAbsolute,
}

impl PathRegex {
    /// Compiles `text`, anchored at both ends.
    pub(super) fn compile(text: &str) -> Result<Self, RegexFault> {
        // Alone first: `a)(b` is a regex only between the brackets that anchor it.
        regex_automata::util::syntax::parse(text).map_err(|error| RegexFault::Syntax(last_line(&error)))?;
        let limits = Regex::config().nfa_size_limit(Some(MAX_REGEX_BYTES)).onepass_size_limit(Some(MAX_REGEX_BYTES));
        let program = Regex::builder()
            .configure(limits)
            .build(&format!(r"\A(?:{text})\z"))
            .map_err(|error| build_fault(&error))?;
        match literal_prefix(text) {
            prefix if prefix.is_empty() || prefix.starts_with('/') => Ok(Self { text: text.into(), program }),
            _ => Err(RegexFault::NotAbsolute),
        }
    }

    /// Whether the decoded path matches from end to end. Allocates if the path has escapes.
    pub(in crate::route) fn is_match(&self, path: &str) -> bool {
        match escape::decode(path) {
            Cow::Borrowed(bytes) => self.program.is_match(bytes),
            Cow::Owned(bytes) => self.program.is_match(&bytes),
        }
    }

    /// The segments with which every match begins, as far as the text shows them whole.
    pub(super) fn leading_segments(&self) -> impl Iterator<Item = &str> {
        let whole = literal_prefix(&self.text).rsplit_once('/').map_or("", |(whole, _)| whole);
        whole.split('/').skip(1)
    }
}

impl PartialEq for PathRegex {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for PathRegex {}

impl PartialOrd for PathRegex {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for PathRegex {
    fn cmp(&self, other: &Self) -> Ordering {
        let rank = |regex: &Self| Reverse(regex.text.len());
        rank(self).cmp(&rank(other)).then_with(|| self.text.cmp(&other.text))
    }
}

fn build_fault(error: &BuildError) -> RegexFault {
    match error.syntax_error() {
        Some(syntax) => RegexFault::Syntax(last_line(syntax)),
        None => RegexFault::TooLarge,
    }
}

/// The parser draws its error over several lines; the last one says it.
fn last_line(error: &impl ToString) -> String {
    let drawing = error.to_string();
    let line = drawing.lines().last().unwrap_or_default().trim();
    line.strip_prefix("error: ").unwrap_or(line).to_owned()
}

/// Text with which every match of a valid regex begins: what stands before its first special character. In doubt
/// shorter than it could be, which costs time, never longer, which would lose matches.
fn literal_prefix(text: &str) -> &str {
    if may_begin_otherwise(text) {
        return "";
    }
    let text = text.strip_prefix('^').unwrap_or(text);
    let (plain, special) = text.split_at(text.find(is_special).unwrap_or(text.len()));
    if special.starts_with(['?', '*', '+', '{']) {
        let mut shorter = plain.chars();
        shorter.next_back();
        return shorter.as_str();
    }
    plain
}

const fn is_special(character: char) -> bool {
    matches!(character, '\\' | '.' | '+' | '*' | '?' | '(' | ')' | '|' | '[' | ']' | '{' | '}' | '^' | '$')
}

/// Whether there may be an alternative outside all brackets. True also of every group with flags or a name, since flags
/// can change what the characters after them mean.
fn may_begin_otherwise(text: &str) -> bool {
    let mut depth = 0_usize;
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            '\\' => drop(characters.next()),
            '[' => skip_class(&mut characters),
            '(' if characters.peek() == Some(&'?') => {
                characters.next();
                if characters.peek() != Some(&':') {
                    return true;
                }
                depth += 1;
            }
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            '|' if depth == 0 => return true,
            _ => {}
        }
    }
    false
}

/// Moves behind a character class whose first `[` has been read. A `]` right after a `[` or `[^` is a member, not the
/// end.
fn skip_class(characters: &mut Peekable<Chars<'_>>) {
    let mut open = 1_usize;
    skip_first_member(characters);
    while open > 0 {
        match characters.next() {
            Some('\\') => drop(characters.next()),
            Some('[') => {
                open += 1;
                skip_first_member(characters);
            }
            Some(']') => open -= 1,
            Some(_) => {}
            None => return,
        }
    }
}

fn skip_first_member(characters: &mut Peekable<Chars<'_>>) {
    characters.next_if_eq(&'^');
    characters.next_if_eq(&']');
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn compile(text: &str) -> PathRegex {
        PathRegex::compile(text).expect(text)
    }

    fn leading(text: &str) -> Vec<String> {
        compile(text).leading_segments().map(str::to_owned).collect()
    }

    #[test]
    fn a_regex_is_anchored_at_both_ends_whatever_its_alternatives() {
        let regex = compile("/a|/ab|^/c$");
        for path in ["/a", "/ab", "/c"] {
            assert!(regex.is_match(path), "{path}");
        }
        for path in ["/abc", "/a/", "/x/a", "/cc", "/"] {
            assert!(!regex.is_match(path), "{path}");
        }
    }

    #[test]
    fn a_regex_sees_the_decoded_path() {
        assert!(compile("/@[a-zé]+").is_match("/%40caf%c3%a9"));
    }

    #[test]
    fn the_leading_segments_are_the_whole_ones_before_anything_special() {
        for (text, segments) in [
            ("^/api/v[0-9]+$", vec!["api"]),
            ("/api/v1/x", vec!["api", "v1"]),
            ("/api/(a|b)/c", vec!["api"]),
            ("/api/[(]/(?:x|y)", vec!["api"]),
            ("/api/?", vec![]),
            ("/api/v1/+x", vec!["api"]),
            ("/api", vec![]),
            ("/a/b|/c", vec![]),
            ("/a/[]|(]|/c", vec![]),
            ("/a/[^](]|/c", vec![]),
            ("/a/[[(]]|/c", vec![]),
            (r"/a/\(|/c", vec![]),
            ("(?i)/a/b/.*", vec![]),
            ("/a/(?x: # (\n b)|/c", vec![]),
            (".*", vec![]),
        ] {
            assert_eq!(leading(text), segments, "{text}");
        }
    }

    #[test]
    fn the_longer_text_is_tried_first() {
        let mut regexes = [compile("/b.*"), compile("/a.*"), compile("/a/.*")];
        regexes.sort();
        assert_eq!(regexes.map(|regex| regex.text.into_string()), ["/a/.*", "/a.*", "/b.*"]);
    }

    #[test]
    fn what_is_no_usable_regex_is_named() {
        let fault = |text: &str| PathRegex::compile(text).expect_err(text);
        assert_eq!(fault("/(a"), RegexFault::Syntax("unclosed group".to_owned()));
        assert!(matches!(fault("/a)(b"), RegexFault::Syntax(_)));
        assert!(matches!(fault(r"/(a)\1"), RegexFault::Syntax(_)));
        assert_eq!(fault(r"/\w{1000}"), RegexFault::TooLarge);
        assert_eq!(fault("^api/.*"), RegexFault::NotAbsolute);
    }

    #[test]
    fn a_pathological_regex_stays_linear() {
        let path = format!("/{}!", "a".repeat(8 * 1024));
        assert!(!compile("^/(a+)+$").is_match(&path));
    }

    proptest! {
        #[test]
        fn every_match_begins_with_the_leading_segments(
            text in r"[/ab|()\[\]^\\?*+.:-]{1,12}",
            paths in prop::collection::vec("(/[ab(|]{0,2}){1,4}", 32),
        ) {
            let Ok(regex) = PathRegex::compile(&text) else { return Ok(()) };
            let prefix: String = regex.leading_segments().flat_map(|segment| ["/", segment]).collect();
            for path in paths.iter().filter(|path| regex.is_match(path)) {
                prop_assert!(path.starts_with(&(prefix.clone() + "/")) || prefix.is_empty(), "{} {}", text, path);
            }
        }
    }
}
