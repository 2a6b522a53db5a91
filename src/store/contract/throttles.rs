//! What every engine promises of counters; their arithmetic has its own tests.

use super::*;
use crate::store::{Reserved, ThrottleRule};
use std::time::Duration;

on_every_engine!(
    failures_wait_ever_longer_and_then_lock_the_key,
    of_two_hundred_parallel_guesses_only_the_free_ones_go,
    a_window_counts_from_its_first_failure,
    a_success_gives_a_window_one_reservation_back,
    a_success_starts_a_backoff_over,
    a_clock_that_goes_back_unlocks_nothing,
    resetting_forgets_exactly_the_keys_with_the_prefix,
    sweeping_keeps_who_is_held_back,
);

const BACKOFF: ThrottleRule =
    ThrottleRule::Backoff { free: 5, first: Duration::from_secs(1), longest: Duration::from_secs(900), locked_at: 7 };

const WINDOW: ThrottleRule = ThrottleRule::Window { most: 2, per: Duration::from_secs(60) };

const DAY: u64 = 24 * 3600;

async fn failures_wait_ever_longer_and_then_lock_the_key(store: Store) -> Result<()> {
    for _ in 0..5 {
        assert_eq!(store.throttles.reserve("k", BACKOFF, at(0)).await?, Reserved::Go);
    }
    assert_eq!(store.throttles.reserve("k", BACKOFF, at(0)).await?, Reserved::Wait(at(1)));
    assert_eq!(store.throttles.reserve("k", BACKOFF, at(1)).await?, Reserved::Go);
    assert_eq!(store.throttles.reserve("k", BACKOFF, at(2)).await?, Reserved::Wait(at(3)));
    assert_eq!(store.throttles.reserve("k", BACKOFF, at(3)).await?, Reserved::Go);
    assert_eq!(store.throttles.reserve("k", BACKOFF, at(10 * DAY)).await?, Reserved::Locked);
    assert_eq!(store.throttles.reserve("other", BACKOFF, at(3)).await?, Reserved::Go);
    Ok(())
}

async fn of_two_hundred_parallel_guesses_only_the_free_ones_go(store: Store) -> Result<()> {
    let guesses = all_at_once(200, |_| {
        let throttles = store.throttles.clone();
        async move { throttles.reserve("k", BACKOFF, at(0)).await }
    });
    let gone = guesses.await?.iter().filter(|reserved| **reserved == Reserved::Go).count();
    assert_eq!(gone, 5);
    Ok(())
}

async fn a_window_counts_from_its_first_failure(store: Store) -> Result<()> {
    assert_eq!(store.throttles.reserve("k", WINDOW, at(0)).await?, Reserved::Go);
    assert_eq!(store.throttles.reserve("k", WINDOW, at(50)).await?, Reserved::Go);
    assert_eq!(store.throttles.reserve("k", WINDOW, at(59)).await?, Reserved::Wait(at(60)));
    assert_eq!(store.throttles.reserve("k", WINDOW, at(60)).await?, Reserved::Go);
    assert_eq!(store.throttles.reserve("k", WINDOW, at(61)).await?, Reserved::Go);
    assert_eq!(store.throttles.reserve("k", WINDOW, at(61)).await?, Reserved::Wait(at(120)));
    Ok(())
}

async fn a_success_gives_a_window_one_reservation_back(store: Store) -> Result<()> {
    store.throttles.forgive("k", WINDOW).await?;
    for _ in 0..2 {
        assert_eq!(store.throttles.reserve("k", WINDOW, at(0)).await?, Reserved::Go);
    }
    store.throttles.forgive("k", WINDOW).await?;
    assert_eq!(store.throttles.reserve("k", WINDOW, at(1)).await?, Reserved::Go);
    assert_eq!(store.throttles.reserve("k", WINDOW, at(1)).await?, Reserved::Wait(at(60)));
    Ok(())
}

async fn a_success_starts_a_backoff_over(store: Store) -> Result<()> {
    for _ in 0..2 {
        for _ in 0..5 {
            assert_eq!(store.throttles.reserve("k", BACKOFF, at(0)).await?, Reserved::Go);
        }
        assert_eq!(store.throttles.reserve("k", BACKOFF, at(0)).await?, Reserved::Wait(at(1)));
        store.throttles.forgive("k", BACKOFF).await?;
    }
    Ok(())
}

async fn a_clock_that_goes_back_unlocks_nothing(store: Store) -> Result<()> {
    for _ in 0..5 {
        store.throttles.reserve("k", BACKOFF, at(100)).await?;
    }
    assert_eq!(store.throttles.reserve("k", BACKOFF, at(0)).await?, Reserved::Wait(at(101)));
    assert_eq!(store.throttles.sweep(at(0)).await?, 0);
    assert_eq!(store.throttles.reserve("k", BACKOFF, at(100)).await?, Reserved::Wait(at(101)));
    Ok(())
}

async fn resetting_forgets_exactly_the_keys_with_the_prefix(store: Store) -> Result<()> {
    let one = ThrottleRule::Window { most: 1, per: Duration::from_secs(60) };
    for key in ["a%", "a%/totp", "a", "ab", "A%", "b"] {
        assert_eq!(store.throttles.reserve(key, one, at(0)).await?, Reserved::Go);
    }
    store.throttles.reset("a%").await?;
    for key in ["a%", "a%/totp"] {
        assert_eq!(store.throttles.reserve(key, one, at(0)).await?, Reserved::Go, "{key}");
    }
    for key in ["a", "ab", "A%", "b"] {
        assert_eq!(store.throttles.reserve(key, one, at(0)).await?, Reserved::Wait(at(60)), "{key}");
    }
    Ok(())
}

async fn sweeping_keeps_who_is_held_back(store: Store) -> Result<()> {
    store.throttles.reserve("window", WINDOW, at(0)).await?;
    store.throttles.reserve("backoff", BACKOFF, at(0)).await?;
    let locks = ThrottleRule::Backoff { free: 5, first: Duration::ZERO, longest: Duration::ZERO, locked_at: 1 };
    store.throttles.reserve("locked", locks, at(0)).await?;
    let waits = Duration::from_secs(2 * DAY);
    let waits = ThrottleRule::Backoff { free: 1, first: waits, longest: waits, locked_at: 9 };
    store.throttles.reserve("waiting", waits, at(0)).await?;
    assert_eq!(store.throttles.sweep(at(59)).await?, 0);
    assert_eq!(store.throttles.sweep(at(60)).await?, 1, "the window is over");
    assert_eq!(store.throttles.sweep(at(DAY - 1)).await?, 0);
    assert_eq!(store.throttles.sweep(at(DAY)).await?, 1, "nobody failed for a day");
    assert_eq!(store.throttles.sweep(at(2 * DAY)).await?, 1, "the long wait is over");
    assert_eq!(store.throttles.sweep(at(1_000 * DAY)).await?, 0);
    assert_eq!(store.throttles.reserve("locked", locks, at(1_000 * DAY)).await?, Reserved::Locked);
    Ok(())
}
