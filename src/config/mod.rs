//! From TOML files to a compiled plan, or to every problem at once with its place; starts nothing.
//!
//! `raw` knows TOML and no key, `words` declares every key once, `compile` knows the rules between keys.

mod bookmark;
mod compile;
mod environment;
mod places;
mod problem;
mod raw;
mod reference;
mod words;

#[cfg(test)]
mod tests;

pub use bookmark::Bookmark;
pub use compile::uncertified;
pub use environment::Environment;
pub use places::Places;
pub use problem::{Held, Problem, Problems, Sources};
pub use raw::duration;
pub use reference::reference;

use crate::edition::{Plan, RoutePlan};
use crate::route::Table;
use crate::stdx::clock::Time;
use compile::Raw;
use raw::{At, Document, Include, Reading, Section, Table as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use words::{Main, Shared};

/// Why an included file may not hold everything: whoever may write one team's routes must not be able to change more.
const FRAGMENT: &str = "an included file may hold only policy, pool and route; this belongs in the main file";

/// A configuration that can be used.
#[derive(Debug)]
pub struct Loaded {
    /// What it comes to.
    pub plan: Plan,
    /// Its routes, to be found by requests.
    pub routes: Table<Arc<RoutePlan>>,
    /// What should give pause, by file, line and column.
    pub warnings: Vec<Problem>,
    /// SHA-256 over everything that was read: files, included files, certificates, secrets.
    pub fingerprint: [u8; 32],
    /// What it was read from.
    pub sources: Sources,
    /// Where it is written, for what turns out to be wrong only when it is put to use.
    pub places: Places,
}

/// Reads a configuration with everything it includes and refers to, and compiles it. Relative paths begin in the
/// directory of the file that they are written in. What may not be used any more or not yet is judged by `now`.
///
/// # Errors
/// Everything that is wrong with it.
pub fn load(path: &Path, secrets: &Environment, now: Time) -> Result<Loaded, Problems> {
    load_marked(path, secrets, now, Bookmark::default())
}

/// The same, and while it lasts the bookmark lies where it is.
///
/// # Errors
/// Everything that is wrong with it.
pub fn load_marked(path: &Path, secrets: &Environment, now: Time, bookmark: Bookmark) -> Result<Loaded, Problems> {
    compiled(path, Reading::new(secrets, now, bookmark)).map_err(|wreck| wreck.problems)
}

/// A configuration that cannot be used.
#[derive(Debug)]
pub struct Wreck {
    /// Everything that is wrong with it.
    pub problems: Problems,
    /// What could be read in spite of that: to find a gateway's things by, never to serve from. `None` if not even the
    /// main file could be read.
    pub plan: Option<Box<Plan>>,
}

/// Reads like [`load`], for commands that are needed most when a configuration is broken.
///
/// # Errors
/// Everything that is wrong with it, and what could be read all the same.
pub fn salvage(path: &Path, secrets: &Environment, now: Time) -> Result<Loaded, Wreck> {
    compiled(path, Reading::new(secrets, now, Bookmark::default()))
}

fn compiled(path: &Path, reading: Reading<'_>) -> Result<Loaded, Wreck> {
    let raw = read(path, &reading);
    let places = raw.as_ref().map(|raw| Places::of(path, &raw.main)).unwrap_or_default();
    let directories = raw.as_ref().map(|raw| raw.directories.clone()).unwrap_or_default();
    let compiled = raw.map(|raw| compile::compile(&raw, &reading));
    let fingerprint = reading.fingerprint();
    let sources = Sources { files: reading.files(), directories };
    let warnings = match reading.report.end() {
        Ok(warnings) => warnings,
        Err(problems) => {
            let plan = compiled.map(|(plan, _)| Box::new(plan));
            return Err(Wreck { problems: problems.read_from(sources), plan });
        }
    };
    let (plan, table) = compiled.expect("a file that cannot be read is a problem");
    let routes = table.expect("routes that tie are a problem");
    Ok(Loaded { plan, routes, warnings, fingerprint, sources, places })
}

/// The keys in which two plans differ and that are read only at start.
pub fn needs_restart(old: &Plan, new: &Plan) -> Vec<&'static str> {
    let (old, new) = (&old.gateway, &new.gateway);
    let changed = [
        ("gateway.state", old.state != new.state),
        ("gateway.threads", old.threads != new.threads),
        ("log.level", old.log_level != new.log_level),
        ("admin.address", old.admin != new.admin),
        ("admin.socket", old.admin_socket != new.admin_socket),
    ];
    changed.into_iter().filter(|(_, differs)| *differs).map(|(key, _)| key).collect()
}

/// The main file and all that it includes. `None` if the main file cannot be read, which was then reported.
fn read(path: &Path, reading: &Reading<'_>) -> Option<Raw> {
    let document = Document::open(path, reading).map_err(|problem| reading.report.problem(problem)).ok()?;
    let table = document.parse(reading);
    let section = Section::new(&table, document.place(0, String::new()), reading);
    section.refuse_others(&[Main::NAMES, Shared::NAMES].concat(), None);
    let (main, mut shared) = (Main::read(&section), Shared::read(&section));
    let (files, directories) = included(&main, path, reading);
    for (file, include) in files {
        let Some(fragment) = fragment(&file, include, reading) else { continue };
        shared.policy.value.extend(fragment.policy.value);
        shared.pool.value.extend(fragment.pool.value);
        shared.route.value.extend(fragment.route.value);
    }
    Some(Raw { main, shared, directories })
}

type Included<'a> = Vec<(PathBuf, &'a At<Include>)>;

/// The files that the main file includes, each once and never itself, and the directories they were looked for in.
fn included<'a>(main: &'a Main, path: &Path, reading: &Reading<'_>) -> (Included<'a>, Vec<PathBuf>) {
    let (mut files, mut directories): (Included<'a>, Vec<PathBuf>) = (Vec::new(), Vec::new());
    for include in &main.include.value {
        directories.push(include.value.directory(&include.place));
        match include.value.files(&include.place) {
            Ok(found) => files.extend(found.into_iter().map(|file| (file, include))),
            Err(what) => reading.problem(&include.place, what),
        }
    }
    directories.sort();
    directories.dedup();
    let mut seen = std::collections::BTreeSet::from([std::fs::canonicalize(path).ok()]);
    files.retain(|(file, _)| seen.insert(Some(std::fs::canonicalize(file).unwrap_or_else(|_| file.clone()))));
    (files, directories)
}

/// What one included file holds.
fn fragment(file: &Path, include: &At<Include>, reading: &Reading<'_>) -> Option<Shared> {
    let opened = Document::open(file, reading);
    let document = opened.map_err(|problem| match problem.is_of_file() && !file.is_file() {
        // What is wrong is what was written, not what is in the file.
        true => reading.problem(&include.place, format!("{} {}", file.display(), problem.what)),
        false => reading.report.problem(problem),
    });
    let document = document.ok()?;
    let table = document.parse(reading);
    let section = Section::new(&table, document.place(0, String::new()), reading);
    section.refuse_others(Shared::NAMES, Some(FRAGMENT));
    Some(Shared::read(&section))
}
