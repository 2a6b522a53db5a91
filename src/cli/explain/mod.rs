//! `explain`: what the gateway would decide about a request, or did decide about one it refused, condition by condition;
//! decides nothing itself.

mod decision;
mod question;
mod report;
mod verdict;

use super::ending::Ending;
use super::output::Output;
use super::settings::ConfigFile;
use crate::edge::DecisionId;
use crate::identity::{AccountName, Assurance, Group};
use crate::stdx::clock::{Clock, SystemClock, Time};
use http::{HeaderName, HeaderValue, Method};
use question::{Address, Question};
use std::net::IpAddr;
use std::time::Duration;

/// What `explain` may be told.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// The URL of a request, or a refusal's id (dec_…)
    #[arg(value_name = "URL|ID", value_parser = Target::parse)]
    target: Target,
    /// The request's method
    #[arg(long, value_name = "M", default_value = "GET", value_parser = method)]
    method: Method,
    /// A header of the request; may be given several times
    #[arg(long = "header", short = 'H', value_name = "NAME:VALUE", value_parser = header)]
    headers: Vec<(HeaderName, HeaderValue)>,
    /// Who asks; nobody who is signed in, if not given
    #[arg(long = "as", value_name = "ACCOUNT", value_parser = AccountName::parse)]
    account: Option<AccountName>,
    /// The groups of who asks, instead of those the account has
    #[arg(long, value_name = "A,B", value_delimiter = ',', value_parser = Group::parse)]
    groups: Option<Vec<Group>>,
    /// How strongly they proved who they are: none, one-factor, mfa, phishing-resistant; mfa if somebody asks
    #[arg(long, value_name = "LEVEL", value_parser = Assurance::parse)]
    assurance: Option<Assurance>,
    /// How long ago they did
    #[arg(long, value_name = "D", default_value = "0s", value_parser = humantime::parse_duration)]
    age: Duration,
    /// The address the request comes from
    #[arg(long, value_name = "IP", default_value = "127.0.0.1")]
    from: IpAddr,
    /// When, as in 2026-03-01T14:05:00Z; now, if not given
    #[arg(long, value_name = "TIME", value_parser = time)]
    at: Option<Time>,
    #[command(flatten)]
    config: ConfigFile,
}

/// What is to be explained.
#[derive(Clone, Debug)]
enum Target {
    Request(Address),
    Refusal(DecisionId),
}

impl Target {
    fn parse(text: &str) -> Result<Self, String> {
        if text.starts_with("dec_") {
            return DecisionId::parse(text).map(Target::Refusal).map_err(|error| error.to_string());
        }
        Address::parse(text).map(Target::Request)
    }
}

/// Explains; the ending is `No` if the request is, or was, refused.
pub async fn explain(arguments: &Arguments, out: &Output) -> anyhow::Result<Ending> {
    let address = match &arguments.target {
        Target::Refusal(id) => {
            out.show(&decision::find(&arguments.config, *id).await?)?;
            return Ok(Ending::No);
        }
        Target::Request(address) => address,
    };
    let loaded = arguments.config.load()?;
    let now = arguments.at.unwrap_or_else(|| SystemClock.now());
    let question = Question::new(address.clone(), arguments, (&loaded.plan, now)).await?;
    let report = verdict::judge(&loaded, &question).report(&loaded, &question);
    out.show(&report)?;
    Ok(if report.permitted { Ending::Fine } else { Ending::No })
}

fn method(text: &str) -> Result<Method, String> {
    let method = Method::from_bytes(text.as_bytes()).map_err(|_| format!("{text:?} is no method"))?;
    // Methods are case-sensitive (RFC 9110 §9.1), and whoever types `post` means POST.
    Method::from_bytes(method.as_str().to_ascii_uppercase().as_bytes()).map_err(|error| error.to_string())
}

fn header(text: &str) -> Result<(HeaderName, HeaderValue), String> {
    let (name, value) = text.split_once(':').ok_or("a header is written NAME:VALUE")?;
    let name = HeaderName::try_from(name.trim()).map_err(|_| format!("{name:?} is no header name"))?;
    let value = HeaderValue::try_from(value.trim()).map_err(|_| format!("{value:?} is no header value"))?;
    Ok((name, value))
}

fn time(text: &str) -> Result<Time, String> {
    let stamp: jiff::Timestamp = text.parse().map_err(|_| "a time is written like 2026-03-01T14:05:00Z".to_owned())?;
    u64::try_from(stamp.as_millisecond()).map(Time::from_millis).map_err(|_| "that is before 1970".to_owned())
}

#[cfg(test)]
mod tests;
