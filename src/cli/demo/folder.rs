//! The demo's folder: its configuration, written once and then left to whoever plays with it; knows no server.

use std::fs;
use std::path::{Path, PathBuf};

/// The ports of one demo, one behind the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ports {
    /// Of the gateway.
    pub gateway: u16,
    /// Of the two servers of the first service.
    pub app: [u16; 2],
    /// Of the two servers of the second service.
    pub wiki: [u16; 2],
    /// Of the metrics.
    pub admin: u16,
}

impl Ports {
    /// Six ports, beginning with the gateway's, which leaves room for the others.
    pub fn from(gateway: u16) -> Self {
        let behind = |step: u16| gateway.saturating_add(step);
        Ports { gateway, app: [behind(1), behind(2)], wiki: [behind(3), behind(4)], admin: behind(5) }
    }
}

/// The configuration with the ports still to be filled in.
const TEMPLATE: &str = include_str!("portcullis.toml");

/// Makes the folder with its configuration and gives the configuration's path. One that is there for these ports is
/// left as it is; one for other ports is kept beside the new one.
///
/// # Errors
/// If a file cannot be written.
pub fn prepare(dir: &Path, ports: Ports) -> anyhow::Result<PathBuf> {
    let cannot = |error: std::io::Error| anyhow::anyhow!("{} cannot be written: {error}", dir.display());
    fs::create_dir_all(dir).map_err(cannot)?;
    let file = dir.join("portcullis.toml");
    let found = fs::read_to_string(&file).ok();
    if found.as_ref().is_some_and(|text| text.contains(&origin(ports))) {
        return Ok(file);
    }
    if found.is_some() {
        fs::rename(&file, dir.join("portcullis.toml.old")).map_err(cannot)?;
    }
    let state = std::path::absolute(dir).map_err(cannot)?.join("state");
    fs::write(&file, configuration(ports, &state)).map_err(cannot)?;
    Ok(file)
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
        let file = prepare(folder.path(), Ports::from(8080)).expect("a configuration");
        let loaded = ConfigFile { file }.load().expect("no problem");
        assert_eq!(loaded.warnings, []);
        assert!(loaded.plan.routes.len() >= 6, "there is something to try");
    }

    #[test]
    fn what_was_changed_is_left_alone_until_the_ports_change() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = prepare(folder.path(), Ports::from(8080)).expect("a configuration");
        let changed = fs::read_to_string(&file).expect("a file") + "# mine\n";
        fs::write(&file, &changed).expect("a file");
        prepare(folder.path(), Ports::from(8080)).expect("a configuration");
        assert_eq!(fs::read_to_string(&file).expect("a file"), changed);
        prepare(folder.path(), Ports::from(9080)).expect("a configuration");
        assert!(fs::read_to_string(&file).expect("a file").contains("http://auth.localhost:9080"));
        assert_eq!(fs::read_to_string(folder.path().join("portcullis.toml.old")).expect("a file"), changed);
    }
}
