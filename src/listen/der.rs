//! The little of DER (ITU-T X.690) that it takes to walk through a certificate; knows no field of one.

/// `[0] EXPLICIT` in the certificate's body.
const VERSION: u8 = 0xa0;
pub(super) const BOOLEAN: u8 = 0x01;
pub(super) const OCTET_STRING: u8 = 0x04;
pub(super) const OBJECT_IDENTIFIER: u8 = 0x06;
pub(super) const UTC_TIME: u8 = 0x17;
pub(super) const GENERALIZED_TIME: u8 = 0x18;
pub(super) const SEQUENCE: u8 = 0x30;

/// DER elements, one after another.
///
/// rustls checks certificates but tells neither their names nor their times, hence this small walk. It runs only over
/// certificates that the operator configured and rustls already parsed.
pub(super) struct Der<'a>(pub(super) &'a [u8]);

/// The fields of what a certificate's issuer signed (RFC 5280 §4.1); `None` if it is not a certificate that can be read.
pub(super) fn body(certificate: &[u8]) -> Option<Der<'_>> {
    Some(Der(Der(Der(certificate).enter(SEQUENCE)?.0).enter(SEQUENCE)?.0))
}

/// Whether a certificate says its version; one that does not is of version 1. True of what is no certificate.
pub(super) fn has_version(certificate: &[u8]) -> bool {
    body(certificate).and_then(|mut fields| fields.element()).is_none_or(|(tag, _)| tag == VERSION)
}

impl<'a> Der<'a> {
    /// The next element: its tag and its content.
    pub(super) fn element(&mut self) -> Option<(u8, &'a [u8])> {
        let (&tag, rest) = self.0.split_first()?;
        let (length, rest) = length(rest)?;
        let (content, rest) = rest.split_at_checked(length)?;
        self.0 = rest;
        Some((tag, content))
    }

    /// The elements inside the next element, which must have `tag`.
    pub(super) fn enter(mut self, tag: u8) -> Option<Der<'a>> {
        self.element().filter(|(found, _)| *found == tag).map(|(_, content)| Der(content))
    }
}

impl<'a> Iterator for Der<'a> {
    type Item = (u8, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        self.element()
    }
}

/// A length and what follows it: one byte below 128, otherwise the count of bytes that hold it.
fn length(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let (&first, rest) = bytes.split_first()?;
    if first < 0x80 {
        return Some((usize::from(first), rest));
    }
    let (digits, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
    if digits.is_empty() || digits.len() > 4 {
        return None;
    }
    let value = digits.iter().fold(0_usize, |value, digit| value << 8 | usize::from(*digit));
    Some((value, rest))
}
