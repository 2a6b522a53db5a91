//! Who is left out because it failed requests, how many of a pool at most, and when they are back before their time;
//! knows nothing of the requests.

use super::health::Health;
use super::member::Consequence;
use super::set::{Member, Pool};
use crate::stdx::clock::Time;
use std::sync::atomic::{Ordering, fence};

/// How a member failed a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lapse {
    /// It could not be connected to, which nobody on the outside can bring about: it is left out however many are.
    Unreachable,
    /// It was connected to and did not answer. The request itself may have brought that about, so whoever sends such
    /// requests must not be able to choose who serves: at most half of those that can be used are left out for it.
    Unanswered,
}

impl Pool {
    /// Counts a lapse of `member`, one of its own, and leaves it out if that was one too many.
    pub(super) fn blame(&self, member: &Member, lapse: Lapse, now: Time) {
        match member.state().failed(self.plan().ejection, now) {
            Consequence::None => return,
            Consequence::Ejected => {}
        }
        // Of two that are left out at once, the later sees both, or each of them does.
        fence(Ordering::SeqCst);
        if lapse == Lapse::Unanswered && self.is_mostly_out(now) {
            member.state().readmit();
            return;
        }
        self.tally().ejections.inc();
        let (member, pool) = (member.state().address(), self.name());
        tracing::warn!(%member, %pool, "member is ejected: it does not answer");
    }

    /// Forgets the failures of `member`, one of its own, because it answers. If everybody was left out, the others are
    /// back too: what befell all of them is over, and the first to show it must not carry everything alone.
    pub(super) fn absolve(&self, member: &Member, now: Time) {
        if self.usable().all(|member| member.state().is_ejected(now)) {
            self.members().iter().for_each(|member| member.state().readmit());
        }
        member.state().succeeded();
    }

    /// Whether more than half of those that can be used are left out.
    fn is_mostly_out(&self, now: Time) -> bool {
        let out = self.usable().filter(|member| member.state().is_ejected(now)).count();
        out * 2 > self.usable().count()
    }

    /// Those that would be chosen if nobody ever failed a request.
    fn usable(&self) -> impl Iterator<Item = &Member> {
        self.members().iter().filter(|member| member.weight() > 0 && member.health() != Health::Unhealthy)
    }
}

#[cfg(test)]
mod tests {
    use super::super::plan::PoolPlan;
    use super::super::scene::{Scene, checked, http, plan};
    use super::super::{Pick, Tried};
    use super::*;

    /// As many as the scene's pools need.
    const ENOUGH: usize = 2;

    /// Whom nobody picks.
    fn out(scene: &Scene) -> Vec<usize> {
        let members = scene.pool("orders").status(scene.now).members;
        (0..members.len()).filter(|index| members[*index].ejected).collect()
    }

    /// Makes every member in turn fail requests by not answering them.
    fn silence_all(scene: &Scene) {
        for member in scene.pool("orders").members() {
            (0..ENOUGH).for_each(|_| scene.pool("orders").blame(member, Lapse::Unanswered, scene.now));
        }
    }

    fn break_off(scene: &Scene, tried: &mut Tried) -> Pick {
        let pick = scene.pool("orders").pick(scene.now, tried).expect("somebody is left");
        tried.suspect(&pick);
        pick
    }

    #[test]
    fn at_most_half_are_left_out_for_what_requests_may_have_brought_about() {
        for (members, most) in [(1, 0), (2, 1), (3, 1), (4, 2), (5, 2), (9, 4)] {
            let scene = Scene::of(&[plan("orders", &(1..=members).collect::<Vec<_>>())]);
            silence_all(&scene);
            assert_eq!(out(&scene).len(), most, "of {members}");
            assert_eq!(scene.fleet.counts().ejections, most as u64, "of {members}");
        }
    }

    #[test]
    fn members_that_cannot_be_used_anyway_are_not_counted() {
        let mut orders = checked(plan("orders", &[1, 2, 3, 4]), http());
        orders.members[0].weight = 0;
        let scene = Scene::of(&[orders]);
        scene.probe("orders", 1, Err("no answer"));
        let members = scene.pool("orders").members();
        for index in [2, 2, 3, 3] {
            scene.pool("orders").blame(&members[index], Lapse::Unanswered, scene.now);
        }
        assert_eq!(out(&scene), [2]);
    }

    #[test]
    fn members_that_cannot_be_reached_are_left_out_however_many_they_are() {
        let scene = Scene::of(&[plan("orders", &[1, 2, 3])]);
        (0..3).for_each(|index| scene.refuse("orders", index, ENOUGH));
        assert_eq!(out(&scene), [0, 1, 2]);
    }

    #[test]
    fn whoever_was_spared_is_left_out_at_its_next_failure_once_there_is_room() {
        let mut scene = Scene::of(&[plan("orders", &[1, 2])]);
        silence_all(&scene);
        assert_eq!(out(&scene), [0]);
        scene.now = scene.now.plus(scene.pool("orders").plan().ejection.time);
        scene.pool("orders").blame(&scene.pool("orders").members()[1], Lapse::Unanswered, scene.now);
        assert_eq!(out(&scene), [1]);
    }

    #[test]
    fn of_members_that_fail_at_once_no_more_than_half_are_left_out() {
        for _ in 0..200 {
            let scene = Scene::of(&[PoolPlan { ejection: once(), ..plan("orders", &[1, 2]) }]);
            let (pool, now) = (scene.pool("orders"), scene.now);
            let together = std::sync::Barrier::new(2);
            std::thread::scope(|threads| {
                for member in pool.members() {
                    threads.spawn(|| {
                        together.wait();
                        pool.blame(member, Lapse::Unanswered, now);
                    });
                }
            });
            assert!(out(&scene).len() <= 1);
        }
    }

    fn once() -> super::super::Ejection {
        super::super::Ejection { failures: 1, ..super::super::Ejection::DEFAULT }
    }

    #[test]
    fn the_first_to_answer_when_all_are_out_brings_everybody_back() {
        let scene = Scene::of(&[plan("orders", &[1, 2, 3])]);
        (0..3).for_each(|index| scene.refuse("orders", index, ENOUGH));
        scene.pick("orders").succeeded(|| scene.now);
        assert_eq!(out(&scene), [0_usize; 0]);
        scene.refuse("orders", 2, 1);
        assert!(out(&scene).len() <= 1, "only who has not answered yet is out at its first failure");
    }

    #[test]
    fn whoever_answers_while_somebody_is_in_comes_back_alone() {
        let scene = Scene::of(&[plan("orders", &[1, 2, 3])]);
        let late = scene.pick("orders");
        let members = scene.pool("orders").members();
        for index in [late.index(), (late.index() + 1) % 3] {
            (0..ENOUGH).for_each(|_| scene.pool("orders").blame(&members[index], Lapse::Unreachable, scene.now));
        }
        late.succeeded(|| scene.now);
        assert_eq!(out(&scene), [(late.index() + 1) % 3]);
    }

    #[test]
    fn a_check_that_passes_again_ends_an_ejection() {
        let scene = Scene::of(&[checked(plan("orders", &[1, 2]), http())]);
        (0..2).for_each(|index| scene.probe("orders", index, Ok(())));
        scene.refuse("orders", 0, ENOUGH);
        scene.probe("orders", 0, Ok(()));
        assert_eq!(out(&scene), [0], "one that never failed says nothing new");
        (0..http().fall).for_each(|_| scene.probe("orders", 0, Err("no answer")));
        (0..http().rise).for_each(|_| scene.probe("orders", 0, Ok(())));
        assert_eq!(out(&scene), [0_usize; 0]);
    }

    #[test]
    fn a_break_off_is_held_against_its_member_once_another_one_has_answered() {
        let scene = Scene::of(&[PoolPlan { ejection: once(), ..plan("orders", &[1, 2]) }]);
        let mut tried = Tried::new();
        let rude = break_off(&scene, &mut tried);
        assert_eq!(out(&scene), [0_usize; 0]);
        scene.pool("orders").pick(scene.now, &tried).expect("another one").succeeded(|| scene.now);
        assert_eq!(out(&scene), [rude.index()]);
    }

    #[test]
    fn a_request_that_nobody_answers_is_held_against_nobody() {
        let scene = Scene::of(&[PoolPlan { ejection: once(), ..plan("orders", &[1, 2, 3]) }]);
        let mut tried = Tried::new();
        (0..3).for_each(|_| drop(break_off(&scene, &mut tried)));
        assert_eq!((out(&scene), scene.fleet.counts().ejections), (Vec::new(), 0));
    }

    #[test]
    fn two_rude_neighbours_are_both_found_out() {
        let scene = Scene::of(&[plan("orders", &[1, 2, 3, 4])]);
        for _ in 0..500 {
            let mut tried = Tried::new();
            for _ in 0..2 {
                let pick = scene.pool("orders").pick(scene.now, &tried).expect("somebody is left");
                if pick.index() < 2 {
                    tried.suspect(&pick);
                } else {
                    pick.succeeded(|| scene.now);
                    break;
                }
            }
        }
        assert_eq!(out(&scene), [0, 1]);
    }
}
