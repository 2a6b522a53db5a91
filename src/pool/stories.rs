//! The room as a whole, with members that really listen: what operators see happen, told as tests.

use super::scene::{Origin, SILENCE, Scene, checked, http, plan, tcp, until};
use super::{Health, HealthPlan, Lapse, Tried};
use std::time::Duration;

/// So seldom that within a test only the first probe happens.
const ONCE: Duration = Duration::from_secs(3600);

#[tokio::test]
async fn a_dead_member_is_taken_out_and_comes_back() {
    let (steady, shaky) = (Origin::start(200).await, Origin::start(204).await);
    let mut scene = Scene::of(&[]);
    scene.publish(&[checked(plan("orders", &[steady.address.port(), shaky.address.port()]), http())]);
    until(|| scene.healths("orders") == [Health::Healthy; 2]).await;

    shaky.answer(500);
    until(|| scene.healths("orders") == [Health::Healthy, Health::Unhealthy]).await;
    assert!(scene.fleet.counts().bad_probes >= u64::from(http().fall));
    assert!((0..10).all(|_| scene.pick("orders").address() == steady.address));

    let good = scene.fleet.counts().good_probes;
    shaky.answer(302);
    until(|| scene.healths("orders") == [Health::Healthy; 2]).await;
    assert!(scene.fleet.counts().good_probes >= good + u64::from(http().rise));
    assert!((0..10).any(|_| scene.pick("orders").address() == shaky.address));
    assert_eq!((scene.fleet.counts().falls, scene.fleet.counts().rises), (1, 3));
    scene.tasks.stop().await;
}

#[tokio::test]
async fn a_member_that_stops_listening_falls_and_rises_again_by_tcp() {
    let origin = Origin::start(200).await;
    let at = origin.address;
    let mut scene = Scene::of(&[]);
    scene.publish(&[checked(plan("orders", &[at.port()]), tcp())]);
    until(|| scene.healths("orders") == [Health::Healthy]).await;
    drop(origin);
    until(|| scene.healths("orders") == [Health::Unhealthy]).await;
    let _again = Origin::start_at(at, 200).await;
    until(|| scene.healths("orders") == [Health::Healthy]).await;
}

#[tokio::test]
async fn a_member_that_takes_requests_and_says_nothing_is_unhealthy() {
    let origin = Origin::start(SILENCE).await;
    let mut scene = Scene::of(&[]);
    let soon = HealthPlan { timeout: Duration::from_millis(50), ..http() };
    scene.publish(&[checked(plan("orders", &[origin.address.port()]), soon)]);
    until(|| scene.healths("orders") == [Health::Unhealthy]).await;
}

#[tokio::test]
async fn a_probe_says_who_asks_and_asks_for_the_configured_host() {
    let origin = Origin::start(200).await;
    let mut scene = Scene::of(&[]);
    scene.publish(&[checked(plan("orders", &[origin.address.port()]), http())]);
    until(|| !origin.requests().is_empty()).await;
    let mut lines: Vec<_> = origin.requests().concat().lines().map(str::to_lowercase).take(4).collect();
    lines.sort();
    let wanted =
        ["connection: close", "get /healthz http/1.1", "host: orders.example.com", "user-agent: portcullis-health"];
    assert_eq!(lines, wanted);
}

#[tokio::test]
async fn two_pools_with_the_same_member_and_check_cause_one_probe() {
    let origin = Origin::start(200).await;
    let mut scene = Scene::of(&[]);
    let once = HealthPlan { every: ONCE, ..http() };
    let port = origin.address.port();
    scene.publish(&[checked(plan("one", &[port]), once.clone()), checked(plan("two", &[port]), once)]);
    until(|| scene.healths("one") == [Health::Healthy] && scene.healths("two") == [Health::Healthy]).await;
    assert_eq!((origin.requests().len(), scene.fleet.counts().good_probes), (1, 1));
}

#[tokio::test]
async fn a_reload_that_changes_a_weight_neither_resets_health_nor_probes_anew() {
    let origin = Origin::start(200).await;
    let mut scene = Scene::of(&[]);
    let once = HealthPlan { every: ONCE, ..http() };
    let mut orders = checked(plan("orders", &[origin.address.port()]), once);
    scene.publish(std::slice::from_ref(&orders));
    until(|| scene.healths("orders") == [Health::Healthy]).await;
    orders.members[0].weight = 9;
    scene.publish(&[orders]);
    assert_eq!(scene.healths("orders"), [Health::Healthy]);
    assert_eq!(origin.requests().len(), 1);
}

#[tokio::test]
async fn a_new_member_waits_for_its_first_good_probe() {
    let (old, new) = (Origin::start(200).await, Origin::start(200).await);
    let mut scene = Scene::of(&[]);
    let orders = checked(plan("orders", &[old.address.port()]), http());
    scene.publish(std::slice::from_ref(&orders));
    until(|| scene.healths("orders") == [Health::Healthy]).await;
    scene.publish(&[checked(
        plan("orders", &[old.address.port(), new.address.port()]),
        orders.health.expect("checked"),
    )]);
    // Nothing was awaited since the reload, so the new member cannot have been probed on this thread.
    assert_eq!(scene.healths("orders"), [Health::Healthy, Health::Unknown]);
    assert!((0..10).all(|_| scene.pick("orders").address() == old.address));
    until(|| scene.healths("orders") == [Health::Healthy; 2]).await;
    assert!((0..10).any(|_| scene.pick("orders").address() == new.address));
}

#[tokio::test]
async fn a_check_that_comes_back_after_a_while_is_unknown_until_it_ran_again() {
    let origin = Origin::start(200).await;
    let mut scene = Scene::of(&[]);
    let orders = checked(plan("orders", &[origin.address.port()]), http());
    scene.publish(std::slice::from_ref(&orders));
    until(|| scene.healths("orders") == [Health::Healthy]).await;
    // An old edition keeps the pool alive while the current one does without it.
    let held = scene.pick("orders");
    scene.publish(&[]);
    let quiet = scene.fleet.counts().rises;
    tokio::task::yield_now().await;
    scene.publish(&[orders]);
    until(|| scene.fleet.counts().rises > quiet).await;
    assert_eq!(held.pool().status(scene.now).members[0].health, Health::Healthy);
}

#[tokio::test]
async fn a_retry_goes_to_another_member_and_an_ejected_one_returns_after_its_time() {
    let mut scene = Scene::of(&[plan("orders", &[1, 2])]);
    let first = scene.pick("orders");
    let mut tried = Tried::new();
    first.failed(Lapse::Unreachable, scene.now);
    first.failed(Lapse::Unreachable, scene.now);
    tried.add(&first);
    let second = scene.pool("orders").pick(scene.now, &tried).expect("one is left");
    assert_ne!(second.address(), first.address());
    assert!((0..10).all(|_| scene.pick("orders").address() == second.address()));
    assert_eq!(scene.fleet.counts().ejections, 1);
    scene.now = scene.now.plus(Duration::from_secs(10));
    assert!((0..10).any(|_| scene.pick("orders").address() == first.address()));
}
