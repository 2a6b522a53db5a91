//! What commands on accounts, sessions and events need of a configuration: where the store is, and a little more, as far
//! as it can be told. They are needed most when the configuration is broken, so they do not ask that it is not.

use super::ending::{Stopped, complain};
use super::opened::{Absent, Opened, Running};
use super::output::count;
use super::refusal::advised;
use super::settings::{ConfigFile, Told, state_in};
use crate::config::Wreck;
use crate::edition::Plan;
use crate::gateway;
use crate::identity::{Group, SessionRules};
use crate::store::FileId;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// Which gateway's accounts, sessions and events a command is about.
#[derive(Clone, Debug, clap::Args)]
pub struct Home {
    #[command(flatten)]
    pub config: ConfigFile,
    /// The state directory, if not as the configuration says, or if that cannot be read
    #[arg(long, value_name = "DIR", global = true, display_order = 98)]
    state: Option<PathBuf>,
}

impl Home {
    /// What can be told; that something is wrong with the configuration is said on standard error.
    ///
    /// # Errors
    /// If nothing tells where the state is.
    pub fn essentials(&self) -> anyhow::Result<Essentials> {
        let file = self.config.file.display();
        match self.config.salvage() {
            Ok(loaded) => Ok(self.essentials_of(&loaded.plan)),
            Err(wreck) => {
                let problems = count(wreck.problems.iter().len(), "problem");
                complain(&format!("portcullis: {file} has {problems}; `portcullis check` names them"));
                self.salvaged(wreck)
            }
        }
    }

    /// The same of a configuration without problems that was loaded already.
    pub fn essentials_of(&self, plan: &Plan) -> Essentials {
        let essentials = Essentials::of(plan);
        match &self.state {
            Some(state) => Essentials { state: state.clone(), ..essentials },
            None => essentials,
        }
    }

    /// The store, which is there.
    ///
    /// # Errors
    /// If it is not, or cannot be told or opened, or if the running gateway works on another.
    pub async fn open(&self) -> anyhow::Result<Opened> {
        let essentials = self.essentials()?;
        self.agree(&essentials).await?;
        Opened::open(essentials, Absent::Say).await
    }

    /// The same for what can be done without the store's key: see [`Opened::open_without_key`].
    ///
    /// # Errors
    /// If the store is not there, or cannot be told or opened, or if the running gateway works on another.
    pub async fn open_without_key(&self) -> anyhow::Result<Opened> {
        let essentials = self.essentials()?;
        self.agree(&essentials).await?;
        Opened::open_without_key(essentials, Absent::Say).await
    }

    /// Makes sure that the running gateway, if there is one, works on the same store: a configuration that was edited
    /// may name the next one already, where a word is enough if the store was named by hand, and a copy may lie in the
    /// place of the file that the gateway has open.
    ///
    /// # Errors
    /// If it works on another.
    pub async fn agree(&self, essentials: &Essentials) -> anyhow::Result<()> {
        let Some(socket) = &essentials.socket else { return Ok(()) };
        let Running::On { state: theirs, store } = Running::behind(socket).await else { return Ok(()) };
        if same(&theirs, &essentials.state) {
            return in_place(store, &essentials.state);
        }
        let (theirs, ours) = (theirs.display(), essentials.state.display());
        match &self.state {
            Some(_) => {
                complain(&format!("portcullis: note: the running gateway's store is {theirs}; this is about {ours}"));
                Ok(())
            }
            None => Err(Stopped::no(format!(
                "the running gateway's store is {theirs}, and the configuration now names {ours}\nuse --state {theirs}, \
                 or restart the gateway"
            ))),
        }
    }

    /// What a broken configuration tells.
    fn salvaged(&self, wreck: Wreck) -> anyhow::Result<Essentials> {
        let Wreck { problems, plan } = wreck;
        let file = &self.config.file;
        let told = std::fs::read_to_string(file).map_or(Told::Garbled, |text| state_in(&text));
        let state = match (&self.state, told, plan.as_deref()) {
            (Some(state), _, _) => state.clone(),
            (None, Told::Given(state), _) => file.parent().unwrap_or(Path::new("")).join(state),
            (None, Told::Silent, Some(plan)) => plan.gateway.state.clone(),
            (None, Told::Silent, None) | (None, Told::Garbled, _) => {
                let first = problems.iter().next().map(ToString::to_string).unwrap_or_default();
                return Err(Stopped::no(format!(
                    "where the state is cannot be told from the configuration:\n{first}\nsay it: --state DIR"
                )));
            }
        };
        Ok(Essentials::rest(state, plan.as_deref()))
    }
}

/// Makes sure that the file in a state directory is the one that the gateway has open, as far as it says.
fn in_place(open: Option<FileId>, state: &Path) -> anyhow::Result<()> {
    match (open, gateway::store_in(state).map_err(advised)?) {
        (Some(open), Some(found)) if open != found => anyhow::bail!(
            "another file lies in place of the store in {} than the one that the running gateway has open, so it would \
             not see what is written now\nrestart the gateway to use the file that lies there, or put the other one back",
            state.display()
        ),
        (Some(_) | None, _) => Ok(()),
    }
}

/// Whether two paths are of one directory.
pub fn same(one: &Path, other: &Path) -> bool {
    let real = |path: &Path| std::fs::canonicalize(path).or_else(|_| std::path::absolute(path));
    matches!((real(one), real(other)), (Ok(one), Ok(other)) if one == other)
}

#[cfg(test)]
impl Home {
    /// Where a configuration says.
    pub fn of(config: ConfigFile) -> Self {
        Home { config, state: None }
    }
}

/// What is needed of a configuration.
#[derive(Clone, Debug)]
pub struct Essentials {
    /// Where the store and the keys are.
    pub state: PathBuf,
    /// The running gateway's socket.
    pub socket: Option<PathBuf>,
    /// When sessions end.
    pub sessions: SessionRules,
    /// The groups that policies name, if all of them can be told.
    pub groups: Option<BTreeSet<Group>>,
    /// The policies of routes that ask who it is, each with the groups of which it wants one; empty if one of them lets
    /// in whoever signed in, or if not all can be told.
    pub gates: BTreeMap<String, Vec<Group>>,
    /// Whether all of this is beyond doubt.
    pub soundness: Soundness,
    portal: Option<String>,
}

/// See [`Essentials::gates`].
fn gates(plan: &Plan) -> BTreeMap<String, Vec<Group>> {
    let asking = plan.routes.iter().map(|route| &route.policy).filter(|policy| policy.needs_session());
    let gates: BTreeMap<String, Vec<Group>> =
        asking.map(|policy| (policy.name.to_string(), policy.named_groups().cloned().collect())).collect();
    if gates.values().any(Vec::is_empty) { BTreeMap::new() } else { gates }
}

/// Whether a configuration has problems.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Soundness {
    /// None.
    Sound,
    /// Some.
    Broken,
}

impl Essentials {
    /// What a configuration without problems says.
    pub fn of(plan: &Plan) -> Self {
        Essentials {
            state: plan.gateway.state.clone(),
            socket: plan.gateway.admin_socket.clone(),
            sessions: plan.sessions,
            gates: gates(plan),
            groups: Some(plan.policies.iter().flat_map(|policy| policy.named_groups()).cloned().collect()),
            soundness: Soundness::Sound,
            portal: plan.portal.as_ref().map(|portal| portal.origin.clone()),
        }
    }

    /// What is left of a configuration with problems.
    fn rest(state: PathBuf, plan: Option<&Plan>) -> Self {
        Essentials {
            state,
            socket: plan.and_then(|plan| plan.gateway.admin_socket.clone()),
            sessions: plan.map_or(SessionRules::DEFAULT, |plan| plan.sessions),
            groups: None,
            gates: BTreeMap::new(),
            soundness: Soundness::Broken,
            portal: plan.and_then(|plan| plan.portal.as_ref()).map(|portal| portal.origin.clone()),
        }
    }

    /// The portal's origin.
    ///
    /// # Errors
    /// If there is none, or none can be told.
    pub fn portal(&self) -> anyhow::Result<&str> {
        self.portal.as_deref().ok_or_else(|| {
            Stopped::no(match self.soundness {
                Soundness::Sound => {
                    "the configuration has no [portal]: there is nowhere to enrol and nowhere to sign in"
                }
                Soundness::Broken => {
                    "the portal's address, which an enrolment link begins with, cannot be told from the configuration"
                }
            })
        })
    }
}
