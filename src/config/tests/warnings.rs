//! What may be used and should give pause.

use super::*;
use crate::stdx::clock::Time;
use std::time::Duration;

const DAY: Duration = Duration::from_secs(24 * 3600);

/// A listener with TLS and a certificate for these names that ends that long after [`NOW`] (or before it), and `rest`.
fn certified(names: &[&str], ends: (i32, u8, u8), rest: &str) -> Files {
    let names: Vec<String> = names.iter().map(ToString::to_string).collect();
    let mut wanted = rcgen::CertificateParams::new(names).expect("names");
    wanted.not_after = rcgen::date_time_ymd(ends.0, ends.1, ends.2);
    let key = rcgen::KeyPair::generate().expect("a key");
    let certificate = wanted.self_signed(&key).expect("a certificate");
    let text = format!(
        "[[listen]]\naddress = \"127.0.0.1:443\"\ntls = true\n[[certificate]]\ncert = \"a.pem\"\n\
         key = {{ file = \"a.key\" }}\n{rest}"
    );
    let files =
        Files::new().with("main.toml", text).with("a.pem", certificate.pem()).with("a.key", key.serialize_pem());
    std::fs::set_permissions(files.path().join("a.key"), std::fs::Permissions::from_mode(0o600)).expect("rights");
    files
}

const SIGN_IN: &str = "[portal]\norigin = \"https://auth.example.com\"\n[factor.password]\n[factor.totp]\n";

/// The warnings, each without `main.toml:`.
fn warned(text: &str) -> Vec<String> {
    let warnings = Files::new().with("main.toml", text).warnings();
    warnings.into_iter().map(|line| line.trim_start_matches("main.toml:").to_owned()).collect()
}

#[test]
fn a_certificate_that_expired_or_soon_will_is_a_warning() {
    let rest = format!("{SIGN_IN}{ROUTE}");
    let names = ["app.example.com", "auth.example.com"];
    for (ends, said) in [
        ((2023, 11, 10), Some("it expired 4 days ago, at 2023-11-10T00:00:00.000Z")),
        ((2023, 11, 15), Some("it expires in less than a day, at 2023-11-15T00:00:00.000Z")),
        ((2023, 11, 28), Some("it expires in 13 days, at 2023-11-28T00:00:00.000Z")),
        ((2023, 11, 29), None),
        ((4000, 1, 1), None),
    ] {
        let expected: Vec<String> =
            said.iter().map(|said| format!("main.toml:5:8: certificate[0].cert: {said}")).collect();
        assert_eq!(certified(&names, ends, &rest).warnings(), expected, "{ends:?}");
    }
    let files = certified(&names, (2023, 11, 29), &rest);
    let path = files.path().join("main.toml");
    let later =
        |days: u32| load(&path, &Environment::default(), NOW.plus(DAY * days)).expect("no problem").warnings.len();
    assert_eq!((later(0), later(1), later(20)), (0, 1, 1), "the same file, judged by the time it is read");
    let early = load(&path, &Environment::default(), Time::EPOCH).expect("no problem").warnings;
    assert!(early[0].what.starts_with("it may not be used before 1975-"), "{early:?}");
}

#[test]
fn a_certificate_with_nothing_but_a_common_name_says_why_it_is_for_nobody() {
    let rest = format!("{SIGN_IN}{ROUTE}");
    let warnings = certified(&[], (4000, 1, 1), &rest).warnings();
    let said = "main.toml:5:8: certificate[0].cert: it has no subjectAltName, so it is for no host: the CN is not used";
    assert_eq!(warnings.first().map(String::as_str), Some(said), "{warnings:?}");
    assert!(warnings.iter().any(|line| line.contains("no certificate is for app.example.com")), "{warnings:?}");
}

#[test]
fn listeners_for_others_beside_no_socket_for_operators_are_a_warning() {
    let open = format!("{ROUTE}policy = \"open\"\n");
    let with = |address: &str, admin: &str| warned(&format!("[[listen]]\naddress = \"{address}\"\n{admin}{open}"));
    let none = "admin.socket: there is none, so `portcullis reload` and `status`, and systemd's reload, do not reach the \
                gateway; set it, for example to \"/run/portcullis/admin.sock\"";
    assert_eq!(with("0.0.0.0:8080", ""), [format!("1:1: {none}")]);
    assert_eq!(with("[::]:8080", "[admin]\naddress = \"127.0.0.1:1\"\n"), [format!("3:1: {none}")]);
    assert_eq!(with("0.0.0.0:8080", "[admin]\nsocket = \"admin.sock\"\n"), [""; 0]);
    assert_eq!(with("127.0.0.1:8080", ""), [""; 0], "on this machine alone there is Ctrl-C");
}

#[test]
fn a_certificate_that_nobody_asks_for_is_a_warning() {
    let rest = format!("{SIGN_IN}{ROUTE}");
    let far = (4000, 1, 1);
    let nobody = "and that is neither the portal nor the host of any route";
    for names in [&["app.example.com", "auth.example.com"][..], &["*.example.com"], &["*.example.com", "other.test"]] {
        assert_eq!(certified(names, far, &rest).warnings(), [""; 0], "{names:?}: one name is enough");
    }
    assert_eq!(
        certified(&["example.com", "*.app.example.com"], far, ROUTE.trim_start().trim_end()).problems().len(),
        1,
        "a route that needs a session needs a portal"
    );
    let open = format!("{}policy = \"open\"\n", ROUTE.trim_start());
    assert_eq!(
        certified(&["example.com", "*.app.example.com"], far, &open).warnings(),
        [
            format!("main.toml:5:8: certificate[0].cert: it is for example.com, *.app.example.com, {nobody}"),
            "main.toml:11:8: route[0].host (route \"app\"): no certificate is for app.example.com; browsers cannot \
             connect"
                .to_owned(),
        ]
    );
    let wildcard = open.replace("app.example.com", "*.example.com");
    for name in ["*.example.com", "b.example.com", "*.eu.example.com"] {
        assert_eq!(certified(&[name], far, &wildcard).warnings(), [""; 0], "{name}");
    }
    assert_eq!(
        certified(&["127.0.0.1"], far, &open.replace("app.example.com", "127.0.0.1")).warnings(),
        [""; 0],
        "it is shown to clients that ask for no name"
    );
}

#[test]
fn a_host_that_no_certificate_is_for_is_a_warning() {
    let lost = |host: &str| format!("no certificate is for {host}; browsers cannot connect");
    let rest = format!("{SIGN_IN}{ROUTE}");
    let far = (4000, 1, 1);
    assert_eq!(
        certified(&["app.example.com"], far, &rest).warnings(),
        [format!("main.toml:8:10: portal.origin: {}", lost("auth.example.com"))]
    );
    let second = "[[route]]\nname = \"b\"\nhost = \"app.example.com\"\npath = \"/b\"\npool = \"app\"\n";
    assert_eq!(
        certified(&["auth.example.com"], far, &format!("{rest}{second}")).warnings(),
        [format!("main.toml:16:8: route[0].host (route \"app\"): {}", lost("app.example.com"))],
        "once for each host"
    );
    let wild = rest.replace("host = \"app.example.com\"", "host = \"*.other.org\"");
    assert_eq!(
        certified(&["auth.example.com"], far, &wild).warnings(),
        [format!("main.toml:16:8: route[0].host (route \"app\"): {}", lost("*.other.org"))]
    );
    assert_eq!(certified(&["auth.example.com", "*.other.org"], far, &wild).warnings(), [""; 0]);
    let proxied =
        format!("{rest}[[listen]]\naddress = \"127.0.0.1:80\"\n[gateway]\ntrusted_proxies = [\"10.0.0.1\"]\n");
    assert_eq!(certified(&["app.example.com"], far, &proxied).warnings(), [""; 0], "a proxy may end TLS before us");
}

#[test]
fn a_portal_where_nothing_listens_is_a_warning() {
    let portal = |origin: &str, more: &str| {
        let text = format!(
            "[[listen]]\naddress = \"127.0.0.1:8080\"\n[portal]\norigin = \"{origin}\"\n[factor.password]\n\
             [factor.totp]\n{ROUTE}{more}"
        );
        warned(&text)
    };
    let lost = |kind: &str, port: u16, origin: &str| {
        [format!("4:10: portal.origin: no listener {kind} has port {port}; browsers do not get to {origin}")]
    };
    let proxy = "[gateway]\ntrusted_proxies = [\"10.0.0.1\"]\n";
    assert_eq!(portal("http://auth.localhost:8080", ""), [""; 0]);
    assert_eq!(portal("http://localhost", ""), lost("without TLS", 80, "http://localhost"));
    assert_eq!(
        portal("http://auth.localhost:8081", proxy),
        lost("without TLS", 8081, "http://auth.localhost:8081"),
        "a local host is no proxy's"
    );
    assert_eq!(portal("https://auth.example.com", ""), lost("with TLS", 443, "https://auth.example.com"));
    assert_eq!(portal("https://auth.example.com", proxy), [""; 0]);
}

#[test]
fn a_file_without_a_route_is_a_warning() {
    assert_eq!(Files::new().with("main.toml", REST).warnings(), ["main.toml: no route: nothing is served"]);
}

#[test]
fn a_member_that_is_the_gateway_itself_is_a_warning() {
    let text = "[[listen]]\naddress = \"127.0.0.1:8080\"\n[[listen]]\naddress = \"0.0.0.0:8081\"\n\
                [admin]\naddress = \"127.0.0.1:9180\"\nsocket = \"admin.sock\"\n[pool.a]\nmembers = [\n\"127.0.0.1:8080\",\n\"127.0.0.2:8080\",\n\
                { address = \"127.0.0.1:8081\" },\n\"10.0.0.1:8081\",\n\"[::1]:8081\",\n\"127.0.0.1:9180\",\n]\n\
                [[route]]\nname = \"a\"\nhost = \"a.test\"\npool = \"a\"\npolicy = \"open\"\n";
    let round = "a request would go round for ever";
    assert_eq!(
        warned(text),
        [
            format!("10:1: pool.a.members[0]: this is the gateway's own listener at main.toml:2: {round}"),
            format!("12:1: pool.a.members[2]: this is the gateway's own listener at main.toml:4: {round}"),
            "15:1: pool.a.members[5]: this is the gateway's own listener for operators, which is not to be reached by \
             routes"
                .to_owned(),
        ],
    );
}

#[test]
fn a_route_below_the_gateways_own_paths_is_a_warning() {
    let with = |path: &str| warned(&format!("{REST}{ROUTE}{path}\n"));

    let never = "no request gets here: the gateway answers everything below /.portcullis/ itself";
    assert_eq!(with("path = \"/.portcullis/**\""), [format!("15:8: route[0].path (route \"app\"): {never}")]);
    assert_eq!(with("path = \"/.portcullis/enter\""), [format!("15:8: route[0].path (route \"app\"): {never}")]);
    assert_eq!(with("path_regex = \"/[.]portcullis2/.*\""), [""; 0]);
    assert_eq!(with("path = \"/.portcullis-docs/**\""), [""; 0]);
}

/// A route with `guard`, by `policy`, over one for the whole host by `below`.
fn guarded(guard: &str, policy: &str, below: &str) -> Vec<String> {
    let text = format!(
        "[[route]]\nname = \"guarded\"\nhost = \"a.test\"\npath = \"/orders/**\"\n{guard}\npool = \"a\"\npolicy = \
         \"{policy}\"\n[[route]]\nname = \"rest\"\nhost = \"a.test\"\npool = \"a\"\npolicy = \"{below}\"\n[pool.a]\n\
         members = [\"127.0.0.1:3000\"]\n[policy.staff]\ngroups = [\"staff\"]\n[policy.admin]\nextends = \
         \"staff\"\ngroups = [\"admin\"]\n{REST}"
    );
    warned(&text).into_iter().filter(|line| !line.contains("nothing uses")).collect()
}

#[test]
fn a_guard_that_a_request_walks_around_is_a_warning() {
    let falls = |with: &str, below: &str, own: &str| {
        format!(
            "with {with} a request falls to the route \"rest\" at main.toml:8, whose policy {below:?} does not ask for \
             all that {own:?} does"
        )
    };
    let post = "methods = [\"POST\"]";
    assert_eq!(
        guarded(post, "admin", "open"),
        [format!("5:11: route[0].methods (route \"guarded\"): {}", falls("PUT", "open", "admin"))]
    );
    assert_eq!(
        guarded(post, "admin", "staff"),
        [format!("5:11: route[0].methods (route \"guarded\"): {}", falls("PUT", "staff", "admin"))]
    );
    let get = guarded("methods = [\"GET\"]", "mfa", "open");
    assert_eq!(get, [format!("5:11: route[0].methods (route \"guarded\"): {}", falls("POST", "open", "mfa"))]);
    let header = guarded("headers = { X-Admin = true }", "admin", "staff");
    let without = "without these headers, which every client may leave out, a request falls to";
    assert_eq!(header.len(), 1, "{header:?}");
    assert!(
        header[0].starts_with(&format!("5:11: route[0].headers (route \"guarded\"): {without} the route \"rest\"")),
        "{header:?}"
    );
}

#[test]
fn a_guard_for_every_usual_method_is_walked_around_by_an_unusual_one() {
    let usual = r#"methods = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]"#;
    let falls = |with: &str| {
        format!(
            "5:11: route[0].methods (route \"guarded\"): leave it out, and the route is for every method: with one that is \
             not listed, such as {with}, a request falls to the route \"rest\" at main.toml:8, whose policy \"open\" does \
             not ask for all that \"mfa\" does"
        )
    };
    assert_eq!(guarded(usual, "mfa", "open"), [falls("PROPFIND")]);
    assert_eq!(guarded(&usual.replace("]", ", \"PROPFIND\"]"), "mfa", "open"), [falls("FOO")]);
    assert_eq!(guarded(usual, "staff", "admin"), [""; 0], "what it falls to asks for more");
    assert_eq!(guarded("", "mfa", "open"), [""; 0], "a route for every method leaves none");
}

#[test]
fn more_connections_than_the_process_may_open_files_for_are_a_warning_and_without_a_number_fewer_are_taken() {
    let loaded = |limits: &str, allowed: u64| {
        let files = Files::new().with("main.toml", format!("{limits}{ROUTE}{REST}"));
        let environment = Environment::default().with_descriptors(allowed);
        load(&files.path().join("main.toml"), &environment, NOW).expect("no problem")
    };
    let written = loaded("[limits]\nconnections = 500\n", 1000);
    let said = "so many need 1100 open files, and this process may have 1000: raise the limit (LimitNOFILE=, ulimit -n), \
                or write 450";
    let warned: Vec<_> = written.warnings.iter().map(|warning| (warning.line, &*warning.key, &*warning.what)).collect();
    assert_eq!((warned, written.plan.limits.connections), (vec![(2, "limits.connections", said)], 500));
    let fits = loaded("[limits]\nconnections = 450\n", 1000);
    assert_eq!((fits.warnings, fits.plan.limits.connections), (Vec::new(), 450));
    for (allowed, connections) in [(1000, 450), (40_100, 20_000), (1_000_000, 20_000), (0, 1)] {
        let unsaid = loaded("", allowed);
        assert_eq!((unsaid.warnings, unsaid.plan.limits.connections), (Vec::new(), connections), "{allowed}");
    }
}

#[test]
fn a_guard_that_leaves_only_what_was_meant_is_no_warning() {
    let post = "methods = [\"POST\"]";
    for (guard, policy, below) in [
        (post, "admin", "admin"),
        (post, "staff", "admin"),
        ("headers = { X-Beta = true }", "mfa", "staff"),
        // Everybody of the staff may look, only admins may change anything.
        ("methods = [\"POST\", \"PUT\", \"PATCH\", \"DELETE\"]", "admin", "staff"),
    ] {
        assert_eq!(guarded(guard, policy, below), [""; 0], "{guard} {policy} over {below}");
    }
    let elsewhere = "headers = { X-Beta = true }\n";
    let text = format!(
        "[[route]]\nname = \"beta\"\nhost = \"a.test\"\n{elsewhere}pool = \"b\"\npolicy = \"mfa\"\n[[route]]\nname = \
         \"rest\"\nhost = \"a.test\"\npool = \"a\"\npolicy = \"open\"\n[pool.a]\nmembers = [\"127.0.0.1:3000\"]\n\
         [pool.b]\nmembers = [\"127.0.0.1:3001\"]\n{REST}"
    );
    assert_eq!(warned(&text), [""; 0], "the servers that are guarded are not reached");
    let shared = text.replace(":3001\"", ":3001\", \"127.0.0.1:3000\"");
    assert_eq!(warned(&shared).len(), 1, "one of them is");
}

#[test]
fn the_nearest_lower_route_is_what_counts_even_through_a_wildcard() {
    let text = |middle: &str| {
        format!(
            "[[route]]\nname = \"guarded\"\nhost = \"a.test\"\npath = \"/x/*\"\nmethods = [\"POST\", \"GET\"]\npool = \
             \"a\"\npolicy = \"mfa\"\n[[route]]\nname = \"wide\"\nhost = \"*.test\"\npool = \"a\"\npolicy = \
             \"open\"\n{middle}[pool.a]\nmembers = [\"127.0.0.1:3000\"]\n{REST}"
        )
    };
    assert_eq!(warned(&text("")).len(), 1);
    let between = "[[route]]\nname = \"between\"\nhost = \"a.test\"\npath = \"/x/**\"\npool = \"a\"\n";
    assert_eq!(warned(&text(between)), [""; 0]);
}

#[test]
fn a_policy_that_nothing_uses_is_a_warning() {
    let text = format!(
        "[policy.base]\n[policy.used]\nextends = \"base\"\n[policy.default]\n[policy.idle]\n[defaults]\npolicy = \
         \"default\"\n{ROUTE}policy = \"used\"\n{REST}"
    );
    assert_eq!(warned(&text), ["5:9: policy.idle: nothing uses this policy"]);
}

#[test]
fn a_state_directory_that_is_misplaced_or_open_is_a_warning() {
    let with = |state: &Path| warned(&format!("[gateway]\nstate = {:?}\n{REST}{ROUTE}", state.display().to_string()));
    let relative = "2:9: gateway.state: a relative path: it is read from the directory of this file; write the absolute \
                    one";
    assert_eq!(with(Path::new("state")), [relative]);
    let folder = tempfile::tempdir().expect("a directory");
    let (state, lost) = (folder.path().join("state"), folder.path().join("no/state"));
    assert_eq!(with(&state), [""; 0], "it will be made");
    assert_eq!(
        with(&lost),
        [format!(
            "2:9: gateway.state: there is neither {} nor {}; the gateway would make both",
            lost.display(),
            folder.path().join("no").display()
        )]
    );
    std::fs::create_dir(&state).expect("a directory");
    let mode = |mode| std::fs::set_permissions(&state, std::fs::Permissions::from_mode(mode)).expect("rights");
    mode(0o755);
    assert_eq!(
        with(&state),
        [format!(
            "2:9: gateway.state: {} holds keys, and others may look into it (mode 755); make it 700",
            state.display()
        )]
    );
    mode(0o700);
    assert_eq!(with(&state), [""; 0]);
}

#[test]
fn a_state_that_is_no_directory_is_a_problem() {
    let files = Files::new().with("state", "");
    let state = files.path().join("state");
    assert_problems(
        &format!("[gateway]\nstate = {:?}\n", state.display().to_string()),
        &[&format!("2:9: gateway.state: {} is no directory", state.display())],
    );
}
