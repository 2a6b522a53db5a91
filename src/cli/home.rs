//! What commands on accounts, sessions and events need of a configuration: where the store is, and a little more, as far
//! as it can be told. They are needed most when the configuration is broken, so they do not ask that it is not.

use super::ending::{Stopped, complain};
use super::opened::{Absent, Opened};
use super::output::count;
use super::running::{Parted, Running, same};
use super::settings::{ConfigFile, Told, state_in};
use super::unwritten::{self, Whom};
use super::worth::Worth;
use crate::config::Wreck;
use crate::edition::Plan;
use crate::gateway::StateFailure;
use crate::identity::{AccountName, Group, SessionRules};
use crate::policy::Policy;
use crate::policy::condition::Groups;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

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
        let (essentials, running) = self.beside(self.essentials()?).await?;
        Opened::open_beside(&running, essentials, Absent::Say).await
    }

    /// The store, made if there is none; not before it is clear that there is somewhere to enrol.
    ///
    /// # Errors
    /// If there is no portal, or the store cannot be told, made or opened, or if the running gateway works on another.
    pub async fn open_to_enrol(&self) -> anyhow::Result<Opened> {
        let essentials = self.essentials()?;
        essentials.portal()?;
        let (essentials, running) = self.beside(essentials).await?;
        Opened::open_beside(&running, essentials, Absent::Make).await
    }

    /// The store, made if there is none.
    ///
    /// # Errors
    /// If the store cannot be told, made or opened, or if the running gateway works on another.
    pub async fn open_to_add(&self) -> anyhow::Result<Opened> {
        let (essentials, running) = self.beside(self.essentials()?).await?;
        Opened::open_beside(&running, essentials, Absent::Make).await
    }

    /// The same as [`Home::open`] for what can be done without the store's key: see [`Opened::open_without_key`].
    ///
    /// # Errors
    /// If the store is not there, or cannot be told or opened, or if the running gateway works on another.
    pub async fn open_without_key(&self) -> anyhow::Result<Opened> {
        let (essentials, running) = self.beside(self.essentials()?).await?;
        Opened::open_without_key_beside(&running, essentials, Absent::Say).await
    }

    /// The same to shut somebody out. Where the store is not to be had, the running gateway is asked to refuse the
    /// sessions from memory, which is what the error then says; `whose` they are is said to the operator.
    ///
    /// # Errors
    /// The same, and if the sessions are refused from memory alone.
    pub async fn open_to_end(&self, whom: &Whom, whose: &str) -> anyhow::Result<Opened> {
        let (essentials, running) = self.beside(self.essentials()?).await?;
        match Opened::open_without_key_beside(&running, essentials.clone(), Absent::Say).await {
            Err(error) if is_out_of_reach(&error) => Err(unwritten::bar(&essentials, whom, (whose, &error)).await),
            opened => opened,
        }
    }

    /// The gateway that runs beside the command. It must work on the same store: a configuration that was edited may
    /// name the next one already, where a word is enough if the store was named by hand.
    async fn beside(&self, essentials: Essentials) -> anyhow::Result<(Essentials, Running)> {
        let running = Running::beside(&essentials).await;
        let theirs = match &running {
            Running::On { state, .. } if !same(state, &essentials.state) => state.display(),
            Running::On { .. } | Running::Somewhere | Running::Nowhere => return Ok((essentials, running)),
        };
        let ours = essentials.state.display();
        if self.state.is_none() {
            return Err(Stopped::no(format!(
                "the running gateway's store is {theirs}, and the configuration now names {ours}\nuse --state {theirs}, \
                 or restart the gateway"
            )));
        }
        complain(&format!("portcullis: note: the running gateway's store is {theirs}; this is about {ours}"));
        Ok((essentials, running))
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

/// Whether it is the store that failed, not the question.
fn is_out_of_reach(error: &anyhow::Error) -> bool {
    let failure = error.downcast_ref::<StateFailure>();
    error.is::<Parted>() || matches!(failure, Some(StateFailure::Store { .. } | StateFailure::Unfit { .. }))
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
    /// What it makes of credentials, if that can be told.
    pub worth: Option<Worth>,
    /// The service accounts that policies name, if all of them can be told.
    pub service_accounts: Option<BTreeSet<AccountName>>,
    /// The policies of routes that ask who it is, each with the groups of which it wants one; empty if one of them lets
    /// in whoever signed in, or if not all can be told.
    pub gates: BTreeMap<String, Vec<Group>>,
    /// Whether all of this is beyond doubt.
    pub soundness: Soundness,
    portal: Option<String>,
}

/// See [`Essentials::gates`].
fn gates(plan: &Plan) -> BTreeMap<String, Vec<Group>> {
    let for_people =
        |policy: &&Arc<Policy>| policy.needs_session() && !policy.rules.groups.iter().any(Groups::is_nobody);
    let asking = plan.routes.iter().map(|route| &route.policy).filter(for_people);
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
            service_accounts: Some(
                plan.policies.iter().flat_map(|policy| &policy.rules.service_accounts.any_of).cloned().collect(),
            ),
            worth: Some(Worth::of(plan)),
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
            service_accounts: None,
            gates: BTreeMap::new(),
            worth: None,
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
