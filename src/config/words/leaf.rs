//! How the product's own values are written in TOML; knows no key by name.

use crate::config::raw::{Parse, one_of, words};
use crate::factor;
use crate::identity::{AccountName, Assurance, FactorName, Group};
use crate::oauth::ClientId;
use crate::policy::condition::{Days, InvalidHours};
use crate::pool::Balance;
use crate::route::{CanonicalHost, HostPattern, Methods, PathPattern};
use http::Method;
use ipnet::IpNet;
use jiff::civil;
use jiff::tz::TimeZone;
use std::net::{IpAddr, SocketAddr};
use tracing::Level;
use uuid::Uuid;

fn quoted(text: impl std::fmt::Display) -> String {
    format!("\"{text}\"")
}

impl Parse for SocketAddr {
    fn allowed() -> String {
        "an IP address and a port such as \"127.0.0.1:8080\" or \"[::1]:8080\"".to_owned()
    }

    fn parse(text: &str) -> Result<Self, String> {
        let allowed = || format!("allowed is {}", <Self as Parse>::allowed());
        if let Ok(address) = text.parse() {
            return Ok(address);
        }
        if text.contains("://") {
            return Err(format!("it is written without a scheme; {}", allowed()));
        }
        let host = text.rsplit_once(':').map_or(text, |(host, _)| host);
        match host.trim_matches(['[', ']']).parse::<IpAddr>() {
            Ok(_) => Err(allowed()),
            Err(_) if host.chars().any(char::is_alphabetic) => {
                Err(format!("names are not looked up here; {}", allowed()))
            }
            Err(_) => Err(allowed()),
        }
    }

    fn write(&self) -> String {
        quoted(self)
    }
}

impl Parse for IpNet {
    fn allowed() -> String {
        "a network such as \"10.0.0.0/8\" or one address".to_owned()
    }

    fn parse(text: &str) -> Result<Self, String> {
        let network = text.parse::<IpNet>().or_else(|_| text.parse::<IpAddr>().map(IpNet::from));
        match network {
            Ok(network) if network.trunc() != network => {
                Err(format!("its last bits lie outside the network: write \"{}\" or one address", network.trunc()))
            }
            Ok(network) => Ok(network),
            Err(_) => Err(format!("allowed is {}", <Self as Parse>::allowed())),
        }
    }

    fn write(&self) -> String {
        quoted(self)
    }
}

impl Parse for Group {
    fn allowed() -> String {
        "a group such as \"staff\"".to_owned()
    }

    fn parse(text: &str) -> Result<Self, String> {
        Group::parse(text).map_err(|error| error.to_string())
    }

    fn write(&self) -> String {
        quoted(self)
    }
}

impl Parse for ClientId {
    fn allowed() -> String {
        "1 to 64 letters, digits, or any of . _ -".to_owned()
    }

    fn parse(text: &str) -> Result<Self, String> {
        ClientId::parse(text).ok_or_else(|| format!("a program's name is {}", <Self as Parse>::allowed()))
    }

    fn write(&self) -> String {
        quoted(self)
    }
}

impl Parse for Assurance {
    fn allowed() -> String {
        words(&Self::ALL.map(|level| (level.as_str(), level)))
    }

    fn parse(text: &str) -> Result<Self, String> {
        one_of(text, &Self::ALL.map(|level| (level.as_str(), level)))
    }

    fn write(&self) -> String {
        quoted(self)
    }
}

impl Parse for AccountName {
    fn allowed() -> String {
        "an account's name such as \"ci\"".to_owned()
    }

    fn parse(text: &str) -> Result<Self, String> {
        AccountName::parse(text).map_err(|error| error.to_string())
    }

    fn write(&self) -> String {
        quoted(self)
    }
}

impl Parse for FactorName {
    fn allowed() -> String {
        words(&factor::ALL.map(|name| (name.0, name)))
    }

    fn parse(text: &str) -> Result<Self, String> {
        one_of(text, &factor::ALL.map(|name| (name.0, name)))
    }

    fn write(&self) -> String {
        quoted(self)
    }
}

impl Parse for Uuid {
    fn allowed() -> String {
        "an AAGUID such as \"2fc0579f-8113-47ea-b116-bb5a8db9202a\"".to_owned()
    }

    fn parse(text: &str) -> Result<Self, String> {
        text.parse().map_err(|_| format!("allowed is {}", <Self as Parse>::allowed()))
    }

    fn write(&self) -> String {
        quoted(self)
    }
}

impl Parse for Balance {
    fn allowed() -> String {
        words(&Self::ALL)
    }

    fn parse(text: &str) -> Result<Self, String> {
        one_of(text, &Self::ALL)
    }

    fn write(&self) -> String {
        quoted(Self::ALL.iter().find(|(_, balance)| balance == self).map_or("", |(word, _)| word))
    }
}

/// The levels that the log knows. `trace` is not among them: it is for whoever changes the engine.
const LEVELS: [(&str, Level); 4] =
    [("error", Level::ERROR), ("warn", Level::WARN), ("info", Level::INFO), ("debug", Level::DEBUG)];

impl Parse for Level {
    fn allowed() -> String {
        words(&LEVELS)
    }

    fn parse(text: &str) -> Result<Self, String> {
        one_of(text, &LEVELS)
    }

    fn write(&self) -> String {
        quoted(self.as_str().to_lowercase())
    }
}

impl Parse for Method {
    fn allowed() -> String {
        "a method in capitals such as \"GET\"".to_owned()
    }

    fn parse(text: &str) -> Result<Self, String> {
        let allowed = || format!("allowed is {}", <Self as Parse>::allowed());
        Methods::parse(&[text]).map_err(|_| allowed())?;
        Method::from_bytes(text.as_bytes()).map_err(|_| allowed())
    }

    fn write(&self) -> String {
        quoted(self)
    }
}

impl Parse for HostPattern {
    fn allowed() -> String {
        "a host such as \"app.example.com\" or \"*.example.com\"".to_owned()
    }

    fn parse(text: &str) -> Result<Self, String> {
        HostPattern::parse(text).map_err(|error| error.to_string())
    }

    fn write(&self) -> String {
        quoted(self)
    }
}

impl Parse for PathPattern {
    fn allowed() -> String {
        "a path such as \"/api/**\"".to_owned()
    }

    fn parse(text: &str) -> Result<Self, String> {
        PathPattern::parse(text).map_err(|error| error.to_string())
    }

    fn write(&self) -> String {
        quoted(self.as_str())
    }
}

/// A path pattern that is written as a regular expression.
#[derive(Clone, Debug)]
pub struct Regex(pub PathPattern);

impl Parse for Regex {
    fn allowed() -> String {
        "a regular expression over the whole path".to_owned()
    }

    fn parse(text: &str) -> Result<Self, String> {
        PathPattern::parse_regex(text).map(Regex).map_err(|error| error.to_string())
    }

    fn write(&self) -> String {
        format!("{:?}", self.0.as_str())
    }
}

/// The path that a probe asks for.
#[derive(Clone, Debug)]
pub struct ProbePath(pub String);

impl Parse for ProbePath {
    fn allowed() -> String {
        "a path such as \"/healthz\"".to_owned()
    }

    fn parse(text: &str) -> Result<Self, String> {
        let plain = text.starts_with('/') && !text.contains('#') && text.parse::<http::uri::PathAndQuery>().is_ok();
        let probe = plain.then(|| ProbePath(text.to_owned()));
        probe.ok_or_else(|| format!("allowed is {}", <Self as Parse>::allowed()))
    }

    fn write(&self) -> String {
        quoted(&self.0)
    }
}

/// The host that a probe names.
#[derive(Clone, Debug)]
pub struct ProbeHost(pub String);

impl Parse for ProbeHost {
    fn allowed() -> String {
        "a host such as \"orders.internal\"".to_owned()
    }

    fn parse(text: &str) -> Result<Self, String> {
        let refused = |fault| format!("{fault}; allowed is {}", <Self as Parse>::allowed());
        CanonicalHost::parse(text.as_bytes()).map(|_| ProbeHost(text.to_owned())).map_err(refused)
    }

    fn write(&self) -> String {
        quoted(&self.0)
    }
}

impl Parse for Days {
    fn allowed() -> String {
        "days such as \"mon-fri\" or \"mon,wed,sat-sun\"".to_owned()
    }

    fn parse(text: &str) -> Result<Self, String> {
        Days::parse(text).map_err(|error| error.to_string())
    }

    fn write(&self) -> String {
        quoted(self)
    }
}

impl Parse for civil::Time {
    fn allowed() -> String {
        "a time of day such as \"07:00\"".to_owned()
    }

    fn parse(text: &str) -> Result<Self, String> {
        text.parse().map_err(|_| InvalidHours::TimeOfDay.to_string())
    }

    fn write(&self) -> String {
        quoted(self.strftime("%H:%M"))
    }
}

impl Parse for TimeZone {
    fn allowed() -> String {
        "a time zone such as \"Europe/Berlin\" or \"UTC\"".to_owned()
    }

    fn parse(text: &str) -> Result<Self, String> {
        TimeZone::get(text).map_err(|_| InvalidHours::Zone.to_string())
    }

    fn write(&self) -> String {
        quoted(self.iana_name().unwrap_or("UTC"))
    }
}
