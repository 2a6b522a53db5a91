//! `demo`: a whole gateway on one machine, with two services of two servers each and one account, and what to try; real
//! in everything but its purpose.

mod folder;
mod guide;
mod member;
mod page;
mod ports;

use super::ending::{Ending, complain};
use super::home::Essentials;
use super::opened::{Absent, Link, Opened};
use super::output::Output;
use super::refusal::unstarted;
use super::settings::ConfigFile;
use crate::admin;
use crate::audit::Event;
use crate::gateway;
use crate::identity::{Account, AccountId, AccountKind, AccountName, Group};
use crate::stdx::task::Tasks;
use folder::Prepared;
use guide::Guide;
use http::Method;
use member::Member;
use ports::{HIGHEST, Ports};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How often the gateway is asked whether it serves. Whoever waits for the guide takes it for at once.
const ASK_EVERY: Duration = Duration::from_millis(20);

/// What `demo` may be told.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// The gateway's port; the five that follow it are the servers' and the metrics'
    #[arg(long, default_value_t = 8080, value_parser = clap::value_parser!(u16).range(1..=i64::from(HIGHEST)))]
    port: u16,
    /// Where its configuration and its state are kept; delete it to start afresh
    #[arg(long, value_name = "DIR", default_value = ".demo")]
    dir: PathBuf,
}

/// Runs everything until it is interrupted. Nothing is written before it is clear that nobody else uses the folder or the
/// ports.
pub fn demo(arguments: &Arguments, out: &Output) -> anyhow::Result<Ending> {
    let (dir, ports) = (&arguments.dir, Ports::from(arguments.port));
    if folder::is_in_use(dir) {
        let (dir, other) = (dir.display(), another(arguments));
        anyhow::bail!("a demo is running in {dir}; another needs ports and a folder of its own: {other}");
    }
    ports.try_all().map_err(|(port, error)| taken(arguments, port, &error))?;
    let Prepared { config, aside } = folder::prepare(dir, ports)?;
    if let Some(aside) = aside {
        let (config, aside) = (config.display(), aside.display());
        complain(&format!("portcullis: {config} was not for these ports: it is kept as {aside}, and written anew"));
    }
    let config = ConfigFile { file: config };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let tasks = Tasks::new();
    runtime.block_on(set_up(arguments, &config, &tasks, *out))?;
    let ended = gateway::run(&config.file);
    runtime.block_on(tasks.stop());
    ended.map_err(unstarted)?;
    Ok(Ending::Fine)
}

/// Starts the servers, adds the account, and has the guide shown once the gateway serves.
async fn set_up(arguments: &Arguments, config: &ConfigFile, tasks: &Tasks, out: Output) -> anyhow::Result<()> {
    let ports = Ports::from(arguments.port);
    for member in Member::all(ports) {
        let port = member.port;
        member::start(member, tasks).await.map_err(|error| taken(arguments, port, &error))?;
    }
    let essentials = Essentials::of(&config.load()?.plan);
    let socket = essentials.socket.clone();
    let link = account(essentials).await?;
    let guide = Guide { ports, config: config.file.clone(), dir: arguments.dir.clone(), link };
    tasks.spawn("demo-guide", async move {
        // A configuration that was changed may name no socket to ask by.
        if let Some(socket) = socket {
            while !serves(&socket).await {
                tokio::time::sleep(ASK_EVERY).await;
            }
        }
        // Whoever closed the output has no use for it, and the gateway runs all the same.
        drop(out.show(&guide));
    });
    Ok(())
}

/// Whether a gateway answers on its socket that is ready and listens.
async fn serves(socket: &Path) -> bool {
    let Ok((_, status)) = admin::ask(socket, Method::GET, "/status").await else { return false };
    let listens = status.get("listeners").and_then(Value::as_array).is_some_and(|listeners| !listeners.is_empty());
    listens && status.get("ready").and_then(Value::as_bool) == Some(true)
}

/// Adds the account `demo` if it is missing. Gives a link for as long as nobody has enrolled by one.
async fn account(essentials: Essentials) -> anyhow::Result<Option<Link>> {
    let opened = Opened::open(essentials, Absent::Make).await?;
    let name = AccountName::parse("demo")?;
    let account = match opened.store.accounts.by_name(&name).await? {
        Some(account) => account,
        None => {
            let groups = vec![Group::parse("staff")?];
            let account = Account {
                id: AccountId::fresh(),
                name,
                groups,
                kind: AccountKind::Person,
                disabled: false,
                created: opened.now,
            };
            opened.store.accounts.add(&account).await?;
            let (name, groups) = (account.name.clone(), account.groups.clone());
            opened.record(&Event::AccountAdded { account: account.id, name, groups }, &[]).await?;
            account
        }
    };
    let enrolled = !opened.store.credentials.of(account.id).await?.is_empty();
    if enrolled { Ok(None) } else { opened.offer(&account).await.map(Some) }
}

fn taken(arguments: &Arguments, port: u16, error: &std::io::Error) -> anyhow::Error {
    let Ports { gateway, admin, .. } = Ports::from(arguments.port);
    let other = another(arguments);
    anyhow::anyhow!(
        "cannot listen on 127.0.0.1:{port}: {error}\nthe demo needs the ports {gateway} to {admin}; to use others: {other}"
    )
}

/// How another demo is run beside whatever is in the way of this one.
fn another(arguments: &Arguments) -> String {
    let port = Ports::from(arguments.port).or_next_free().gateway;
    let dir = arguments.dir.with_file_name(format!(".demo-{port}"));
    format!("{} demo --port {port} --dir {}", guide::program(), dir.display())
}
