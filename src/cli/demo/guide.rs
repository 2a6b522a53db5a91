//! What the demo prints: what to open and what to try, each line ready to be copied; starts nothing.

use super::ports::Ports;
use crate::cli::moment;
use crate::cli::opened::Link;
use crate::cli::output::{Ink, View};
use serde_json::{Value, json};
use std::path::PathBuf;

/// What there is to try.
pub struct Guide {
    /// The demo's ports.
    pub ports: Ports,
    /// Its configuration.
    pub config: PathBuf,
    /// Its folder.
    pub dir: PathBuf,
    /// The enrolment link; `None` once somebody enrolled.
    pub link: Option<Link>,
}

impl Guide {
    fn url(&self, host: &str, path: &str) -> String {
        format!("http://{host}.localhost:{}{path}", self.ports.gateway)
    }

    fn command(&self, verb: &str) -> String {
        format!("{} {verb} --config {}", program(), self.config.display())
    }

    fn opening(&self, ink: Ink) -> String {
        let deep = self.url("app", "/orders/42?view=full");
        let sign_in = match &self.link {
            Some(link) => format!(
                ", the first time as {}\n     open this link in the same browser, choose a password, then a passkey (one \
                 touch signs in from then on)\n     or an app: you are then brought to the page of step 1\n     (good once, \
                 until {})\n     {}",
                ink.bold("demo"),
                moment::date(link.expires),
                ink.bold(&link.address)
            ),
            None => format!(
                "\n     as {}, with the passkey, or the password and the app, that you enrolled; {} forgets them",
                ink.bold("demo"),
                self.command("account reset demo --reason lost")
            ),
        };
        format!(
            "  1  Open a page deep inside a service; it sends you to sign in\n     {}\n\n  2  Sign in{sign_in}\n\n  \
             3  Open the other service; nobody asks again\n     {}\n\n  4  See and end your sessions; end all, and both \
             services are closed\n     {}",
            ink.bold(&deep),
            ink.bold(&self.url("wiki", "/")),
            ink.bold(&self.url("auth", "/")),
        )
    }

    /// Makes a key pair and an account that has it.
    fn service(&self) -> String {
        let (key, public) = (self.dir.join("ci.key"), self.dir.join("ci.pub"));
        let (key, public) = (key.display(), public.display());
        let add = self.command(&format!("account add ci --service --key {public}"));
        format!(
            "openssl genpkey -algorithm ed25519 -out {key} && openssl pkey -in {key} -pubout -out {public} && {add}"
        )
    }

    /// What to try on the command line: why, and the command.
    fn trials(&self) -> Vec<(&'static str, String)> {
        let [first, _] = self.ports.app;
        let admin = self.url("app", "/admin/");
        let explain = self.command(&format!("explain {admin} --as demo"));
        vec![
            ("a program gets a challenge, never a redirect", format!("curl -i {}", self.url("app", "/api/orders"))),
            ("an open route, because it says so", format!("curl -i {}", self.url("app", "/public/hello"))),
            (
                "two readings of one path are refused",
                format!("curl -i --path-as-is '{}'", self.url("app", "/public/..;/admin/")),
            ),
            (
                "once you are signed in: a command line signs in too; approve it in the browser",
                format!("{} login --exec -- curl {}", program(), self.url("app", "/api/orders")),
            ),
            (
                "a program of its own, with a key: the policy jobs admits it, and nobody else (docs/api-clients.md)",
                self.service(),
            ),
            ("why demo may not open /admin/", explain),
            (
                "once you are signed in: let demo into /admin/, which then asks again every minute",
                self.command("account groups demo --set staff,admin"),
            ),
            ("the routes as they are matched", self.command("routes")),
            (
                "saving is a reload: a new edition, without dropping a request; the portal's pages have the name",
                format!("sed -i 's/\"Portcullis demo\"/\"My own gate\"/' {}", self.config.display()),
            ),
            ("which edition serves, since when, and how everything stands", self.command("status")),
            ("a server goes away for 20 s; its twin answers", format!("curl -X POST http://127.0.0.1:{first}/stop")),
            (
                "once you are signed in: cut the account off, open streams included",
                self.command("account disable demo"),
            ),
            ("and let it sign in again", self.command("account enable demo")),
            ("who did what", self.command("audit tail")),
            ("counted", format!("curl http://127.0.0.1:{}/metrics", self.ports.admin)),
        ]
    }
}

impl View for Guide {
    fn text(&self, ink: Ink) -> String {
        let trials = self.trials();
        // One below the other: side by side the commands would not fit a terminal.
        let trial = |(why, command): &(&str, String)| format!("  {}\n     {command}", ink.dim(why));
        let trials = trials.iter().map(trial).collect::<Vec<_>>().join("\n");
        format!(
            "\n{}\n{}\n\n{}\n\n{}\n\n{trials}\n\n{}\n",
            ink.bold("Portcullis, a demo: two services of two servers each, and one account"),
            ink.dim(
                "Only this machine reaches it: everything listens on 127.0.0.1. Browsers and curl find names that end in \
                 .localhost there by themselves."
            ),
            self.opening(ink),
            ink.bold("In a second terminal"),
            ink.dim(&format!(
                "Everything is in {}; saving {} is a reload. Ctrl-C ends it all.",
                self.dir.display(),
                self.config.display()
            )),
        )
    }

    fn json(&self) -> Value {
        let trials = self.trials();
        json!({
            "app": self.url("app", "/"),
            "wiki": self.url("wiki", "/"),
            "portal": self.url("auth", "/"),
            "enrol": self.link.as_ref().map(|link| &link.address),
            "admin": format!("http://127.0.0.1:{}", self.ports.admin),
            "members": { "app": self.ports.app, "wiki": self.ports.wiki },
            "config": self.config.to_string_lossy(),
            "try": trials.iter().map(|(why, command)| json!({ "why": why, "command": command })).collect::<Vec<_>>(),
        })
    }
}

/// This program as it is called from here.
pub fn program() -> String {
    let here = std::env::current_dir().unwrap_or_default();
    let program = std::env::current_exe().unwrap_or_else(|_| PathBuf::from("portcullis"));
    program.strip_prefix(&here).unwrap_or(&program).display().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stdx::clock::Time;

    fn guide(link: Option<Link>) -> Guide {
        Guide { ports: Ports::from(8080), config: ".demo/portcullis.toml".into(), dir: ".demo".into(), link }
    }

    #[test]
    fn the_change_that_is_to_be_tried_changes_the_configuration() {
        let folder = tempfile::tempdir().expect("a folder");
        let ports = Ports::from(8080);
        let config = crate::cli::demo::folder::prepare(folder.path(), ports).expect("a configuration").config;
        let before = std::fs::read_to_string(&config).expect("a file");
        let guide = Guide { ports, config: config.clone(), dir: folder.path().to_owned(), link: None };
        let (_, command) =
            guide.trials().into_iter().find(|(_, command)| command.starts_with("sed ")).expect("a change");
        let done = std::process::Command::new("sh").args(["-c", &command]).status().expect("a shell");
        let after = std::fs::read_to_string(&config).expect("a file");
        assert!(done.success() && after != before && after.contains("\"My own gate\""), "{after}");
        let loaded = crate::cli::settings::ConfigFile { file: config }.load().expect("still without a problem");
        assert_eq!(loaded.plan.portal.expect("a portal").name, "My own gate");
    }

    #[test]
    fn every_step_and_every_trial_has_its_label_above_it() {
        let text = guide(None).text(Ink::Plain);
        let mut rest = text.as_str();
        for (label, command) in [
            ("Portcullis, a demo: two services of two servers each, and one account", "Only this machine reaches it"),
            ("  1  Open a page deep inside a service; it sends you to sign in", "http://app.localhost:8080/orders/42"),
            ("  2  Sign in", "as demo, with the passkey, or the password and the app, that you enrolled; "),
            ("  3  Open the other service; nobody asks again", "http://wiki.localhost:8080/"),
            ("  4  See and end your sessions; end all, and both services are closed", "http://auth.localhost:8080/"),
            ("In a second terminal", ""),
            ("a program gets a challenge, never a redirect", "curl -i http://app.localhost:8080/api/orders"),
            ("an open route, because it says so", "curl -i http://app.localhost:8080/public/hello"),
            ("two readings of one path are refused", "curl -i --path-as-is '"),
            (
                "once you are signed in: a command line signs in too",
                " login --exec -- curl http://app.localhost:8080/api/",
            ),
            ("a program of its own, with a key", " account add ci --service --key .demo/ci.pub "),
            ("why demo may not open /admin/", " explain http://app.localhost:8080/admin/ --as demo "),
            ("once you are signed in: let demo into /admin/", " account groups demo --set staff,admin "),
            ("the routes as they are matched", " routes --config .demo/portcullis.toml"),
            ("saving is a reload: a new edition, without dropping a request", "sed -i "),
            ("which edition serves, since when, and how everything stands", " status --config "),
            ("a server goes away for 20 s; its twin answers", "curl -X POST http://127.0.0.1:8081/stop"),
            ("once you are signed in: cut the account off, open streams included", " account disable demo "),
            ("and let it sign in again", " account enable demo "),
            ("who did what", " audit tail "),
            ("counted", "curl http://127.0.0.1:8085/metrics"),
            ("Everything is in .demo; saving .demo/portcullis.toml is a reload.", "Ctrl-C ends it all."),
        ] {
            for part in [label, command] {
                let (_, behind) = rest.split_once(part).unwrap_or_else(|| panic!("{part:?} is not next in\n{rest}"));
                rest = behind;
            }
        }
    }

    #[test]
    fn the_link_is_the_whole_sign_in_and_no_second_one_follows() {
        let link = Link { address: "http://auth.localhost:8080/enrol/TOKEN".to_owned(), expires: Time::from_secs(0) };
        let text = guide(Some(link)).text(Ink::Plain);
        let (_, step) = text.split_once("  2  Sign in, the first time as demo\n").expect("step 2");
        let (step, _) = step.split_once("\n\n").expect("step 3");
        assert_eq!(
            step,
            "     open this link in the same browser, choose a password, then a passkey (one touch signs in from then on)\n     \
             or an app: you are then brought to the page of step 1\n     (good once, until 1970-01-01 00:00 UTC)\n     \
             http://auth.localhost:8080/enrol/TOKEN"
        );
    }

    #[test]
    fn the_guide_names_every_address_and_the_link() {
        let address = "http://auth.localhost:8080/enrol/TOKEN".to_owned();
        let guide = guide(Some(Link { address, expires: Time::from_secs(0) }));
        let text = guide.text(Ink::Plain);
        for part in [
            "http://app.localhost:8080/orders/42?view=full",
            "http://wiki.localhost:8080/\n",
            "http://auth.localhost:8080/enrol/TOKEN\n",
            "account disable demo --config .demo/portcullis.toml\n",
            "curl -X POST http://127.0.0.1:8081/stop\n",
            "everything listens on 127.0.0.1",
            "names that end in .localhost",
        ] {
            assert!(text.contains(part), "{part:?} is not in\n{text}");
        }
        let enrolled = Guide { link: None, ..guide };
        assert!(enrolled.text(Ink::Plain).contains("the password and the app, that you enrolled"));
        assert_eq!(enrolled.json()["enrol"], Value::Null);
    }
}
