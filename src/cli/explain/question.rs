//! The request that is explained: what was typed, read as a client would send it. Judges nothing.

use super::Arguments;
use super::somebody::{Asks, Somebody};
use crate::edition::Plan;
use crate::identity::SessionId;
use crate::policy::{Caller, Facts};
use crate::stdx::clock::Time;
use http::{HeaderMap, Method};
use std::net::IpAddr;

/// A URL, taken apart but not repaired: the gateway shall see what was typed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    /// `https` or `http`.
    pub scheme: &'static str,
    /// Host and port.
    pub authority: String,
    /// Path and query.
    pub target: String,
}

impl Address {
    /// Reads `[scheme://]host[:port][/path][?query][#fragment]`. The fragment is dropped, as every client does.
    ///
    /// # Errors
    /// If the scheme is another than `https` or `http`, or there is no host.
    pub fn parse(text: &str) -> Result<Self, String> {
        let (scheme, rest) = match text.split_once("://") {
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case("https") => ("https", rest),
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case("http") => ("http", rest),
            Some((scheme, _)) if !scheme.contains('/') => {
                return Err(format!("{scheme:?} is no scheme of ours: a URL begins with https:// or http://"));
            }
            Some(_) | None => ("https", text),
        };
        let sent = rest.split('#').next().unwrap_or(rest);
        let end = sent.find(['/', '?']).unwrap_or(sent.len());
        let (authority, target) = sent.split_at(end);
        if authority.is_empty() {
            return Err("a URL with a scheme and a host is needed".to_owned());
        }
        let slash = if target.starts_with('/') { "" } else { "/" };
        Ok(Address { scheme, authority: authority.to_owned(), target: format!("{slash}{target}") })
    }
}

/// A request to be judged.
pub struct Question {
    /// Where it goes.
    pub address: Address,
    /// What it wants to do.
    pub method: Method,
    /// Its header fields.
    pub headers: HeaderMap,
    /// Where it comes from.
    pub client: IpAddr,
    /// When.
    pub now: Time,
    /// Who asks.
    pub asks: Asks,
    /// What was assumed.
    pub notes: Vec<String>,
}

impl Question {
    /// The request that the command line describes.
    ///
    /// # Errors
    /// If the account is unknown, or the store cannot be asked for it.
    pub async fn new(address: Address, arguments: &Arguments, (plan, now): (&Plan, Time)) -> anyhow::Result<Self> {
        let mut headers = HeaderMap::new();
        for (name, value) in &arguments.headers {
            headers.append(name, value.clone());
        }
        let client = arguments.from.to_canonical();
        let mut notes = Vec::new();
        let asks = Asks::new(arguments, (plan, now), &mut notes).await?;
        Ok(Question { address, method: arguments.method.clone(), headers, client, now, asks, notes })
    }

    /// What policies are judged by.
    pub fn facts(&self) -> Facts<'_> {
        let caller = match &self.asks {
            Asks::Nobody | Asks::Disabled(_) => None,
            Asks::Somebody(Somebody { account, proofs, carrier, .. }) => {
                Some(Caller { session: SessionId::new([0; 16]), account, proofs, carrier: *carrier })
            }
        };
        Facts { now: self.now, caller, client: self.client, method: &self.method }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_taken_apart_and_not_repaired() {
        for (text, scheme, authority, target) in [
            ("https://app.test/a/../b;x?q=1#part", "https", "app.test", "/a/../b;x?q=1"),
            ("HTTP://App.test:8080", "http", "App.test:8080", "/"),
            ("app.test/a//b", "https", "app.test", "/a//b"),
            ("https://app.test?q", "https", "app.test", "/?q"),
            ("app.test/?to=https://a.test/", "https", "app.test", "/?to=https://a.test/"),
        ] {
            let address = Address::parse(text).expect(text);
            assert_eq!((address.scheme, &*address.authority, &*address.target), (scheme, authority, target), "{text}");
        }
        assert!(Address::parse("ftp://app.test/").is_err());
        for text in ["/admin", "https:///admin", "", "?q"] {
            assert_eq!(Address::parse(text), Err("a URL with a scheme and a host is needed".to_owned()), "{text}");
        }
    }
}
