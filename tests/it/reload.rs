//! Loading the configuration again, under traffic and with mistakes in it.

use crate::rig::{Line, Member, ONE_ROUTE, RawMember, Rig, TWO_HOSTS, exchange, filled, get};
use portcullis::admin::Reloaded;
use std::convert::identity;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

/// A file with one more open route, for `/team/**`.
fn fragment(pool: &str) -> String {
    format!(
        "[[route]]\nname = \"team\"\nhost = \"app.localhost\"\npath = \"/team/**\"\npool = \"{pool}\"\n\
         policy = \"open\"\n"
    )
}

/// Who answers `GET target` on `app.localhost`.
async fn answers(rig: &Rig, target: &str) -> String {
    let answer = exchange(rig.address(), get(target, "").as_bytes()).await;
    answer.body.split(' ').next().unwrap_or_default().to_owned()
}

/// The edition that an outcome leaves serving; a refusal is none of the story's.
fn edition(outcome: Reloaded) -> u64 {
    match outcome {
        // The watcher may have been faster.
        Reloaded::Applied { edition, .. } | Reloaded::Unchanged { edition } => edition,
        Reloaded::Refused { problems, .. } => panic!("{problems:?}"),
    }
}

async fn metric(rig: &Rig, series: &str) -> Option<f64> {
    let text = rig.admin("/metrics").await.1;
    text.lines().find_map(|line| line.strip_prefix(series)?.trim().parse().ok())
}

const REFUSED: &str = r#"portcullis_reloads_total{result="refused"}"#;

/// Moves a file into its place in one step, as a deployment does.
fn place(path: &Path, text: &str) {
    let beside = path.with_extension("new");
    std::fs::write(&beside, text).expect("written");
    std::fs::rename(&beside, path).expect("renamed");
}

#[tokio::test(flavor = "multi_thread")]
async fn reloads_under_traffic_drop_nothing_and_every_request_sees_one_edition() {
    let (even, odd) = (Member::echo("even").await, Member::echo("odd").await);
    let text = |number: u64| {
        let member = if number.is_multiple_of(2) { &even } else { &odd };
        filled(ONE_ROUTE, &[("app", member)]).replace("name = \"app\"", &format!("name = \"app-{number}\""))
    };
    let rig = Arc::new(Rig::start(&text(0)).await);
    let (over, asked, failed) =
        (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let clients: Vec<_> = (0..4)
        .map(|_| {
            let (address, over, asked, failed) = (rig.address(), over.clone(), asked.clone(), failed.clone());
            tokio::spawn(async move {
                let mut line = Line::to(address).await;
                while !over.load(Ordering::SeqCst) {
                    let answer = line.ask(get("/x", "")).await;
                    asked.fetch_add(1, Ordering::SeqCst);
                    failed.fetch_add(usize::from(answer.status != 200), Ordering::SeqCst);
                    if answer.header("connection") == Some("close") || answer.status == 0 {
                        line = Line::to(address).await;
                    }
                }
            })
        })
        .collect();
    let mut editions = Vec::new();
    for number in 1..=20 {
        editions.push((edition(rig.reload(&text(number)).await), number));
        let before = asked.load(Ordering::SeqCst);
        rig.eventually("requests are answered", async || asked.load(Ordering::SeqCst) >= before + 20).await;
    }
    over.store(true, Ordering::SeqCst);
    for client in clients {
        client.await.expect("it ends");
    }
    assert_eq!(failed.load(Ordering::SeqCst), 0, "of {}", asked.load(Ordering::SeqCst));
    let all = asked.load(Ordering::SeqCst);
    rig.eventually("every request has its line", async || rig.lines().len() >= all).await;
    for line in rig.lines() {
        let Some((_, number)) = editions.iter().find(|(edition, _)| line["edition"] == *edition) else { continue };
        let member = if number.is_multiple_of(2) { &even } else { &odd };
        assert_eq!(line["route"], format!("app-{number}"), "{line}");
        assert_eq!(line["member"], member.address().to_string(), "{line}");
    }
    let seen = editions.iter().filter(|(edition, _)| rig.lines().iter().any(|line| line["edition"] == *edition));
    assert_eq!(seen.count(), 20, "every edition served");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_reload_leaves_the_old_edition_and_says_why_everywhere() {
    let (rig, _app, good) = Rig::one_route(identity).await;
    let outcome = rig.reload(&good.replace("policy =", "polcy =")).await;
    let Reloaded::Refused { edition: 1, problems, tried_again: false } = outcome else { panic!("{outcome:?}") };
    let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
    let problem = lines.iter().find(|problem| problem.contains("polcy")).expect("it is named");
    assert!(
        problem.contains("portcullis.toml:24:1: route[0].polcy: ") && problem.ends_with("did you mean policy?"),
        "{problem}"
    );
    assert_eq!(answers(&rig, "/x").await, "app");
    assert!(metric(&rig, r#"portcullis_reloads_total{result="refused"}"#).await >= Some(1.0));
    assert_eq!(metric(&rig, "portcullis_edition").await, Some(1.0));
    let status = rig.status().await;
    assert_eq!(status["edition"], 1);
    let told: Vec<_> = problems.iter().map(portcullis::admin::Problem::to_json).collect();
    assert_eq!(status["last_reload_refused"], serde_json::json!(told));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fixed_file_goes_live_and_the_refusal_is_over() {
    let (rig, ..) = Rig::one_route(identity).await;
    let other = Member::echo("other").await;
    rig.reload("[[route]").await;
    assert_eq!(edition(rig.reload(&filled(ONE_ROUTE, &[("app", &other)])).await), 2);
    assert_eq!(answers(&rig, "/x").await, "other");
    assert_eq!(rig.status().await["last_reload_refused"], serde_json::json!([]));
    assert_eq!(metric(&rig, r#"portcullis_reloads_total{result="applied"}"#).await, Some(1.0));
}

#[tokio::test(flavor = "multi_thread")]
async fn going_back_to_what_serves_ends_the_refusal_without_a_new_edition() {
    let (rig, _app, good) = Rig::one_route(identity).await;
    rig.reload("[[route]").await;
    assert_eq!(rig.reload(&good).await, Reloaded::Unchanged { edition: 1 });
    assert_eq!(rig.status().await["last_reload_refused"], serde_json::json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gauge_says_for_how_long_what_is_written_is_refused() {
    let (rig, _app, good) = Rig::one_route(identity).await;
    let refused = async || metric(&rig, "portcullis_configuration_refused").await;
    assert_eq!(refused().await, Some(0.0));
    rig.reload("[[route]").await;
    assert_eq!(refused().await, Some(1.0));
    rig.reload(&good).await;
    assert_eq!(refused().await, Some(0.0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_file_is_noticed() {
    let (rig, ..) = Rig::one_route(identity).await;
    let other = Member::echo("other").await;
    rig.save(&filled(ONE_ROUTE, &[("app", &other)]));
    rig.eventually("the other member answers", async || answers(&rig, "/x").await == "other").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_file_is_refused_once_however_often_it_looks_new() {
    // Several times as long as the watcher waits for quiet: in this time it looks again.
    const WATCHED: Duration = Duration::from_millis(700);
    let (rig, _app, text) = Rig::one_route(identity).await;
    assert_eq!(metric(&rig, REFUSED).await, Some(0.0));
    let refused = async |times: f64| metric(&rig, REFUSED).await >= Some(times);
    let again = async |times: f64, stir: &dyn Fn()| {
        stir();
        tokio::time::timeout(WATCHED, rig.eventually("it is refused again", async || refused(times).await))
            .await
            .is_ok()
    };
    rig.save(&text.replace("policy =", "polcy ="));
    rig.eventually("it is refused", async || refused(1.0).await).await;
    let log = rig.directory().join("gateway.log");
    let logged = || std::fs::write(&log, "refused").expect("written");
    assert!(!again(2.0, &logged).await, "because a file beside it was written");
    let same = || rig.save(&text.replace("policy =", "polcy ="));
    assert!(!again(2.0, &same).await, "because the same was saved once more");
    let other = || rig.save(&format!("{text}\n# another try\n").replace("policy =", "polcy ="));
    assert!(again(2.0, &other).await, "what is different is judged anew, even to the same end");
    let asked = rig.gateway().reload().await;
    assert!(matches!(asked, Reloaded::Refused { .. }), "an order is always answered: {asked:?}");
    assert_eq!(metric(&rig, REFUSED).await, Some(3.0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_written_in_place_is_noticed() {
    let (rig, ..) = Rig::one_route(identity).await;
    let other = Member::echo("other").await;
    std::fs::write(rig.configuration(), filled(ONE_ROUTE, &[("app", &other)])).expect("written");
    rig.eventually("the other member answers", async || answers(&rig, "/x").await == "other").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_busy_file_beside_it_does_not_hide_a_change() {
    let (rig, ..) = Rig::one_route(identity).await;
    let other = Member::echo("other").await;
    let busy = rig.directory().join("busy.log");
    let writing = tokio::spawn(async move {
        for number in 0_u64.. {
            std::fs::write(&busy, number.to_string()).expect("written");
            tokio::time::sleep(std::time::Duration::from_millis(30)).await;
        }
    });
    rig.save(&filled(ONE_ROUTE, &[("app", &other)]));
    rig.eventually("the other member answers", async || answers(&rig, "/x").await == "other").await;
    writing.abort();
}

/// A gateway that includes `teams.d/*.toml`, with a second pool for the teams.
async fn with_teams() -> (Rig, String, [Member; 2]) {
    let other = Member::echo("other").await;
    let second = format!("\n[pool.other]\nmembers = [\"{}\"]\n", other.address());
    let (rig, app, text) = Rig::one_route(|text| text + &second).await;
    let text = format!("include = [\"teams.d/*.toml\"]\n{text}");
    (rig, text, [app, other])
}

#[tokio::test(flavor = "multi_thread")]
async fn fragments_that_come_and_change_and_go_are_noticed() {
    let (rig, text, _members) = with_teams().await;
    let teams = rig.directory().join("teams.d");
    std::fs::create_dir(&teams).expect("made");
    edition(rig.reload(&text).await);
    assert_eq!(answers(&rig, "/team/x").await, "app");
    place(&teams.join("one.toml"), &fragment("other"));
    rig.eventually("it came", async || answers(&rig, "/team/x").await == "other").await;
    place(&teams.join("one.toml"), &fragment("app").replace("/team/", "/squad/"));
    rig.eventually("it changed", async || answers(&rig, "/team/x").await == "app").await;
    place(&teams.join("one.toml"), &fragment("other"));
    rig.eventually("it changed again", async || answers(&rig, "/team/x").await == "other").await;
    std::fs::remove_file(teams.join("one.toml")).expect("removed");
    rig.eventually("it went", async || answers(&rig, "/team/x").await == "app").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fragment_that_was_renamed_is_noticed_when_it_is_written_in_place() {
    let (rig, text, _members) = with_teams().await;
    let teams = rig.directory().join("teams.d");
    std::fs::create_dir(&teams).expect("made");
    place(&teams.join("one.toml"), &fragment("app"));
    edition(rig.reload(&text).await);
    std::fs::rename(teams.join("one.toml"), teams.join("two.toml")).expect("renamed");
    assert_eq!(rig.gateway().reload().await, Reloaded::Unchanged { edition: edition(rig.gateway().reload().await) });
    std::fs::write(teams.join("two.toml"), fragment("other")).expect("written");
    rig.eventually("it is noticed", async || answers(&rig, "/team/x").await == "other").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replaced_symlink_is_noticed() {
    let (rig, text, _members) = with_teams().await;
    let (teams, versions) = (rig.directory().join("teams.d"), rig.directory().join("versions"));
    std::fs::create_dir(&teams).expect("made");
    std::fs::create_dir(&versions).expect("made");
    std::fs::write(versions.join("1"), fragment("app")).expect("written");
    std::fs::write(versions.join("2"), fragment("other")).expect("written");
    std::os::unix::fs::symlink("../versions/1", teams.join("one.toml")).expect("linked");
    edition(rig.reload(&text).await);
    assert_eq!(answers(&rig, "/team/x").await, "app");
    std::os::unix::fs::symlink("../versions/2", teams.join("one.new")).expect("linked");
    std::fs::rename(teams.join("one.new"), teams.join("one.toml")).expect("replaced");
    rig.eventually("the new target serves", async || answers(&rig, "/team/x").await == "other").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fragment_that_was_refused_goes_live_once_it_is_fixed() {
    let (rig, text, _members) = with_teams().await;
    let teams = rig.directory().join("teams.d");
    std::fs::create_dir(&teams).expect("made");
    place(&teams.join("one.toml"), &fragment("nowhere"));
    let outcome = rig.reload(&text).await;
    assert!(matches!(&outcome, Reloaded::Refused { .. }), "{outcome:?}");
    place(&teams.join("one.toml"), &fragment("other"));
    rig.eventually("the fixed fragment serves", async || answers(&rig, "/team/x").await == "other").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_needs_a_restart_is_named_and_keeps_its_old_value() {
    let (rig, ..) = Rig::one_route(identity).await;
    let other = Member::echo("other").await;
    let operator = rig.gateway().admin_address();
    let changed = filled(ONE_ROUTE, &[("app", &other)])
        .replace(r#"state = "state""#, "state = \"moved\"\nthreads = 3")
        .replace("127.0.0.2:0", "127.0.0.4:0")
        .replace("admin.sock", "moved.sock")
        .replace("[log]", "[log]\nlevel = \"debug\"");
    rig.save(&changed);
    let outcome = rig.gateway().reload().await;
    let Reloaded::Applied { edition: 2, notes } = outcome else { panic!("{outcome:?}") };
    for key in ["gateway.state", "gateway.threads", "admin.address", "admin.socket", "log.level"] {
        let note = notes.iter().find(|note| note.starts_with(&format!("{key}: ")));
        assert!(note.is_some_and(|note| note.contains("next start")), "{key} in {notes:?}");
    }
    assert_eq!(answers(&rig, "/x").await, "other", "everything else is live");
    assert_eq!(rig.gateway().admin_address(), operator);
    assert_eq!(rig.status().await["edition"], 2, "the old socket answers");
    assert!(!rig.directory().join("moved").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_should_give_pause_is_noted_and_goes_live_all_the_same() {
    let (rig, _app, text) = Rig::one_route(identity).await;
    rig.save(&format!("{text}\n[policy.idle]\nrequire = \"none\"\n"));
    let outcome = rig.gateway().reload().await;
    let Reloaded::Applied { edition: 2, notes } = outcome else { panic!("{outcome:?}") };
    assert!(notes.iter().any(|note| note.ends_with("policy.idle: nothing uses this policy")), "{notes:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn listeners_come_and_go_and_their_connections_stay() {
    let (rig, _app, one) = Rig::one_route(identity).await;
    edition(rig.reload(&format!("{one}\n[[listen]]\naddress = \"127.0.0.3:0\"\n")).await);
    let added = rig.gateway().addresses()[1];
    let mut line = Line::to(added).await;
    assert_eq!(line.ask(get("/before", "")).await.body, "app /before");
    edition(rig.reload(&one).await);
    assert_eq!(rig.gateway().addresses(), [rig.address()]);
    let refused = tokio::net::TcpStream::connect(added).await.map(|_| ()).expect_err("nobody listens");
    assert_eq!(refused.kind(), std::io::ErrorKind::ConnectionRefused);
    assert_eq!(line.ask(get("/after", "")).await.body, "app /after");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_that_is_taken_refuses_the_whole_reload() {
    let (rig, ..) = Rig::one_route(identity).await;
    let other = Member::echo("other").await;
    let taken = other.address();
    let text = format!("{}\n[[listen]]\naddress = \"{taken}\"\n", filled(ONE_ROUTE, &[("app", &other)]));
    let outcome = rig.reload(&text).await;
    let Reloaded::Refused { edition: 1, problems, tried_again: true } = outcome else { panic!("{outcome:?}") };
    assert!(problems[0].what.contains(&format!("cannot listen on {taken}: ")), "{problems:?}");
    let line = text.lines().position(|line| line.contains(&taken.to_string()) && line.starts_with("address")).unwrap();
    let place = format!("portcullis.toml:{}:11: listen[1].address: cannot listen", line + 1);
    assert!(problems[0].to_string().contains(&place), "{problems:?}");
    assert_eq!(answers(&rig, "/x").await, "app");
    assert_eq!(rig.gateway().addresses(), [rig.address()]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_listener_whose_port_was_taken_opens_by_itself_once_it_is_free() {
    let (rig, _app, text) = Rig::one_route(identity).await;
    let other = std::net::TcpListener::bind("127.0.0.3:0").expect("a free port");
    let taken = other.local_addr().expect("an address");
    rig.save(&format!("{text}\n[[listen]]\naddress = \"{taken}\"\n"));
    let retried = async || rig.status().await["last_reload_tried_again"] == true;
    rig.eventually("it is refused, for now", retried).await;
    drop(other);
    rig.eventually("it is live", async || rig.gateway().addresses().contains(&taken)).await;
    assert!(!retried().await);
    assert_eq!(metric(&rig, REFUSED).await, Some(1.0), "what was said once is not said again");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_written_wrongly_is_not_tried_again_and_a_file_that_cannot_be_read_is() {
    let (rig, _app, text) = Rig::one_route(identity).await;
    rig.reload(&text.replace("policy =", "polcy =")).await;
    assert_eq!(rig.status().await["last_reload_tried_again"], false);
    rig.reload(&format!("{text}\n[[certificate]]\ncert = \"a/a.pem\"\nkey = {{ file = \"a/a.key\" }}\n")).await;
    assert_eq!(rig.status().await["last_reload_tried_again"], true);
    let made = rcgen::generate_simple_self_signed(vec!["app.localhost".to_owned()]).expect("a certificate");
    let there = rig.directory().join("a");
    std::fs::create_dir(&there).expect("made");
    std::fs::write(there.join("a.key"), made.signing_key.serialize_pem()).expect("written");
    std::fs::write(there.join("a.pem"), made.cert.pem()).expect("written");
    rig.eventually("it is live", async || rig.status().await["edition"] == 2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn unchanged_pools_keep_what_is_known_of_their_members() {
    let gone = {
        let mut member = Member::echo("gone").await;
        member.stop().await;
        member.address()
    };
    let app = Member::echo("app").await;
    let members = format!("members = [\"{gone}\", \"{}\"]\nhealth = {{ tcp = true, every = \"1h\" }}", app.address());
    let text = ONE_ROUTE.replace(r#"members = ["{app}"]"#, &members);
    let rig = Rig::start(&text).await;
    let known = async || rig.status().await["pools"][0]["members"].clone();
    rig.eventually("it is found unhealthy", async || known().await[0]["health"] == "unhealthy").await;
    rig.eventually("and the other healthy", async || known().await[1]["health"] == "healthy").await;
    let before = known().await;
    let more = "[[route]]\nname = \"more\"\nhost = \"more.localhost\"\npool = \"app\"\npolicy = \"open\"\n";
    edition(rig.reload(&format!("{text}\n{more}")).await);
    assert_eq!(known().await, before, "nobody had to be probed again");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edition_lives_as_long_as_its_last_request() {
    let (end, ended) = tokio::sync::watch::channel(false);
    let slow = RawMember::play(move |mut line| {
        let mut ended = ended.clone();
        async move {
            line.head().await;
            let _ = ended.wait_for(|ended| *ended).await;
            line.say("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nold").await;
        }
    })
    .await;
    let app = Member::echo("app").await;
    let rig = Rig::start(&ONE_ROUTE.replace("{app}", &slow.address().to_string())).await;
    let mut under_way = Line::to(rig.address()).await;
    under_way.say(get("/x", "")).await;
    rig.eventually("the member was asked", async || !slow.heard().concat().is_empty()).await;
    edition(rig.reload(&filled(ONE_ROUTE, &[("app", &app)])).await);
    let mut kept = Line::to(rig.address()).await;
    assert_eq!(kept.ask(get("/x", "")).await.body, "app /x");
    edition(rig.reload(&filled(ONE_ROUTE, &[("app", &app)]).replace("\"app\"\nhost", "\"again\"\nhost")).await);
    assert_eq!(metric(&rig, "portcullis_editions_held").await, Some(1.0), "an idle connection holds none");
    end.send_replace(true);
    assert_eq!(under_way.answer().await.body, "old", "it ends where it began");
    rig.eventually("nothing is held", async || metric(&rig, "portcullis_editions_held").await == Some(0.0)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_policy_judges_the_very_next_request_on_the_same_connection() {
    let app = Member::echo("app").await;
    let open = filled(TWO_HOSTS, &[("app", &app), ("wiki", &app)]);
    let rig = Rig::start(&open).await;
    let mut line = Line::to(rig.address()).await;
    assert_eq!(line.ask(get("/open/x", "")).await.status, 200);
    edition(rig.reload(&open.replace("policy = \"open\"", "policy = \"staff\"")).await);
    assert_eq!(line.ask(get("/open/x", "")).await.status, 401);
    edition(rig.reload(&open).await);
    assert_eq!(line.ask(get("/open/x", "")).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_route_that_went_is_unknown_and_no_longer_counted() {
    let (rig, _app, text) = Rig::one_route(identity).await;
    assert_eq!(answers(&rig, "/x").await, "app");
    edition(
        rig.reload(&text.replace("name = \"app\"", "name = \"renamed\"").replace("app.localhost", "b.localhost")).await,
    );
    assert_eq!(exchange(rig.address(), get("/x", "").as_bytes()).await.status, 421);
    let told = rig.admin("/metrics").await.1;
    assert!(!told.contains("route=\"app\"") && told.contains("route=\"renamed\""), "{told}");
}
