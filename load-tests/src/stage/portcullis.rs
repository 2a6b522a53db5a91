//! Portcullis as an operator runs it: a configuration, an account, a person who signs in; knows nothing of its inside.

use super::{Contender, Places, Process, Stage, free_port, own_program, pinned};
use crate::drive::Target;
use crate::machine::{CONTENDER_CORE, LOAD_CORE};
use crate::sign_in::{Cookie, Person};
use anyhow::{Context, Result, ensure};
use std::fs;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::rc::Rc;

/// The host with a route that needs an MFA session.
pub const APP_HOST: &str = "app.localhost";
/// The host with a route that needs nothing.
pub const OPEN_HOST: &str = "open.localhost";

/// The portal's host.
const PORTAL_HOST: &str = "auth.localhost";

/// What results call it on the route that needs nothing.
pub const OPEN_ROUTE: &str = "Portcullis, open route";
/// What results call it on the route that needs an MFA session. Both routes are of one process.
pub const MFA_SESSION: &str = "Portcullis, MFA session";
/// The same for a program that comes with an access token.
pub const MFA_TOKEN: &str = "Portcullis, access token";

const TEMPLATE: &str = include_str!("../../peers/portcullis/portcullis.toml");

/// The account that signs in.
const ACCOUNT: &str = "bench";

/// Seconds that a command such as `account add` may take: it may have to wait for the store.
const COMMAND_LIMIT: &str = "30";

/// A running gateway.
pub struct Portcullis {
    program: PathBuf,
    config: PathBuf,
    port: u16,
    server: Rc<Process>,
}

impl Portcullis {
    /// Starts it with the configuration in `peers/portcullis`, and `more` behind that.
    ///
    /// # Errors
    /// If it is not built beside this program, or does not start.
    pub fn start(stage: &Stage, more: &str) -> Result<Self> {
        let program = Self::program()?;
        let port = free_port()?;
        let folder = stage.scratch().join(format!("portcullis-{port}"));
        fs::create_dir(&folder)?;
        let config = folder.join("portcullis.toml");
        let places = Places::default().with("PORT", port).with("ORIGIN", stage.origin());
        let places = places.with("FOLDER", folder.display());
        fs::write(&config, places.fill(TEMPLATE)? + more)?;
        let server = Rc::new(run(&program, &config, (port, stage))?);
        Ok(Self { program, config, port, server })
    }

    /// Where it is: beside this program, so built in the same profile.
    ///
    /// # Errors
    /// If it is not there.
    pub fn program() -> Result<PathBuf> {
        let program = own_program()?.with_file_name("portcullis");
        ensure!(program.is_file(), "portcullis is not built in this profile: build the whole workspace");
        Ok(program)
    }

    /// What it calls itself.
    pub fn version() -> String {
        let output = Self::program().and_then(|program| Ok(Command::new(program).arg("--version").output()?));
        let text = output.map(|output| output.stdout).unwrap_or_default();
        String::from_utf8_lossy(&text).trim().replace("portcullis ", "")
    }

    /// As a contender on the route that needs nothing.
    pub fn open_route(&self) -> Contender {
        self.contender(OPEN_ROUTE, (OPEN_HOST, None))
    }

    /// As a contender on the route that needs an MFA session, with one.
    pub fn mfa_route(&self, session: &Cookie) -> Contender {
        self.contender(MFA_SESSION, (APP_HOST, Some(format!("Cookie: {}", session.pair))))
    }

    /// The same, for a program that carries an access token.
    pub fn token_route(&self, token: &str) -> Contender {
        self.contender(MFA_TOKEN, (APP_HOST, Some(format!("Authorization: Bearer {token}"))))
    }

    /// Adds an account and has its owner enrol and sign in through the browser.
    ///
    /// # Errors
    /// If a command or a page does not do its part.
    pub fn sign_in(&self) -> Result<(Person, Cookie)> {
        let said = self.command(&["account", "add", ACCOUNT, "--group", "staff"])?;
        let link = said.split_whitespace().find(|word| word.starts_with("http") && word.contains("/enrol/"));
        let link = link.context("`account add` printed no enrolment link")?;
        let mut person = Person::new((Ipv4Addr::LOCALHOST, self.port).into(), ACCOUNT);
        person.enrol(link)?;
        let session = person.enter(&self.address(APP_HOST, "/"))?;
        Ok((person, session))
    }

    /// Has somebody approve a program, and gives its access token.
    ///
    /// # Errors
    /// If a page or the portal's answer is not what it should be.
    pub fn approve_program(&self, person: &mut Person) -> Result<String> {
        person.approve(&self.address(PORTAL_HOST, ""))
    }

    /// An address on one of its hosts.
    pub fn address(&self, host: &str, path: &str) -> String {
        format!("http://{host}:{}{path}", self.port)
    }

    /// Its port on loopback.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Its configuration file.
    pub fn config(&self) -> &Path {
        &self.config
    }

    /// Its process.
    pub fn server(&self) -> &Rc<Process> {
        &self.server
    }

    /// Runs a command of its own beside it, and returns what that prints.
    ///
    /// # Errors
    /// If the answer is no.
    pub fn command(&self, arguments: &[&str]) -> Result<String> {
        let mut command = pinned(LOAD_CORE, "timeout");
        command.arg(COMMAND_LIMIT).arg(&self.program).args(arguments).arg("--config").arg(&self.config);
        let output = command.output()?;
        let complaint = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "`portcullis {}` failed: {}", arguments.join(" "), complaint.trim());
        String::from_utf8(output.stdout).context("the command's output")
    }

    /// Stops it and starts it again with the same configuration and state.
    ///
    /// # Errors
    /// If it does not stop or start, or something else still holds its process.
    pub fn restart(self, stage: &Stage) -> Result<Self> {
        let Self { program, config, port, server } = self;
        let server = Rc::into_inner(server).context("its process is still in use")?;
        server.stop(stage.deadline())?;
        let server = Rc::new(run(&program, &config, (port, stage))?);
        Ok(Self { program, config, port, server })
    }

    fn contender(&self, name: &str, (host, field): (&str, Option<String>)) -> Contender {
        let target = Target { port: self.port, host: host.to_owned(), path: "/".to_owned(), field };
        Contender { name: name.to_owned(), target, server: Rc::clone(&self.server), aside: None }
    }
}

fn run(program: &Path, config: &Path, (port, stage): (u16, &Stage)) -> Result<Process> {
    let mut command = pinned(CONTENDER_CORE, program);
    command.args(["run", "--config"]).arg(config);
    let mut server = Process::start("portcullis", command, stage.scratch())?;
    server.wait_for(port, stage.deadline())?;
    Ok(server)
}
