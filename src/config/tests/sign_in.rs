//! `[factor.*]`, and what policies ask of people and of programs.

use super::*;

/// A token that codes are signed with.
const TOKEN: &str = "whsec_c29tZXRoaW5nIHRoYXQgYm90aCBrbm93IQ==";

const MODEL: &str = "2fc0579f-8113-47ea-b116-bb5a8db9202a";

/// A file that begins with `text`, with its token beside it.
fn with_token(text: &str, token: &str) -> Files {
    let files = Files::new().with("main.toml", format!("{text}{REST}{ROUTE}")).with("token", token);
    std::fs::set_permissions(files.path().join("token"), std::fs::Permissions::from_mode(0o600)).expect("rights");
    files
}

fn webhook(token: &str) -> Files {
    let webhook = r#"{ url = "https://sms.example.com/", token = { file = "token" } }"#;
    with_token(&format!("[factor.message]\nwebhook = {webhook}\n"), token)
}

/// The problems or warnings that say something of the only key that a test is about.
fn said(lines: Vec<String>) -> Vec<String> {
    lines.into_iter().map(|line| line.trim_start_matches("main.toml:").to_owned()).collect()
}

#[test]
fn a_token_that_was_not_copied_whole_or_could_be_guessed_is_told() {
    let key = "2:55: factor.message.webhook.token";
    assert_eq!(webhook(TOKEN).warnings(), [""; 0]);
    assert_eq!(webhook("sixteen bytes!!!\n").warnings(), [""; 0]);
    let copied = "it begins with whsec_, and what follows is no base 64: was it copied whole?";
    let short = "the key in it is shorter than 16 bytes, and could be guessed";
    for (token, why) in [("whsec_c29tZX", copied), ("whsec_c29tZQ==", short), ("hunter2", short)] {
        assert_eq!(said(webhook(token).problems()), [format!("{key}: {why}")], "{token}");
    }
}

#[test]
fn an_address_with_a_password_in_it_is_refused_and_not_shown() {
    for address in
        ["https://user:hunter2@sms.example.com/", "https://sms.example.com/#hunter2", "http://hunter2.example/"]
    {
        let text = format!("[notice]\nwebhook = {{ url = \"{address}\", token = {{ env = \"T\" }} }}\n");
        let problems = problems(&text).concat();
        assert!(problems.contains("notice.webhook.url: allowed is an address such as"), "{problems}");
        assert!(!problems.contains("hunter2"), "{problems}");
    }
}

#[test]
fn passkeys_that_none_could_be_are_told() {
    assert_problems(
        "[factor.passkey]\nmodels = []\n",
        &[
            "2:10: factor.passkey.models: an empty list lets no passkey count; name at least one model, or leave the key out",
        ],
    );
    assert_problems(
        &format!("[factor.passkey]\nmodels = [\"{MODEL}\"]\nrefuse_models = [\"{MODEL}\"]\n"),
        &["3:18: factor.passkey.refuse_models[0]: it is in models too, at main.toml:2: it counts, or it does not"],
    );
}

#[test]
fn a_subject_is_one_line_and_a_wrong_channel_is_told_once() {
    let smtp = r#"smtp = { server = "mail.example.com:465", from = "a@example.com" }"#;
    assert_problems(
        &format!("[factor.message]\n{smtp}\nsubject = \"a\\nb\"\n"),
        &["3:11: factor.message.subject: found \"a\\nb\"; a subject is one line, without control characters"],
    );
    assert_problems(
        &format!("[factor.message]\n{smtp}\nchannels = [\"email\"]\n"),
        &[
            "3:13: factor.message.channels[0]: found \"email\"; allowed is one of \"sms\", \"mail\"; the nearest is \"mail\"",
        ],
    );
}

#[test]
fn a_mail_server_s_port_that_is_for_the_other_kind_of_tls_is_a_warning() {
    let warned = |port: u16, tls: &str| {
        let smtp = format!(r#"{{ server = "mail.example.com:{port}", tls = "{tls}", from = "a@example.com" }}"#);
        let text = format!("[factor.message]\nsmtp = {smtp}\n{REST}{ROUTE}");
        said(Files::new().with("main.toml", text).warnings())
    };
    for (port, tls) in [(465, "implicit"), (587, "starttls"), (25, "starttls"), (2465, "starttls")] {
        assert_eq!(warned(port, tls), [""; 0], "{port} {tls}");
    }
    let place = "2:19: factor.message.smtp.server";
    let first = "servers use port 465 for TLS from the first byte: write tls = \"implicit\", or another port";
    let word = "servers use port 587 for TLS after a word in the clear: write tls = \"starttls\", or another port";
    assert_eq!(warned(465, "starttls"), [format!("{place}: {first}")]);
    assert_eq!(warned(587, "implicit"), [format!("{place}: {word}")]);
}

#[test]
fn what_nobody_can_prove_is_told_with_what_helps() {
    let but = |policy: &str| {
        let text = format!("[factor.recovery_code]\n[factor.passkey]\n[policy.own]\n{policy}\n");
        let problems = problems(&text);
        assert_eq!(problems.len(), 1, "{problems:?}");
        problems[0].split_once(", but ").expect("a reason").1.to_owned()
    };
    let recovery = "a recovery code proves nothing at a route: it only lets its holder enrol; ask for another factor";
    assert_eq!(but("factors = [\"recovery_code\"]"), recovery);
    assert_eq!(
        but("factors = [\"recovery_code\", \"message\"]"),
        "none of the factors it asks for is configured; give [factor.message]"
    );
    assert_eq!(
        but("require = \"phishing-resistant\"\nrefuse_factors = [\"passkey\"]"),
        "only a passkey is phishing-resistant, and refuse_factors leaves it out"
    );
    assert_eq!(
        but("refuse_factors = [\"passkey\", \"password\", \"totp\"]"),
        "refuse_factors leaves out all that is configured: password, totp, passkey"
    );
    assert_eq!(
        but("refuse_factors = [\"passkey\", \"password\"]"),
        "only totp counts here, for refuse_factors leaves out password, passkey; two kinds are needed"
    );
}

#[test]
fn proofs_that_grow_old_before_they_are_made_are_a_warning() {
    let message = r#"smtp = { server = "mail.example.com:465", from = "a@example.com" }"#;
    let warned = |factors: &str, policy: &str| {
        let text = format!(
            "[policy.own]\n{policy}\n[defaults]\npolicy = \"own\"\n[[listen]]\naddress = \"127.0.0.1:8080\"\n[portal]\n\
             origin = \"http://auth.localhost:8080\"\n[factor.password]\n{factors}\n{ROUTE}"
        );
        said(Files::new().with("main.toml", text).warnings())
    };
    let place = "2:11: policy.own.max_age";
    let soon =
        format!("{place}: people take longer to prove who they are, and are asked again and again; give 1m or more");
    assert_eq!(warned("[factor.totp]", "max_age = \"59s\""), [soon]);
    assert_eq!(warned("[factor.totp]", "max_age = \"1m\""), [""; 0]);
    let sent = format!(
        "{place}: only with such a code can 9m be met, and a code that is sent may take longer, and the proof before it is \
         then too old; give 10m or more"
    );
    let codes = format!("[factor.message]\n{message}");
    assert_eq!(warned(&codes, "max_age = \"9m\""), [sent]);
    assert_eq!(warned(&codes, "max_age = \"10m\""), [""; 0]);
    assert_eq!(warned(&format!("{codes}\n[factor.totp]"), "max_age = \"9m\""), [""; 0], "an app is quicker");
}

#[test]
fn programs_without_groups_let_every_person_pass_too_and_no_groups_let_none() {
    let warned = |policy: &str| {
        let text = format!("[policy.jobs]\n{policy}\n[defaults]\npolicy = \"jobs\"\n{REST}{ROUTE}");
        said(Files::new().with("main.toml", text).warnings())
    };
    let everyone = "2:20: policy.jobs.service_accounts: every person who satisfies the rest of this policy passes too; give \
                    groups = [\"…\"] for those who may, or groups = [] for none";
    assert_eq!(warned("service_accounts = [\"ci\"]"), [everyone]);
    assert_eq!(warned("service_accounts = [\"ci\"]\ngroups = [\"ops\"]"), [""; 0]);
    assert_eq!(warned("service_accounts = [\"ci\"]\ngroups = []"), [""; 0]);
    let staff = "groups = [\"staff\"]\nservice_accounts = [\"ci\"]\n[policy.child]\nextends = \"jobs\"\ngroups = []";
    assert_eq!(
        warned(staff).iter().filter(|line| !line.contains("nothing uses")).count(),
        0,
        "what is extended counts"
    );
    assert_problems(
        "[policy.jobs]\ngroups = []\n",
        &["2:10: policy.jobs.groups: an empty list lets nobody pass; name at least one, or leave the key out"],
    );
}

#[test]
fn a_credential_of_the_service_alone_is_a_warning_to_whoever_only_looks() {
    let made = rcgen::generate_simple_self_signed(vec!["auth.example.com".to_owned()]).expect("a certificate");
    let credential = |name: &str| format!("{{ credential = \"{name}\" }}");
    let text = format!(
        "[[listen]]\naddress = \"127.0.0.1:443\"\ntls = true\n[[certificate]]\ncert = \"a.pem\"\nkey = {}\n[portal]\norigin = \
         \"https://auth.example.com\"\n[factor.password]\n[factor.message]\nwebhook = {{ url = \"https://a.test/\", token = \
         {} }}\nsmtp = {{ server = \"a.test:465\", from = \"a@a.test\", user = \"a\", password = {} }}\n{}policy = \"open\"\n",
        credential("tls"),
        credential("sms"),
        credential("smtp"),
        ROUTE.replace("app.example.com", "auth.example.org"),
    );
    let files = Files::new().with("main.toml", text).with("a.pem", made.cert.pem());
    assert_eq!(files.problems().len(), 3, "to serve, each of them is needed");
    let file = files.path().join("main.toml");
    let loaded = load(&file, &Environment::default().from_outside(), NOW).expect("nothing else is wrong");
    let warned: Vec<(&str, bool)> = loaded
        .warnings
        .iter()
        .map(|warning| {
            (&*warning.key, warning.what.contains("CREDENTIALS_DIRECTORY=/run/credentials/portcullis.service"))
        })
        .collect();
    let expected = [
        ("certificate[0].key", true),
        ("factor.message.webhook.token", true),
        ("factor.message.smtp.password", true),
        ("route[0].host", false),
    ];
    assert_eq!(warned, expected, "and the certificate is known by its names");
    let within = Environment::default().from_outside().with_credentials(files.path().join("none"));
    assert_eq!(load(&file, &within, NOW).expect_err("they are not there").iter().count(), 3);
}
