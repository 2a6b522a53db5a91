//! The peers, each with its configuration in `peers/`, and bare Pingora; knows not what is measured.

use super::{Certificate, Contender, Places, Process, Stage, free_port, own_program, pinned};
use crate::drive::Target;
use crate::machine::{CONTENDER_CORE, LOAD_CORE};
use anyhow::Result;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::rc::Rc;

/// Pingora's stock proxy.
pub struct Bare;

/// nginx.
pub struct Nginx {
    program: PathBuf,
}

/// HAProxy.
pub struct Haproxy {
    program: PathBuf,
}

impl Bare {
    /// As a plain proxy, or with TLS to clients.
    ///
    /// # Errors
    /// If it does not start.
    pub fn start(stage: &Stage, tls: Option<&Certificate>) -> Result<Contender> {
        let port = free_port()?;
        let mut command = pinned(CONTENDER_CORE, own_program()?);
        command.args(["bare", "--port", &port.to_string(), "--origin", &stage.origin().to_string()]);
        if let Some(Certificate { cert, key }) = tls {
            command.arg("--cert").arg(cert).arg("--key").arg(key);
        }
        contender("bare Pingora", (command, port), stage)
    }
}

impl Nginx {
    /// nginx, if it is installed.
    pub fn find() -> Option<Self> {
        find("nginx").map(|program| Self { program })
    }

    /// What it calls itself.
    pub fn version(&self) -> String {
        first_line(Command::new(&self.program).arg("-v")).replace("nginx version: nginx/", "")
    }

    /// As a plain proxy.
    ///
    /// # Errors
    /// If it does not start.
    pub fn plain(&self, stage: &Stage) -> Result<Contender> {
        self.start(stage, "nginx", (include_str!("../../peers/nginx/plain.conf"), Places::default()))
    }

    /// Asking an authorizer, which answers 204 at once, about every request. Each request carries a cookie, as one
    /// with a session would.
    ///
    /// # Errors
    /// If one of the two does not start.
    pub fn auth_request(&self, stage: &Stage, cookie: &str) -> Result<Contender> {
        let port = free_port()?;
        let mut command = pinned(LOAD_CORE, own_program()?);
        command.args(["authorizer", "--port", &port.to_string()]);
        let mut authorizer = Process::start("authorizer", command, stage.scratch())?;
        authorizer.wait_for(port, stage.deadline())?;
        let places = Places::default().with("AUTHORIZER", port);
        let template = include_str!("../../peers/nginx/auth_request.conf");
        let mut contender = self.start(stage, "nginx auth_request", (template, places))?;
        contender.aside = Some(Rc::new(authorizer));
        contender.target.field = Some(format!("Cookie: {cookie}"));
        Ok(contender)
    }

    /// As a proxy with TLS 1.3 to clients.
    ///
    /// # Errors
    /// If it does not start.
    pub fn tls(&self, stage: &Stage, Certificate { cert, key }: &Certificate) -> Result<Contender> {
        let places = Places::default().with("CERT", cert.display()).with("KEY", key.display());
        self.start(stage, "nginx", (include_str!("../../peers/nginx/tls.conf"), places))
    }

    fn start(&self, stage: &Stage, name: &str, (template, places): (&str, Places)) -> Result<Contender> {
        let port = free_port()?;
        let folder = stage.scratch().join(format!("{}-{port}", name.replace(' ', "-")));
        fs::create_dir(&folder)?;
        let file = folder.join("nginx.conf");
        let places = places.with("PORT", port).with("ORIGIN", stage.origin()).with("FOLDER", folder.display());
        fs::write(&file, places.fill(template)?)?;
        let mut command = pinned(CONTENDER_CORE, &self.program);
        // Without -e it would complain that it cannot write its usual log before it has read where its log is.
        command.arg("-e").arg(folder.join("error.log")).arg("-p").arg(&folder).arg("-c").arg(&file);
        contender(name, (command, port), stage)
    }
}

impl Haproxy {
    /// HAProxy, if it is installed.
    pub fn find() -> Option<Self> {
        find("haproxy").map(|program| Self { program })
    }

    /// What it calls itself.
    pub fn version(&self) -> String {
        let line = first_line(Command::new(&self.program).arg("-v"));
        line.split_whitespace().nth(2).unwrap_or_default().to_owned()
    }

    /// As a plain proxy.
    ///
    /// # Errors
    /// If it does not start.
    pub fn plain(&self, stage: &Stage) -> Result<Contender> {
        let port = free_port()?;
        let file = stage.scratch().join(format!("haproxy-{port}.cfg"));
        let places = Places::default().with("PORT", port).with("ORIGIN", stage.origin());
        fs::write(&file, places.fill(include_str!("../../peers/haproxy/plain.cfg"))?)?;
        let mut command = pinned(CONTENDER_CORE, &self.program);
        // -db: in the foreground.
        command.arg("-db").arg("-f").arg(&file);
        contender("HAProxy", (command, port), stage)
    }
}

fn contender(name: &str, (command, port): (Command, u16), stage: &Stage) -> Result<Contender> {
    let mut server = Process::start(name, command, stage.scratch())?;
    server.wait_for(port, stage.deadline())?;
    let target = Target { port, host: "app.localhost".to_owned(), path: "/".to_owned(), field: None };
    Ok(Contender { name: name.to_owned(), target, server: Rc::new(server), aside: None })
}

/// Where a server's program is. Debian keeps servers where not everyone looks.
fn find(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain(["/usr/sbin", "/sbin"].map(PathBuf::from));
    folders.map(|folder| folder.join(program)).find(|file| Path::is_file(file))
}

fn first_line(command: &mut Command) -> String {
    let Ok(output) = command.output() else { return String::new() };
    let text = [output.stdout, output.stderr].concat();
    String::from_utf8_lossy(&text).lines().next().unwrap_or_default().to_owned()
}
