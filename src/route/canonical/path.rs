//! The strict reading of a request target in origin form; knows no route and repairs nothing.
//!
//! A gateway that reads `/public/%2e%2e/admin` as one path in front of a service that reads it as another guards
//! nothing. So a target with more than one plausible reading is refused, and one that is accepted is forwarded byte for
//! byte as it was matched. After this door every escape that is left stands for exactly one byte that is no separator,
//! no dot, no parameter mark and no control, so decoding a segment can neither split it nor join it. Patterns therefore
//! compare *decoded* segments: `/%40me`, `/@me`, and `%c3` beside `%C3`, fall under one route, as they do in the
//! services behind us.

use std::str;

use crate::route::escape;

/// Longest accepted target, path and query together. As nginx by default; RFC 9110 §4.1 asks for at least 8000.
pub const MAX_TARGET_BYTES: usize = 8 * 1024;

/// A request target that every server reads alike. Borrows the bytes it was read from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CanonicalPath<'a> {
    path: &'a str,
    query: Option<&'a str>,
}

/// Why a request target is refused. The answer is 400, for [`PathFault::TooLong`] 414.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PathFault {
    #[error("it is longer than {MAX_TARGET_BYTES} bytes")]
    TooLong,
    #[error("it does not start with `/`")]
    NotAbsolute,
    #[error("it has an empty segment (`//`)")]
    EmptySegment,
    #[error("it has a `.` or `..` segment, plain or percent-encoded")]
    DotSegment,
    #[error("it has an encoded slash (`%2F`)")]
    EncodedSlash,
    #[error("it has a backslash, plain or percent-encoded")]
    Backslash,
    #[error("it has a semicolon, plain or percent-encoded")]
    Semicolon,
    #[error("it has a control character, plain or percent-encoded")]
    Control,
    #[error("it has a `#`: a fragment is never sent to a server")]
    Fragment,
    #[error("it has a plain space; a space is written %20")]
    Space,
    #[error("it has plain bytes outside ASCII; they are written as percent-escapes of UTF-8")]
    NonAscii,
    #[error("it has a plain `{0}`, which is written as a percent-escape")]
    Forbidden(char),
    #[error("it has a `%` that two hexadecimal digits do not follow")]
    BadEscape,
    #[error("its percent-escapes do not decode to UTF-8")]
    InvalidUtf8,
    #[error("it has a percent-escape of a letter, a digit, or one of `-._~`, which are written plain")]
    NeedlesslyEncoded,
    #[error("decoded twice, its percent-escapes give a character that may not be escaped")]
    DoubleEncoded,
}

impl<'a> CanonicalPath<'a> {
    /// Reads a request target in origin form (RFC 9112 §3.2.1). Does not allocate.
    ///
    /// The path is held to the whole of [`PathFault`]; the query only to what could end a request line or hide in a
    /// log: `#`, spaces, controls, bytes outside ASCII.
    ///
    /// # Errors
    /// The first fault found.
    pub fn parse(raw: &'a [u8]) -> Result<Self, PathFault> {
        if raw.len() > MAX_TARGET_BYTES {
            return Err(PathFault::TooLong);
        }
        let target = str::from_utf8(raw).ok().filter(|text| text.is_ascii()).ok_or(PathFault::NonAscii)?;
        let (path, query) = match target.split_once('?') {
            Some((path, query)) => (path, Some(query)),
            None => (target, None),
        };
        check_path(path)?;
        query.map_or(Ok(()), check_query)?;
        Ok(Self { path, query })
    }

    /// The path, escapes and all, from its first `/` up to the query.
    pub const fn path(&self) -> &'a str {
        self.path
    }

    /// The query without its `?`; `None` if there was no `?`.
    pub const fn query(&self) -> Option<&'a str> {
        self.query
    }
}

fn check_path(path: &str) -> Result<(), PathFault> {
    let mut segments = path.strip_prefix('/').ok_or(PathFault::NotAbsolute)?.split('/').peekable();
    while let Some(segment) = segments.next() {
        if segment.is_empty() && segments.peek().is_some() {
            return Err(PathFault::EmptySegment);
        }
        check_segment(segment.as_bytes())?;
    }
    Ok(())
}

fn check_query(query: &str) -> Result<(), PathFault> {
    query.bytes().try_for_each(|byte| match byte {
        b'#' => Err(PathFault::Fragment),
        b' ' => Err(PathFault::Space),
        0..=0x1f | 0x7f => Err(PathFault::Control),
        _ => Ok(()),
    })
}

fn check_segment(segment: &[u8]) -> Result<(), PathFault> {
    if is_dot_segment(segment) {
        return Err(PathFault::DotSegment);
    }
    let mut rest = segment;
    while let Some((&byte, after)) = rest.split_first() {
        rest = if byte == b'%' {
            check_escape(rest)?
        } else {
            check_plain(byte)?;
            after
        };
    }
    Ok(())
}

/// Whether the segment is `.` or `..` once decoded.
fn is_dot_segment(segment: &[u8]) -> bool {
    matches!(segment.first(), Some(b'.' | b'%'))
        && (escape::decoded(segment).eq(*b".") || escape::decoded(segment).eq(*b".."))
}

fn check_plain(byte: u8) -> Result<(), PathFault> {
    match byte {
        0..=0x1f | 0x7f => Err(PathFault::Control),
        b' ' => Err(PathFault::Space),
        b'#' => Err(PathFault::Fragment),
        b'\\' => Err(PathFault::Backslash),
        b';' => Err(PathFault::Semicolon),
        b'"' | b'<' | b'>' | b'^' | b'`' | b'{' | b'|' | b'}' => Err(PathFault::Forbidden(char::from(byte))),
        _ => Ok(()),
    }
}

/// Judges the escape at the start of `text`; returns what follows it.
fn check_escape(text: &[u8]) -> Result<&[u8], PathFault> {
    let (byte, after) = escape::split(text).ok_or(PathFault::BadEscape)?;
    match byte {
        0x80.. => check_scalar(text, byte),
        b'%' => check_second_reading(after).map(|()| after),
        _ => check_escaped(byte).map(|()| after),
    }
}

/// Whether an ASCII byte may stand behind an escape.
fn check_escaped(byte: u8) -> Result<(), PathFault> {
    match byte {
        b'/' => Err(PathFault::EncodedSlash),
        b'\\' => Err(PathFault::Backslash),
        b';' => Err(PathFault::Semicolon),
        0..=0x1f | 0x7f => Err(PathFault::Control),
        // RFC 3986 §2.3: equivalent to the plain character, so `/%61dmin` would be `/admin` to the service and not to
        // us.
        b'-' | b'.' | b'_' | b'~' | b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' => Err(PathFault::NeedlesslyEncoded),
        _ => Ok(()),
    }
}

/// Judges what follows `%25`: a server that decodes once too often must not see a byte that may not be escaped at all.
fn check_second_reading(after: &[u8]) -> Result<(), PathFault> {
    let mut rest = after;
    while let Some((byte, next)) = escape::hex_pair(rest) {
        if byte != b'%' {
            return check_escaped(byte).map_err(|_| PathFault::DoubleEncoded);
        }
        rest = next;
    }
    Ok(())
}

/// Judges the escapes of one character outside ASCII; returns what follows them. The standard library refuses overlong
/// forms.
fn check_scalar(text: &[u8], lead: u8) -> Result<&[u8], PathFault> {
    let mut scalar = [0; 4];
    let width = lead.leading_ones() as usize;
    let bytes = scalar.get_mut(..width).ok_or(PathFault::InvalidUtf8)?;
    let mut rest = text;
    for byte in bytes.iter_mut() {
        (*byte, rest) = escape::split(rest).ok_or(PathFault::InvalidUtf8)?;
    }
    let character = str::from_utf8(bytes).map_err(|_| PathFault::InvalidUtf8)?;
    if character.contains(char::is_control) { Err(PathFault::Control) } else { Ok(rest) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(target: impl AsRef<[u8]>) -> PathFault {
        CanonicalPath::parse(target.as_ref()).expect_err(&String::from_utf8_lossy(target.as_ref()))
    }

    #[test]
    fn ordinary_targets_pass_unchanged() {
        for (target, path, query) in [
            ("/", "/", None),
            ("/?", "/", Some("")),
            ("/a/b/", "/a/b/", None),
            ("/a?b=/../c;d\\%2e{}|", "/a", Some("b=/../c;d\\%2e{}|")),
            ("/users/bob%40example.com", "/users/bob%40example.com", None),
            ("/caf%C3%A9/%e2%82%ac/%F0%9F%98%80", "/caf%C3%A9/%e2%82%ac/%F0%9F%98%80", None),
            ("/...", "/...", None),
            ("/.well-known/..a/b..", "/.well-known/..a/b..", None),
            ("/a%20b/100%25/%253A/%2520", "/a%20b/100%25/%253A/%2520", None),
            ("/!$&'()*+,=:@-._~[]", "/!$&'()*+,=:@-._~[]", None),
        ] {
            let read = CanonicalPath::parse(target.as_bytes()).expect(target);
            assert_eq!((read.path(), read.query()), (path, query), "{target}");
        }
    }

    #[test]
    fn an_encoded_slash_beside_dots_is_refused() {
        assert_eq!(fault("/public/..%2fadmin/"), PathFault::EncodedSlash);
        assert_eq!(fault("/svc%2F..%2Fadmin"), PathFault::EncodedSlash);
    }

    #[test]
    fn dot_segments_are_refused_in_every_spelling() {
        for target in
            ["/public/%2e%2e/admin", "/public/%2E./admin", "/public/.%2e/admin", "/..", "/a/.", "/%2e", "/./a"]
        {
            assert_eq!(fault(target), PathFault::DotSegment, "{target}");
        }
    }

    #[test]
    fn path_parameters_are_refused() {
        for target in ["/public/..;/admin", "/public;/../admin", "/public/%3b/../admin", "/a%3Bb"] {
            assert_eq!(fault(target), PathFault::Semicolon, "{target}");
        }
    }

    #[test]
    fn what_a_second_decoding_would_reveal_is_refused() {
        for target in [
            "/public/%252e%252e%252fadmin",
            "/%252E",
            "/%252f",
            "/%255c",
            "/%253b",
            "/%2500",
            "/%25252e",
            "/%2525252F",
            "/%2561dmin",
        ] {
            assert_eq!(fault(target), PathFault::DoubleEncoded, "{target}");
        }
        assert_eq!(fault("/%25%32%65"), PathFault::NeedlesslyEncoded);
        assert_eq!(fault("/%252%65"), PathFault::NeedlesslyEncoded);
    }

    #[test]
    fn fragments_and_plain_spaces_are_refused() {
        assert_eq!(fault("/public#/../admin"), PathFault::Fragment);
        assert_eq!(fault("/public?a#b"), PathFault::Fragment);
        assert_eq!(fault("/public /../admin"), PathFault::Space);
        assert_eq!(fault("/public?a b"), PathFault::Space);
    }

    #[test]
    fn broken_escapes_and_bytes_are_refused() {
        for target in ["/public/%", "/%zz", "/%4", "/%%40", "/a%"] {
            assert_eq!(fault(target), PathFault::BadEscape, "{target}");
        }
        for target in ["/%00", "/%0a", "/%7f", "/\u{1}", "/\t", "/a\r", "/%c2%85", "/?\0"] {
            assert_eq!(fault(target), PathFault::Control, "{target:?}");
        }
        for target in
            ["/%c0%ae%c0%ae/admin", "/%e9", "/%80", "/%ff", "/%ed%a0%80", "/%c3a9", "/%f0%80%80%af", "/%e2%82"]
        {
            assert_eq!(fault(target), PathFault::InvalidUtf8, "{target}");
        }
        assert_eq!(fault(b"/\xE9"), PathFault::NonAscii);
        assert_eq!(fault("/é?"), PathFault::NonAscii);
        assert_eq!(fault(b"/?\xE9"), PathFault::NonAscii);
    }

    #[test]
    fn needless_escapes_are_refused() {
        for target in ["/%61dmin", "/%41", "/a%2db", "/a%2Eb", "/%5f", "/%7e", "/%30"] {
            assert_eq!(fault(target), PathFault::NeedlesslyEncoded, "{target}");
        }
    }

    #[test]
    fn other_forms_of_target_are_refused() {
        for target in ["", "*", "a", "?", "http://app.test/", "app.test:443"] {
            assert_eq!(fault(target), PathFault::NotAbsolute, "{target}");
        }
        assert_eq!(fault("//admin"), PathFault::EmptySegment);
        assert_eq!(fault("/a//b"), PathFault::EmptySegment);
        assert_eq!(fault("/a//"), PathFault::EmptySegment);
    }

    #[test]
    fn backslashes_and_characters_no_client_may_send_are_refused() {
        for target in ["/..\\admin", "/%5cadmin", "/a%5C"] {
            assert_eq!(fault(target), PathFault::Backslash, "{target}");
        }
        for character in ['"', '<', '>', '^', '`', '{', '|', '}'] {
            assert_eq!(fault(format!("/{character}")), PathFault::Forbidden(character));
        }
    }

    #[test]
    fn the_length_is_bounded() {
        let longest = format!("/{}", "a".repeat(MAX_TARGET_BYTES - 1));
        assert!(CanonicalPath::parse(longest.as_bytes()).is_ok());
        assert_eq!(fault(longest + "a"), PathFault::TooLong);
    }
}
