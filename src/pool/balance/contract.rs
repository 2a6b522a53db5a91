//! What every balancer promises, run on each entry of [`Balance::ALL`]; knows none by name.

use super::{Balance, Balancer, Standing};
use std::cell::RefCell;

/// Members that stand still: eligible unless skipped, idle unless said busy, draws from a seeded generator.
pub(super) struct Calm {
    skipped: Vec<bool>,
    in_flight: Vec<u32>,
    rng: RefCell<fastrand::Rng>,
}

impl Calm {
    pub fn new(members: usize) -> Self {
        let rng = RefCell::new(fastrand::Rng::with_seed(7));
        Calm { skipped: vec![false; members], in_flight: vec![0; members], rng }
    }

    pub fn skip(&mut self, member: usize) {
        self.skipped[member] = true;
    }

    pub fn busy(&mut self, member: usize, in_flight: u32) {
        self.in_flight[member] = in_flight;
    }
}

impl Standing for Calm {
    fn is_eligible(&self, index: usize) -> bool {
        !self.skipped[index]
    }

    fn in_flight(&self, index: usize) -> u32 {
        self.in_flight[index]
    }

    fn draw(&self, end: u64) -> u64 {
        self.rng.borrow_mut().u64(..end)
    }
}

/// Runs `check` on a fresh balancer of each kind over `weights`.
fn each(weights: &[u32], mut check: impl FnMut(&'static str, &dyn Balancer)) {
    Balance::ALL.iter().for_each(|(word, balance)| check(word, &*balance.over(weights)));
}

/// How often each of `members` was chosen in `picks`, as a fraction.
fn shares(balancer: &dyn Balancer, standing: &Calm, picks: u32) -> Vec<f64> {
    let mut counts = vec![0.0; standing.skipped.len()];
    for _ in 0..picks {
        counts[balancer.choose(standing).expect("somebody is eligible")] += 1.0 / f64::from(picks);
    }
    counts
}

fn assert_near(got: &[f64], want: &[f64], word: &str) {
    let near = got.iter().zip(want).all(|(got, want)| (got - want).abs() < 0.02);
    assert!(near && got.len() == want.len(), "{word}: {got:?}, not {want:?}");
}

#[test]
fn shares_follow_weights() {
    each(&[1, 2, 5], |word, balancer| {
        assert_near(&shares(balancer, &Calm::new(3), 16_000), &[0.125, 0.25, 0.625], word);
    });
}

#[test]
fn shares_follow_weights_when_most_of_the_weight_is_out() {
    let mut standing = Calm::new(4);
    standing.skip(1);
    each(&[1, 4_000_000_000, 1, 2], |word, balancer| {
        assert_near(&shares(balancer, &standing, 16_000), &[0.25, 0.0, 0.25, 0.5], word);
    });
}

#[test]
fn the_greatest_weights_there_are_do_no_harm() {
    each(&[u32::MAX, u32::MAX - 1, 0], |word, balancer| {
        assert_near(&shares(balancer, &Calm::new(3), 16_000), &[0.5, 0.5, 0.0], word);
    });
}

#[test]
fn a_weight_of_zero_gets_nothing() {
    each(&[0, 1, 0, 3, 0], |word, balancer| {
        assert_near(&shares(balancer, &Calm::new(5), 16_000), &[0.0, 0.25, 0.0, 0.75, 0.0], word);
    });
}

#[test]
fn a_skipped_member_gets_nothing_wherever_it_stands() {
    for skipped in 0..3 {
        let mut standing = Calm::new(3);
        standing.skip(skipped);
        each(&[3, 1, 1], |word, balancer| {
            assert!((0..1000).all(|_| balancer.choose(&standing) != Some(skipped)), "{word}");
        });
    }
}

#[test]
fn the_only_member_gets_everything() {
    each(&[9], |word, balancer| {
        assert!((0..100).all(|_| balancer.choose(&Calm::new(1)) == Some(0)), "{word}");
    });
}

#[test]
fn the_last_one_left_of_a_hundred_is_always_found() {
    let mut standing = Calm::new(100);
    (0..100).filter(|member| *member != 63).for_each(|member| standing.skip(member));
    each(&[2; 100], |word, balancer| {
        assert!((0..1000).all(|_| balancer.choose(&standing) == Some(63)), "{word}");
    });
}

#[test]
fn nobody_eligible_is_nobody_chosen() {
    let mut standing = Calm::new(2);
    standing.skip(0);
    standing.skip(1);
    let both = |balancer: &dyn Balancer, of: &Calm| [balancer.choose(of), balancer.choose_another(of)];
    each(&[1, 2], |word, balancer| assert_eq!(both(balancer, &standing), [None; 2], "{word}"));
    each(&[0, 0], |word, balancer| assert_eq!(both(balancer, &Calm::new(2)), [None; 2], "{word}"));
    each(&[], |word, balancer| assert_eq!(both(balancer, &Calm::new(0)), [None; 2], "{word}"));
}

#[test]
fn another_choice_is_among_the_eligible_and_follows_their_weights() {
    let mut standing = Calm::new(4);
    standing.skip(1);
    each(&[1, 5, 0, 3], |word, balancer| {
        let mut counts = [0; 4];
        (0..4000).filter_map(|_| balancer.choose_another(&standing)).for_each(|member| counts[member] += 1);
        assert!((900..1100).contains(&counts[0]) && counts[0] + counts[3] == 4000, "{word}: {counts:?}");
    });
}

#[test]
fn choices_in_vain_leave_shares_as_they_are() {
    let (calm, mut nobody) = (Calm::new(4), Calm::new(4));
    (0..4).for_each(|member| nobody.skip(member));
    for vain in 1..=4 {
        each(&[1, 1, 1, 1], |word, balancer| {
            let mut counts = [0_i32; 4];
            for _ in 0..4000 {
                assert!((0..vain).all(|_| balancer.choose(&nobody).is_none()), "{word}");
                counts[balancer.choose(&calm).expect("all are eligible")] += 1;
            }
            assert!(counts.iter().all(|count| (count - 1000).abs() < 100), "{word}: {counts:?}");
        });
    }
}
