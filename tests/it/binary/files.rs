//! The files that the running program reads: what is no file to be read, and certificates that have expired.

use super::process::{Running, Site, eventually, two_hosts};
use crate::rig::{Member, ONE_ROUTE, exchange, filled, get};

/// How often this stands in the log.
fn times(running: &Running, part: &str) -> usize {
    running.log().iter().filter(|line| line.contains(part)).count()
}

/// A site that includes `teams.d/*.toml`, and that directory.
async fn with_teams() -> (Site, Member) {
    let (site, app, _wiki) = two_hosts().await;
    let site = Site::new(&format!("include = [\"teams.d/*.toml\"]\n{}", site.read()));
    std::fs::create_dir(site.path("teams.d")).expect("made");
    (site, app)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_file_among_the_included_ones_is_refused_and_holds_nothing_up() {
    let makes: [(&str, &[&str]); 2] = [("mkfifo", &[]), ("ln", &["-s", "/dev/zero"])];
    for (make, arguments) in makes {
        let (site, _app) = with_teams().await;
        let mut running = site.run().await;
        let made = std::process::Command::new(make).args(arguments).arg(site.path("teams.d/a.toml")).status();
        assert!(made.expect("it can be started").success());
        let refused = "a.toml is not a regular file";
        eventually("it is noticed", || times(&running, refused) > 0).await;
        // It is now among the files that are looked at before each reading.
        for _ in 0..2 {
            let said = site.tell(&["reload"]).await;
            assert!(said.code == 1 && said.out.contains(refused), "{said:?}");
            assert!(!said.out.contains("tried again"), "somebody has to take it away: {said:?}");
        }
        let before = times(&running, refused);
        running.signal("HUP").await;
        eventually("a hang-up is answered too", || times(&running, refused) > before).await;
        let answer = exchange(running.address, get("/open/x", "").as_bytes()).await;
        assert_eq!(answer.status, 200);
        running.signal("TERM").await;
        assert_eq!(running.end().await, Some(0));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn files_that_are_as_they_were_again_are_told_once() {
    let (site, ..) = two_hosts().await;
    let running = site.run().await;
    let good = site.read();
    site.write("nonsense");
    eventually("it is refused", || times(&running, "configuration refused") > 0).await;
    site.write(&good);
    let told = "the files are as they were: edition 2 goes on";
    eventually("the refusal is over", || times(&running, told) > 0).await;
    let said = site.tell(&["reload"]).await;
    assert!(said.code == 0 && said.out.contains("nothing has changed"), "{said:?}");
    assert_eq!(times(&running, told), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reload_that_only_time_may_mend_says_that_it_is_tried_again() {
    let (site, ..) = two_hosts().await;
    let _running = site.run().await;
    site.write(&(site.read() + "\n[[certificate]]\ncert = \"none.pem\"\nkey = { file = \"none.key\" }\n"));
    let said = site.tell(&["reload"]).await;
    assert!(said.code == 1 && said.out.contains("; the files are tried again by themselves"), "{said:?}");
    assert_eq!(site.tell(&["reload", "--json"]).await.json()["tried_again"], true);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_expired_certificate_is_an_error_in_the_log_and_a_warning_in_the_status() {
    let mut wanted = rcgen::CertificateParams::new(vec!["app.localhost".to_owned()]).expect("a name");
    wanted.not_after = rcgen::date_time_ymd(2020, 1, 1);
    let key = rcgen::KeyPair::generate().expect("a key");
    let made = wanted.self_signed(&key).expect("a certificate");
    let app = Member::echo("app").await;
    let certificate = "\n[[certificate]]\ncert = \"a.pem\"\nkey = { file = \"a.key\" }\n";
    let site = Site::new(&(filled(ONE_ROUTE, &[("app", &app)]) + certificate));
    std::fs::write(site.path("a.pem"), made.pem()).expect("written");
    std::fs::write(site.path("a.key"), key.serialize_pem()).expect("written");
    let running = site.run().await;
    let told = "the certificate for app.localhost expired ";
    eventually("it is told", || times(&running, told) > 0).await;
    let line = running.log().into_iter().find(|line| line.contains(told)).expect("it was there");
    assert!(line.contains("\"ERROR\"") && line.contains("2020-01-01T00:00:00.000Z"), "{line}");
    let status = site.tell(&["status"]).await;
    assert!(status.out.contains(&format!("warning: {told}")) && status.out.contains(" days ago"), "{status:?}");
}
