//! The first line of a request as its bytes come in: whether it is one that nobody has to repair; knows nothing of what
//! it asks for.

/// Follows one request line over any number of reads.
///
/// The engine mends a line that is none: it escapes spaces and quotes in the target, cuts off what follows a `#`, and
/// then shows only what it made of it. So the line is judged on its way to the engine.
#[derive(Debug, Default)]
pub(super) struct RequestLine {
    spaces: usize,
    begun: bool,
    ended: bool,
}

impl RequestLine {
    /// Reads on. `false` if this is no request line (RFC 9112 §3): three words with one space between them, without
    /// controls and without characters that no target may hold.
    pub(super) fn holds(&mut self, bytes: &[u8]) -> bool {
        if self.ended {
            return true;
        }
        let Some(line) = self.begin(bytes) else { return true };
        let end = memchr::memchr(b'\n', line);
        let line = end.map_or(line, |end| &line[..end]);
        self.ended = end.is_some();
        self.spaces = self.spaces.saturating_add(memchr::memchr_iter(b' ', line).count());
        // Not `any`: looking at every byte is faster than stopping early.
        let odd = line.iter().fold(false, |odd, byte| odd | is_odd(*byte));
        !odd && if self.ended { self.spaces == 2 } else { self.spaces <= 2 }
    }

    /// The part of the line in `bytes`, if it has begun. RFC 9112 §2.2: empty lines before it do not count.
    fn begin<'a>(&mut self, bytes: &'a [u8]) -> Option<&'a [u8]> {
        if self.begun {
            return Some(bytes);
        }
        let start = bytes.iter().position(|byte| !matches!(byte, b'\r' | b'\n'))?;
        self.begun = true;
        bytes.get(start..)
    }
}

/// Whether a byte stands in no request line, within it or before its end.
const fn is_odd(byte: u8) -> bool {
    matches!(byte, b'"' | b'<' | b'>' | b'#') | (byte.is_ascii_control() & (byte != b'\r'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn holds(line: &str) -> bool {
        let whole = RequestLine::default().holds(line.as_bytes());
        let mut one = RequestLine::default();
        let by_byte = line.bytes().all(|byte| one.holds(&[byte]));
        assert_eq!(whole, by_byte, "{line:?} however it is cut");
        whole
    }

    #[test]
    fn three_words_are_a_request_line_whatever_follows() {
        for line in ["GET /a?b=%20{} HTTP/1.1\r\n", "\r\n\r\nGET / HTTP/1.1\r\nX: <\"#>  \0", "OPTIONS * HTTP/1.1\n"] {
            assert!(holds(line), "{line:?}");
        }
    }

    #[test]
    fn what_the_engine_would_mend_is_none() {
        for line in [
            "GET /a b HTTP/1.1\r\n",
            "GET  /a HTTP/1.1\r\n",
            "GET /a\r\n",
            " GET /a HTTP/1.1\r\n",
            "GET /a#b HTTP/1.1\r\n",
            "GET /<a> HTTP/1.1\r\n",
            "GET /\"a\" HTTP/1.1\r\n",
            "GET\t/a HTTP/1.1\r\n",
            "GET /a\0 HTTP/1.1\r\n",
        ] {
            assert!(!holds(line), "{line:?}");
        }
    }
}
