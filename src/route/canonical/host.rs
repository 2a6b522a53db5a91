//! The strict reading of `Host` and `:authority`; knows no route and looks nothing up.

use std::borrow::Cow;
use std::net::{Ipv4Addr, Ipv6Addr};

/// Longest accepted host name (RFC 1035 §2.3.4, as text without the root's dot).
pub const MAX_HOST_BYTES: usize = 253;

/// Longest label of a host name (RFC 1035 §2.3.4).
const MAX_LABEL_BYTES: usize = 63;

/// A host as every table here spells it: lower case, no trailing dot, an IPv6 address in brackets and in its shortest
/// form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CanonicalHost<'a> {
    name: Cow<'a, str>,
    port: Option<u16>,
}

/// Why a host is refused. The answer is 400.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HostFault {
    #[error("there is no host")]
    Missing,
    #[error("there is more than one host")]
    Several,
    #[error("the host is empty")]
    Empty,
    #[error("the host is longer than {MAX_HOST_BYTES} bytes")]
    TooLong,
    #[error("the host has user information (`@`)")]
    UserInformation,
    #[error("the host is followed by a path, a query or a fragment")]
    Path,
    #[error("the host is a list")]
    List,
    #[error("the host has a character other than letters, digits, `-`, `_` and `.`")]
    Character,
    #[error("the host has an empty label (two dots, or a dot in front)")]
    EmptyLabel,
    #[error("the host has a label longer than {MAX_LABEL_BYTES} bytes")]
    LongLabel,
    #[error("the host looks like an IP address and is none; IPv4 is four decimal numbers, IPv6 stands in brackets")]
    Address,
    #[error("the port is no number from 1 to 65535")]
    Port,
}

impl<'a> CanonicalHost<'a> {
    /// Reads the one host a request names, out of every value it sent (RFC 9112 §3.2).
    ///
    /// # Errors
    /// If there is not exactly one value, or it is refused by [`CanonicalHost::parse`].
    pub fn sole(values: impl IntoIterator<Item = &'a [u8]>) -> Result<Self, HostFault> {
        let mut values = values.into_iter();
        let only = values.next().ok_or(HostFault::Missing)?;
        if values.next().is_some() {
            return Err(HostFault::Several);
        }
        Self::parse(only)
    }

    /// Reads `host` or `host:port`. Allocates only if the host is not spelled canonically.
    ///
    /// # Errors
    /// The first fault found.
    pub fn parse(authority: &'a [u8]) -> Result<Self, HostFault> {
        let text = str::from_utf8(authority).map_err(|_| HostFault::Character)?;
        let (name, port) = split_port(text)?;
        Ok(Self { name: canonical_name(name)?, port })
    }

    /// The host without its port.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The port, if one was written.
    pub const fn port(&self) -> Option<u16> {
        self.port
    }
}

/// The canonical spelling of a host without a port.
///
/// # Errors
/// The first fault found.
pub(in crate::route) fn canonical_name(name: &str) -> Result<Cow<'_, str>, HostFault> {
    if let Some(bracketed) = name.strip_prefix('[') {
        return canonical_address(name, bracketed.strip_suffix(']').ok_or(HostFault::Address)?);
    }
    let name = name.strip_suffix('.').unwrap_or(name);
    if name.is_empty() {
        return Err(HostFault::Empty);
    }
    if name.len() > MAX_HOST_BYTES {
        return Err(HostFault::TooLong);
    }
    name.split('.').try_for_each(check_label)?;
    if ends_in_a_number(name) && name.parse::<Ipv4Addr>().is_err() {
        return Err(HostFault::Address);
    }
    if name.bytes().any(|byte| byte.is_ascii_uppercase()) {
        return Ok(Cow::Owned(name.to_ascii_lowercase()));
    }
    Ok(Cow::Borrowed(name))
}

fn canonical_address<'a>(name: &'a str, address: &str) -> Result<Cow<'a, str>, HostFault> {
    let shortest = address.parse::<Ipv6Addr>().map_err(|_| HostFault::Address)?;
    let canonical = format!("[{shortest}]");
    Ok(if canonical == name { Cow::Borrowed(name) } else { Cow::Owned(canonical) })
}

/// Splits at the colon behind the name; what is wrong with the name itself is for [`canonical_name`] to say.
fn split_port(text: &str) -> Result<(&str, Option<u16>), HostFault> {
    let bracketed = if text.starts_with('[') { text.find(']').ok_or(HostFault::Address)? } else { 0 };
    let Some(colon) = text.bytes().skip(bracketed).position(|byte| byte == b':') else { return Ok((text, None)) };
    let (name, port) = text.split_at(bracketed + colon);
    // A path or a list behind the colon would otherwise be reported as a bad port.
    port.chars().try_for_each(check_separator)?;
    let port = port.strip_prefix(':').and_then(parse_port).ok_or(HostFault::Port)?;
    Ok((name, Some(port)))
}

/// Decimal digits only: the standard library would take a leading `+`.
fn parse_port(digits: &str) -> Option<u16> {
    digits.parse::<u16>().ok().filter(|port| *port != 0 && digits.bytes().all(|byte| byte.is_ascii_digit()))
}

fn check_label(label: &str) -> Result<(), HostFault> {
    label.chars().try_for_each(|character| {
        check_separator(character)?;
        if character.is_ascii_alphanumeric() || matches!(character, '-' | '_') {
            return Ok(());
        }
        Err(HostFault::Character)
    })?;
    match label.len() {
        0 => Err(HostFault::EmptyLabel),
        1..=MAX_LABEL_BYTES => Ok(()),
        _ => Err(HostFault::LongLabel),
    }
}

/// Names what a character that ends a host begins.
fn check_separator(character: char) -> Result<(), HostFault> {
    match character {
        '@' => Err(HostFault::UserInformation),
        ',' => Err(HostFault::List),
        '/' | '\\' | '?' | '#' => Err(HostFault::Path),
        _ => Ok(()),
    }
}

/// Whether a resolver would take the name for an IPv4 address (WHATWG URL, "ends in a number").
fn ends_in_a_number(name: &str) -> bool {
    let last = name.rsplit('.').next().unwrap_or(name);
    let hexadecimal = last.strip_prefix("0x").or_else(|| last.strip_prefix("0X"));
    last.bytes().all(|byte| byte.is_ascii_digit())
        || hexadecimal.is_some_and(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(authority: &str) -> (String, Option<u16>) {
        let host = CanonicalHost::parse(authority.as_bytes()).expect(authority);
        (host.name().to_owned(), host.port())
    }

    #[test]
    fn a_host_has_one_spelling() {
        for (authority, name, port) in [
            ("app.test", "app.test", None),
            ("App.TEST:8443", "app.test", Some(8443)),
            ("app.test.", "app.test", None),
            ("app.test.:80", "app.test", Some(80)),
            ("localhost:1", "localhost", Some(1)),
            ("orders_api", "orders_api", None),
            ("xn--bcher-kva.test", "xn--bcher-kva.test", None),
            ("127.0.0.1:65535", "127.0.0.1", Some(65535)),
            ("[::1]", "[::1]", None),
            ("[0:0::0:1]:443", "[::1]", Some(443)),
            ("[2001:DB8::A]", "[2001:db8::a]", None),
        ] {
            assert_eq!(read(authority), (name.to_owned(), port), "{authority}");
        }
    }

    #[test]
    fn only_another_spelling_costs_an_allocation() {
        let canonical = CanonicalHost::parse(b"app.test:443").expect("a plain host");
        assert!(matches!(canonical.name, Cow::Borrowed(_)));
    }

    #[test]
    fn what_is_not_one_host_is_refused() {
        let long_label = "a".repeat(MAX_LABEL_BYTES + 1);
        let long_host = "a.".repeat(MAX_HOST_BYTES / 2) + "aa";
        for (authority, fault) in [
            ("", HostFault::Empty),
            (".", HostFault::Empty),
            (":80", HostFault::Empty),
            ("a@app.test", HostFault::UserInformation),
            ("user:pw@app.test", HostFault::UserInformation),
            ("app.test/x", HostFault::Path),
            ("app.test:80/x", HostFault::Path),
            ("app.test?x", HostFault::Path),
            ("app.test#x", HostFault::Path),
            ("app.test\\x", HostFault::Path),
            ("app.test, admin.test", HostFault::List),
            ("app.test:80,admin.test", HostFault::List),
            ("app test", HostFault::Character),
            (" app.test", HostFault::Character),
            ("app.test\0", HostFault::Character),
            ("app%2etest", HostFault::Character),
            ("*.test", HostFault::Character),
            ("bücher.test", HostFault::Character),
            ("app..test", HostFault::EmptyLabel),
            ("app.test..", HostFault::EmptyLabel),
            (".test", HostFault::EmptyLabel),
            (&long_label, HostFault::LongLabel),
            (&long_host, HostFault::TooLong),
            ("app.test:", HostFault::Port),
            ("app.test:0", HostFault::Port),
            ("app.test:65536", HostFault::Port),
            ("app.test:+80", HostFault::Port),
            ("app.test:80:80", HostFault::Port),
            ("app.test::80", HostFault::Port),
            ("::1", HostFault::Port),
            ("[::1", HostFault::Address),
            ("[::1]x", HostFault::Address),
            ("[fe80::1%25eth0]", HostFault::Address),
            ("127.1", HostFault::Address),
            ("0x7f.0.0.1", HostFault::Address),
            ("127.0.0.0x1", HostFault::Address),
            ("0177.0.0.1", HostFault::Address),
        ] {
            assert_eq!(CanonicalHost::parse(authority.as_bytes()), Err(fault), "{authority}");
        }
        assert_eq!(CanonicalHost::parse(b"app.test\xff"), Err(HostFault::Character));
    }

    #[test]
    fn a_request_names_exactly_one_host() {
        assert_eq!(CanonicalHost::sole([]), Err(HostFault::Missing));
        assert_eq!(CanonicalHost::sole([b"app.test".as_slice(), b"app.test"]), Err(HostFault::Several));
        assert_eq!(CanonicalHost::sole([b"app.test".as_slice()]).map(|host| host.port()), Ok(None));
    }
}
