//! The decision: facts and a policy in, a permit or a denial out. Pure; on the way to "yes" it allocates nothing.

use super::{Facts, Line, Policy};
use crate::identity::{AccountId, AccountKind, Need, SessionId};
use std::sync::Arc;

/// That a request may be forwarded. Only [`decide`] makes one, and nothing is forwarded without one.
#[derive(Clone, Debug)]
pub struct Permit {
    policy: Arc<Policy>,
    caller: Option<(SessionId, AccountId)>,
}

impl Permit {
    /// The policy that allowed it.
    pub fn policy(&self) -> &Arc<Policy> {
        &self.policy
    }

    /// The session it was given to; `None` on open routes without one.
    pub fn session(&self) -> Option<SessionId> {
        self.caller.map(|(session, _)| session)
    }

    /// The account it was given to.
    pub fn account(&self) -> Option<AccountId> {
        self.caller.map(|(_, account)| account)
    }
}

/// How a denial may be turned into a permit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Recourse {
    /// By signing in.
    SignIn,
    /// By proving more, or again.
    StepUp,
    /// By a program that proves, with every request, a key that its token is bound to; no browser does.
    Bind,
    /// Not by the caller.
    Forbidden,
}

/// That a request may not be forwarded, and what would have to change.
#[derive(Clone, Debug, PartialEq)]
pub struct Denial {
    /// What the caller can do.
    pub recourse: Recourse,
    /// What a session would need.
    pub need: Need,
    /// The policy that refused.
    pub policy: Arc<str>,
    /// Every condition, with what the caller has and what is needed.
    pub lines: Vec<Line>,
}

impl Denial {
    /// The first condition that failed.
    pub fn failed(&self) -> Option<&Line> {
        self.lines.iter().find(|line| !line.holds)
    }
}

/// Decides one request. The only maker of a [`Permit`].
///
/// # Errors
/// A [`Denial`] with every condition, if any of them does not hold.
pub fn decide(policy: &Arc<Policy>, facts: &Facts<'_>) -> Result<Permit, Denial> {
    if policy.conditions(facts.asks()).all(|condition| condition.holds(facts)) {
        let caller = facts.caller.map(|caller| (caller.session, caller.account.id));
        return Ok(Permit { policy: policy.clone(), caller });
    }
    Err(deny(policy, facts))
}

/// Every condition of a policy, judged: what `explain` prints and what a denial carries.
pub fn judge(policy: &Policy, facts: &Facts<'_>) -> Vec<Line> {
    policy.conditions(facts.asks()).map(|condition| condition.line(facts)).collect()
}

#[cold]
fn deny(policy: &Policy, facts: &Facts<'_>) -> Denial {
    let require = &policy.rules.require;
    let strong = super::Condition::holds(require, facts);
    let bound = policy.rules.bound.is_none_or(|bound| super::Condition::holds(&bound, facts));
    let recourse = match (facts.caller, facts.asks()) {
        // First of all: whatever else is lacking, a browser that mends it is no further.
        _ if !bound => Recourse::Bind,
        _ if strong => Recourse::Forbidden,
        (None, _) => Recourse::SignIn,
        (Some(_), AccountKind::Person) => Recourse::StepUp,
        // There is nothing that a program could prove besides.
        (Some(_), AccountKind::Service) => Recourse::Forbidden,
    };
    Denial { recourse, need: require.need.clone(), policy: policy.name.clone(), lines: judge(policy, facts) }
}

#[cfg(test)]
mod tests {
    use super::super::condition::{Bound, Groups, Methods, Networks, Require};
    use super::super::{Caller, Carrier, Rules};
    use super::*;
    use crate::identity::{Account, AccountName, Assurance, FactorName, Group, Kind, Kinds, Proof, Proofs};
    use crate::stdx::clock::Time;
    use http::Method;
    use std::time::Duration;

    fn account(groups: &[&str]) -> Account {
        Account {
            id: AccountId::new([1; 16]),
            name: AccountName::parse("alice").expect("a valid name"),
            groups: groups.iter().map(|group| Group::parse(group).expect("a valid group")).collect(),
            kind: AccountKind::Person,
            disabled: false,
            created: Time::EPOCH,
        }
    }

    fn proofs(at: u64) -> Proofs {
        let proof = |name, kind| Proof {
            factor: FactorName(name),
            kinds: Kinds::of(kind),
            phishing_resistant: false,
            recovery: false,
            at: Time::from_secs(at),
        };
        [proof("password", Kind::Knowledge), proof("totp", Kind::Possession)].into_iter().collect()
    }

    fn staff() -> Arc<Policy> {
        let mut rules = Rules::level(Assurance::Mfa);
        rules.require = Require { need: Need::of(Assurance::Mfa, Some(Duration::from_secs(600))) };
        rules.groups = vec![Groups { any_of: vec![Group::parse("staff").expect("a valid group")] }];
        rules.networks = Some(Networks { any_of: vec!["10.0.0.0/8".parse().expect("a valid network")] });
        rules.methods = Some(Methods { any_of: vec![Method::GET] });
        Arc::new(Policy { name: "staff".into(), rules })
    }

    fn facts<'a>(caller: Option<(&'a Account, &'a Proofs)>, method: &'a Method) -> Facts<'a> {
        let session = SessionId::new([2; 16]);
        let caller = caller.map(|(account, proofs)| Caller { session, account, proofs, carrier: Carrier::Cookie });
        Facts { now: Time::from_secs(1000), caller, client: "10.1.2.3".parse().expect("an address"), method }
    }

    #[test]
    fn a_permit_needs_every_condition() {
        let (alice, fresh) = (account(&["staff"]), proofs(900));
        assert!(decide(&staff(), &facts(Some((&alice, &fresh)), &Method::GET)).is_ok());
        let denial = decide(&staff(), &facts(Some((&alice, &fresh)), &Method::PUT)).expect_err("PUT is not allowed");
        assert_eq!(
            (denial.recourse, denial.failed().map(|line| line.condition)),
            (Recourse::Forbidden, Some("methods"))
        );
    }

    #[test]
    fn nobody_is_asked_to_sign_in_and_a_stale_session_to_step_up() {
        let (alice, stale) = (account(&["staff"]), proofs(300));
        let nobody = decide(&staff(), &facts(None, &Method::GET)).expect_err("no session");
        assert_eq!(nobody.recourse, Recourse::SignIn);
        let denial = decide(&staff(), &facts(Some((&alice, &stale)), &Method::GET)).expect_err("too old");
        assert_eq!(denial.recourse, Recourse::StepUp);
        assert_eq!(denial.need, Need::of(Assurance::Mfa, Some(Duration::from_secs(600))));
    }

    #[test]
    fn a_wrong_group_is_forbidden_with_has_needs_and_remedy() {
        let (bob, fresh) = (account(&["guests"]), proofs(900));
        let denial = decide(&staff(), &facts(Some((&bob, &fresh)), &Method::GET)).expect_err("not staff");
        let line = denial.failed().expect("a failed condition");
        assert_eq!((line.condition, line.has.as_str(), line.needs.as_str()), ("groups", "guests", "any of staff"));
        assert!(!line.remedy.is_empty());
    }

    #[test]
    fn a_program_passes_by_its_name_alone_and_by_every_other_condition() {
        let ci = Account {
            name: AccountName::parse("ci").expect("a valid name"),
            kind: AccountKind::Service,
            ..account(&["staff"])
        };
        let proof = Proof { factor: FactorName("client_key"), ..*proofs(1).iter().next().expect("a proof") };
        let proved: Proofs = [proof].into_iter().collect();
        let denied = decide(&staff(), &facts(Some((&ci, &proved)), &Method::GET)).expect_err("it is not named");
        let line = denied.failed().expect("a failed condition");
        assert_eq!((denied.recourse, line.condition), (Recourse::Forbidden, "service_accounts"));
        assert_eq!((line.has.as_str(), line.needs.as_str()), ("ci", "a person"));
        let mut named = (*staff()).clone();
        named.rules.service_accounts.any_of = vec![ci.name.clone()];
        let named = Arc::new(named);
        assert!(
            decide(&named, &facts(Some((&ci, &proved)), &Method::GET)).is_ok(),
            "however long ago, with one factor"
        );
        assert!(decide(&named, &facts(Some((&ci, &proved)), &Method::PUT)).is_err(), "methods are for everyone");
        let alice = Account { name: ci.name.clone(), kind: AccountKind::Person, ..account(&[]) };
        let person = decide(&named, &facts(Some((&alice, &proofs(900))), &Method::GET)).expect_err("no group");
        assert_eq!(person.failed().map(|line| line.condition), Some("groups"), "a person is not let in by that name");
        assert!(decide(&Arc::new(Policy::open()), &facts(Some((&ci, &proved)), &Method::GET)).is_ok());
        assert!(decide(&Arc::new(Policy::mfa()), &facts(Some((&ci, &proved)), &Method::GET)).is_err());
    }

    #[test]
    fn only_a_program_that_proves_its_key_satisfies_a_bound_policy() {
        let mut rules = Rules::level(Assurance::Mfa);
        rules.bound = Some(Bound);
        let policy = Arc::new(Policy { name: "bound".into(), rules });
        let (alice, fresh) = (account(&[]), proofs(900));
        let carried = |carrier| {
            let mut facts = facts(Some((&alice, &fresh)), &Method::GET);
            facts.caller = facts.caller.map(|caller| Caller { carrier, ..caller });
            decide(&policy, &facts).map(drop).map_err(|denial| denial.recourse)
        };
        assert_eq!(carried(Carrier::Bound), Ok(()));
        assert_eq!([carried(Carrier::Cookie), carried(Carrier::Bearer)], [Err(Recourse::Bind); 2]);
        let nobody = decide(&policy, &facts(None, &Method::GET)).expect_err("no session");
        assert_eq!(nobody.recourse, Recourse::Bind, "signing in does not help");
    }

    #[test]
    fn an_open_policy_admits_a_caller_without_a_session() {
        assert!(decide(&Arc::new(Policy::open()), &facts(None, &Method::GET)).is_ok());
        assert!(decide(&Arc::new(Policy::mfa()), &facts(None, &Method::GET)).is_err());
    }
}
