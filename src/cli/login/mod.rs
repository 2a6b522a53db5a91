//! `login`: signs in to an origin behind any gateway, keeps the tokens, and hands them to commands; knows no state and no
//! configuration of a gateway.

mod aim;
mod asking;
mod challenge;
mod client;
mod curl;
mod device;
mod discovery;
mod grant;
mod handing;
mod kept;
mod proof;
mod step;

use super::ending::{Ending, Stopped};
use super::output::Output;
use crate::stdx::clock::{Clock, SystemClock};
use aim::{Aim, Origin};
use asking::Http;
use client::{Approver, Client};
use discovery::Binding;
use handing::Fields;
use http::Method;
use kept::{Folder, Unread};
use serde_json::json;
use std::ffi::OsString;
use std::io::{self, IsTerminal};
use std::path::PathBuf;
use url::Url;

/// What the help ends with.
pub const EXAMPLES: &str = "\
Examples:
  portcullis login https://app.example.com
  portcullis login --exec -- curl https://app.example.com/orders
  portcullis login https://app.example.com/orders --print-header --method POST
  portcullis login https://app.example.com --logout";

/// What `login` may be told.
#[derive(Debug, clap::Args)]
#[command(group(clap::ArgGroup::new("what").args(["print_header", "exec", "logout", "list"])))]
pub struct Arguments {
    /// The service, or a request to it; with --exec, else the first address among the command's words
    #[arg(value_parser = aim::address, required_unless_present_any = ["list", "exec"], conflicts_with = "list")]
    url: Option<Url>,
    /// Print the header fields of one request to URL, and nothing else
    #[arg(long)]
    print_header: bool,
    /// Run a command with the token: curl sends it, others find $PORTCULLIS_AUTHORIZATION and $PORTCULLIS_DPOP
    #[arg(long, requires = "command")]
    exec: bool,
    /// End the session, and forget the tokens
    #[arg(long)]
    logout: bool,
    /// List what is kept, without secrets
    #[arg(long)]
    list: bool,
    /// The method of the request, if curl's words do not tell
    #[arg(long, value_name = "METHOD", conflicts_with_all = ["logout", "list"])]
    method: Option<Method>,
    /// Do not wait for a person to approve a sign-in, but end with 1; so where standard input is no terminal, unless the
    /// steps are told as --json
    #[arg(long, requires = "what", conflicts_with_all = ["logout", "list"])]
    no_input: bool,
    /// Sign in for tokens that need no proof of a key
    #[arg(long, conflicts_with_all = ["logout", "list"])]
    bearer: bool,
    /// A file with roots to trust beside the system's, PEM
    #[arg(long, value_name = "FILE", conflicts_with = "list")]
    ca: Option<PathBuf>,
    /// The command
    #[arg(last = true, requires = "exec")]
    command: Vec<OsString>,
}

/// Signs in, or does with the tokens what was asked.
pub async fn login(arguments: Arguments, out: &Output) -> anyhow::Result<Ending> {
    let done = match &arguments.command[..] {
        _ if arguments.list => list(out),
        [program, words @ ..] => exec(&arguments, (program, words), out).await,
        [] => match &arguments.url {
            Some(url) if arguments.print_header => print_header(&arguments, url, out).await,
            Some(url) if arguments.logout => sign_out(&arguments, url, out).await,
            Some(url) => sign_in(&arguments, url, out).await,
            None => Err(Stopped::misuse("say to which service, as https://app.example.com")),
        },
    };
    // A file that somebody has to mend is no failure of the machinery.
    done.map_err(|error| match error.downcast_ref::<Unread>() {
        Some(unread) => Stopped::no(unread.to_string()),
        None => error,
    })
}

async fn sign_in(arguments: &Arguments, url: &Url, out: &Output) -> anyhow::Result<Ending> {
    arguments.client(origin(url)?, *out)?.sign_in_anew().await?;
    Ok(Ending::Fine)
}

async fn print_header(arguments: &Arguments, url: &Url, out: &Output) -> anyhow::Result<Ending> {
    let method = arguments.method.clone().unwrap_or(Method::GET);
    let aim = Aim::at(url, method).map_err(Stopped::misuse)?;
    arguments.fields(&aim, out).await?.print(out)?;
    Ok(Ending::Fine)
}

async fn exec(
    arguments: &Arguments,
    (program, words): (&OsString, &[OsString]),
    out: &Output,
) -> anyhow::Result<Ending> {
    let aim = aim_of(arguments, (program, words)).map_err(Stopped::misuse)?;
    Err(arguments.fields(&aim, out).await?.become_command(program, words, &aim))
}

/// The request that a command will send. A proof is good for one address, so curl's own counts more than the one that
/// was given beside it; and a token is for one origin, so curl may ask no other.
fn aim_of(arguments: &Arguments, (program, words): (&OsString, &[OsString])) -> Result<Aim, String> {
    let is_curl = curl::is_curl(program);
    let asked = if is_curl { curl::of_curl(words) } else { curl::of_any(words) };
    let (own, given) = (asked.urls.first(), arguments.url.as_ref());
    let url = if is_curl { own.or(given) } else { given.or(own) };
    let url = url.ok_or("there is no address among the command's words; give one before --exec")?;
    let method = arguments.method.clone().or_else(|| asked.method());
    let aim = Aim::at(url, method.ok_or("the method that curl is given is none")?)?;
    let elsewhere = if is_curl { asked.urls.iter().chain(given).find(|url| !aim.origin.has(url)) } else { None };
    match elsewhere {
        Some(url) => Err(format!("curl would carry the token for {} to {url}: ask one service at a time", aim.origin)),
        None => Ok(aim),
    }
}

async fn sign_out(arguments: &Arguments, url: &Url, out: &Output) -> anyhow::Result<Ending> {
    let origin = origin(url)?;
    let revoked = match arguments.client(origin.clone(), *out)?.sign_out().await? {
        Some(revoked) => revoked,
        None => return Err(Stopped::no(format!("nothing is kept for {origin}"))),
    };
    let told = |ended: &str| json!({ "step": "signed-out", "origin": origin.as_str(), "session": ended });
    match revoked {
        Ok(()) => {
            let text = format!("signed out of {origin}: the session is ended and the tokens are forgotten");
            out.say(&text, || told("ended"))?;
            Ok(Ending::Fine)
        }
        Err(error) => {
            out.say(&format!("the tokens for {origin} are forgotten here"), || told("unknown"))?;
            Err(error)
        }
    }
}

fn list(out: &Output) -> anyhow::Result<Ending> {
    out.show(&step::Listed { kept: &Folder::of_user()?.all()?, now: SystemClock.now() })?;
    Ok(Ending::Fine)
}

impl Arguments {
    fn client(&self, origin: Origin, told: Output) -> anyhow::Result<Client> {
        let http = Http::open(&origin, self.ca.as_deref())?;
        let binding = if self.bearer { Binding::Bearer } else { Binding::Key };
        Ok(Client { http, folder: Folder::of_user()?, origin, binding, told, approver: self.approver(&told) })
    }

    /// Whoever signs in by hand waits for it. A command that hands something over may run where nobody would see what it
    /// waits for; a program that reads the steps tells somebody.
    fn approver(&self, told: &Output) -> Approver {
        let hands_over = self.print_header || self.exec;
        let alone = self.no_input || (hands_over && !told.is_for_scripts() && !io::stdin().is_terminal());
        if alone { Approver::Nobody } else { Approver::Somebody }
    }

    /// The fields of a request that the gateway will admit. What happens on the way is told beside standard output.
    async fn fields(&self, aim: &Aim, out: &Output) -> anyhow::Result<Fields> {
        let mut client = self.client(aim.origin.clone(), out.aside())?;
        let kept = client.ready(aim).await?;
        Fields::of(aim, &kept, &client.http)
    }
}

fn origin(url: &Url) -> anyhow::Result<Origin> {
    Origin::of(url).map_err(Stopped::misuse)
}

#[cfg(test)]
mod tests;
