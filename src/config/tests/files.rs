//! Includes, certificates, secrets and rights.

use super::*;
use crate::config::bookmark::Bookmark;
use crate::config::raw::Reading;
use std::os::unix::fs::PermissionsExt;

const INCLUDE: &str = "include = [\"routes.d/*.toml\"]\n";

fn main() -> Files {
    Files::new().with("main.toml", format!("{INCLUDE}{REST}"))
}

fn chmod(files: &Files, name: &str, mode: u32) {
    std::fs::set_permissions(files.path().join(name), std::fs::Permissions::from_mode(mode)).expect("rights");
}

/// A configuration with a certificate of our own making.
fn with_certificate(key: &str) -> Files {
    let made = rcgen::generate_simple_self_signed(["app.example.com".to_owned()]).expect("a certificate");
    let text = format!(
        "[[listen]]\naddress = \"127.0.0.1:443\"\ntls = true\n[[certificate]]\ncert = \"tls/a.pem\"\nkey = \
         {key}\n{ROUTE}policy = \"open\"\n"
    );
    let files = Files::new().with("main.toml", text).with("tls/a.pem", made.cert.pem());
    let files = files.with("tls/a.key", made.signing_key.serialize_pem());
    chmod(&files, "tls/a.key", 0o600);
    files
}

#[test]
fn fragments_add_pools_policies_and_routes_in_the_order_of_their_names() {
    let route = |name: &str| format!("[[route]]\nname = \"{name}\"\nhost = \"{name}.example.com\"\npool = \"app\"\n");
    let files = main()
        .with("routes.d/20-b.toml", format!("[policy.staff]\n{}policy = \"staff\"\n", route("b")))
        .with("routes.d/10-a.toml", format!("{}[pool.app]\nmembers = [\"127.0.0.1:1\"]\n", route("a")))
        .with("routes.d/30.toml~", "not read")
        .with("routes.d/.30.toml", "not read");
    let loaded = files.loaded();
    let names: Vec<&str> = loaded.plan.routes.iter().map(|route| &*route.name).collect();
    assert_eq!(names, ["a", "b"]);
    assert_eq!(loaded.plan.routes[1].place, format!("{}:2", files.path().join("routes.d/20-b.toml").display()));
    assert_eq!(loaded.sources.files.len(), 3);
    assert_eq!(loaded.sources.directories, [files.path().join("routes.d")]);
}

#[test]
fn a_fragment_may_hold_nothing_else() {
    let files = main().with("routes.d/a.toml", "include = [\"b.toml\"]\n[session]\nidle = \"1y\"\n[polcy.a]\n");
    let rule = "an included file may hold only policy, pool and route; this belongs in the main file";
    assert_eq!(
        files.problems(),
        [
            format!("routes.d/a.toml:1:1: include: {rule}"),
            format!("routes.d/a.toml:2:2: session: {rule}"),
            "routes.d/a.toml:4:2: polcy: there is no such key; did you mean policy?".to_owned(),
        ]
    );
}

#[test]
fn names_are_unique_over_all_files() {
    let files = main()
        .with("routes.d/a.toml", format!("[policy.staff]\n{ROUTE}"))
        .with("routes.d/b.toml", format!("[policy.staff]\n{}", ROUTE.replace("app.example", "b.example")));
    assert_eq!(
        files.problems(),
        [
            "routes.d/b.toml:1:9: policy.staff: there is already a policy \"staff\", at routes.d/a.toml:1; a name is given once",
            "routes.d/b.toml:3:7: pool.app: there is already a pool \"app\", at routes.d/a.toml:3; a name is given once",
            "routes.d/b.toml:6:8: route[0].name (route \"app\"): there is already a route \"app\", at routes.d/a.toml:6; a name is given once",
        ]
    );
}

#[test]
fn an_include_that_cannot_be_read_is_told() {
    let text = "include = [\"none.d/*.toml\", \"none.toml\", \"*/a.toml\", \"main.toml\"]\n";
    let files = Files::new().with("main.toml", format!("{text}{REST}"));
    assert_eq!(
        files.problems(),
        [
            "main.toml:1:12: include[0]: there is no directory none.d",
            "main.toml:1:29: include[1]: none.toml cannot be read: No such file or directory (os error 2)",
            "main.toml:1:42: include[2]: found \"*/a.toml\"; * may stand only after the last /, for example \"routes.d/*.toml\"",
        ]
    );
}

#[test]
fn a_main_file_that_cannot_be_read_is_told() {
    let files = Files::new().with("main.toml/x", "");
    assert_eq!(files.problems(), ["main.toml: is not a regular file"]);
    assert_eq!(Files::new().problems(), ["main.toml: cannot be read: No such file or directory (os error 2)"]);
}

#[test]
fn what_is_no_regular_file_is_refused_and_never_waited_for() {
    let files = main().with("routes.d/a.toml", "");
    let (pipe, socket) = (files.path().join("routes.d/b.toml"), files.path().join("routes.d/c.toml"));
    let made = std::process::Command::new("mkfifo").arg(&pipe).status();
    assert!(made.expect("there is a mkfifo").success());
    let _socket = std::os::unix::net::UnixListener::bind(&socket).expect("bound");
    std::os::unix::fs::symlink("/dev/zero", files.path().join("routes.d/d.toml")).expect("linked");
    let file = |name: &str| format!("main.toml:1:12: include[0]: routes.d/{name}.toml is not a regular file");
    assert_eq!(files.problems(), ["b", "c", "d"].map(file));
    let reading = Reading::new(&Environment::default(), NOW, Bookmark::default()).bytes(&pipe);
    assert!(reading.is_err_and(|why| why.ends_with("is not a regular file")), "whoever looked before");
}

#[test]
fn files_that_are_too_large_are_refused() {
    let large = vec![b'#'; 9 << 20];
    let files = main().with("routes.d/a.toml", &large).with("routes.d/b.toml", &large);
    let problems = files.problems();
    assert_eq!(problems, ["routes.d/b.toml: is too large: all files together may have 16777216 bytes"]);
}

#[test]
fn a_file_that_others_may_write_is_a_warning() {
    let files = main().with("routes.d/a.toml", "");
    chmod(&files, "routes.d/a.toml", 0o666);
    chmod(&files, "main.toml", 0o664);
    let what = "who so decide who may pass; make it 640";
    assert_eq!(
        files.warnings(),
        [
            format!("main.toml: may be written by its group or by everyone (mode 664), {what}"),
            "main.toml: no route: nothing is served".to_owned(),
            format!("routes.d/a.toml: may be written by its group or by everyone (mode 666), {what}"),
        ]
    );
}

#[test]
fn a_certificate_is_loaded_with_its_key_from_a_file_a_variable_or_a_credential() {
    let file = with_certificate("{ file = \"tls/a.key\" }");
    let loaded = file.loaded();
    assert_eq!(loaded.plan.certificates.len(), 1);
    assert!(loaded.warnings.is_empty());
    assert_eq!(loaded.sources.files.len(), 3);
    let credential = with_certificate("{ credential = \"a.key\" }");
    let environment = Environment::default().with_credentials(credential.path().join("tls"));
    assert!(load(&credential.path().join("main.toml"), &environment, NOW).is_ok());
    let variable = with_certificate("{ env = \"KEY\" }");
    let key = std::fs::read_to_string(variable.path().join("tls/a.key")).expect("a key");
    assert!(load(&variable.path().join("main.toml"), &Environment::default().with_variable("KEY", &key), NOW).is_ok());
}

#[test]
fn a_secret_that_cannot_be_had_is_told() {
    let instead = "{ file = \"…\" }, { env = \"…\" } or { credential = \"…\" }";
    for (key, problem) in [
        ("\"-----BEGIN PRIVATE KEY\"", format!("a secret is never written here; say where it is: {instead}")),
        ("{}", format!("exactly one must be given: {instead}")),
        ("{ env = \"A\", file = \"tls/a.key\" }", format!("exactly one must be given: {instead}")),
        ("{ env = \"KEY\" }", "the environment variable KEY is not set".to_owned()),
        (
            "{ credential = \"a\" }",
            "there is no credential directory; systemd makes one for LoadCredential=".to_owned(),
        ),
        ("{ file = \"b.key\" }", "b.key cannot be read: No such file or directory (os error 2)".to_owned()),
        (
            "{ file = \"tls/a.pem\" }",
            "there is no private key in it; allowed are unencrypted PKCS#8, PKCS#1 and SEC1".to_owned(),
        ),
    ] {
        assert_eq!(with_certificate(key).problems(), [format!("main.toml:6:7: certificate[0].key: {problem}")]);
    }
}

#[test]
fn an_inline_secret_is_never_repeated() {
    let problems = with_certificate("\"hunter2\"").problems();
    assert!(!problems.concat().contains("hunter2"), "{problems:?}");
}

#[test]
fn a_certificate_that_cannot_be_used_is_told_where_it_is_named() {
    let files = with_certificate("{ file = \"tls/a.key\" }").with("tls/a.pem", "");
    assert_eq!(
        files.problems(),
        ["main.toml:5:8: certificate[0].cert: tls/a.pem: there is no CERTIFICATE section in it"]
    );
    let other = rcgen::generate_simple_self_signed(["b.example".to_owned()]).expect("a certificate");
    let files = with_certificate("{ file = \"tls/a.key\" }").with("tls/a.pem", other.cert.pem());
    assert_eq!(
        files.problems(),
        ["main.toml:6:7: certificate[0].key: the private key does not belong to the first certificate of the chain"]
    );
}

#[test]
fn a_secret_that_others_may_read_is_a_warning() {
    let files = with_certificate("{ file = \"tls/a.key\" }");
    chmod(&files, "tls/a.key", 0o644);
    assert_eq!(
        files.warnings(),
        [
            "main.toml:6:7: certificate[0].key: tls/a.key is a secret that others may read or write (mode 644); make it 600 or 640"
        ]
    );
    chmod(&files, "tls/a.key", 0o640);
    assert!(files.warnings().is_empty());
}

#[test]
fn the_fingerprint_changes_with_every_file_and_with_nothing_else() {
    let files = with_certificate("{ file = \"tls/a.key\" }");
    let first = files.loaded().fingerprint;
    assert_eq!(files.loaded().fingerprint, first);
    let pem = std::fs::read_to_string(files.path().join("tls/a.pem")).expect("a certificate");
    let files = files.with("tls/a.pem", format!("{pem}\n"));
    assert_ne!(files.loaded().fingerprint, first);
}
