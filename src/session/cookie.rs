//! The gateway's own cookies: their names, strict reading, and removal before anything is forwarded; knows no token.
//!
//! Reading is by bytes: an exact name, no trimming but the single space after `;`, no quotes, no `$` attributes, and a
//! name that occurs twice counts as absent (cookie tossing).

use std::time::Duration;

/// Whether a connection is encrypted, as the person's browser sees it: decides the name's prefix and `Secure`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// `https`.
    Secure,
    /// `http`, which is served to people on `localhost` only.
    Plain,
}

impl Transport {
    /// The origin of a host that is reached this way, as browsers write it; a port only if the address names one.
    pub fn origin(self, host: &str, port: Option<u16>) -> String {
        let scheme = match self {
            Transport::Secure => "https",
            Transport::Plain => "http",
        };
        port.map_or_else(|| format!("{scheme}://{host}"), |port| format!("{scheme}://{host}:{port}"))
    }
}

/// The cookies the gateway sets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Name {
    /// The session, one for each host.
    Session,
    /// A sign-in under way, on the portal's host.
    Attempt,
    /// Where to go after a sign-in, sealed, on the portal's host.
    Destination,
    /// Binds a hand-off to the browser that asked for it, on a service's host.
    Binding,
    /// Ties the forms of a sign-in to the browser they were sent to, on the portal's host.
    Form,
    /// Which accounts were signed in to with this browser, signed, on the portal's host.
    Device,
    /// That a recovery code let the session in, signed, on the portal's host.
    Recovered,
    /// What was done a moment ago, signed, on the portal's host.
    News,
}

const PREFIX: &str = "__Host-";

/// In every name of ours.
const OURS: &[u8] = b"portcullis";

impl Name {
    /// The name as it stands in headers.
    pub const fn on(self, transport: Transport) -> &'static str {
        match (self, transport) {
            (Name::Session, Transport::Secure) => "__Host-portcullis",
            (Name::Session, Transport::Plain) => "portcullis",
            (Name::Attempt, Transport::Secure) => "__Host-portcullis-attempt",
            (Name::Attempt, Transport::Plain) => "portcullis-attempt",
            (Name::Destination, Transport::Secure) => "__Host-portcullis-to",
            (Name::Destination, Transport::Plain) => "portcullis-to",
            (Name::Binding, Transport::Secure) => "__Host-portcullis-binding",
            (Name::Binding, Transport::Plain) => "portcullis-binding",
            (Name::Form, Transport::Secure) => "__Host-portcullis-form",
            (Name::Form, Transport::Plain) => "portcullis-form",
            (Name::Device, Transport::Secure) => "__Host-portcullis-device",
            (Name::Device, Transport::Plain) => "portcullis-device",
            (Name::Recovered, Transport::Secure) => "__Host-portcullis-recovered",
            (Name::Recovered, Transport::Plain) => "portcullis-recovered",
            (Name::News, Transport::Secure) => "__Host-portcullis-news",
            (Name::News, Transport::Plain) => "portcullis-news",
        }
    }
}

/// Whether a cookie's name is reserved for the gateway, in any case and with or without the prefix: such cookies are
/// neither forwarded nor accepted from services.
pub fn is_reserved(name: &[u8]) -> bool {
    let prefixed = name.len() > PREFIX.len() && name[..PREFIX.len()].eq_ignore_ascii_case(PREFIX.as_bytes());
    let bare = if prefixed { &name[PREFIX.len()..] } else { name };
    bare.len() >= OURS.len()
        && bare[..OURS.len()].eq_ignore_ascii_case(OURS)
        && matches!(bare.get(OURS.len()), None | Some(b'-'))
}

/// The value of the cookie `name` in the `Cookie` fields of a request; `None` if it is absent or occurs twice.
pub fn find<'a>(fields: impl Iterator<Item = &'a [u8]>, name: &str) -> Option<&'a [u8]> {
    let mut found = None;
    for (own, value) in fields.flat_map(pairs) {
        if own == name.as_bytes() {
            if found.is_some() {
                return None;
            }
            found = Some(value);
        }
    }
    found
}

/// What is left of the `Cookie` fields when ours are taken out, joined as RFC 9113 §8.2.3 asks; `None` if nothing is.
pub fn without_ours<'a>(fields: impl Iterator<Item = &'a [u8]>) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    for crumb in fields.flat_map(crumbs) {
        let name = crumb.split(|byte| *byte == b'=').next().unwrap_or_default();
        if crumb.is_empty() || is_reserved(name.trim_ascii()) {
            continue;
        }
        if !out.is_empty() {
            out.extend_from_slice(b"; ");
        }
        out.extend_from_slice(crumb);
    }
    (!out.is_empty()).then_some(out)
}

/// Whether a field holds no cookie of ours: then it may be forwarded as it is.
pub fn is_foreign(field: &[u8]) -> bool {
    // Every reserved name contains this; a search is cheaper than taking the field apart.
    !memchr::memchr2_iter(b'p', b'P', field)
        .any(|at| field.get(at..at + OURS.len()).is_some_and(|word| word.eq_ignore_ascii_case(OURS)))
}

/// The value of a `Set-Cookie` field that sets `name`. Without `life` it lasts as long as the browser.
pub fn set(name: Name, transport: Transport, value: &str, life: Option<Duration>) -> String {
    let secure = match transport {
        Transport::Secure => "; Secure",
        Transport::Plain => "",
    };
    let age = life.map_or(String::new(), |life| format!("; Max-Age={}", life.as_secs()));
    format!("{}={value}; Path=/{secure}; HttpOnly; SameSite=Lax{age}", name.on(transport))
}

/// The value of a `Set-Cookie` field that removes `name`.
pub fn clear(name: Name, transport: Transport) -> String {
    set(name, transport, "", Some(Duration::ZERO))
}

fn crumbs(field: &[u8]) -> impl Iterator<Item = &[u8]> {
    field.split(|byte| *byte == b';').map(|crumb| crumb.strip_prefix(b" ").unwrap_or(crumb))
}

fn pairs(field: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    crumbs(field).filter_map(|crumb| {
        let at = crumb.iter().position(|byte| *byte == b'=')?;
        Some((&crumb[..at], &crumb[at + 1..]))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found<'a>(fields: &'a [&'a str]) -> Option<&'a [u8]> {
        find(fields.iter().map(|field| field.as_bytes()), "__Host-portcullis")
    }

    #[test]
    fn a_cookie_is_found_in_any_field() {
        assert_eq!(found(&["a=1; __Host-portcullis=x", "b=2"]), Some(&b"x"[..]));
        assert_eq!(found(&["a=1", "__Host-portcullis=x"]), Some(&b"x"[..]));
    }

    #[test]
    fn a_name_that_occurs_twice_counts_as_absent() {
        assert_eq!(found(&["__Host-portcullis=x; __Host-portcullis=y"]), None);
        assert_eq!(found(&["__Host-portcullis=x", "__Host-portcullis=x"]), None);
    }

    #[test]
    fn no_other_spelling_is_read() {
        assert_eq!(found(&["\u{2000}__Host-portcullis=x"]), None);
        assert_eq!(found(&["__host-portcullis=x"]), None);
        assert_eq!(found(&["$Version=1; $__Host-portcullis=x"]), None);
        assert_eq!(found(&["  __Host-portcullis=x"]), None);
    }

    #[test]
    fn every_spelling_of_ours_is_taken_out_and_the_rest_is_joined() {
        let fields = ["a=1; __Host-portcullis=x; b=2", "PORTCULLIS-attempt=3", "c"];
        let left = without_ours(fields.iter().map(|field| field.as_bytes()));
        assert_eq!(left.as_deref(), Some(&b"a=1; b=2; c"[..]));
        assert_eq!(without_ours([&b"portcullis=x"[..]].into_iter()), None);
        assert!(!is_reserved(b"portcullises") && !is_reserved(b"my-portcullis"));
    }

    #[test]
    fn cookies_are_host_bound_and_out_of_scripts_reach() {
        let text = set(Name::Session, Transport::Secure, "v", None);
        assert_eq!(text, "__Host-portcullis=v; Path=/; Secure; HttpOnly; SameSite=Lax");
        assert!(clear(Name::Session, Transport::Plain).ends_with("Max-Age=0"));
    }
}
