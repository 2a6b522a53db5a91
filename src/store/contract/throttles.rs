//! What every engine promises of counters; their arithmetic has its own tests.

use super::*;
use std::time::Duration;

on_every_engine!(
    failures_wait_ever_longer_and_then_lock_the_key,
    of_two_hundred_parallel_guesses_only_the_free_ones_go,
    an_attempt_that_one_counter_refuses_is_counted_by_none,
    looking_counts_nothing,
    a_window_counts_from_its_first_failure,
    a_success_gives_a_window_one_reservation_back,
    a_success_starts_a_backoff_over,
    a_success_is_forgiven_by_every_counter_that_counted_it,
    a_clock_that_goes_back_unlocks_nothing,
    failures_count_until_a_success_however_long_the_pauses,
    a_counter_goes_with_its_account,
    sweeping_keeps_who_is_held_back,
    of_names_and_sources_only_so_many_are_kept_and_accounts_all,
);

const BACKOFF: ThrottleRule =
    ThrottleRule::Backoff { free: 5, first: Duration::from_secs(1), longest: Duration::from_secs(900), locked_at: 7 };

const WINDOW: ThrottleRule = ThrottleRule::Window { most: 2, per: Duration::from_secs(60) };

const DAY: u64 = 24 * 3600;

const MOST: usize = 100;

fn whose(account: &Account) -> Throttled {
    Throttled::Account(account.id, PASSWORD)
}

fn nobody() -> Throttled {
    Throttled::Name("nobody".to_owned(), PASSWORD)
}

async fn failures_wait_ever_longer_and_then_lock_the_key(store: Store) -> Result<()> {
    let other = Throttled::Name("nobody".to_owned(), TOTP);
    for _ in 0..5 {
        assert_eq!(reserve(&store, &nobody(), BACKOFF, at(0)).await?, Reserved::Go);
    }
    assert_eq!(reserve(&store, &nobody(), BACKOFF, at(0)).await?, Reserved::Wait(at(1)));
    assert_eq!(reserve(&store, &nobody(), BACKOFF, at(1)).await?, Reserved::Go);
    assert_eq!(reserve(&store, &nobody(), BACKOFF, at(2)).await?, Reserved::Wait(at(3)));
    assert_eq!(reserve(&store, &nobody(), BACKOFF, at(3)).await?, Reserved::Go);
    assert_eq!(reserve(&store, &nobody(), BACKOFF, at(10 * DAY)).await?, Reserved::Locked);
    assert_eq!(reserve(&store, &other, BACKOFF, at(3)).await?, Reserved::Go);
    Ok(())
}

async fn of_two_hundred_parallel_guesses_only_the_free_ones_go(store: Store) -> Result<()> {
    let guesses = all_at_once(200, |_| {
        let store = store.clone();
        async move { reserve(&store, &nobody(), BACKOFF, at(0)).await }
    });
    let gone = guesses.await?.iter().filter(|reserved| **reserved == Reserved::Go).count();
    assert_eq!(gone, 5);
    Ok(())
}

async fn an_attempt_that_one_counter_refuses_is_counted_by_none(store: Store) -> Result<()> {
    let source = Throttled::Source("192.0.2.1".to_owned());
    for _ in 0..5 {
        reserve(&store, &nobody(), BACKOFF, at(0)).await?;
    }
    let both = [(&source, WINDOW), (&nobody(), BACKOFF)];
    for _ in 0..10 {
        assert_eq!(store.throttles.reserve_all(&both, at(0)).await?, [Reserved::Go, Reserved::Wait(at(1))]);
    }
    assert_eq!(store.throttles.reserve_all(&both, at(1)).await?, [Reserved::Go, Reserved::Go]);
    assert_eq!(store.throttles.reserve_all(&both, at(1)).await?, [Reserved::Go, Reserved::Wait(at(3))]);
    assert_eq!(reserve(&store, &source, WINDOW, at(1)).await?, Reserved::Go, "the one that went was counted, no other");
    assert_eq!(store.throttles.reserve_all(&both, at(1)).await?, [Reserved::Wait(at(61)), Reserved::Wait(at(3))]);
    Ok(())
}

async fn looking_counts_nothing(store: Store) -> Result<()> {
    let look = async |second| store.throttles.look(&nobody(), WINDOW, at(second)).await;
    for _ in 0..3 {
        assert_eq!(look(0).await?, Reserved::Go);
    }
    for _ in 0..2 {
        assert_eq!(reserve(&store, &nobody(), WINDOW, at(0)).await?, Reserved::Go);
    }
    assert_eq!((look(1).await?, look(60).await?), (Reserved::Wait(at(60)), Reserved::Go));
    assert_eq!(reserve(&store, &nobody(), WINDOW, at(1)).await?, Reserved::Wait(at(60)));
    Ok(())
}

async fn a_window_counts_from_its_first_failure(store: Store) -> Result<()> {
    assert_eq!(reserve(&store, &nobody(), WINDOW, at(0)).await?, Reserved::Go);
    assert_eq!(reserve(&store, &nobody(), WINDOW, at(50)).await?, Reserved::Go);
    assert_eq!(reserve(&store, &nobody(), WINDOW, at(59)).await?, Reserved::Wait(at(60)));
    assert_eq!(reserve(&store, &nobody(), WINDOW, at(60)).await?, Reserved::Go);
    assert_eq!(reserve(&store, &nobody(), WINDOW, at(61)).await?, Reserved::Go);
    assert_eq!(reserve(&store, &nobody(), WINDOW, at(61)).await?, Reserved::Wait(at(120)));
    Ok(())
}

async fn a_success_gives_a_window_one_reservation_back(store: Store) -> Result<()> {
    store.throttles.forgive_all(&[(&nobody(), WINDOW)]).await?;
    for _ in 0..2 {
        assert_eq!(reserve(&store, &nobody(), WINDOW, at(0)).await?, Reserved::Go);
    }
    store.throttles.forgive_all(&[(&nobody(), WINDOW)]).await?;
    assert_eq!(reserve(&store, &nobody(), WINDOW, at(1)).await?, Reserved::Go);
    assert_eq!(reserve(&store, &nobody(), WINDOW, at(1)).await?, Reserved::Wait(at(60)));
    Ok(())
}

async fn a_success_starts_a_backoff_over(store: Store) -> Result<()> {
    for _ in 0..2 {
        for _ in 0..5 {
            assert_eq!(reserve(&store, &nobody(), BACKOFF, at(0)).await?, Reserved::Go);
        }
        assert_eq!(reserve(&store, &nobody(), BACKOFF, at(0)).await?, Reserved::Wait(at(1)));
        store.throttles.forgive_all(&[(&nobody(), BACKOFF)]).await?;
    }
    Ok(())
}

async fn a_success_is_forgiven_by_every_counter_that_counted_it(store: Store) -> Result<()> {
    let source = Throttled::Source("192.0.2.1".to_owned());
    let both = [(&source, WINDOW), (&nobody(), BACKOFF)];
    for _ in 0..20 {
        assert_eq!(store.throttles.reserve_all(&both, at(0)).await?, [Reserved::Go, Reserved::Go]);
        store.throttles.forgive_all(&both).await?;
    }
    store.throttles.forgive_all(&[]).await?;
    store.throttles.reserve_all(&both, at(0)).await?;
    store.throttles.forgive_all(&both[..1]).await?;
    for failures in 1..5 {
        assert_eq!(reserve(&store, &nobody(), BACKOFF, at(0)).await?, Reserved::Go, "{failures}");
    }
    assert_eq!(reserve(&store, &nobody(), BACKOFF, at(0)).await?, Reserved::Wait(at(1)), "it forgave nothing");
    assert_eq!(reserve(&store, &source, WINDOW, at(0)).await?, Reserved::Go);
    assert_eq!(reserve(&store, &source, WINDOW, at(0)).await?, Reserved::Go);
    assert_eq!(reserve(&store, &source, WINDOW, at(0)).await?, Reserved::Wait(at(60)));
    Ok(())
}

async fn a_clock_that_goes_back_unlocks_nothing(store: Store) -> Result<()> {
    for _ in 0..5 {
        reserve(&store, &nobody(), BACKOFF, at(100)).await?;
    }
    assert_eq!(reserve(&store, &nobody(), BACKOFF, at(0)).await?, Reserved::Wait(at(101)));
    assert_eq!(store.throttles.sweep(at(0), MOST).await?, 0);
    assert_eq!(reserve(&store, &nobody(), BACKOFF, at(100)).await?, Reserved::Wait(at(101)));
    Ok(())
}

async fn failures_count_until_a_success_however_long_the_pauses(store: Store) -> Result<()> {
    let alice = whose(&added(&store, "alice").await?);
    for tried in 1..=7 {
        let now = at(2 * tried * DAY);
        store.throttles.sweep(now, MOST).await?;
        assert_eq!(reserve(&store, &alice, BACKOFF, now).await?, Reserved::Go, "try {tried}");
    }
    store.throttles.sweep(at(1_000 * DAY), MOST).await?;
    assert_eq!(reserve(&store, &alice, BACKOFF, at(1_000 * DAY)).await?, Reserved::Locked);
    store.throttles.forgive_all(&[(&alice, BACKOFF)]).await?;
    assert_eq!(reserve(&store, &alice, BACKOFF, at(1_000 * DAY)).await?, Reserved::Go);
    Ok(())
}

async fn a_counter_goes_with_its_account(store: Store) -> Result<()> {
    let account = added(&store, "alice").await?;
    let (alice, bob) = (whose(&account), whose(&added(&store, "bob").await?));
    let one = ThrottleRule::Backoff { free: 1, first: Duration::ZERO, longest: Duration::ZERO, locked_at: 1 };
    for whose in [&alice, &bob] {
        reserve(&store, whose, one, at(0)).await?;
    }
    store.accounts.remove(account.id).await?;
    for _ in 0..3 {
        assert_eq!(reserve(&store, &alice, one, at(0)).await?, Reserved::Go, "nothing is kept any more");
    }
    assert_eq!(reserve(&store, &bob, one, at(0)).await?, Reserved::Locked);
    Ok(())
}

async fn sweeping_keeps_who_is_held_back(store: Store) -> Result<()> {
    let name = |text: &str| Throttled::Name(text.to_owned(), PASSWORD);
    let window = Throttled::Source("192.0.2.1".to_owned());
    reserve(&store, &window, WINDOW, at(0)).await?;
    reserve(&store, &name("backoff"), BACKOFF, at(0)).await?;
    let locks = ThrottleRule::Backoff { free: 5, first: Duration::ZERO, longest: Duration::ZERO, locked_at: 1 };
    reserve(&store, &name("locked"), locks, at(0)).await?;
    let waits = Duration::from_secs(2 * DAY);
    let waits = ThrottleRule::Backoff { free: 1, first: waits, longest: waits, locked_at: 9 };
    reserve(&store, &name("waiting"), waits, at(0)).await?;
    assert_eq!(store.throttles.sweep(at(59), MOST).await?, 0);
    assert_eq!(store.throttles.sweep(at(60), MOST).await?, 1, "the window is over");
    assert_eq!(store.throttles.sweep(at(DAY - 1), MOST).await?, 0);
    assert_eq!(store.throttles.sweep(at(DAY), MOST).await?, 1, "nobody failed for a day");
    assert_eq!(store.throttles.sweep(at(2 * DAY), MOST).await?, 1, "the long wait is over");
    assert_eq!(store.throttles.sweep(at(1_000 * DAY), MOST).await?, 0);
    assert_eq!(reserve(&store, &name("locked"), locks, at(1_000 * DAY)).await?, Reserved::Locked);
    Ok(())
}

async fn of_names_and_sources_only_so_many_are_kept_and_accounts_all(store: Store) -> Result<()> {
    let one = ThrottleRule::Backoff { free: 1, first: Duration::ZERO, longest: Duration::ZERO, locked_at: 1 };
    let alice = whose(&added(&store, "alice").await?);
    reserve(&store, &alice, one, at(0)).await?;
    for number in 0..5 {
        let (source, name) = (Throttled::Source(number.to_string()), Throttled::Name(number.to_string(), PASSWORD));
        reserve(&store, &source, WINDOW, at(number)).await?;
        reserve(&store, &name, BACKOFF, at(number)).await?;
    }
    assert_eq!(store.throttles.sweep(at(10), 2).await?, 6, "two of each sort stay");
    assert_eq!(store.throttles.sweep(at(10), 2).await?, 0);
    assert_eq!(reserve(&store, &alice, one, at(10)).await?, Reserved::Locked);
    let newest = Throttled::Source("4".to_owned());
    assert_eq!(reserve(&store, &newest, WINDOW, at(10)).await?, Reserved::Go);
    assert_eq!(reserve(&store, &newest, WINDOW, at(10)).await?, Reserved::Wait(at(64)), "it was kept");
    Ok(())
}
