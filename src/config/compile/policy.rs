//! `[policy.NAME]` and `[defaults]`: what policies come to when each is added to those that it extends.

use super::Names;
use super::factor::SignIn;
use crate::config::problem::hint;
use crate::config::raw::{At, Entry, Name, Place, Reading};
use crate::config::words::policy::{Defaults, Policy as Words};
use crate::factor::message;
use crate::identity::{Assurance, Need};
use crate::policy::condition::{Bound, Groups, Hours, Methods, Networks, ServiceAccounts, Tighten};
use crate::policy::{Policy, Rules};
use crate::stdx::span;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

/// What a sign-in with two factors takes, typing included.
const SIGN_IN_TAKES: Duration = Duration::from_secs(60);

/// What a sign-in with a code by phone or mail may take: as long as the code is good.
const MESSAGES_TAKE: Duration = message::LIFE;

/// Every policy, and where it is.
pub struct Policies<'a> {
    by_name: BTreeMap<&'a str, Known<'a>>,
    /// The names in order: the built-in ones, then as written.
    order: Vec<&'a str>,
}

struct Known<'a> {
    policy: Arc<Policy>,
    /// `None` if it is built in.
    written: Option<&'a Entry<Words>>,
}

/// The policies of all files.
pub fn compile<'a>(entries: &'a [Entry<Words>], reading: &Reading<'_>) -> Policies<'a> {
    let built_in: BTreeMap<&str, Policy> = [("mfa", Policy::mfa()), ("open", Policy::open())].into();
    let known = |policy| Known { policy: Arc::new(policy), written: None };
    let mut policies = Policies {
        order: built_in.keys().copied().collect(),
        by_name: built_in.into_iter().map(|(name, policy)| (name, known(policy))).collect(),
    };
    Names::of("policy", entries.iter().map(|entry| (&entry.name, &entry.place)), reading);
    let mut own: BTreeMap<&str, &Entry<Words>> = BTreeMap::new();
    for entry in entries {
        if policies.by_name.contains_key(entry.name.as_str()) {
            reading.problem(&entry.place, "this policy is built in and cannot be given; choose another name");
        } else {
            own.entry(entry.name.as_str()).or_insert(entry);
        }
    }
    for entry in own.values() {
        policies.add(entry, &own, reading);
    }
    policies.order.extend(entries.iter().map(|entry| entry.name.as_str()).filter(|name| own.remove(name).is_some()));
    policies
}

impl<'a> Policies<'a> {
    /// The policy of that name; if there is none, that is reported at `place`.
    pub fn named(&self, name: &Name, place: &Place, reading: &Reading<'_>) -> Option<Arc<Policy>> {
        let found = self.by_name.get(name.as_str());
        if found.is_none() {
            reading.problem(place, unknown(name, self.order.iter().copied()));
        }
        found.map(|known| known.policy.clone())
    }

    /// The policy of routes that name none. Never one that needs no session: leaving a key out must not open a route.
    pub fn default(&self, defaults: &Defaults, reading: &Reading<'_>) -> Arc<Policy> {
        let mfa = || Arc::clone(self.by_name.get("mfa").map(|known| &known.policy).expect("mfa is built in"));
        let Some(At { place, value: name }) = &defaults.policy else { return mfa() };
        let Some(policy) = self.named(name, place, reading) else { return mfa() };
        if policy.needs_session() {
            return policy;
        }
        let why = "a route must not be open because it says nothing; name it in each route that is open";
        reading.problem(place, format!("the policy {:?} needs no session, and {why}", name.as_str()));
        mfa()
    }

    /// Reports every policy that nobody can satisfy with the factors there are. `uses` tells where each is first used:
    /// a built-in policy that is not used is fine.
    pub fn check_sign_in(&self, uses: &BTreeMap<Arc<str>, Place>, sign_in: &SignIn, reading: &Reading<'_>) {
        for (name, known) in &self.by_name {
            let need = &known.policy.rules.require.need;
            let place = match known.written {
                Some(entry) => Some(entry.body.require.as_ref().map_or(&entry.place, |require| &require.place)),
                None => uses.get(*name),
            };
            let (Some(place), true) = (place, known.policy.needs_session()) else { continue };
            if let Some(lack) = sign_in.lacks(need) {
                reading.problem(place, format!("the policy {name:?} needs {}, but {lack}", need.level));
            }
            let age = known.written.and_then(|entry| entry.body.max_age.as_ref());
            if let Some(At { place, value: age }) = age
                && *age < MESSAGES_TAKE
                && sign_in.waits_for_messages(need)
            {
                let (age, life) = (span::written(*age), span::written(MESSAGES_TAKE));
                let what = "a code that is sent may take longer, and the proof before it is then too old";
                reading.warn(place, format!("only with such a code can {age} be met, and {what}; give {life} or more"));
            }
        }
    }

    /// Warns of every policy that no route has, no other policy extends, and no default names.
    pub fn warn_of_unused(&self, uses: &BTreeMap<Arc<str>, Place>, defaults: &Defaults, reading: &Reading<'_>) {
        let written = || self.by_name.values().filter_map(|known| known.written);
        let extended = written().filter_map(|entry| entry.body.extends.as_ref());
        let named: BTreeSet<&str> = extended.chain(&defaults.policy).map(|name| name.value.as_str()).collect();
        let used = |name: &str| uses.contains_key(name) || named.contains(name);
        let unused = written().filter(|entry| !used(entry.name.as_str()));
        unused.for_each(|entry| reading.warn(&entry.place, "nothing uses this policy"));
    }

    /// Every policy: the built-in ones, then as written.
    pub fn into_all(mut self) -> Vec<Arc<Policy>> {
        let order = std::mem::take(&mut self.order);
        order.into_iter().filter_map(|name| self.by_name.remove(name)).map(|known| known.policy).collect()
    }

    /// Compiles a policy and, before it, those that it extends.
    fn add(&mut self, entry: &'a Entry<Words>, own: &BTreeMap<&'a str, &'a Entry<Words>>, reading: &Reading<'_>) {
        let mut chain: Vec<&Entry<Words>> = Vec::new();
        let mut seen = BTreeSet::new();
        let mut next = Some(entry);
        while let Some(entry) = next.filter(|entry| !self.by_name.contains_key(entry.name.as_str())) {
            chain.push(entry);
            seen.insert(entry.name.as_str());
            next = entry.body.extends.as_ref().and_then(|At { place, value: name }| {
                if seen.contains(name.as_str()) {
                    let names =
                        chain.iter().map(|entry| entry.name.as_str()).skip_while(|other| *other != name.as_str());
                    let path: Vec<&str> = names.chain([name.as_str()]).collect();
                    reading.problem(place, format!("a policy cannot extend itself: {}", path.join(" extends ")));
                    return None;
                }
                let parent = own.get(name.as_str()).copied();
                if parent.is_none() && !self.by_name.contains_key(name.as_str()) {
                    let others = own.keys().chain(&self.order).copied().filter(|other| *other != entry.name.as_str());
                    reading.problem(place, unknown(name, others));
                }
                parent
            });
        }
        for entry in chain.into_iter().rev() {
            let base = entry.body.extends.as_ref().and_then(|extends| self.by_name.get(extends.value.as_str()));
            let rules = Extension { words: &entry.body, base: base.map(|known| &*known.policy), reading }.rules();
            let policy = Arc::new(Policy { name: entry.name.shared(), rules });
            self.by_name.insert(entry.name.as_str(), Known { policy, written: Some(entry) });
        }
    }
}

fn unknown<'a>(name: &Name, known: impl IntoIterator<Item = &'a str>) -> String {
    format!("there is no policy {:?}{}", name.as_str(), hint(name.as_str(), known))
}

/// One policy that is being added to the one it extends.
struct Extension<'a> {
    words: &'a Words,
    base: Option<&'a Policy>,
    reading: &'a Reading<'a>,
}

impl Extension<'_> {
    /// What must hold.
    fn rules(&self) -> Rules {
        let mut rules = self.base.map_or(Rules::level(Assurance::Mfa), |base| base.rules.clone());
        self.need(&mut rules.require.need);
        match &self.words.bound {
            Some(At { value: true, .. }) => rules.bound = Some(Bound),
            Some(At { place, value: false }) if rules.bound.is_some() => {
                self.loosens(place, "it would let browsers pass".to_owned());
            }
            Some(At { value: false, .. }) | None => {}
        }
        if let Some((any_of, at)) = self.given(&self.words.service_accounts).zip(self.words.service_accounts.as_ref()) {
            let own = ServiceAccounts { any_of };
            if self.base.is_some() && !own.within(&rules.service_accounts) {
                self.loosens(&at.place, "not every account in it may pass there".to_owned());
            }
            rules.service_accounts = own;
        }
        rules.groups.extend(self.groups(&rules.service_accounts));
        if let Some(At { place, .. }) = self.words.service_accounts.as_ref().filter(|_| rules.groups.is_empty()) {
            let what = "every person who satisfies the rest of this policy passes too; give groups = [\"…\"] for those \
                        who may, or groups = [] for none";
            self.reading.warn(place, what);
        }
        self.narrow(&mut rules.networks, &self.words.networks, |any_of| Networks { any_of });
        self.narrow(&mut rules.methods, &self.words.methods, |any_of| Methods { any_of });
        self.hours(&mut rules.hours);
        self.check_that_it_can_hold(&rules);
        rules
    }

    /// The groups. None at all, where programs are named, keep every person out.
    fn groups(&self, programs: &ServiceAccounts) -> Option<Groups> {
        let none = self.words.groups.as_ref().is_some_and(|groups| groups.value.is_empty());
        if none && !programs.any_of.is_empty() {
            return Some(Groups { any_of: Vec::new() });
        }
        self.given(&self.words.groups).map(|any_of| Groups { any_of })
    }

    /// What a session must have proved.
    fn need(&self, need: &mut Need) {
        if let Some(At { place, value: level }) = &self.words.require {
            if *level < need.level && self.base.is_some() {
                self.loosens(place, format!("\"{level}\" is weaker than \"{}\"", need.level));
            }
            need.level = *level;
        }
        if let Some(At { place, value: age }) = &self.words.max_age {
            if let Some(longest) = need.max_age.filter(|longest| age > longest) {
                let shown = span::written;
                self.loosens(place, format!("{} is longer than {}", shown(*age), shown(longest)));
            }
            if *age < SIGN_IN_TAKES {
                let least = span::written(SIGN_IN_TAKES);
                let what = "people take longer to prove who they are, and are asked again and again";
                self.reading.warn(place, format!("{what}; give {least} or more"));
            }
            need.max_age = Some(*age);
        }
        if let Some((own, place)) = self.given(&self.words.factors).zip(self.words.factors.as_ref().map(|at| &at.place))
        {
            if !need.factors.is_empty() && !own.iter().all(|factor| need.factors.contains(factor)) {
                self.loosens(place, "not every factor in it is allowed there".to_owned());
            }
            need.factors = own;
        }
        for factor in self.given(&self.words.refuse_factors).into_iter().flatten() {
            if need.accepts(factor) {
                need.refuse.push(factor);
            }
        }
        let refused = need.factors.iter().all(|factor| !need.accepts(*factor)) && !need.factors.is_empty();
        let place = self.words.refuse_factors.as_ref().map(|at| &at.place);
        if let Some(place) = place.or(self.words.factors.as_ref().map(|at| &at.place)).filter(|_| refused) {
            self.reading.problem(place, "every one of the factors that are asked for is refused too");
        }
    }

    /// The elements of a list that is there; an empty one is reported.
    fn given<T: Clone>(&self, list: &Option<At<Vec<At<T>>>>) -> Option<Vec<T>> {
        let At { place, value } = list.as_ref()?;
        if value.is_empty() && !self.reading.report.blames(place.file(), place.key()) {
            self.reading.problem(place, "an empty list lets nobody pass; name at least one, or leave the key out");
        }
        Some(value.iter().map(|element| element.value.clone()).collect())
    }

    fn narrow<T: Clone, C: Tighten>(&self, held: &mut Option<C>, list: &Option<At<Vec<At<T>>>>, make: fn(Vec<T>) -> C) {
        let Some((own, place)) = self.given(list).map(make).zip(list.as_ref().map(|list| &list.place)) else { return };
        if held.as_ref().is_some_and(|wider| !own.within(wider)) {
            self.loosens(place, "not everything in it is allowed there".to_owned());
        }
        *held = Some(own);
    }

    fn hours(&self, held: &mut Option<Hours>) {
        let Some(At { place, value: words }) = &self.words.hours else { return };
        let (Some(days), Some(from), Some(to), Some(zone)) = (&words.days, &words.from, &words.to, &words.zone) else {
            return;
        };
        if from.value == to.value {
            self.reading.problem(
                &to.place,
                "from and to are the same time; for whole days write from = \"00:00\", to = \"23:59:59\"",
            );
        }
        let own = Hours { days: days.value, from: from.value, to: to.value, zone: zone.value.clone() };
        if held.as_ref().is_some_and(|wider| !own.within(wider)) {
            self.loosens(place, "they reach beyond the hours there".to_owned());
        }
        *held = Some(own);
    }

    fn loosens(&self, place: &Place, how: String) {
        let Some((base, extends)) = self.base.zip(self.words.extends.as_ref()) else { return };
        self.reading.problem(
            place,
            format!("{how}, and {:?}, which is extended at {}, may only be made stricter", base.name, extends.place),
        );
    }

    /// Groups and proofs belong to sessions.
    fn check_that_it_can_hold(&self, rules: &Rules) {
        if rules.require.need.level > Assurance::None {
            return;
        }
        let groups = self.words.groups.as_ref().map(|groups| &groups.place);
        let max_age = self.words.max_age.as_ref().map(|max_age| &max_age.place);
        let factors = self.words.factors.as_ref().map(|factors| &factors.place);
        let programs = self.words.service_accounts.as_ref().map(|accounts| &accounts.place);
        let bound = self.words.bound.as_ref().filter(|bound| bound.value).map(|bound| &bound.place);
        for place in groups.into_iter().chain(max_age).chain(factors).chain(programs).chain(bound) {
            self.reading.problem(
                place,
                "this needs a session, and with require = \"none\" there may be none; require \"one-factor\" or more",
            );
        }
    }
}
