//! `demo`: a whole gateway on one machine, with two services of two servers each and one account, and what to try; real
//! in everything but its purpose.

mod folder;
mod guide;
mod member;
mod page;

use super::ending::Ending;
use super::home::Essentials;
use super::opened::{Absent, Link, Opened};
use super::output::Output;
use super::refusal::unstarted;
use super::settings::ConfigFile;
use crate::audit::Event;
use crate::gateway;
use crate::identity::{Account, AccountId, AccountName, Group};
use crate::stdx::task::Tasks;
use folder::Ports;
use guide::Guide;
use member::Member;
use std::net::TcpListener;
use std::path::PathBuf;

/// What `demo` may be told.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// The gateway's port; the five that follow it are the servers' and the metrics'
    #[arg(long, default_value_t = 8080, value_parser = clap::value_parser!(u16).range(1..=65530))]
    port: u16,
    /// Where its configuration and its state are kept; delete it to start afresh
    #[arg(long, value_name = "DIR", default_value = ".demo")]
    dir: PathBuf,
}

/// Runs everything until it is interrupted.
pub fn demo(arguments: &Arguments, out: &Output) -> anyhow::Result<Ending> {
    let ports = Ports::from(arguments.port);
    for port in [ports.gateway, ports.admin] {
        // Held for a moment only: a port that is taken is better named here than in the middle of the start.
        drop(TcpListener::bind(("127.0.0.1", port)).map_err(|error| taken(ports, port, &error))?);
    }
    let config = ConfigFile { file: folder::prepare(&arguments.dir, ports)? };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let tasks = Tasks::new();
    let link = runtime.block_on(async {
        for member in Member::all(ports) {
            let port = member.port;
            member::start(member, &tasks).await.map_err(|error| taken(ports, port, &error))?;
        }
        account(&config).await
    })?;
    out.show(&Guide { ports, config: &config.file, dir: &arguments.dir, link })?;
    let ended = gateway::run(&config.file);
    runtime.block_on(tasks.stop());
    ended.map_err(unstarted)?;
    Ok(Ending::Fine)
}

/// Adds the account `demo` if it is missing. Gives a link for as long as nobody has enrolled by one.
async fn account(config: &ConfigFile) -> anyhow::Result<Option<Link>> {
    let opened = Opened::open(Essentials::of(&config.load()?.plan), Absent::Make).await?;
    let name = AccountName::parse("demo")?;
    let account = match opened.store.accounts.by_name(&name).await? {
        Some(account) => account,
        None => {
            let groups = vec![Group::parse("staff")?];
            let account = Account { id: AccountId::fresh(), name, groups, disabled: false, created: opened.now };
            opened.store.accounts.add(&account).await?;
            let (name, groups) = (account.name.clone(), account.groups.clone());
            opened.record(&Event::AccountAdded { account: account.id, name, groups }, &[]).await?;
            account
        }
    };
    let enrolled = !opened.store.credentials.of(account.id).await?.is_empty();
    if enrolled { Ok(None) } else { opened.offer(&account).await.map(Some) }
}

fn taken(ports: Ports, port: u16, error: &std::io::Error) -> anyhow::Error {
    let program = guide::program();
    // Ten further on, no port of this try is used again.
    let other = ports.gateway.checked_add(10).filter(|port| *port <= 65530).unwrap_or(8080);
    anyhow::anyhow!(
        "cannot listen on 127.0.0.1:{port}: {error}\nthe demo needs the ports {} to {}; to use others: {program} demo \
         --port {other}",
        ports.gateway,
        ports.admin
    )
}
