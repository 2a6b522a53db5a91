//! A route's host: one name, or every name below one; does no IDNA and looks nothing up.

use std::fmt;

use crate::route::canonical::{HostFault, canonical_name};

/// One host (`app.example.com`, an IP address, `localhost`), or with `*.` in front every host with one or more labels
/// before the rest, as in nginx and Envoy: `*.example.com` is `a.example.com` and `a.b.example.com`, not `example.com`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct HostPattern {
    shape: Shape,
    /// Canonical; of a wildcard what follows `*.`.
    name: Box<str>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Shape {
    Exact,
    Wildcard,
}

/// Text that is no host pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidHostPattern {
    #[error("a host is a name like app.example.com, not a URL; the path belongs in `path`")]
    Url,
    #[error("a host is written without a port: a route is for every port the gateway listens on")]
    Port,
    #[error("`*` alone is no host: name the host, or the domain whose hosts are meant, like *.example.com")]
    Everything,
    #[error("`*` is allowed only as the whole first label, like *.example.com")]
    Star,
    #[error("a name outside ASCII is written in its xn-- form, like xn--bcher-kva.example")]
    NonAscii,
    #[error("an IP address has no hosts below it: write the address alone")]
    WildcardAddress,
    #[error("{0}")]
    Name(HostFault),
}

impl HostPattern {
    /// Reads a pattern; capitals and one trailing dot make no difference.
    ///
    /// # Errors
    /// If it is neither a host nor `*.` and a host.
    pub fn parse(text: &str) -> Result<Self, InvalidHostPattern> {
        if !text.is_ascii() {
            return Err(InvalidHostPattern::NonAscii);
        }
        if text.contains('/') {
            return Err(InvalidHostPattern::Url);
        }
        let (shape, name) = match text.strip_prefix("*.") {
            Some(name) => (Shape::Wildcard, name),
            None => (Shape::Exact, text),
        };
        check_stars(text, name)?;
        if has_port(name) {
            return Err(InvalidHostPattern::Port);
        }
        let name: Box<str> = canonical_name(name).map_err(InvalidHostPattern::Name)?.into();
        match shape {
            Shape::Wildcard if is_address(&name) => Err(InvalidHostPattern::WildcardAddress),
            Shape::Wildcard | Shape::Exact => Ok(Self { shape, name }),
        }
    }

    /// Whether the pattern is for every host below its name.
    pub const fn is_wildcard(&self) -> bool {
        matches!(self.shape, Shape::Wildcard)
    }

    /// The host, or of a wildcard what follows `*.`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether a canonical host falls under the pattern.
    pub fn matches(&self, host: &str) -> bool {
        match self.shape {
            Shape::Exact => host == &*self.name,
            Shape::Wildcard => host
                .strip_suffix(&*self.name)
                .and_then(|front| front.strip_suffix('.'))
                .is_some_and(|labels| !labels.is_empty()),
        }
    }

    /// A host that falls under the pattern; of a wildcard one that nobody names.
    pub fn example(&self) -> String {
        match self.shape {
            Shape::Exact => self.name.to_string(),
            Shape::Wildcard => format!("named-by-nobody.{}", self.name),
        }
    }
}

impl fmt::Display for HostPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.shape {
            Shape::Exact => write!(f, "{}", self.name),
            Shape::Wildcard => write!(f, "*.{}", self.name),
        }
    }
}

fn check_stars(text: &str, name: &str) -> Result<(), InvalidHostPattern> {
    match (text, name.contains('*')) {
        ("*" | "*.", _) => Err(InvalidHostPattern::Everything),
        (_, true) => Err(InvalidHostPattern::Star),
        (_, false) => Ok(()),
    }
}

/// Whether digits, and nothing but digits, follow the last colon of a name or of a bracketed address.
fn has_port(name: &str) -> bool {
    name.rsplit_once(':').is_some_and(|(front, digits)| {
        digits.bytes().all(|byte| byte.is_ascii_digit()) && (front.ends_with(']') || !front.contains(':'))
    })
}

/// In a canonical name only an address begins with a bracket or ends in a number.
fn is_address(name: &str) -> bool {
    let last = name.rsplit('.').next().unwrap_or(name);
    name.starts_with('[') || last.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_has_one_spelling() {
        for (text, canonical) in [
            ("App.Example.COM", "app.example.com"),
            ("app.example.com.", "app.example.com"),
            ("*.Example.com", "*.example.com"),
            ("localhost", "localhost"),
            ("*.localhost", "*.localhost"),
            ("127.0.0.1", "127.0.0.1"),
            ("[0::1]", "[::1]"),
            ("xn--bcher-kva.test", "xn--bcher-kva.test"),
        ] {
            assert_eq!(HostPattern::parse(text).expect(text).to_string(), canonical);
        }
    }

    #[test]
    fn a_wildcard_stands_for_one_or_more_labels() {
        let pattern = HostPattern::parse("*.example.com").expect("a wildcard");
        assert!(pattern.matches("a.example.com"));
        assert!(pattern.matches("a.b.example.com"));
        assert!(pattern.matches(&pattern.example()));
        for host in ["example.com", ".example.com", "badexample.com", "a.example.com.evil.test"] {
            assert!(!pattern.matches(host), "{host}");
        }
    }

    #[test]
    fn what_is_no_pattern_is_named() {
        for (text, error) in [
            ("https://app.test", InvalidHostPattern::Url),
            ("app.test/api", InvalidHostPattern::Url),
            ("app.test:8443", InvalidHostPattern::Port),
            ("app.test:", InvalidHostPattern::Port),
            ("[::1]:80", InvalidHostPattern::Port),
            ("*.app.test:80", InvalidHostPattern::Port),
            ("*", InvalidHostPattern::Everything),
            ("*.", InvalidHostPattern::Everything),
            ("a.*.test", InvalidHostPattern::Star),
            ("*a.test", InvalidHostPattern::Star),
            ("*.*.test", InvalidHostPattern::Star),
            ("bücher.test", InvalidHostPattern::NonAscii),
            ("*.0.0.1", InvalidHostPattern::Name(HostFault::Address)),
            ("*.10.0.0.1", InvalidHostPattern::WildcardAddress),
            ("*.[::1]", InvalidHostPattern::WildcardAddress),
            ("", InvalidHostPattern::Name(HostFault::Empty)),
            ("::1", InvalidHostPattern::Name(HostFault::Character)),
            ("a..test", InvalidHostPattern::Name(HostFault::EmptyLabel)),
            ("a b", InvalidHostPattern::Name(HostFault::Character)),
        ] {
            assert_eq!(HostPattern::parse(text), Err(error), "{text}");
        }
    }
}
