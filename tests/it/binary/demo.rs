//! `demo`: two of them do not get in each other's way, and what it prints is true when it is printed.

use super::process::{Running, Site, eventually};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;

/// A port with five free ones behind it: below those that the system gives out by itself, and for each `lane` of each
/// process others.
fn free_port(lane: u16) -> u16 {
    let process = u16::try_from(std::process::id() % 300).expect("it is below 300");
    let free = |first: &u16| (*first..first + 6).all(|port| TcpListener::bind(("127.0.0.1", port)).is_ok());
    (20_000 + process * 40 + lane * 10..32_000).step_by(40).find(free).expect("six free ports in a row")
}

/// Gives the command in a folder of the site.
fn arguments<'a>(port: &'a str, folder: &'a Path) -> [&'a str; 5] {
    ["demo", "--port", port, "--dir", folder.to_str().expect("text")]
}

/// A demo that has begun to print.
async fn demo(site: &Site, port: u16, folder: &Path) -> Running {
    let mut running = site.begin(&arguments(&port.to_string(), folder));
    running.address = SocketAddr::from(([127, 0, 0, 1], port));
    eventually("it prints its guide", || !running.printed().is_empty()).await;
    running
}

/// What lies in a folder, and what its configuration says.
fn contents(folder: &Path) -> (Vec<std::ffi::OsString>, String) {
    let entries = std::fs::read_dir(folder).expect("it is there");
    let mut names: Vec<_> = entries.map(|entry| entry.expect("it can be read").file_name()).collect();
    names.sort();
    (names, std::fs::read_to_string(folder.join("portcullis.toml")).expect("it is there"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_demo_in_the_same_folder_is_refused_before_it_writes_anything() {
    let (site, port, other) = (Site::new(""), free_port(0), free_port(1));
    let folder = site.path("demo");
    let running = demo(&site, port, &folder).await;
    eventually("the guide is whole", || running.printed().iter().any(|line| line.contains("Ctrl-C"))).await;
    let before = contents(&folder);
    for port in [other, port] {
        let said = site.tell(&arguments(&port.to_string(), &folder)).await;
        assert_eq!((said.code, said.out.as_str()), (3, ""), "{said:?}");
        let why = format!("a demo is running in {}; another needs ports and a folder of its own: ", folder.display());
        assert!(said.err.contains(&why), "{said:?}");
        let (_, advice) = said.err.split_once(" --dir ").expect("a folder");
        assert!(!advice.contains(&*folder.to_string_lossy()) && said.err.contains(" --port "), "{said:?}");
    }
    assert_eq!(contents(&folder), before);
    let printed = running.printed();
    let link = printed.iter().find(|line| line.contains("/enrol/")).expect("the first demo's link");
    let page = running.browser().visit(link.trim()).await;
    assert!(page.status == 200 && page.body.contains("password"), "the link is still good: {page:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_demo_whose_ports_are_taken_writes_nothing_and_says_how_to_run_another() {
    let (site, port) = (Site::new(""), free_port(2));
    // One of the servers behind the gateway, not the gateway itself.
    let _taken = TcpListener::bind(("127.0.0.1", port + 3)).expect("it was free");
    let said = site.tell(&arguments(&port.to_string(), &site.path("demo"))).await;
    assert_eq!((said.code, said.out.as_str()), (3, ""), "{said:?}");
    assert!(said.err.contains(&format!("cannot listen on 127.0.0.1:{}: ", port + 3)), "{said:?}");
    assert!(said.err.contains(" demo --port ") && said.err.contains(" --dir "), "{said:?}");
    assert!(!site.path("demo").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_guide_is_shown_once_the_gateway_serves_and_what_was_set_aside_is_told() {
    let (site, port) = (Site::new(""), free_port(3));
    let folder = site.path("demo");
    std::fs::create_dir(&folder).expect("made");
    std::fs::write(folder.join("portcullis.toml"), "# mine\n").expect("written");
    let running = demo(&site, port, &folder).await;
    assert!(TcpStream::connect(running.address).is_ok(), "what the guide names can be opened");
    let aside = folder.join("portcullis.toml.old");
    let told = |line: &String| line.contains(&format!("is kept as {}", aside.display()));
    eventually("it is told", || running.log().iter().any(told)).await;
    assert_eq!(std::fs::read_to_string(aside).expect("it is kept"), "# mine\n");
}
