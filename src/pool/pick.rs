//! Choosing a member for one request, and what the request tells of it; knows nothing of the request itself.

use super::balance::Standing;
use super::ejection::Lapse;
use super::health::Health;
use super::set::{Member, Pool};
use super::tried::Tried;
use crate::stdx::clock::Time;
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

/// A member chosen for one request, which it counts as in flight until it has answered or this is dropped.
pub struct Pick {
    pool: Arc<Pool>,
    /// Below the number of `pool`'s members.
    index: usize,
    flight: Flight,
    /// Other members of `pool` that broke off before they answered the same request.
    suspects: Vec<usize>,
}

/// Whether a request is in flight.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Flight {
    Up,
    Landed,
}

impl Pool {
    /// A member that has a weight and was not tried. Members known to be unhealthy are never chosen. Of the rest,
    /// healthy ones go first; then unknown ones; and members that are ejected only when all others are: failures
    /// alone never empty a pool. A request that was tried already goes to anybody of these, by weight. Takes no lock;
    /// allocates nothing unless a member broke off.
    ///
    /// # Errors
    /// [`NoMember`] if none is left.
    pub fn pick(self: &Arc<Self>, now: Time, tried: &Tried) -> Result<Pick, NoMember> {
        let choose = |rank| {
            let candidates = Candidates { members: self.members(), tried, now, rank };
            if tried.is_empty() {
                self.balancer().choose(&candidates)
            } else {
                self.balancer().choose_another(&candidates)
            }
        };
        let index = RANKS.into_iter().find_map(choose).ok_or_else(|| self.nobody(now, tried))?;
        Ok(Pick::new(Arc::clone(self), index, tried.suspects().to_vec()))
    }

    fn nobody(&self, now: Time, tried: &Tried) -> NoMember {
        let count = |is: &dyn Fn(&Member) -> bool| self.members().iter().filter(|member| is(member)).count();
        NoMember {
            members: self.members().len(),
            drained: count(&|member| member.weight() == 0),
            unhealthy: count(&|member| member.health() == Health::Unhealthy),
            ejected: count(&|member| member.state().is_ejected(now)),
            tried: (0..self.members().len()).filter(|index| tried.has(*index)).count(),
        }
    }
}

impl Pick {
    fn new(pool: Arc<Pool>, index: usize, suspects: Vec<usize>) -> Self {
        let pick = Pick { pool, index, flight: Flight::Up, suspects };
        pick.member().state().begin();
        pick
    }

    /// Where the member listens.
    pub fn address(&self) -> SocketAddr {
        self.member().state().address()
    }

    /// Which member of the pool it is.
    pub fn index(&self) -> usize {
        self.index
    }

    /// The pool it was chosen from.
    pub fn pool(&self) -> &Arc<Pool> {
        &self.pool
    }

    /// Tells that the member failed the request before it began to answer, which counts towards its ejection.
    pub fn failed(&self, lapse: Lapse, now: Time) {
        self.pool.blame(self.member(), lapse, now);
    }

    /// Tells that the member began to answer; its earlier failures are forgotten. Whoever broke off the same request
    /// before has failed it, because the request can be answered. `now` is asked only if any of that matters.
    pub fn succeeded(&self, now: impl FnOnce() -> Time) {
        if !self.member().state().has_failed() && self.suspects.is_empty() {
            return;
        }
        let now = now();
        self.pool.absolve(self.member(), now);
        for suspect in self.suspects.iter().filter_map(|index| self.pool.members().get(*index)) {
            self.pool.blame(suspect, Lapse::Unanswered, now);
        }
    }

    /// Tells that the member has answered to the end, whoever still listens to it.
    pub fn answered(&mut self) {
        if std::mem::replace(&mut self.flight, Flight::Landed) == Flight::Up {
            self.member().state().end();
        }
    }

    fn member(&self) -> &Member {
        self.pool.members().get(self.index).expect("a balancer chooses among the members it was made for")
    }
}

impl Drop for Pick {
    fn drop(&mut self) {
        self.answered();
    }
}

impl fmt::Debug for Pick {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Pick({} of {})", self.address(), self.pool.name())
    }
}

/// Nobody in the pool can be given the request. A member may be counted under several heads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no member: {members} in the pool, {drained} drained, {unhealthy} unhealthy, {ejected} ejected, {tried} tried")]
pub struct NoMember {
    /// How many there are.
    pub members: usize,
    /// Those with weight 0.
    pub drained: usize,
    /// Those whose health check fails.
    pub unhealthy: usize,
    /// Those left out because they failed requests.
    pub ejected: usize,
    /// Those this request was sent to already.
    pub tried: usize,
}

/// Who may be chosen, in the order in which it is attempted.
const RANKS: [Rank; 3] = [Rank::Healthy, Rank::Unknown, Rank::Ejected];

#[derive(Clone, Copy, Debug)]
enum Rank {
    /// Healthy, not ejected.
    Healthy,
    /// Not probed yet, not ejected.
    Unknown,
    /// Healthy or not probed yet, ejected.
    Ejected,
}

/// The members of a pool as a balancer sees them.
struct Candidates<'a> {
    members: &'a [Member],
    tried: &'a Tried,
    now: Time,
    rank: Rank,
}

impl Standing for Candidates<'_> {
    fn is_eligible(&self, index: usize) -> bool {
        let Some(member) = self.members.get(index).filter(|_| !self.tried.has(index)) else { return false };
        let is_ejected = || member.state().is_ejected(self.now);
        match self.rank {
            Rank::Healthy => member.health() == Health::Healthy && !is_ejected(),
            Rank::Unknown => member.health() == Health::Unknown && !is_ejected(),
            Rank::Ejected => member.health() != Health::Unhealthy && is_ejected(),
        }
    }

    fn in_flight(&self, index: usize) -> u32 {
        self.members.get(index).map_or(0, |member| member.state().in_flight())
    }

    fn draw(&self, end: u64) -> u64 {
        fastrand::u64(..end)
    }
}

#[cfg(test)]
mod tests {
    use super::super::plan::{Balance, PoolPlan};
    use super::super::scene::{Scene, checked, http, plan};
    use super::*;
    use std::time::Duration;

    const BAD: Result<(), &str> = Err("no answer");

    /// Picks of the pool `orders`, each on another member, until nobody is left.
    fn all(scene: &Scene) -> (Vec<usize>, NoMember) {
        let (mut tried, mut picked) = (Tried::new(), Vec::new());
        loop {
            match scene.pool("orders").pick(scene.now, &tried) {
                Ok(pick) => {
                    picked.push(pick.index());
                    tried.add(&pick);
                }
                Err(nobody) => return (picked, nobody),
            }
        }
    }

    #[test]
    fn whatever_the_balance_nobody_is_tried_twice_and_everybody_once() {
        for (word, balance) in Balance::ALL {
            let scene = Scene::of(&[PoolPlan { balance, ..plan("orders", &(1..=200).collect::<Vec<_>>()) }]);
            let (mut picked, nobody) = all(&scene);
            picked.sort_unstable();
            assert_eq!(picked, (0..200).collect::<Vec<_>>(), "{word}");
            assert_eq!((nobody.members, nobody.tried), (200, 200), "{word}");
        }
    }

    #[test]
    fn nobody_left_says_how_many_there_are_and_why_none_will_do() {
        let mut orders = checked(plan("orders", &[1, 2, 3, 4]), http());
        orders.members[3].weight = 0;
        let scene = Scene::of(&[orders]);
        scene.refuse("orders", 1, 2);
        scene.probe("orders", 0, BAD);
        scene.probe("orders", 1, BAD);
        scene.probe("orders", 2, Ok(()));
        let (picked, nobody) = all(&scene);
        assert_eq!(picked, [2]);
        assert_eq!(nobody, NoMember { members: 4, drained: 1, unhealthy: 2, ejected: 1, tried: 1 });
    }

    #[test]
    fn unknown_members_are_used_while_nobody_is_healthy_but_unhealthy_ones_are_not() {
        let scene = Scene::of(&[checked(plan("orders", &[1, 2, 3]), http())]);
        scene.probe("orders", 0, BAD);
        assert_eq!(all(&scene).0.len(), 2);
        scene.probe("orders", 2, Ok(()));
        assert!((0..10).all(|_| scene.pick("orders").index() == 2));
        scene.probe("orders", 1, BAD);
        assert_eq!(all(&scene).0, [2]);
    }

    #[test]
    fn ejection_alone_never_empties_a_pool() {
        let scene = Scene::of(&[plan("orders", &[1, 2])]);
        scene.refuse("orders", 0, 2);
        scene.refuse("orders", 1, 2);
        assert_eq!(all(&scene).0.len(), 2);
    }

    #[test]
    fn a_success_brings_an_ejected_member_back_at_once() {
        let scene = Scene::of(&[plan("orders", &[1])]);
        scene.refuse("orders", 0, 2);
        assert!(scene.pool("orders").status(scene.now).members[0].ejected);
        scene.pick("orders").succeeded(|| scene.now);
        assert!(!scene.pool("orders").status(scene.now).members[0].ejected);
    }

    #[test]
    fn a_request_counts_as_in_flight_as_long_as_its_pick_lives() {
        let scene = Scene::of(&[plan("orders", &[1]), plan("other", &[1])]);
        let busy = |pool: &str| scene.pool(pool).status(scene.now).members[0].in_flight;
        let picks = [scene.pick("orders"), scene.pick("orders"), scene.pick("other")];
        assert_eq!((busy("orders"), busy("other")), (3, 3));
        drop(picks);
        assert_eq!(busy("orders"), 0);
    }

    #[test]
    fn a_member_that_has_answered_is_free_before_its_pick_is_dropped() {
        let scene = Scene::of(&[plan("orders", &[1])]);
        let busy = || scene.pool("orders").status(scene.now).members[0].in_flight;
        let (mut done, other) = (scene.pick("orders"), scene.pick("orders"));
        done.answered();
        assert_eq!(busy(), 1);
        drop(done);
        assert_eq!(busy(), 1, "and is not freed twice");
        drop(other);
        assert_eq!(busy(), 0);
    }

    #[test]
    fn a_drained_member_gets_nothing() {
        let mut orders = plan("orders", &[1, 2]);
        orders.members[0].weight = 0;
        assert_eq!(all(&Scene::of(&[orders])).0, [1]);
    }

    #[test]
    fn the_message_of_an_empty_pool_is_for_the_operators_eyes() {
        let nobody = NoMember { members: 3, drained: 0, unhealthy: 2, ejected: 1, tried: 1 };
        assert_eq!(nobody.to_string(), "no member: 3 in the pool, 0 drained, 2 unhealthy, 1 ejected, 1 tried");
    }

    #[test]
    fn an_ejection_ends_to_the_millisecond() {
        let mut scene = Scene::of(&[plan("orders", &[1, 2])]);
        scene.refuse("orders", 0, 2);
        scene.now = scene.now.plus(Duration::from_millis(9_999));
        assert!(scene.pool("orders").status(scene.now).members[0].ejected);
        scene.now = scene.now.plus(Duration::from_millis(1));
        assert!(!scene.pool("orders").status(scene.now).members[0].ejected);
    }
}
