//! Where responses of HTTP/1.1 begin and end in a stream of bytes; knows no socket and keeps no body.

use std::fmt;

/// The most header fields that a message may have here.
pub const MAX_FIELDS: usize = 64;

/// Takes the responses on one connection apart, as their bytes come.
#[derive(Debug, Default)]
pub struct Decoder {
    state: State,
}

/// What one call of [`Decoder::feed`] took.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fed {
    /// How many of the bytes are dealt with; the rest is to be given again, with more behind it.
    pub consumed: usize,
    /// The response that ended there; nothing of the next one is consumed with it.
    pub answer: Option<Answer>,
}

/// A response that was received whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answer {
    /// Its status.
    pub status: u16,
    /// Whether no other can follow on the connection.
    pub last: bool,
}

/// Why bytes are no response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Malformed {
    /// The status line or a header field.
    Head(httparse::Error),
    /// `Content-Length` is not a number.
    Length,
    /// A chunk's size is not a number.
    Chunk,
}

#[derive(Clone, Copy, Debug, Default)]
enum State {
    #[default]
    Head,
    Body(Answer, Rest),
}

#[derive(Clone, Copy, Debug)]
enum Rest {
    Sized(usize),
    /// The line with a chunk's size comes next.
    ChunkSize,
    /// So much is left of a chunk, its line end included.
    Chunk(usize),
    /// Trailers, up to an empty line.
    Trailers,
    UntilClose,
}

impl Decoder {
    /// Takes what it can of `bytes`, and hands on what belongs to the body.
    ///
    /// # Errors
    /// If `bytes` are no response.
    pub fn feed(&mut self, bytes: &[u8], mut body: impl FnMut(&[u8])) -> Result<Fed, Malformed> {
        let mut consumed = 0;
        loop {
            let rest = bytes.get(consumed..).unwrap_or_default();
            let (taken, answer) = match self.state {
                State::Head => self.head(rest)?,
                State::Body(answer, left) => self.body(answer, left, (rest, &mut body))?,
            };
            consumed += taken;
            if taken == 0 || answer.is_some() {
                return Ok(Fed { consumed, answer });
            }
        }
    }

    /// The response that the end of the connection completes, if there is one.
    pub fn close(&mut self) -> Option<Answer> {
        match std::mem::take(&mut self.state) {
            State::Body(answer, Rest::UntilClose) => Some(answer),
            State::Head | State::Body(..) => None,
        }
    }

    fn head(&mut self, bytes: &[u8]) -> Result<(usize, Option<Answer>), Malformed> {
        let mut fields = [httparse::EMPTY_HEADER; MAX_FIELDS];
        let mut response = httparse::Response::new(&mut fields);
        let httparse::Status::Complete(length) = response.parse(bytes).map_err(Malformed::Head)? else {
            return Ok((0, None));
        };
        let status = response.code.unwrap_or_default();
        let mut last = response.version != Some(1);
        let mut rest = Rest::UntilClose;
        for field in response.headers.iter() {
            if field.name.eq_ignore_ascii_case("content-length") {
                let text = std::str::from_utf8(field.value).map_err(|_| Malformed::Length)?;
                rest = Rest::Sized(text.trim().parse().map_err(|_| Malformed::Length)?);
            } else if field.name.eq_ignore_ascii_case("transfer-encoding") {
                rest = Rest::ChunkSize;
            } else if field.name.eq_ignore_ascii_case("connection") {
                last |= field.value.eq_ignore_ascii_case(b"close");
            }
        }
        match status {
            100..=199 => return Ok((length, None)),
            204 | 304 => rest = Rest::Sized(0),
            _ => {}
        }
        if let Rest::Sized(0) = rest {
            return Ok((length, Some(Answer { status, last })));
        }
        last |= matches!(rest, Rest::UntilClose);
        self.state = State::Body(Answer { status, last }, rest);
        Ok((length, None))
    }

    fn body(
        &mut self,
        answer: Answer,
        left: Rest,
        (bytes, sink): (&[u8], &mut impl FnMut(&[u8])),
    ) -> Result<(usize, Option<Answer>), Malformed> {
        let line = || bytes.iter().position(|byte| *byte == b'\n').map(|at| at + 1);
        let (taken, next) = match left {
            Rest::UntilClose => {
                sink(bytes);
                (bytes.len(), Some(left))
            }
            Rest::Sized(size) => {
                let part = bytes.get(..size).unwrap_or(bytes);
                sink(part);
                (part.len(), Some(Rest::Sized(size - part.len())).filter(|_| part.len() < size))
            }
            Rest::Chunk(size) => {
                let part = bytes.get(..size).unwrap_or(bytes);
                // The last two bytes are the line end.
                sink(part.get(..size.saturating_sub(2)).unwrap_or(part));
                let after = size - part.len();
                (part.len(), Some(if after == 0 { Rest::ChunkSize } else { Rest::Chunk(after) }))
            }
            Rest::ChunkSize => {
                let Some(end) = line() else { return Ok((0, None)) };
                let size = chunk_size(bytes.get(..end).unwrap_or_default())?;
                (end, Some(if size == 0 { Rest::Trailers } else { Rest::Chunk(size + 2) }))
            }
            Rest::Trailers => {
                let Some(end) = line() else { return Ok((0, None)) };
                (end, (end > 2).then_some(Rest::Trailers))
            }
        };
        self.state = next.map_or(State::Head, |next| State::Body(answer, next));
        Ok((taken, next.is_none().then_some(answer)))
    }
}

fn chunk_size(line: &[u8]) -> Result<usize, Malformed> {
    let text = std::str::from_utf8(line).map_err(|_| Malformed::Chunk)?;
    let digits = text.split(';').next().unwrap_or_default().trim();
    // Two bytes of line end are added to it.
    usize::from_str_radix(digits, 16).ok().filter(|size| *size < usize::MAX / 2).ok_or(Malformed::Chunk)
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Malformed::Head(error) => write!(f, "the answer's header is malformed: {error}"),
            Malformed::Length => f.write_str("the answer's Content-Length is no number"),
            Malformed::Chunk => f.write_str("the size of a chunk is no number"),
        }
    }
}

impl std::error::Error for Malformed {}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every answer in `text`, and all bodies together, with the bytes coming `step` at a time.
    fn answers(text: &str, step: usize) -> (Vec<Answer>, String) {
        let (mut decoder, mut pending, mut found, mut body) = (Decoder::default(), Vec::new(), Vec::new(), Vec::new());
        for part in text.as_bytes().chunks(step) {
            pending.extend_from_slice(part);
            loop {
                let fed = decoder.feed(&pending, |bytes| body.extend_from_slice(bytes)).expect("it is well-formed");
                pending.drain(..fed.consumed);
                match fed.answer {
                    Some(answer) => found.push(answer),
                    None => break,
                }
            }
        }
        found.extend(decoder.close());
        (found, String::from_utf8(body).expect("it is text"))
    }

    const TWO: &str =
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhelloHTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n";
    const CHUNKED: &str =
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\nTrailer: 1\r\n\r\n";

    #[test]
    fn answers_are_told_apart_however_their_bytes_come() {
        for step in [1, 2, 7, 1000] {
            let (found, body) = answers(TWO, step);
            assert_eq!(found, [Answer { status: 200, last: false }, Answer { status: 204, last: true }]);
            assert_eq!(body, "hello");
            assert_eq!(answers(CHUNKED, step), (vec![Answer { status: 200, last: false }], "abcde".to_owned()));
        }
    }

    #[test]
    fn an_answer_without_a_length_lasts_until_the_connection_closes() {
        let (found, body) = answers("HTTP/1.1 200 OK\r\n\r\nall of it", 3);
        assert_eq!((found, body.as_str()), (vec![Answer { status: 200, last: true }], "all of it"));
    }

    #[test]
    fn what_is_no_answer_is_an_error() {
        for text in ["SSH-2.0-x\r\n", "HTTP/1.1 200 OK\r\nContent-Length: many\r\n\r\n"] {
            assert!(Decoder::default().feed(text.as_bytes(), |_| ()).is_err(), "{text}");
        }
    }
}
