//! The verbs of the command line: arguments in, text or JSON and an exit code out; knows every room and has no rules of
//! its own.

mod account;
mod audit;
mod audit_verify;
mod check;
mod demo;
mod ending;
mod explain;
mod home;
mod login;
mod moment;
mod opened;
mod output;
mod record;
mod refusal;
mod reload;
mod routes;
mod running;
mod session;
mod settings;
mod status;
mod table;
mod unwritten;
mod worth;

use crate::gateway;
use clap::{CommandFactory, Parser, Subcommand};
use ending::Ending;
use output::{Form, Output};
use serde_json::json;
use settings::ConfigFile;
use std::future::Future;
use std::process::ExitCode;

const AFTER: &str = "\
Exit codes: 0 fine, 1 the answer is no, 2 wrong usage, 3 the machinery failed;
`run` ends with 78 if the configuration has problems.
The configuration is --config FILE, else $PORTCULLIS_CONFIG, else /etc/portcullis/portcullis.toml.";

/// An MFA gate in front of a service fleet.
#[derive(Debug, Parser)]
#[command(name = "portcullis", version, after_help = AFTER, max_term_width = 100)]
struct CommandLine {
    #[command(subcommand)]
    verb: Verb,
    /// Print JSON, for scripts
    #[arg(long, global = true, display_order = 100)]
    json: bool,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Run the gateway, in the foreground
    Run(ConfigFile),
    /// Say everything that is wrong with the configuration; change nothing
    Check(check::Arguments),
    /// Have the running gateway load its configuration again
    Reload(reload::Arguments),
    /// Say how the running gateway stands: edition, last reload, store, pools and their members
    Status(status::Arguments),
    /// Say who may pass, and why not: for a URL, or for a refusal's id
    ///
    /// For a URL the answer is that of the configuration's file, whether or not it was loaded yet.
    Explain(explain::Arguments),
    /// List the routes as they will be matched, most specific first
    ///
    /// They are those of the configuration's file, whether or not it was loaded yet.
    Routes(ConfigFile),
    /// Add, show and change accounts, of people and of programs
    Account(account::Arguments),
    /// List and end sessions
    Session(session::Arguments),
    /// Read the record of security events
    Audit(audit::Arguments),
    /// Sign in to a service behind a gateway, for curl and scripts
    ///
    /// A person approves it in a browser, on any device. The tokens are kept in $XDG_CONFIG_HOME/portcullis/login, or in
    /// ~/.config/portcullis/login, and renewed by themselves; where a request asks for a stronger or fresher sign-in, so
    /// does this command
    #[command(after_help = login::EXAMPLES)]
    Login(login::Arguments),
    /// Print the configuration reference, in Markdown
    Reference,
    /// Print a completion script
    Completions {
        /// For this shell
        shell: clap_complete::Shell,
    },
    /// Run a whole demo: a gateway, two services of two servers each, one account
    Demo(demo::Arguments),
}

/// The program.
pub fn main() -> ExitCode {
    let line = match CommandLine::try_parse() {
        Ok(line) => line,
        // Help and the version are "errors" too; they have the code 0.
        Err(usage) => return ending::usage(&usage),
    };
    let out = Output::new(if line.json { Form::Json } else { Form::People });
    ending::close(obey(line.verb, &out))
}

fn obey(verb: Verb, out: &Output) -> anyhow::Result<Ending> {
    match verb {
        Verb::Run(config) => run(&config),
        Verb::Check(arguments) => check::check(&arguments, out),
        Verb::Reload(arguments) => wait(reload::reload(&arguments, out)),
        Verb::Status(arguments) => wait(status::status(&arguments, out)),
        Verb::Explain(arguments) => wait(explain::explain(&arguments, out)),
        Verb::Routes(config) => wait(routes::routes(&config, out)),
        Verb::Account(arguments) => wait(account::account(arguments, out)),
        Verb::Session(arguments) => wait(session::session(arguments, out)),
        Verb::Audit(arguments) => wait(audit::audit(arguments, out)),
        Verb::Login(arguments) => wait(login::login(arguments, out)),
        Verb::Reference => reference(out),
        Verb::Completions { shell } => completions(shell, out),
        Verb::Demo(arguments) => demo::demo(&arguments, out),
    }
}

fn run(config: &ConfigFile) -> anyhow::Result<Ending> {
    gateway::run(&config.file).map_err(refusal::unstarted)?;
    Ok(Ending::Fine)
}

fn reference(out: &Output) -> anyhow::Result<Ending> {
    let text = crate::config::reference();
    out.say(text.trim_end(), || json!({ "markdown": text }))?;
    Ok(Ending::Fine)
}

fn completions(shell: clap_complete::Shell, out: &Output) -> anyhow::Result<Ending> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut CommandLine::command(), "portcullis", &mut script);
    let script = String::from_utf8(script)?;
    out.say(script.trim_end(), || json!({ "shell": shell.to_string(), "script": script }))?;
    Ok(Ending::Fine)
}

/// Runs a verb that waits for the store or the gateway. One thread is enough for one question.
fn wait(verb: impl Future<Output = anyhow::Result<Ending>>) -> anyhow::Result<Ending> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(verb)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(line: &str) -> bool {
        CommandLine::try_parse_from(line.split(' ')).is_err()
    }

    #[test]
    fn the_command_line_is_consistent() {
        CommandLine::command().debug_assert();
    }

    #[test]
    fn a_configuration_and_json_may_stand_anywhere() {
        for line in [
            "portcullis --json account list --config a.toml",
            "portcullis account --config a.toml list --json",
            "portcullis account disable alice --config a.toml",
            "portcullis session revoke --all alice --config a.toml",
            "portcullis explain https://app.test/ --as alice --age 10m --config a.toml",
            "portcullis audit tail -n 5 --follow --config a.toml",
            "portcullis account list --state /var/lib/portcullis",
            "portcullis status --socket admin.sock --json",
            "portcullis login https://app.test/ --json",
            "portcullis login --list",
            "portcullis login https://app.test/ --print-header --no-input",
            "portcullis account keys ci --remove -abcdefgh",
            "portcullis account keys ci --add a.pub --add b.pub",
            "portcullis explain https://app.test/ --as ci --by dpop",
            "portcullis login --exec -- curl -sS https://app.test/ --json {}",
            "portcullis login https://app.test/ --exec --method PUT -- sh -c date",
        ] {
            assert!(!refused(line), "{line}");
        }
    }

    #[test]
    fn wrong_words_are_wrong_usage() {
        for line in [
            "portcullis account add -a-",
            "portcullis account add alice --group a,b",
            "portcullis account reset alice",
            "portcullis account keys ci --add a.pub --set b.pub",
            "portcullis login https://app.test/ --no-input",
            "portcullis explain https://app.test/ --by magic",
            "portcullis explain https://app.test/ --assurance strong",
            "portcullis explain https://app.test/ --at yesterday",
            "portcullis explain https://app.test/ --from here",
            "portcullis session revoke",
            "portcullis login",
            "portcullis login app.test",
            "portcullis login http://app.test/",
            "portcullis login https://app.test/ --exec",
            "portcullis login https://app.test/ -- curl",
            "portcullis login https://app.test/ --list",
            "portcullis login https://app.test/ --logout --print-header",
            "portcullis login https://app.test/ --print-header --method a/b",
            "portcullis session revoke --all alice ses_00000000000000000000000000",
        ] {
            assert!(refused(line), "{line}");
        }
    }
}
