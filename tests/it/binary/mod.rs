//! The program itself: how it starts, what it writes, and how it ends.

mod accounts;
mod commands;
mod demo;
mod explained;
mod files;
mod ground;
mod login;
mod night;
mod process;
mod standing;
mod warnings;

use crate::rig::{Line, exchange, get};
use process::{eventually, two_hosts};
use serde_json::Value;
use std::time::{Duration, Instant};

#[tokio::test(flavor = "multi_thread")]
async fn an_idle_gateway_ends_within_two_seconds_and_fine() {
    let (site, ..) = two_hosts().await;
    let mut running = site.run().await;
    let began = Instant::now();
    running.signal("TERM").await;
    assert_eq!(running.end().await, Some(0));
    assert!(began.elapsed() <= Duration::from_secs(2), "{:?}", began.elapsed());
    assert!(!site.path("admin.sock").exists(), "its socket is cleared away");
    assert!(running.logged("stopped").is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_interrupt_from_the_keyboard_ends_it_too() {
    let (site, ..) = two_hosts().await;
    let mut running = site.run().await;
    running.signal("INT").await;
    assert_eq!(running.end().await, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_under_way_is_finished_before_the_end() {
    let (end, ended) = tokio::sync::watch::channel(false);
    let slow = crate::rig::RawMember::play(move |mut line| {
        let mut ended = ended.clone();
        async move {
            line.head().await;
            let _ = ended.wait_for(|ended| *ended).await;
            line.say("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ndone").await;
        }
    })
    .await;
    let (site, app, _wiki) = two_hosts().await;
    let text = site.read().replace(&app.address().to_string(), &slow.address().to_string());
    let site = process::Site::new(&text.replace(r#"drain = "2s""#, r#"drain = "15s""#));
    let mut running = site.run().await;
    let mut under_way = Line::to(running.address).await;
    under_way.say(get("/open/x", "")).await;
    eventually("the member was asked", || !slow.heard().concat().is_empty()).await;
    running.signal("TERM").await;
    eventually("it takes no connection", || std::net::TcpStream::connect(running.address).is_err()).await;
    end.send_replace(true);
    let answer = under_way.answer().await;
    assert_eq!((answer.status, answer.body.as_str()), (200, "done"));
    assert_eq!(running.end().await, Some(0));
    let line = running.access().pop().expect("its line is written before the end");
    assert_eq!((&line["path"], &line["status"]), (&"/open/x".into(), &200.into()));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_line_of_the_access_log_is_written_before_the_end() {
    let (site, ..) = two_hosts().await;
    let mut running = site.run().await;
    exchange(running.address, get("/open/last", "Connection: close\r\n").as_bytes()).await;
    running.signal("TERM").await;
    assert_eq!(running.end().await, Some(0));
    eventually("it is written", || running.access().iter().any(|line| line["path"] == "/open/last")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_lines_name_listeners_edition_and_routes() {
    let (site, ..) = two_hosts().await;
    let running = site.run().await;
    let listening = running.logged("listening").expect("logged");
    assert_eq!((&listening["scheme"], &listening["level"]), (&"http".into(), &"INFO".into()));
    let ready = running.logged("ready").expect("logged");
    assert_eq!((&ready["edition"], &ready["routes"], &ready["pools"]), (&1.into(), &5.into(), &2.into()), "{ready}");
    assert!(ready["portal"].as_str().is_some_and(|portal| portal.contains("auth.localhost")), "{ready}");
    assert_eq!(ready["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(ready["configuration"], site.path("portcullis.toml").to_string_lossy().as_ref());
    assert_eq!(ready["state"], site.path("state").to_string_lossy().as_ref());
    assert_eq!(ready["admin_socket"], site.path("admin.sock").to_string_lossy().as_ref());
    assert!(ready["admin"].as_str().is_some_and(|admin| admin.starts_with("127.0.0.2:") && !admin.ends_with(":0")));
    assert!(ready["milliseconds"].is_u64(), "a number: {ready}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_service_manager_is_told_of_the_start_and_to_wait_as_long_as_the_drain() {
    let (site, ..) = two_hosts().await;
    let site = process::Site::new(&site.read().replace(r#"drain = "2s""#, r#"drain = "2h""#));
    let manager = tokio::net::UnixDatagram::bind(site.path("notify")).expect("a free path");
    let mut running = site.start_under(&site.path("notify"));
    let told = async || {
        let mut message = [0; 1024];
        let length = tokio::time::timeout(crate::rig::PATIENCE, manager.recv(&mut message)).await;
        String::from_utf8_lossy(&message[..length.expect("in time").expect("a message")]).into_owned()
    };
    assert_eq!(told().await, "READY=1\n");
    running.signal("TERM").await;
    assert_eq!(told().await, format!("STOPPING=1\nEXTEND_TIMEOUT_USEC={}\n", (2 * 3600 + 15) * 1_000_000_u64));
    assert_eq!(running.end().await, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn every_request_leaves_one_line_that_says_what_became_of_it() {
    let (site, app, _wiki) = two_hosts().await;
    let running = site.run().await;
    exchange(running.address, get("/open/x?token=secret", "").as_bytes()).await;
    let refused = exchange(running.address, get("/", "").as_bytes()).await;
    eventually("both are written", || running.access().len() >= 2).await;
    let lines = running.access();
    let text = |line: &Value, key: &str| line[key].as_str().unwrap_or_default().to_owned();
    let of = |path: &str| lines.iter().find(|line| line["path"] == path).expect("its line");
    let open = of("/open/x");
    for (key, expected) in [("route", "app-open"), ("policy", "open"), ("outcome", "permitted"), ("pool", "app")] {
        assert_eq!(text(open, key), expected, "{open}");
    }
    assert_eq!(text(open, "member"), app.address().to_string());
    assert_eq!((&open["edition"], &open["status"], &open["path"]), (&2.into(), &200.into(), &"/open/x".into()));
    assert!(!open.to_string().contains("secret"), "no query: {open}");
    assert!(open["micros"].is_u64() && open["time"].is_string() && open["client"] == "127.0.0.1", "{open}");
    let denied = of("/");
    assert_eq!((text(denied, "outcome"), text(denied, "refused")), ("sign-in".to_owned(), "sign-in".to_owned()));
    let problem: Value = serde_json::from_str(&refused.body).expect("JSON");
    assert_eq!(denied["decision"], problem["decision"], "the same id as the caller was told");
    assert_eq!(denied["request"], refused.header("x-request-id").unwrap_or_default());
    assert_eq!(text(denied, "route"), "app", "{denied}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hang_up_reloads() {
    let (site, ..) = two_hosts().await;
    let running = site.run().await;
    let refusals = || running.log().iter().filter(|line| line.contains("configuration refused")).count();
    site.write("nonsense");
    eventually("the file is noticed", || refusals() > 0).await;
    // Nothing changes any more: what is refused again was asked for.
    for _ in 0..3 {
        let before = refusals();
        running.signal("HUP").await;
        eventually("it is refused again", || refusals() > before).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_gateway_on_the_same_port_says_so_and_fails() {
    let (site, ..) = two_hosts().await;
    let running = site.run().await;
    let text = site.read().replace("127.0.0.1:0", &running.address.to_string());
    let said = process::Site::new(&text).tell(&["run"]).await;
    assert_eq!(said.code, 3, "{said:?}");
    assert!(said.err.contains(&format!("cannot listen on {}: ", running.address)), "{said:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_gateway_over_the_same_socket_says_so_and_fails() {
    let (site, ..) = two_hosts().await;
    let running = site.run().await;
    let said = site.tell(&["run"]).await;
    assert_eq!(said.code, 3, "{said:?}");
    assert!(said.err.contains("a running gateway answers there already"), "{said:?}");
    let answer = exchange(running.address, get("/open/x", "").as_bytes()).await;
    assert_eq!(answer.status, 200, "the first one is not disturbed");
    assert_eq!(site.tell(&["reload"]).await.code, 0, "and still has its socket");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broken_configuration_starts_nothing_and_names_every_problem() {
    let (site, ..) = two_hosts().await;
    site.write(&(site.read() + "\n[sesion]\n[limits]\nidel = \"1s\"\n"));
    let said = site.tell(&["run"]).await;
    assert_eq!(said.code, 78, "a service manager need not try again: {said:?}");
    assert!(said.err.contains("sesion") && said.err.contains("limits.idel"), "{said:?}");
    assert!(!site.path("state").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_no_restart_mends_ends_with_a_code_of_its_own_and_what_one_may_mend_does_not() {
    let (site, ..) = two_hosts().await;
    site.run().await.kill().await;
    std::fs::write(site.path("state/keys/master.key"), [7; 32]).expect("the test may write");
    let said = site.tell(&["run"]).await;
    assert!(said.code == 78 && said.err.contains("it is another key"), "{said:?}");
    std::fs::remove_dir_all(site.path("state")).expect("the test may remove it");
    std::fs::create_dir(site.path("state")).expect("the test may make it");
    std::fs::write(site.path("state/portcullis.db"), "milk, bread, ".repeat(1000)).expect("the test may write");
    let said = site.tell(&["run"]).await;
    assert!(said.code == 78 && said.err.contains("not a database"), "{said:?}");
    std::fs::remove_file(site.path("state/portcullis.db")).expect("the test may remove it");
    std::fs::create_dir(site.path("state/portcullis.db")).expect("the test may make it");
    let said = site.tell(&["run"]).await;
    assert_eq!(said.code, 3, "the store may be out of reach for now: {said:?}");
    let said = site.tell(&["run", "--config", "/nowhere/portcullis.toml"]).await;
    assert_eq!(said.code, 3, "a configuration may not be there yet: {said:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_soft_limit_of_open_files_is_raised_to_the_hard_one_at_the_start() {
    let (site, ..) = two_hosts().await;
    let running = site.run_after("ulimit -Sn 500").await;
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", running.number())).expect("the kernel tells");
    let line = limits.lines().find(|line| line.starts_with("Max open files")).expect("a line");
    let mut numbers = line.split_whitespace().skip(3);
    assert_eq!(numbers.next(), numbers.next(), "{line}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_that_was_killed_in_the_middle_comes_back_with_every_session() {
    let (site, ..) = two_hosts().await;
    let running = site.run().await;
    let link = site.tell(&["account", "add", "alice", "--group", "staff", "--json"]).await.json();
    let mut browser = running.browser();
    browser.enrol(link["link"].as_str().expect("a link")).await;
    let page = browser.visit(&format!("{}/", running.origin("app.localhost"))).await;
    assert_eq!(page.status, 200);
    let address = running.address;
    let traffic: Vec<_> = (0..4)
        .map(|_| {
            tokio::spawn(async move {
                while let Ok(stream) = tokio::net::TcpStream::connect(address).await {
                    Line::over(stream).ask(get("/open/x", "Connection: close\r\n")).await;
                }
            })
        })
        .collect();
    eventually("there is traffic", || running.access().len() > 100).await;
    running.kill().await;
    for client in traffic {
        client.await.expect("it ends with the gateway");
    }
    let running = site.run().await;
    let page = browser.fetch(&format!("{}/back", running.origin("app.localhost"))).await;
    assert_eq!((page.status, page.body.as_str()), (200, "app /back"));
}

#[tokio::test(flavor = "multi_thread")]
async fn as_many_threads_work_as_are_configured() {
    let (site, ..) = two_hosts().await;
    // Besides the workers there are at most 16 threads for files and the store, under the same name.
    site.write(&site.read().replace("[gateway]", "[gateway]\nthreads = 40"));
    let site = process::Site::new(&site.read());
    let running = site.run().await;
    let tasks = std::fs::read_dir(format!("/proc/{}/task", running.number())).expect("it runs");
    let named = |task: std::io::Result<std::fs::DirEntry>| std::fs::read_to_string(task.ok()?.path().join("comm")).ok();
    let workers = tasks.filter_map(named).filter(|name| name.trim() == "edge").count();
    assert!((40..=56).contains(&workers), "{workers}");
}

#[tokio::test(flavor = "multi_thread")]
async fn less_important_lines_than_configured_are_not_logged() {
    let (site, ..) = two_hosts().await;
    let site = process::Site::new(&site.read().replace("[log]", "[log]\nlevel = \"error\""));
    let running = site.start();
    eventually("it serves", || site.path("admin.sock").exists()).await;
    let said = site.tell(&["reload"]).await;
    assert_eq!(said.code, 0, "{said:?}");
    site.write("nonsense");
    let socket = site.path("admin.sock");
    assert_eq!(site.tell(&["reload", "--socket", socket.to_str().expect("text")]).await.code, 1);
    eventually("the refusal is logged", || !running.log().is_empty()).await;
    assert!(running.log().iter().all(|line| line.contains("\"ERROR\"")), "{:?}", running.log());
}
