//! Small files in, exact problems out.

mod files;
mod odd;
mod plans;
mod policies;
mod reference;
mod services;
mod sign_in;
mod syntax;
mod warnings;

use super::{Environment, Loaded, Problem, Problems, load};
use crate::stdx::clock::Time;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// What nearly every configuration has, to stand below what a test is about.
const REST: &str = r#"
[[listen]]
address = "127.0.0.1:8080"
[portal]
origin = "http://auth.localhost:8080"
[factor.password]
[factor.totp]
"#;

/// A pool and a route to it, for tests that are about neither.
const ROUTE: &str = r#"
[pool.app]
members = ["127.0.0.1:3000"]
[[route]]
name = "app"
host = "app.example.com"
pool = "app"
"#;

/// When everything is read: 2023-11-14.
const NOW: Time = Time::from_secs(1_700_000_000);

/// A directory with files.
struct Files(tempfile::TempDir);

impl Files {
    fn new() -> Self {
        Files(tempfile::tempdir().expect("a temporary directory"))
    }

    fn with(self, name: &str, text: impl AsRef<[u8]>) -> Self {
        let path = self.0.path().join(name);
        std::fs::create_dir_all(path.parent().expect("a parent")).expect("a directory");
        std::fs::write(&path, text).expect("a file");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).expect("rights");
        self
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn load(&self) -> Result<Loaded, Problems> {
        load(&self.path().join("main.toml"), &Environment::default(), NOW)
    }

    /// The problems, with the directory left out.
    #[track_caller]
    fn problems(&self) -> Vec<String> {
        self.shown(self.load().expect_err("problems").iter())
    }

    /// The warnings of a configuration that can be used.
    #[track_caller]
    fn warnings(&self) -> Vec<String> {
        self.shown(self.loaded().warnings.iter())
    }

    #[track_caller]
    fn loaded(&self) -> Loaded {
        self.load().unwrap_or_else(|problems| panic!("no problems, but:\n{problems}"))
    }

    fn shown<'a>(&self, problems: impl Iterator<Item = &'a Problem>) -> Vec<String> {
        let directory = format!("{}/", self.path().display());
        problems.map(|problem| problem.to_string().replace(&directory, "")).collect()
    }
}

/// The problems of one file that begins with `text`, each without the file's name.
#[track_caller]
fn problems(text: &str) -> Vec<String> {
    let problems = Files::new().with("main.toml", format!("{text}{REST}")).problems();
    problems.into_iter().map(|line| line.trim_start_matches("main.toml:").to_owned()).collect()
}

/// That a file that begins with `text` has exactly these problems.
#[track_caller]
fn assert_problems(text: &str, expected: &[&str]) {
    assert_eq!(problems(text), expected, "\n{text}");
}

/// What a file that begins with `text` comes to.
#[track_caller]
fn loaded(text: &str) -> Loaded {
    Files::new().with("main.toml", format!("{text}{REST}")).loaded()
}
