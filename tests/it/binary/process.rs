//! The real program in processes of its own, with a directory for its configuration and state.

use crate::rig::{Browser, Member, PATIENCE};
use portcullis::stdx::clock::{Clock, ManualClock, SystemClock};
use serde_json::Value;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};
use tokio::process::{Child, Command};
use tokio::task::JoinHandle;

/// The program: as built beside these tests, else where `PORTCULLIS_BINARY` says.
fn binary() -> PathBuf {
    let built = option_env!("CARGO_BIN_EXE_portcullis").map(PathBuf::from);
    let named = || std::env::var_os("PORTCULLIS_BINARY").map(PathBuf::from);
    built.or_else(named).expect("the program is built beside its tests")
}

/// A directory with a configuration.
pub struct Site {
    directory: TempDir,
    text: String,
}

/// What a command said, and how it ended.
#[derive(Debug)]
pub struct Said {
    pub code: i32,
    pub out: String,
    pub err: String,
}

impl Said {
    /// What it printed as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

impl Site {
    /// A site with this configuration, in which `{port}` will be the port that the gateway listens on.
    pub fn new(configuration: &str) -> Self {
        let site = Site { directory: tempfile::tempdir().expect("a directory"), text: configuration.to_owned() };
        site.write(&configuration.replace("{port}", "9"));
        site
    }

    /// Where a file of this site is.
    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Replaces the configuration in one step.
    pub fn write(&self, text: &str) {
        std::fs::write(self.path("portcullis.new"), text).expect("written");
        std::fs::rename(self.path("portcullis.new"), self.path("portcullis.toml")).expect("renamed");
    }

    /// What the configuration says now.
    pub fn read(&self) -> String {
        std::fs::read_to_string(self.path("portcullis.toml")).expect("it is there")
    }

    /// A command over this site, not yet given.
    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = self.over(Command::new(binary()));
        command.args(arguments);
        command
    }

    /// A program that finds this site and whose output is caught.
    fn over(&self, mut command: Command) -> Command {
        command.env("PORTCULLIS_CONFIG", self.path("portcullis.toml")).env("NO_COLOR", "1");
        command.env("XDG_CONFIG_HOME", self.path("config"));
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        command
    }

    /// Gives a command and waits for its end.
    pub async fn tell(&self, arguments: &[&str]) -> Said {
        Self::said(self.command(arguments), arguments).await
    }

    /// Gives a command that can write to no file, as on a full disk.
    pub async fn tell_on_a_full_disk(&self, arguments: &[&str]) -> Said {
        let mut command = self.over(Command::new("sh"));
        command.args(["-c", r#"trap '' XFSZ; ulimit -f 0; exec "$0" "$@""#]).arg(binary()).args(arguments);
        Self::said(command, arguments).await
    }

    async fn said(mut command: Command, arguments: &[&str]) -> Said {
        let output = tokio::time::timeout(PATIENCE, command.output()).await;
        let output = output.unwrap_or_else(|_| panic!("{arguments:?} does not end")).expect("it can be started");
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("text");
        Said { code: output.status.code().expect("no signal"), out: text(&output.stdout), err: text(&output.stderr) }
    }

    /// Starts the gateway and waits for nothing; nobody knows its port yet.
    pub fn start(&self) -> Running {
        Self::started(self.command(&["run"]))
    }

    /// Gives a command that goes on, and waits for nothing.
    pub fn begin(&self, arguments: &[&str]) -> Running {
        Self::started(self.command(arguments))
    }

    /// Starts the gateway from a shell that has done this before, and waits until it serves.
    pub async fn run_after(&self, preparation: &str) -> Running {
        let mut command = self.over(Command::new("sh"));
        command.args(["-c", &format!(r#"{preparation} && exec "$0" run"#)]).arg(binary());
        let running = Self::started(command);
        eventually("it serves", || running.logged("ready").is_some()).await;
        running
    }

    /// The same under a service manager that listens on this socket.
    pub fn start_under(&self, manager: &Path) -> Running {
        let mut command = self.command(&["run"]);
        command.env("NOTIFY_SOCKET", manager);
        Self::started(command)
    }

    /// The same under one that wants a heartbeat this often.
    pub fn start_watched(&self, manager: &Path, period: Duration) -> Running {
        let mut command = self.command(&["run"]);
        command.env("NOTIFY_SOCKET", manager).env("WATCHDOG_USEC", period.as_micros().to_string());
        Self::started(command)
    }

    fn started(mut command: Command) -> Running {
        let mut child = command.spawn().expect("it can be started");
        let (out, printed) = Lines::of(child.stdout.take().expect("piped"));
        let (err, logged) = Lines::of(child.stderr.take().expect("piped"));
        Running { child, out, err, readers: vec![printed, logged], address: ([127, 0, 0, 1], 0).into() }
    }

    /// Starts the gateway, waits until it serves, and tells it its port.
    pub async fn run(&self) -> Running {
        let mut running = self.start();
        eventually("it serves", || running.logged("ready").is_some()).await;
        let listening = running.logged("listening").expect("it says where");
        running.address = listening["address"].as_str().expect("text").parse().expect("an address");
        if self.text.contains("{port}") {
            self.write(&self.text.replace("{port}", &running.address.port().to_string()));
            let said = self.tell(&["reload"]).await;
            assert_eq!(said.code, 0, "{said:?}");
        }
        running
    }
}

/// A running gateway; it is killed when this is dropped.
pub struct Running {
    child: Child,
    out: Lines,
    err: Lines,
    /// Where it listens.
    pub address: SocketAddr,
    /// Read what it writes until it ends.
    readers: Vec<JoinHandle<()>>,
}

impl Running {
    /// `http://host:port` of one of its hosts.
    pub fn origin(&self, host: &str) -> String {
        format!("http://{host}:{}", self.address.port())
    }

    /// A browser that has never been here. Its authenticator app is in time.
    pub fn browser(&self) -> Browser {
        Browser::new(self.address, Arc::new(ManualClock::new(SystemClock.now())))
    }

    /// The number of its process.
    pub fn number(&self) -> u32 {
        self.child.id().expect("it runs")
    }

    /// Sends a signal, such as `TERM`.
    pub async fn signal(&self, name: &str) {
        let sent = Command::new("kill").arg(format!("-{name}")).arg(self.number().to_string()).status().await;
        assert!(sent.expect("there is a kill").success());
    }

    /// Waits for its end and gives its exit code; `None` if a signal ended it.
    pub async fn end(&mut self) -> Option<i32> {
        let ended = tokio::time::timeout(PATIENCE, self.child.wait()).await.expect("it ends");
        // What it wrote last may still be on its way to us.
        for reader in self.readers.drain(..) {
            let _ = tokio::time::timeout(PATIENCE, reader).await;
        }
        ended.expect("it can be waited for").code()
    }

    /// Kills it as a power cut does.
    pub async fn kill(mut self) {
        self.child.kill().await.expect("it runs");
    }

    /// The first line of its log with this message, if there is one.
    pub fn logged(&self, message: &str) -> Option<Value> {
        let lines = self.err.all();
        let parsed = lines.iter().map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("not JSON: {line}")));
        parsed.into_iter().find(|line: &Value| line["message"] == message)
    }

    /// Everything it printed, line by line.
    pub fn printed(&self) -> Vec<String> {
        self.out.all()
    }

    /// Everything in its log.
    pub fn log(&self) -> Vec<String> {
        self.err.all()
    }

    /// Its access log so far.
    pub fn access(&self) -> Vec<Value> {
        let lines = self.out.all();
        lines.iter().map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("not JSON: {line}"))).collect()
    }
}

/// What a process wrote, line by line.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<String>>>);

impl Lines {
    fn of(pipe: impl AsyncRead + Unpin + Send + 'static) -> (Self, JoinHandle<()>) {
        let lines = Lines::default();
        let own = lines.clone();
        let reader = tokio::spawn(async move {
            let mut reading = BufReader::new(pipe).lines();
            while let Ok(Some(line)) = reading.next_line().await {
                own.0.lock().expect("no test panicked with it").push(line);
            }
        });
        (lines, reader)
    }

    fn all(&self) -> Vec<String> {
        self.0.lock().expect("no test panicked with it").clone()
    }
}

/// Waits until a condition holds.
pub async fn eventually(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = tokio::time::Instant::now() + PATIENCE;
    while !condition() {
        assert!(tokio::time::Instant::now() < deadline, "it never came true: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// The usual site: the rig's two hosts before one member each, with an access log.
pub async fn two_hosts() -> (Site, Member, Member) {
    let (app, wiki) = (Member::echo("app").await, Member::echo("wiki").await);
    let text = crate::rig::filled(crate::rig::TWO_HOSTS, &[("app", &app), ("wiki", &wiki)]);
    (Site::new(&text.replace("access = false", "access = true")), app, wiki)
}

/// Another program with a store open.
pub async fn other_program(store: &Path) -> sqlx::SqliteConnection {
    use sqlx::ConnectOptions;
    sqlx::sqlite::SqliteConnectOptions::new().filename(store).connect().await.expect("it opens the file")
}
