//! `explain`: what the gateway would decide about a request, or did decide about one it refused, condition by condition;
//! decides nothing itself.

mod decision;
mod question;
mod report;
mod somebody;
mod verdict;

use super::ending::Ending;
use super::home::Home;
use super::moment;
use super::output::Output;
use crate::config;
use crate::edge::{DecisionId, RequestId};
use crate::identity::{AccountName, Assurance, Group};
use crate::stdx::clock::{Clock, SystemClock, Time};
use http::{HeaderName, HeaderValue, Method};
use question::{Address, Question};
use std::net::IpAddr;
use std::time::Duration;

/// What `explain` may be told.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// The URL of a request, or the id of a refusal (dec_…) or of a refused request (req_…)
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
    /// How strongly they proved who they are: none, one-factor, mfa, phishing-resistant; if not given, all that the account
    /// can prove, and mfa for one that is made up
    #[arg(long, value_name = "LEVEL", value_parser = Assurance::parse)]
    assurance: Option<Assurance>,
    /// What carries their session; a cookie, or of a service account a token, if not given
    #[arg(long, value_enum)]
    by: Option<By>,
    /// How long ago they did
    #[arg(long, value_name = "D", default_value = "0s", value_parser = config::duration)]
    age: Duration,
    /// The address the request comes from
    #[arg(long, value_name = "IP", default_value = "127.0.0.1")]
    from: IpAddr,
    /// When, as in 2026-03-01T14:05:00Z; now, if not given
    #[arg(long, value_name = "TIME", value_parser = moment::parse)]
    at: Option<Time>,
    #[command(flatten)]
    home: Home,
}

/// What carries a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum By {
    /// A browser's cookie
    Cookie,
    /// A token that whoever holds it may use
    Bearer,
    /// A token with a proof of the key, or the client certificate, that it is bound to
    Dpop,
}

/// What is to be explained.
#[derive(Clone, Debug)]
enum Target {
    Request(Address),
    Happened(Id),
}

/// The name of something that happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Id {
    Refusal(DecisionId),
    Request(RequestId),
}

impl Target {
    fn parse(text: &str) -> Result<Self, String> {
        let id = match text.split_once('_') {
            Some((DecisionId::PREFIX, _)) => DecisionId::parse(text).map(Id::Refusal),
            Some((RequestId::PREFIX, _)) => RequestId::parse(text).map(Id::Request),
            Some(_) | None => return Address::parse(text).map(Target::Request),
        };
        id.map(Target::Happened).map_err(|error| format!("mistyped: it is {error}"))
    }
}

/// Explains; the ending is `No` if the request is, or was, refused.
pub async fn explain(arguments: &Arguments, out: &Output) -> anyhow::Result<Ending> {
    let address = match &arguments.target {
        Target::Happened(id) => {
            let report = match id {
                Id::Refusal(id) => decision::find(&arguments.home, *id).await?,
                Id::Request(id) => decision::of_request(&arguments.home.config, *id).await?,
            };
            out.show(&report)?;
            return Ok(Ending::No);
        }
        Target::Request(address) => address,
    };
    let loaded = arguments.home.config.answer_from(out).await?;
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

#[cfg(test)]
mod tests;
