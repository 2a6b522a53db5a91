//! Where a verb finds the configuration, and the running gateway's socket even where the configuration is broken.

use super::ending::Stopped;
use crate::config::{self, Environment, Loaded, Problems};
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
        config::load(&self.file, &Environment::of_process())
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
            Stopped::no(format!(
                "{file} names no [admin] socket to reach the gateway by; without one, SIGHUP reloads it"
            ))
        })?;
        Ok(self.file.parent().unwrap_or(Path::new("")).join(socket))
    }
}

/// `socket` of `[admin]`, as far as the text can be read.
fn socket_in(text: &str) -> Option<PathBuf> {
    let (table, _) = DeTable::parse_recoverable(text);
    let admin = table.get_ref().get("admin")?.get_ref().as_table()?;
    admin.get("socket")?.get_ref().as_str().map(PathBuf::from)
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
    fn a_relative_socket_lies_beside_the_file_that_names_it() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("portcullis.toml");
        std::fs::write(&file, "[admin]\nsocket = \"admin.sock\"\n").expect("a file");
        let socket = ConfigFile { file }.socket().expect("a socket is named");
        assert_eq!(socket, folder.path().join("admin.sock"));
    }
}
