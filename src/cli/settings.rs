//! Where a verb finds the configuration, and the running gateway's socket even where the configuration is broken.

use super::check;
use super::ending::complain;
use super::output::{Ink, Output, View};
use crate::admin;
use crate::config::{self, Environment, Loaded, Problems, Wreck};
use crate::stdx::clock::{Clock, SystemClock};
use http::Method;
use serde_json::Value;
use std::path::{Path, PathBuf};
use toml::de::DeTable;

/// Which configuration a verb is about.
#[derive(Clone, Debug, clap::Args)]
pub struct ConfigFile {
    /// The configuration
    #[arg(
        long = "config",
        value_name = "FILE",
        env = "PORTCULLIS_CONFIG",
        default_value = "/etc/portcullis/portcullis.toml",
        hide_env_values = true,
        global = true,
        display_order = 99
    )]
    pub file: PathBuf,
}

impl ConfigFile {
    /// Reads and compiles it.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn load(&self) -> Result<Loaded, Problems> {
        config::load(&self.file, &Environment::of_process(), SystemClock.now())
    }

    /// The same for a verb that only looks at it, and may do so where the service's credentials are not handed over: each
    /// is a warning then.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn look(&self) -> Result<Loaded, Problems> {
        config::load(&self.file, &Environment::of_process().from_outside(), SystemClock.now())
    }

    /// Reads and compiles it for a verb that answers from the file. If that cannot be used, scripts get its problems as
    /// `check` gives them, and standard error says what serves meanwhile.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub async fn answer_from(&self, out: &Output) -> anyhow::Result<Loaded> {
        let problems = match self.look() {
            Ok(loaded) => return Ok(loaded),
            Err(problems) => problems,
        };
        out.show_to_scripts(&Broken { file: &self.file, problems: &problems })?;
        if let Some(edition) = self.serving().await {
            complain(&format!("portcullis: edition {edition} serves meanwhile; it was loaded before these problems"));
        }
        Err(problems.into())
    }

    /// The edition that a running gateway serves, if one answers.
    async fn serving(&self) -> Option<u64> {
        let (status, answer) = admin::ask(&self.socket().ok()?, Method::GET, "/status").await.ok()?;
        answer.get("edition").filter(|_| status == 200)?.as_u64()
    }

    /// Looks at it, or at as much of it as can be read.
    ///
    /// # Errors
    /// Everything that is wrong with it, and the rest.
    pub fn salvage(&self) -> Result<Loaded, Wreck> {
        config::salvage(&self.file, &Environment::of_process().from_outside(), SystemClock.now())
    }

    /// The operator's socket that it names. Read apart from everything else, because a gateway must be reachable by a
    /// configuration that it is about to refuse.
    ///
    /// # Errors
    /// If the file cannot be read or names none.
    pub fn socket(&self) -> anyhow::Result<PathBuf> {
        let text = std::fs::read_to_string(&self.file)
            .map_err(|error| anyhow::anyhow!("{} cannot be read: {error}", self.file.display()))?;
        let socket = socket_in(&text).ok_or_else(|| {
            let file = self.file.display();
            anyhow::anyhow!(
                "{file} names no socket to reach the gateway by: add socket = \"/run/portcullis/admin.sock\" to [admin] and \
                 restart the gateway; until then SIGHUP reloads it"
            )
        })?;
        Ok(self.file.parent().unwrap_or(Path::new("")).join(socket))
    }
}

/// A configuration that cannot be used.
struct Broken<'a> {
    file: &'a Path,
    problems: &'a Problems,
}

impl View for Broken<'_> {
    fn text(&self, _: Ink) -> String {
        self.problems.to_string()
    }

    fn json(&self) -> Value {
        check::broken(self.file, self.problems)
    }
}

/// Which running gateway a verb talks to.
#[derive(Clone, Debug, clap::Args)]
pub struct Gateway {
    #[command(flatten)]
    config: ConfigFile,
    /// The gateway's socket, if it is not the one the configuration names
    #[arg(long, value_name = "FILE")]
    socket: Option<PathBuf>,
}

impl Gateway {
    /// Asks it and gives its status and answer.
    ///
    /// # Errors
    /// If nothing names its socket, or it does not answer.
    pub async fn ask(&self, method: Method, path: &str) -> anyhow::Result<(u16, Value)> {
        let socket = match &self.socket {
            Some(socket) => socket.clone(),
            None => self.config.socket()?,
        };
        Ok(admin::ask(&socket, method, path).await?)
    }
}

/// `socket` of `[admin]`, as far as the text can be read.
fn socket_in(text: &str) -> Option<PathBuf> {
    let (table, _) = DeTable::parse_recoverable(text);
    path_in(table.get_ref(), "admin", "socket")
}

/// What a broken text tells of a key with a default.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Told {
    /// It is given.
    Given(PathBuf),
    /// It is not given, so the default holds.
    Silent,
    /// It may be given where the text cannot be read, or is no path.
    Garbled,
}

/// `state` of `[gateway]`, as far as the text can be read.
pub fn state_in(text: &str) -> Told {
    let (table, errors) = DeTable::parse_recoverable(text);
    let table = table.get_ref();
    let hidden = table
        .get("gateway")
        .is_some_and(|gateway| gateway.get_ref().as_table().is_none_or(|gateway| gateway.contains_key("state")));
    match path_in(table, "gateway", "state") {
        Some(state) => Told::Given(state),
        None if errors.is_empty() && !hidden => Told::Silent,
        None => Told::Garbled,
    }
}

fn path_in(table: &DeTable<'_>, section: &str, key: &str) -> Option<PathBuf> {
    let section = table.get(section)?.get_ref().as_table()?;
    section.get(key)?.get_ref().as_str().map(PathBuf::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_socket_is_found_even_beside_mistakes() {
        let text = "[gateway]\nthreads = \"many\"\n[admin]\nsocket = \"admin.sock\"\n[[route]\nname =\n";
        assert_eq!(socket_in(text), Some(PathBuf::from("admin.sock")));
        assert_eq!(socket_in("[admin]\naddress = \"127.0.0.1:1\"\n"), None);
    }

    #[test]
    fn the_state_is_told_only_where_there_is_no_doubt() {
        let given = |path: &str| Told::Given(PathBuf::from(path));
        for (text, told) in [
            ("[gateway]\nstate = \"state\"\nthreads = \"many\"\n[[route]\nname =\n", given("state")),
            ("[gateway]\nthreads = \"many\"\n", Told::Silent),
            ("", Told::Silent),
            ("[gateway]\nthreads = \"many\"\n[[route]\n", Told::Garbled),
            ("[gateway]\nstate = 5\n", Told::Garbled),
            ("gateway = 5\n", Told::Garbled),
        ] {
            assert_eq!(state_in(text), told, "{text}");
        }
    }

    #[test]
    fn a_relative_socket_lies_beside_the_file_that_names_it() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("portcullis.toml");
        std::fs::write(&file, "[admin]\nsocket = \"admin.sock\"\n").expect("a file");
        let socket = ConfigFile { file }.socket().expect("a socket is named");
        assert_eq!(socket, folder.path().join("admin.sock"));
    }
}
