//! The first line of a request as its bytes come in: whether it is one that nobody has to repair; knows nothing of what
//! it asks for.

/// Follows one request line over any number of reads.
///
/// The engine mends a line that is none: it escapes spaces and quotes in the target, cuts off what follows a `#`, and
/// then shows only what it made of it. So the line is judged on its way to the engine.
#[derive(Debug, Default)]
pub(super) struct RequestLine {
    spaces: u8,
    begun: bool,
    ended: bool,
}

impl RequestLine {
    /// Reads on. `false` if this is no request line (RFC 9112 §3): three words with one space between them, without
    /// controls and without characters that no target may hold.
    pub(super) fn holds(&mut self, bytes: &[u8]) -> bool {
        self.ended || bytes.iter().all(|byte| self.ended || self.accepts(*byte))
    }

    fn accepts(&mut self, byte: u8) -> bool {
        // RFC 9112 §2.2: empty lines before it do not count.
        if !self.begun && matches!(byte, b'\r' | b'\n') {
            return true;
        }
        self.begun = true;
        match byte {
            b'\n' => {
                self.ended = true;
                self.spaces == 2
            }
            b' ' => {
                self.spaces += 1;
                self.spaces <= 2
            }
            b'\r' => true,
            b'"' | b'<' | b'>' | b'#' => false,
            other => !other.is_ascii_control(),
        }
    }
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
