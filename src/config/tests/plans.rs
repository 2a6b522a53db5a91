//! The process, listeners, portal and sessions.

use super::*;
use crate::config::needs_restart;
use crate::edition::{FactorPlan, PasswordPlan, PortalPlan, TotpPlan};
use crate::identity::SessionRules;
use crate::listen::{ConnectionLimits, ListenPlan};
use std::path::PathBuf;
use std::time::Duration;

#[test]
fn what_is_left_out_gets_its_default() {
    let plan = loaded("").plan;
    assert_eq!(plan.gateway.state, PathBuf::from("/var/lib/portcullis"));
    assert_eq!((plan.gateway.threads, plan.gateway.drain), (0, Duration::from_secs(30)));
    assert_eq!((plan.gateway.admin, &plan.gateway.admin_socket), (None, &None));
    assert!(plan.gateway.access_log && plan.gateway.trusted_proxies.0.is_empty());
    assert_eq!(plan.gateway.log_level, tracing::Level::INFO);
    assert_eq!((plan.limits, plan.sessions), (ConnectionLimits::DEFAULT, SessionRules::DEFAULT));
    let password = Some(PasswordPlan { min_length: 12 });
    let totp = Some(TotpPlan { issuer: "Portcullis".into() });
    assert_eq!(plan.factors, FactorPlan { password, totp, passkey: None, message: None, recovery_code: false });
}

#[test]
fn what_is_written_reaches_the_plan() {
    let files = Files::new().with(
        "main.toml",
        r#"
[gateway]
state = "state"
threads = 4
trusted_proxies = ["10.0.0.0/8", "::1"]
drain = "0s"
[[listen]]
address = "127.0.0.1:80"
redirect_to_https = true
[limits]
connections = 5
per_address = 2
handshake = "1s"
header_deadline = "2s"
header_size = "8KiB"
idle = "3s"
requests = 7
[admin]
address = "127.0.0.1:9180"
socket = "/run/a.sock"
[portal]
origin = "http://auth.localhost:8080"
name = "Example Corp"
[session]
idle = "10m"
absolute = "1h"
[factor.password]
min_length = 15
[factor.totp]
[factor.recovery_code]
[log]
access = false
level = "debug"
"#,
    );
    let plan = files.loaded().plan;
    assert_eq!((plan.gateway.state, plan.gateway.threads), (files.path().join("state"), 4));
    assert!(plan.gateway.drain.is_zero() && !plan.gateway.access_log);
    assert!(plan.gateway.trusted_proxies.has("::1".parse().expect("an address")));
    assert_eq!(plan.gateway.admin, Some("127.0.0.1:9180".parse().expect("an address")));
    assert_eq!(plan.gateway.admin_socket, Some("/run/a.sock".into()));
    assert_eq!(plan.gateway.log_level, tracing::Level::DEBUG);
    let address = "127.0.0.1:80".parse().expect("an address");
    assert_eq!(
        plan.listeners,
        [ListenPlan { address, tls: false, redirect_to_https: true, client_certificates: false }]
    );
    let limits = ConnectionLimits {
        connections: 5,
        per_address: 2,
        handshake: Duration::from_secs(1),
        header: Duration::from_secs(2),
        header_bytes: 8192,
        idle: Duration::from_secs(3),
        requests: 7,
    };
    assert_eq!(plan.limits, limits);
    assert_eq!(
        plan.sessions,
        SessionRules { idle: Duration::from_secs(600), absolute: Duration::from_secs(3600), ..SessionRules::DEFAULT }
    );
    let portal = PortalPlan {
        scheme: "http",
        host: "auth.localhost".into(),
        port: Some(8080),
        origin: "http://auth.localhost:8080".into(),
        name: "Example Corp".into(),
    };
    assert_eq!(plan.portal, Some(portal));
    let (password, totp) = (Some(PasswordPlan { min_length: 15 }), Some(TotpPlan { issuer: "Example Corp".into() }));
    assert_eq!(plan.factors, FactorPlan { password, totp, passkey: None, message: None, recovery_code: true });
}

#[test]
fn listeners_that_cannot_work_are_told() {
    let listen = |text: &str| Files::new().with("main.toml", text).problems();
    assert_eq!(
        listen("[gateway]\n"),
        ["main.toml:1:1: listen: nothing listens; at least one [[listen]] with an address is needed"]
    );
    assert_eq!(
        listen(
            "[[listen]]\naddress = \"localhost:80\"\n[[listen]]\naddress = \"[::]:80\"\ntls = true\nredirect_to_https = true\n[[listen]]\naddress = \"[::]:80\"\n[admin]\naddress = \"[::]:80\"\n"
        ),
        [
            "main.toml:2:11: listen[0].address: found \"localhost:80\"; names are not looked up here; allowed is an IP address and a port such as \"127.0.0.1:8080\" or \"[::1]:8080\"",
            "main.toml:5:7: listen[1].tls: TLS needs a certificate; at least one [[certificate]] must be given",
            "main.toml:6:21: listen[1].redirect_to_https: a listener with tls = true cannot redirect to https: it is https",
            "main.toml:8:11: listen[2].address: there is already a listener on [::]:80, at main.toml:4",
            "main.toml:10:11: admin.address: [::]:80 is the public listener at main.toml:4; the operator's has an address of its own",
        ]
    );
}

#[test]
fn a_portal_has_an_origin_and_a_way_to_sign_in() {
    let listen = "[[listen]]\naddress = \"127.0.0.1:80\"\n[factor.password]\nmin_length = 7\n[factor.totp]\n";
    let origin = |text: &str| {
        Files::new().with("main.toml", format!("[portal]\norigin = \"{text}\"\n{listen}")).problems().remove(0)
    };
    assert_eq!(
        origin("http://auth.example.com"),
        "main.toml:2:10: portal.origin: found \"http://auth.example.com\"; sign-in needs https; http is allowed only for localhost and names that end in .localhost"
    );
    assert_eq!(
        origin("https://auth.example.com/"),
        "main.toml:2:10: portal.origin: found \"https://auth.example.com/\"; an origin ends after the host or port, without even a /: an origin such as \"https://auth.example.com\""
    );
    assert_eq!(
        origin("https://a.example"),
        "main.toml:6:14: factor.password.min_length: found the number 7; allowed is a whole number from 8 to 64"
    );
    let recovery = Files::new().with("main.toml", "[[listen]]\naddress = \"127.0.0.1:80\"\n[portal]\norigin = \"https://a.example\"\n[factor.totp]\n[factor.recovery_code]\n");
    assert_eq!(
        recovery.problems(),
        [
            "main.toml:6:1: factor.recovery_code: a recovery code is asked for together with the password; give [factor.password] too"
        ]
    );
}

#[test]
fn a_session_ends_and_ends_sooner_unused() {
    assert_problems(
        "[session]\nidle = \"1h\"\nabsolute = \"1h\"\n",
        &["3:12: session.absolute: 1h must be longer than idle, which is 1h; else idle ends no session"],
    );
    let files = Files::new().with("main.toml", format!("[session]\nidle = \"2h\"\nabsolute = \"25h\"\n{REST}{ROUTE}"));
    assert_eq!(
        files.warnings(),
        [
            "main.toml:2:8: session.idle: NIST SP 800-63B-4 advises at most 1h without use where MFA is needed",
            "main.toml:3:12: session.absolute: NIST SP 800-63B-4 advises at most 24h where MFA is needed",
        ]
    );
}

#[test]
fn sessions_in_the_clear_are_a_warning_unless_a_proxy_stands_before_us() {
    let sign_in = "[portal]\norigin = \"http://auth.localhost:8080\"\n[factor.password]\n[factor.totp]\n";
    let socket = "[admin]\nsocket = \"admin.sock\"\n";
    let text = format!("[[listen]]\naddress = \"0.0.0.0:8080\"\n{socket}{sign_in}{ROUTE}");
    let warnings = Files::new().with("main.toml", &text).warnings();
    assert_eq!(warnings.len(), 1);
    assert!(
        warnings[0].starts_with("main.toml:2:11: listen[0].address: sessions would cross the network in the clear")
    );
    let behind = format!("{text}[gateway]\ntrusted_proxies = [\"10.0.0.1\"]\n");
    assert!(Files::new().with("main.toml", behind).warnings().is_empty());
    let open = text.replace("pool = \"app\"", "pool = \"app\"\npolicy = \"open\"");
    assert!(Files::new().with("main.toml", open).warnings().is_empty());
}

#[test]
fn an_operators_listener_that_others_can_reach_is_a_warning() {
    let files = Files::new().with("main.toml", format!("[admin]\naddress = \"10.0.0.1:9180\"\n{REST}{ROUTE}"));
    assert_eq!(
        files.warnings(),
        [
            "main.toml:2:11: admin.address: whoever reaches 10.0.0.1:9180 reads the metrics; keep it to loopback or a closed network"
        ]
    );
}

#[test]
fn what_only_a_restart_changes_is_named() {
    let old = loaded("").plan;
    assert!(needs_restart(&old, &loaded("gateway.drain = \"1s\"\nsession.idle = \"1m\"\n").plan).is_empty());
    let new = "gateway.state = \"/s\"\ngateway.threads = 3\nadmin.address = \"127.0.0.1:1\"\nadmin.socket = \"/a\"\n";
    assert_eq!(
        needs_restart(&old, &loaded(new).plan),
        ["gateway.state", "gateway.threads", "admin.address", "admin.socket"]
    );
}

#[test]
fn passkeys_are_bound_to_the_portals_host_or_a_parent_domain_of_it() {
    let what = r#"allowed is the portal's host, "auth.localhost", or a parent domain of it"#;
    for rp_id in ["example.com", "localhost", "uth.localhost", "x.auth.localhost"] {
        let problem = format!("2:9: factor.passkey.rp_id: {what}");
        assert_problems(&format!("[factor.passkey]\nrp_id = \"{rp_id}\"\n"), &[&problem]);
    }
    let passkey = loaded("[factor.passkey]\nsynced = false\n").plan.factors.passkey.expect("it is configured");
    assert_eq!((passkey.rp_id.as_str(), passkey.rules.synced), ("auth.localhost", false));
}

#[test]
fn models_and_makers_of_authenticators_that_cannot_be_read_are_told() {
    let keys = "[factor.passkey]\nmodels = [\"yubikey\"]\n";
    let said = problems(keys);
    assert!(matches!(&*said, [one] if one.contains("factor.passkey.models") && one.contains("an AAGUID")), "{said:?}");
    let said = problems("[factor.passkey]\nattestation = \"main.toml\"\n");
    assert!(matches!(&*said, [one] if one.contains("it holds no certificate in PEM")), "{said:?}");
}
