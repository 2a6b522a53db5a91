//! The demo's folder: its configuration, written once and then left to whoever plays with it; knows no server.

use super::ports::Ports;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::{fs, io};

/// The configuration with the ports still to be filled in.
const TEMPLATE: &str = include_str!("portcullis.toml");

/// What the configuration is called.
const NAME: &str = "portcullis.toml";

/// A folder that is ready.
#[derive(Debug)]
pub struct Prepared {
    /// Its configuration.
    pub config: PathBuf,
    /// Where the one for other ports is kept that was there before.
    pub aside: Option<PathBuf>,
}

/// Whether a gateway answers here. What is written here then, it takes over at once.
pub fn is_in_use(dir: &Path) -> bool {
    UnixStream::connect(dir.join("admin.sock")).is_ok()
}

/// Makes the folder with its configuration. One that is there for these ports is left as it is; one for other ports is
/// kept beside the new one, and never in place of another that is kept.
///
/// # Errors
/// If a file cannot be read or written.
pub fn prepare(dir: &Path, ports: Ports) -> anyhow::Result<Prepared> {
    let cannot = |error: io::Error| anyhow::anyhow!("{} cannot be used: {error}", dir.display());
    fs::create_dir_all(dir).map_err(cannot)?;
    let config = dir.join(NAME);
    let aside = match fs::read(&config) {
        Ok(text) if String::from_utf8_lossy(&text).contains(&origin(ports)) => {
            return Ok(Prepared { config, aside: None });
        }
        Ok(_) => Some(set_aside(dir).map_err(cannot)?),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => return Err(cannot(error)),
    };
    let state = std::path::absolute(dir).map_err(cannot)?.join("state");
    fs::write(&config, configuration(ports, &state)).map_err(cannot)?;
    Ok(Prepared { config, aside })
}

/// Gives the configuration another name, which nothing has yet.
fn set_aside(dir: &Path) -> io::Result<PathBuf> {
    let first = std::iter::once(format!("{NAME}.old"));
    let names = first.chain((2..u32::MAX).map(|number| format!("{NAME}.old.{number}")));
    let mut paths = names.map(|name| dir.join(name));
    let free = paths.find(|path| fs::symlink_metadata(path).is_err()).ok_or(io::ErrorKind::AlreadyExists)?;
    fs::rename(dir.join(NAME), &free)?;
    Ok(free)
}

/// The portal's origin as the configuration writes it: it tells for which ports it was written.
fn origin(ports: Ports) -> String {
    format!("\"http://auth.localhost:{}\"", ports.gateway)
}

fn configuration(ports: Ports, state: &Path) -> String {
    let Ports { gateway, app: [app_1, app_2], wiki: [wiki_1, wiki_2], admin } = ports;
    let named = [
        ("{gateway}", gateway),
        ("{app-1}", app_1),
        ("{app-2}", app_2),
        ("{wiki-1}", wiki_1),
        ("{wiki-2}", wiki_2),
        ("{admin}", admin),
    ];
    let state = toml::Value::from(state.to_string_lossy().as_ref()).to_string();
    let text = TEMPLATE.replace("\"{state}\"", &state);
    named.iter().fold(text, |text, (name, port)| text.replace(name, &port.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::settings::ConfigFile;

    #[test]
    fn the_demo_s_configuration_has_no_problem_and_no_warning() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = prepare(folder.path(), Ports::from(8080)).expect("a configuration").config;
        let loaded = ConfigFile { file }.load().expect("no problem");
        assert_eq!(loaded.warnings, []);
        assert!(loaded.plan.routes.len() >= 6, "there is something to try");
    }

    fn read(file: &Path) -> String {
        fs::read_to_string(file).expect("a file")
    }

    #[test]
    fn what_was_changed_is_left_alone_until_the_ports_change() {
        let folder = tempfile::tempdir().expect("a folder");
        let prepare = |port| prepare(folder.path(), Ports::from(port)).expect("a configuration");
        let Prepared { config, .. } = prepare(8080);
        let changed = read(&config) + "# mine\n";
        fs::write(&config, &changed).expect("a file");
        assert_eq!(prepare(8080).aside, None);
        assert_eq!(read(&config), changed);
        let aside = prepare(9080).aside.expect("it is set aside");
        assert!(read(&config).contains("http://auth.localhost:9080"));
        assert_eq!((aside.as_path(), read(&aside)), (&*folder.path().join("portcullis.toml.old"), changed));
    }

    #[test]
    fn a_configuration_that_is_set_aside_never_takes_the_place_of_another() {
        let folder = tempfile::tempdir().expect("a folder");
        let prepare = |port| prepare(folder.path(), Ports::from(port)).expect("a configuration");
        let mut kept = Vec::new();
        for (port, mine) in [(8080, &b"# first\n"[..]), (9080, b"# second\n"), (8080, b"# no text: \xff\n")] {
            let Prepared { config, aside } = prepare(port);
            kept.extend(aside);
            fs::write(&config, mine).expect("a file");
        }
        kept.extend(prepare(8080).aside);
        let names = ["portcullis.toml.old", "portcullis.toml.old.2", "portcullis.toml.old.3"];
        assert_eq!(kept, names.map(|name| folder.path().join(name)));
        let texts: Vec<Vec<u8>> = kept.iter().map(|file| fs::read(file).expect("a file")).collect();
        assert_eq!(texts, [&b"# first\n"[..], b"# second\n", b"# no text: \xff\n"]);
    }
}
