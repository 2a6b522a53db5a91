//! A route's path: segments, `*` for one of them, `**` for the rest, or a regex; knows no query.

use std::fmt;

use super::regex::{PathRegex, RegexFault};
use crate::route::canonical::{CanonicalPath, PathFault};
use crate::route::escape;

/// Most segments of one pattern. Bounds the depth of a lookup, whatever the request; no path written by hand comes near
/// it.
pub const MAX_SEGMENTS: usize = 64;

/// Longest literal segment of a pattern, decoded: a file name's bound. It lets a lookup decode on the stack.
pub const MAX_SEGMENT_BYTES: usize = 255;

/// Stands in an example where any segment may.
const NAMED_BY_NOBODY: &str = "named-by-nobody";

/// Which paths a route is for. Two patterns that say the same in different escapes are equal.
///
/// - `/a/b`: this path only. `/a` and `/a/` are different paths.
/// - `*`: exactly one segment, not empty.
/// - `**`, only at the end: everything from here, also nothing: `/a/**` is `/a`, `/a/` and `/a/b/c`; `/**` is every
///   path.
/// - a regex over the whole path.
///
/// Literals and regexes are compared with the decoded path; see [`CanonicalPath`] for why that is safe.
#[derive(Clone, Debug)]
pub struct PathPattern {
    text: Box<str>,
    steps: Box<[Step]>,
}

/// What a pattern asks of one place in a path. The order of the variants, and so of patterns, is the order in which a
/// lookup tries them. A pattern's last step, and only its last, is `Regex`, `End` or `Rest`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::route) enum Step {
    /// Exactly this segment, decoded.
    Literal(Box<[u8]>),
    /// One segment, not empty.
    Star,
    /// The whole path matches the regex.
    Regex(PathRegex),
    /// Nothing follows.
    End,
    /// Anything follows, or nothing.
    Rest,
}

/// Text that is no path pattern.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidPathPattern {
    #[error("no accepted request has such a path: {0}")]
    Unreachable(PathFault),
    #[error("a pattern is for the path only and has no query; a `?` in the path is written %3F")]
    Query,
    #[error("`*` and `**` stand for whole segments; within one use `path_regex`, and for the character write %2A")]
    PartialStar,
    #[error("`**` is allowed only as the last segment")]
    RestNotLast,
    #[error("a pattern has at most {MAX_SEGMENTS} segments")]
    TooDeep,
    #[error("a segment has at most {MAX_SEGMENT_BYTES} bytes")]
    SegmentTooLong,
    #[error("{0}")]
    Regex(RegexFault),
}

impl PathPattern {
    /// Reads segments.
    ///
    /// # Errors
    /// If the text has no such form, or is one that no request can have: it must itself be a [`CanonicalPath`].
    pub fn parse(text: &str) -> Result<Self, InvalidPathPattern> {
        let path = CanonicalPath::parse(text.as_bytes()).map_err(InvalidPathPattern::Unreachable)?;
        if path.query().is_some() {
            return Err(InvalidPathPattern::Query);
        }
        let segments = path.path().strip_prefix('/').unwrap_or_default();
        let (segments, last) = match segments.strip_suffix("**") {
            Some("") => (None, Step::Rest),
            Some(before) if before.ends_with('/') => (before.strip_suffix('/'), Step::Rest),
            Some(_) => return Err(InvalidPathPattern::PartialStar),
            None => (Some(segments), Step::End),
        };
        let segments = segments.into_iter().flat_map(|text| text.split('/')).map(parse_segment);
        Self::assemble(text, segments, last)
    }

    /// Reads a regex over the whole path, from its first to its last character; `^` and `$` around it may be written or
    /// left out. The path it sees is decoded, so it says `é` and not `%C3%A9`. Matching takes time linear in the path's
    /// length.
    ///
    /// # Errors
    /// If it is no regex, compiles to more than [`super::MAX_REGEX_BYTES`], or can match no path.
    pub fn parse_regex(text: &str) -> Result<Self, InvalidPathPattern> {
        let regex = PathRegex::compile(text).map_err(InvalidPathPattern::Regex)?;
        let prefix: Vec<_> = regex.leading_segments().map(literal).collect();
        Self::assemble(text, prefix.into_iter(), Step::Regex(regex))
    }

    /// The pattern as it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether the pattern is a regex.
    pub fn is_regex(&self) -> bool {
        matches!(self.steps.last(), Some(Step::Regex(_)))
    }

    /// A path that falls under the pattern and, of all that do, under as few others as can be: each `*` and `**` is a
    /// segment that nobody names. Of a regex it is the place that the regex stands in.
    pub fn example(&self) -> String {
        let segment = |step: &Step| match step {
            Step::Literal(segment) => Some(String::from_utf8_lossy(segment).into_owned()),
            Step::Star | Step::Regex(_) | Step::Rest => Some(NAMED_BY_NOBODY.to_owned()),
            Step::End => None,
        };
        let segments: Vec<String> = self.steps.iter().filter_map(segment).collect();
        format!("/{}", segments.join("/"))
    }

    /// Whether every path that falls under it begins with this segment.
    pub fn begins_with(&self, segment: &str) -> bool {
        matches!(self.steps.first(), Some(Step::Literal(first)) if **first == *segment.as_bytes())
    }

    pub(in crate::route) fn steps(&self) -> &[Step] {
        &self.steps
    }

    fn assemble(
        text: &str,
        segments: impl Iterator<Item = Result<Step, InvalidPathPattern>>,
        last: Step,
    ) -> Result<Self, InvalidPathPattern> {
        let mut steps = segments.take(MAX_SEGMENTS + 1).collect::<Result<Vec<_>, _>>()?;
        if steps.len() > MAX_SEGMENTS {
            return Err(InvalidPathPattern::TooDeep);
        }
        steps.push(last);
        Ok(Self { text: text.into(), steps: steps.into() })
    }
}

impl PartialEq for PathPattern {
    fn eq(&self, other: &Self) -> bool {
        self.steps == other.steps
    }
}

impl Eq for PathPattern {}

impl fmt::Display for PathPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

fn parse_segment(text: &str) -> Result<Step, InvalidPathPattern> {
    match text {
        "*" => Ok(Step::Star),
        "**" => Err(InvalidPathPattern::RestNotLast),
        _ if text.contains('*') => Err(InvalidPathPattern::PartialStar),
        _ => literal(escape::decode(text).as_ref()),
    }
}

fn literal(segment: impl AsRef<[u8]>) -> Result<Step, InvalidPathPattern> {
    let segment = segment.as_ref();
    if segment.len() > MAX_SEGMENT_BYTES {
        return Err(InvalidPathPattern::SegmentTooLong);
    }
    Ok(Step::Literal(segment.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn steps(text: &str) -> Vec<Step> {
        PathPattern::parse(text).expect(text).steps().to_vec()
    }

    fn exactly(segment: &str) -> Step {
        Step::Literal(segment.as_bytes().into())
    }

    #[test]
    fn segments_stars_and_the_rest_are_read() {
        assert_eq!(steps("/"), [exactly(""), Step::End]);
        assert_eq!(steps("/a"), [exactly("a"), Step::End]);
        assert_eq!(steps("/a/"), [exactly("a"), exactly(""), Step::End]);
        assert_eq!(steps("/a/*/b"), [exactly("a"), Step::Star, exactly("b"), Step::End]);
        assert_eq!(steps("/**"), [Step::Rest]);
        assert_eq!(steps("/*/**"), [Step::Star, Step::Rest]);
    }

    #[test]
    fn escapes_of_one_character_are_one_pattern() {
        assert_eq!(PathPattern::parse("/caf%c3%a9/@me"), PathPattern::parse("/caf%C3%A9/%40me"));
        assert_eq!(steps("/%2A"), [exactly("*"), Step::End]);
    }

    #[test]
    fn an_example_falls_under_its_pattern() {
        let example = |text: &str| PathPattern::parse(text).expect(text).example();
        assert_eq!(example("/"), "/");
        assert_eq!(example("/a/"), "/a/");
        assert_eq!(example("/a/*/b"), "/a/named-by-nobody/b");
        assert_eq!(example("/a/**"), "/a/named-by-nobody");
        assert_eq!(PathPattern::parse_regex("/api/v[0-9]+").expect("a regex").example(), "/api/named-by-nobody");
        assert!(PathPattern::parse("/a/**").expect("a pattern").begins_with("a"));
        assert!(!PathPattern::parse("/*/**").expect("a pattern").begins_with("a"));
    }

    #[test]
    fn a_regex_hangs_below_its_leading_whole_segments() {
        let pattern = PathPattern::parse_regex("^/api/v[0-9]+$").expect("a regex");
        let [first, Step::Regex(_)] = pattern.steps() else { panic!("{pattern:?}") };
        assert_eq!(*first, exactly("api"));
    }

    #[test]
    fn what_is_no_pattern_is_named() {
        let deep = "/a".repeat(MAX_SEGMENTS + 1);
        let long = format!("/{}", "a".repeat(MAX_SEGMENT_BYTES + 1));
        for (text, error) in [
            ("", InvalidPathPattern::Unreachable(PathFault::NotAbsolute)),
            ("api/**", InvalidPathPattern::Unreachable(PathFault::NotAbsolute)),
            ("/a//b", InvalidPathPattern::Unreachable(PathFault::EmptySegment)),
            ("/a/../b", InvalidPathPattern::Unreachable(PathFault::DotSegment)),
            ("/café", InvalidPathPattern::Unreachable(PathFault::NonAscii)),
            ("/%61", InvalidPathPattern::Unreachable(PathFault::NeedlesslyEncoded)),
            ("/{id}", InvalidPathPattern::Unreachable(PathFault::Forbidden('{'))),
            ("/a?b=c", InvalidPathPattern::Query),
            ("/a*", InvalidPathPattern::PartialStar),
            ("/a**", InvalidPathPattern::PartialStar),
            ("/***", InvalidPathPattern::PartialStar),
            ("/**/a", InvalidPathPattern::RestNotLast),
            ("/**/", InvalidPathPattern::RestNotLast),
            ("/**/**", InvalidPathPattern::RestNotLast),
            (&deep, InvalidPathPattern::TooDeep),
            (&long, InvalidPathPattern::SegmentTooLong),
        ] {
            assert_eq!(PathPattern::parse(text), Err(error), "{text}");
        }
    }
}
