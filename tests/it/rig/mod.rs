//! The rig: a whole gateway in this process on ports of the system's choice, a clock turned by hand, members that do
//! what they are told, browsers that keep cookies.

mod access;
pub mod authenticator;
pub mod browser;
mod clock;
mod line;
mod mailbox;
mod member;
mod pass;
mod post;
mod raw;
mod raw_member;
mod scene;

pub use browser::{Browser, PASSWORD, Page};
pub use clock::Trap;
pub use line::{Line, content_length, get, post};
pub use mailbox::Mailbox;
pub use member::{Member, Seen};
pub use pass::Pass;
pub use post::Post;
pub use raw::{Raw, exchange};
pub use raw_member::RawMember;
pub use scene::{ONE_ROUTE, Scene};

use access::Written;

use portcullis::admin::Reloaded;
use portcullis::config::Environment;
use portcullis::gateway::{Gateway, Surroundings, open_store};
use portcullis::identity::{Account, AccountId, AccountKind, AccountName, Group};
use portcullis::listen::Loops;
use portcullis::stdx::clock::{Clock, ManualClock, SystemClock, Time};
use portcullis::store::Store;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;

/// How long a condition may take to come true: far longer than anything here takes, so that only failures wait.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// A gateway and what surrounds it.
pub struct Rig {
    /// Turned by hand.
    pub clock: Arc<ManualClock>,
    /// The same clock as the gateway sees it, which can be made to panic.
    pub trap: Arc<Trap>,
    /// The gateway's store, opened a second time, as a command beside it would.
    pub store: Store,
    gateway: Option<Gateway>,
    access: Written,
    address: SocketAddr,
    directory: TempDir,
}

/// Two hosts, a portal, one pool each; `{app}` and `{wiki}` are the members' addresses.
pub const TWO_HOSTS: &str = r#"
[gateway]
state = "state"
drain = "2s"

[[listen]]
address = "127.0.0.1:0"

[admin]
address = "127.0.0.2:0"
socket = "admin.sock"

[portal]
origin = "http://auth.localhost:{port}"
name = "Example Corp"

[log]
access = false

[factor.password]
[factor.totp]
[factor.recovery_code]

[policy.staff]
require = "mfa"
groups = ["staff"]

[policy.recent]
extends = "staff"
max_age = "10m"

[policy.boss]
extends = "staff"
groups = ["boss"]

[pool.app]
members = ["{app}"]

[pool.wiki]
members = ["{wiki}"]

[[route]]
name = "app"
host = "app.localhost"
path = "/**"
pool = "app"

[[route]]
name = "app-admin"
host = "app.localhost"
path = "/admin/**"
pool = "app"
policy = "recent"

[[route]]
name = "app-boss"
host = "app.localhost"
path = "/boss/**"
pool = "app"
policy = "boss"

[[route]]
name = "app-open"
host = "app.localhost"
path = "/open/**"
pool = "app"
policy = "open"

[[route]]
name = "wiki"
host = "wiki.localhost"
path = "/**"
pool = "wiki"
policy = "staff"
"#;

impl Rig {
    /// A gateway with the two hosts of [`TWO_HOSTS`], each before one echoing member.
    pub async fn two_hosts() -> (Self, Member, Member) {
        let (app, wiki) = (Member::echo("app").await, Member::echo("wiki").await);
        let rig = Rig::start(&filled(TWO_HOSTS, &[("app", &app), ("wiki", &wiki)])).await;
        (rig, app, wiki)
    }

    /// A gateway with this configuration, in which `{port}` is the port it listens on.
    pub async fn start(configuration: &str) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        Self::start_in(directory, configuration, SystemClock.now()).await
    }

    async fn start_in(directory: TempDir, configuration: &str, now: Time) -> Self {
        let path = directory.path().join("portcullis.toml");
        // The port is known only once something listens: a first edition finds it out, the second one uses it.
        write(&path, &configuration.replace("{port}", "9"));
        let clock = Arc::new(ManualClock::new(now));
        let access = Written::default();
        let log = Some(access.log());
        let trap = Trap::new(clock.clone());
        let environment = Environment::default();
        let surroundings = Surroundings { clock: trap.clone(), environment, access: log, loops: Loops::here() };
        let gateway = Gateway::start(&path, surroundings).await.unwrap_or_else(|failure| panic!("{failure}"));
        let address = gateway.addresses()[0];
        let store = open_store(&directory.path().join("state")).await.expect("a store");
        let rig = Rig { clock, trap, store, gateway: Some(gateway), access, address, directory };
        rig.reload(configuration).await;
        rig
    }

    /// Stops the gateway and keeps what it stood on.
    pub async fn halt(&mut self) {
        if let Some(gateway) = self.gateway.take() {
            gateway.stop().await;
        }
    }

    /// The same state directory and configuration, in a new process, as far as the gateway can tell.
    pub async fn restart(mut self, configuration: &str) -> Self {
        self.halt().await;
        let now = self.clock.now().max(SystemClock.now());
        Self::start_in(self.directory, configuration, now).await
    }

    /// Tells the gateway to stop, and waits until it has.
    pub async fn stop(mut self) {
        self.gateway.take().expect("it runs until the rig is taken apart").stop().await;
    }

    /// Writes a configuration and has it loaded, if the watcher was not faster.
    pub async fn reload(&self, configuration: &str) -> Reloaded {
        self.save(configuration);
        self.gateway().reload().await
    }

    /// Writes a configuration and leaves it to the gateway to notice.
    pub fn save(&self, configuration: &str) {
        write(&self.configuration(), &configuration.replace("{port}", &self.address.port().to_string()));
    }

    /// Where the configuration is.
    pub fn configuration(&self) -> PathBuf {
        self.directory.path().join("portcullis.toml")
    }

    /// Where files beside the configuration may be put.
    pub fn directory(&self) -> PathBuf {
        self.directory.path().to_owned()
    }

    /// The gateway.
    pub fn gateway(&self) -> &Gateway {
        self.gateway.as_ref().expect("it runs until the rig is taken apart")
    }

    /// Where the gateway listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// `http://host:port` of one of the gateway's hosts.
    pub fn origin(&self, host: &str) -> String {
        format!("http://{host}:{}", self.address.port())
    }

    /// The challenge that a program meets at `origin`, with these parameters before the one that every challenge has.
    pub fn challenge(origin: &str, parameters: &str) -> String {
        let separator = if parameters.is_empty() { "" } else { ", " };
        let metadata = format!("{origin}/.well-known/oauth-protected-resource");
        format!(r#"Bearer {parameters}{separator}resource_metadata="{metadata}""#)
    }

    /// What the operator's listener says at `path`.
    pub async fn admin(&self, path: &str) -> (u16, String) {
        let address = self.gateway().admin_address().expect("it is configured");
        let request = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
        let answer = exchange(address, request.as_bytes()).await;
        (answer.status, answer.body)
    }

    /// How the process stands, as the commands are told. The configuration must name the socket `admin.sock`.
    pub async fn status(&self) -> serde_json::Value {
        let socket = self.directory().join("admin.sock");
        portcullis::admin::ask(&socket, http::Method::GET, "/status").await.expect("it answers on its socket").1
    }

    /// What the access log holds so far, if the configuration has one written. Its writer lingers a moment.
    pub fn lines(&self) -> Vec<serde_json::Value> {
        self.access.lines()
    }

    /// Adds an account and gives the address of its enrolment link.
    pub async fn invite(&self, name: &str, groups: &[&str]) -> String {
        let account = Account {
            id: AccountId::fresh(),
            name: AccountName::parse(name).expect("a valid name"),
            groups: groups.iter().map(|group| Group::parse(group).expect("a valid group")).collect(),
            kind: AccountKind::Person,
            disabled: false,
            created: self.clock.now(),
        };
        assert!(self.store.accounts.add(&account).await.expect("the store"), "{name} is taken");
        self.enrolment_link(account.id).await
    }

    /// A fresh enrolment link for an account.
    pub async fn enrolment_link(&self, account: AccountId) -> String {
        let link = portcullis::login::offer(&self.store, account, self.clock.now()).await.expect("the store");
        format!("{}/enrol/{}", self.origin("auth.localhost"), link.text().as_str())
    }

    /// A browser with an enrolled, signed-in person in it.
    pub async fn signed_in(&self, name: &str, groups: &[&str]) -> Browser {
        let link = self.invite(name, groups).await;
        let mut browser = self.browser();
        browser.enrol(&link).await;
        browser
    }

    /// Signs a browser in at the portal with what its person has; the clock moves on to the app's next code.
    pub async fn sign_in(&self, browser: &mut Browser, name: &str) -> Page {
        self.clock.advance(Duration::from_secs(31));
        let page = browser.visit(&format!("{}/sign-in", self.origin("auth.localhost"))).await;
        browser.sign_in(&page, name).await
    }

    /// A browser that has never been here.
    pub fn browser(&self) -> Browser {
        Browser::new(self.address, self.clock.clone())
    }

    /// The account of that name.
    pub async fn account(&self, name: &str) -> Account {
        let name = AccountName::parse(name).expect("a valid name");
        self.store.accounts.by_name(&name).await.expect("the store").expect("it was added")
    }

    /// Waits until a condition holds.
    pub async fn eventually<F: Future<Output = bool>>(&self, what: &str, mut condition: impl FnMut() -> F) {
        let deadline = tokio::time::Instant::now() + PATIENCE;
        while !condition().await {
            assert!(tokio::time::Instant::now() < deadline, "it never came true: {what}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

/// A configuration with the members' addresses in their places.
pub fn filled(configuration: &str, members: &[(&str, &Member)]) -> String {
    members.iter().fold(configuration.to_owned(), |text, (name, member)| {
        text.replace(&format!("{{{name}}}"), &member.address().to_string())
    })
}

fn write(path: &std::path::Path, text: &str) {
    // Beside and renamed, as a deployment tool does it: the watcher must never see half a file of ours.
    let beside = path.with_extension("new");
    std::fs::write(&beside, text).expect("written");
    std::fs::rename(&beside, path).expect("renamed");
}
