//! What a token is asked for: an origin behind a gateway, and one request to it; asks nobody.

use http::Method;
use std::fmt;
use url::{Host, Url};

/// `scheme://host[:port]`: `https`, or `http` on this machine alone, because a token must not travel in the clear.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    text: String,
    url: Url,
}

impl Origin {
    /// The origin of an address.
    ///
    /// # Errors
    /// What is wrong with the address, as a sentence.
    pub fn of(url: &Url) -> Result<Self, String> {
        let local = url.host().is_some_and(|host| is_local(&host));
        match url.scheme() {
            "https" => {}
            "http" if local => {}
            "http" => return Err(format!("{url}: a token goes to https only, or to http on localhost")),
            other => return Err(format!("{url}: {other} is neither https nor http")),
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err("an address with a user name or password in it is not taken".to_owned());
        }
        let text = url.origin().ascii_serialization();
        let url = Url::parse(&text).map_err(|error| format!("{text}: {error}"))?;
        Ok(Origin { text, url })
    }

    /// Reads an origin and nothing more: no path, no slash at its end.
    ///
    /// # Errors
    /// What is wrong with it, as a sentence.
    pub fn parse(text: &str) -> Result<Self, String> {
        let url = Url::parse(text).map_err(|error| format!("{text}: {error}"))?;
        let origin = Self::of(&url)?;
        if origin.text == text { Ok(origin) } else { Err(format!("{text} is not scheme://host[:port]")) }
    }

    /// As it is written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether it is on this machine, where nothing is encrypted.
    pub fn is_plain(&self) -> bool {
        self.url.scheme() == "http"
    }

    /// The address of a path on it.
    pub fn at(&self, path: &str) -> Url {
        let mut url = self.url.clone();
        url.set_path(path);
        url
    }

    /// Whether an address is on it.
    pub fn has(&self, url: &Url) -> bool {
        url.origin() == self.url.origin() && url.username().is_empty() && url.password().is_none()
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Whether a name is this machine's by definition (RFC 6761 §6.3).
pub fn is_local_name(name: &str) -> bool {
    let name = name.trim_end_matches('.');
    name.eq_ignore_ascii_case("localhost") || name.to_ascii_lowercase().ends_with(".localhost")
}

fn is_local(host: &Host<&str>) -> bool {
    match host {
        Host::Domain(name) => is_local_name(name),
        Host::Ipv4(_) | Host::Ipv6(_) => false,
    }
}

/// One request that a token shall be good for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Aim {
    /// Where.
    pub origin: Origin,
    /// The whole address, without a fragment.
    pub url: Url,
    /// How.
    pub method: Method,
}

impl Aim {
    /// A request to an address.
    ///
    /// # Errors
    /// What is wrong with the address, as a sentence.
    pub fn at(url: &Url, method: Method) -> Result<Self, String> {
        let origin = Origin::of(url)?;
        let mut url = url.clone();
        url.set_fragment(None);
        Ok(Aim { origin, url, method })
    }

    /// Path and query.
    pub fn target(&self) -> String {
        let query = self.url.query().map_or_else(String::new, |query| format!("?{query}"));
        format!("{}{query}", self.url.path())
    }
}

/// Reads an address as it is typed.
///
/// # Errors
/// What is wrong with it, as a sentence.
pub fn address(text: &str) -> Result<Url, String> {
    // `app.localhost:8080` is a URL too, of the scheme `app.localhost`.
    if !text.contains("://") {
        let host = text.split(['/', ':', '?']).next().unwrap_or_default();
        let example = match text.starts_with(|c: char| c.is_ascii_alphanumeric()) {
            false => "https://app.example.com".to_owned(),
            true if is_local_name(host) => format!("https://{text} (or http://{text}, on this machine alone)"),
            true => format!("https://{text}"),
        };
        return Err(format!("an address is written with its scheme: {example}"));
    }
    let url =
        Url::parse(text).map_err(|error| format!("{error}; an address is written like https://app.example.com"))?;
    Origin::of(&url).map(|_| url)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origin(text: &str) -> Option<String> {
        Url::parse(text).ok().and_then(|url| Origin::of(&url).ok()).map(|origin| origin.to_string())
    }

    #[test]
    fn a_token_goes_to_https_or_stays_on_this_machine() {
        assert_eq!(origin("https://App.example.com:443/a?b#c").as_deref(), Some("https://app.example.com"));
        assert_eq!(origin("http://app.localhost:8080/").as_deref(), Some("http://app.localhost:8080"));
        for odd in [
            "http://app.example.com/",
            "http://127.0.0.1/",
            "http://localhost.example.com/",
            "ftp://app.example.com/",
            "https://alice@app.example.com/",
            "https://:secret@app.example.com/",
        ] {
            assert_eq!(origin(odd), None, "{odd}");
        }
    }

    #[test]
    fn an_address_without_a_scheme_is_told_with_one() {
        let told = |text: &str| address(text).expect_err("it has none");
        assert!(told("app.example.com:8443/x").ends_with(": https://app.example.com:8443/x"));
        assert!(told("app.localhost:18500").contains("https://app.localhost:18500 (or http://app.localhost:18500"));
        assert!(told("/orders").ends_with(": https://app.example.com"));
    }

    #[test]
    fn an_origin_has_nothing_behind_it() {
        assert!(Origin::parse("https://app.example.com").is_ok());
        for odd in ["https://app.example.com/", "https://app.example.com:443", "https://app.example.com/x", "app"] {
            assert!(Origin::parse(odd).is_err(), "{odd}");
        }
    }

    #[test]
    fn a_request_keeps_its_query_and_loses_its_fragment() {
        let url = Url::parse("https://app.example.com/a%20b?c=d#e").expect("an address");
        let aim = Aim::at(&url, Method::GET).expect("a request");
        assert_eq!((aim.target().as_str(), aim.url.as_str()), ("/a%20b?c=d", "https://app.example.com/a%20b?c=d"));
    }
}
