//! Percent-escapes as bytes; refuses to know which of them a path may contain.

use std::borrow::Cow;

/// The byte that `%HH` at the start of `text` stands for, and what follows it.
pub(super) fn split(text: &[u8]) -> Option<(u8, &[u8])> {
    text.strip_prefix(b"%").and_then(hex_pair)
}

/// The byte that two hexadecimal digits at the start of `text` stand for, and what follows them.
pub(super) fn hex_pair(text: &[u8]) -> Option<(u8, &[u8])> {
    let ([high, low], rest) = text.split_first_chunk::<2>()?;
    Some((digit(*high)? << 4 | digit(*low)?, rest))
}

/// The bytes `text` stands for. What is no escape, and `%2F` (it would become a separator), stays as it is.
pub(super) fn decoded(text: &[u8]) -> impl Iterator<Item = u8> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let (byte, after) = split(rest).filter(|(byte, _)| *byte != b'/').or_else(|| {
            let (byte, after) = rest.split_first()?;
            Some((*byte, after))
        })?;
        rest = after;
        Some(byte)
    })
}

/// As [`decoded`], whole; borrows when there is nothing to decode.
pub(super) fn decode(text: &str) -> Cow<'_, [u8]> {
    let bytes = text.as_bytes();
    if bytes.contains(&b'%') { Cow::Owned(decoded(bytes).collect()) } else { Cow::Borrowed(bytes) }
}

/// As [`decoded`], into `buffer`, for lookups that must not allocate; `None` if it does not fit.
pub(super) fn decode_into<'b>(text: &str, buffer: &'b mut [u8]) -> Option<&'b [u8]> {
    let mut len = 0;
    for byte in decoded(text.as_bytes()) {
        *buffer.get_mut(len)? = byte;
        len += 1;
    }
    buffer.get(..len)
}

const fn digit(hex: u8) -> Option<u8> {
    match hex {
        b'0'..=b'9' => Some(hex - b'0'),
        b'a'..=b'f' => Some(hex - b'a' + 10),
        b'A'..=b'F' => Some(hex - b'A' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_cases_of_hexadecimal_decode_alike() {
        assert_eq!(decode("/caf%c3%a9"), decode("/caf%C3%A9"));
        assert_eq!(decode("/caf%c3%a9").as_ref(), "/café".as_bytes());
    }

    #[test]
    fn decoding_never_makes_a_separator_and_leaves_broken_escapes_alone() {
        for text in ["/a%2Fb", "/a%2fb", "/%", "/%4", "/%zz"] {
            assert_eq!(decode(text).as_ref(), text.as_bytes(), "{text}");
        }
    }

    #[test]
    fn decoding_into_a_buffer_stops_where_the_buffer_ends() {
        assert_eq!(decode_into("%40me", &mut [0; 3]), Some(b"@me".as_slice()));
        assert_eq!(decode_into("%40me", &mut [0; 2]), None);
    }
}
