//! What a program says of itself: its name, where a code is sent, what its tokens are for; believes none of it.

use std::fmt;
use url::{Host, Url};

/// The longest name, and the longest address.
const LONGEST: (usize, usize) = (64, 2048);

/// The name that a program goes by. Nothing vouches for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientId(Box<str>);

impl ClientId {
    /// Reads a name: 1 to 64 letters, digits, or any of `. _ -`.
    pub fn parse(text: &str) -> Option<Self> {
        let plain = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte));
        (plain && (1..=LONGEST.0).contains(&text.len())).then(|| ClientId(text.into()))
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ClientId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Where a code is sent: an address on the very machine that the browser runs on (RFC 8252 §7.3), by number, because a
/// name may lead elsewhere (§8.3).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Redirect {
    text: Box<str>,
    origin: usize,
}

impl Redirect {
    /// Reads `http://127.0.0.1:PORT/…` or `http://[::1]:PORT/…`, without a fragment.
    pub fn parse(text: &str) -> Option<Self> {
        let loopbacks = ["http://127.0.0.1:", "http://[::1]:"];
        let host = loopbacks.into_iter().find(|host| text.starts_with(host))?;
        let rest = &text[host.len()..];
        let (port, path) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
        let numeric = !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit()) && !port.starts_with('0');
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:@/?%".contains(&byte);
        let sound = path.bytes().all(plain) && text.len() <= LONGEST.1;
        if !numeric || port.parse::<u16>().is_err() || !sound {
            return None;
        }
        Some(Redirect { text: text.into(), origin: host.len() + port.len() })
    }

    /// As it was sent.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// `http://host:port`.
    pub fn origin(&self) -> &str {
        &self.text[..self.origin]
    }

    /// The address with more in its query.
    pub fn with(&self, parameters: &[(&str, &str)]) -> String {
        let encode = |text| percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC);
        let mut address = self.text.to_string();
        for (name, value) in parameters {
            address.push(if address.contains('?') { '&' } else { '?' });
            address.push_str(&format!("{name}={}", encode(value)));
        }
        address
    }
}

/// What tokens are for (RFC 8707): the origin of one host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resource {
    /// `scheme://host[:port]`.
    pub origin: String,
    /// The host alone, canonical.
    pub host: String,
}

impl Resource {
    /// Reads an origin: `https`, or `http` on `localhost` and below it, with nothing behind it but a slash.
    pub fn parse(text: &str) -> Option<Self> {
        let url = Url::parse(text).ok().filter(|_| text.len() <= LONGEST.1)?;
        let Some(Host::Domain(host)) = url.host() else { return None };
        let local = host == "localhost" || host.ends_with(".localhost");
        let scheme = url.scheme() == "https" || (url.scheme() == "http" && local);
        let bare = url.path() == "/" && url.query().is_none() && url.fragment().is_none();
        let nobody = url.username().is_empty() && url.password().is_none();
        (scheme && bare && nobody)
            .then(|| Resource { origin: url.origin().ascii_serialization(), host: host.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_short_and_plain() {
        assert!(ClientId::parse("my-tool_1.0").is_some());
        for odd in ["", "a b", "a<b", "ä", "a/b", &"a".repeat(65)] {
            assert!(ClientId::parse(odd).is_none(), "{odd}");
        }
    }

    #[test]
    fn a_code_is_sent_to_this_machine_alone() {
        let origin = |text: &str| Redirect::parse(text).map(|redirect| redirect.origin().to_owned());
        assert_eq!(origin("http://127.0.0.1:8080/back?a=b").as_deref(), Some("http://127.0.0.1:8080"));
        assert_eq!(origin("http://[::1]:1").as_deref(), Some("http://[::1]:1"));
        for odd in [
            "https://127.0.0.1:8080/",
            "http://127.0.0.1/",
            "http://127.0.0.1:/",
            "http://127.0.0.1:0/",
            "http://127.0.0.1:65536/",
            "http://127.0.0.1:080/",
            "http://127.0.0.1:80@evil.test/",
            "http://127.0.0.1:80.evil.test/",
            "http://127.0.0.1:80\\@evil.test/",
            "http://127.0.0.1:80/#part",
            "http://127.0.0.1:80/a b",
            "http://127.0.0.1:80/\r\nSet-Cookie: a",
            "http://127.0.0.2:80/",
            "http://localhost:80/",
            "http://[::1]:80:80/",
            "HTTP://127.0.0.1:80/",
            "my-app:/back",
            "",
        ] {
            assert_eq!(origin(odd), None, "{odd}");
        }
    }

    #[test]
    fn what_is_added_to_an_address_stays_a_value() {
        let to = |text: &str| Redirect::parse(text).expect("an address").with(&[("code", "a"), ("state", "b&c=d\n")]);
        assert_eq!(to("http://127.0.0.1:1/"), "http://127.0.0.1:1/?code=a&state=b%26c%3Dd%0A");
        assert_eq!(to("http://127.0.0.1:1/?x"), "http://127.0.0.1:1/?x&code=a&state=b%26c%3Dd%0A");
    }

    #[test]
    fn a_resource_is_an_origin_that_may_carry_a_token() {
        let origin = |text: &str| Resource::parse(text).map(|resource| resource.origin);
        assert_eq!(origin("https://App.example.com:443/").as_deref(), Some("https://app.example.com"));
        assert_eq!(origin("http://app.localhost:81").as_deref(), Some("http://app.localhost:81"));
        for odd in ["http://app.example.com", "https://a.test/b", "https://a.test/?b", "https://a@a.test/", "a.test"] {
            assert_eq!(origin(odd), None, "{odd}");
        }
    }
}
