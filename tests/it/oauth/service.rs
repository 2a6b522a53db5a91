//! Service accounts: programs that prove themselves with a key or a certificate, and are admitted by name.

use super::Program;
use super::program::Said;
use crate::rig::{Member, Rig, TWO_HOSTS, filled};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use portcullis::factor::client_key;
use portcullis::identity::{Account, AccountId, AccountKind, AccountName, Credential, CredentialId};
use portcullis::stdx::clock::Clock;
use serde_json::{Value, json};
use std::time::Duration;

const CI: &str = r#"
[policy.deploy]
require = "mfa"
service_accounts = ["ci"]

[policy.bound-deploy]
require = "mfa"
service_accounts = ["ci"]
bound = true

[policy.programs]
service_accounts = ["ci"]
groups = []

[[route]]
name = "programs"
host = "app.localhost"
path = "/programs/**"
pool = "app"
policy = "programs"

[[route]]
name = "deploy"
host = "app.localhost"
path = "/deploy/**"
pool = "app"
policy = "deploy"

[[route]]
name = "bound"
host = "app.localhost"
path = "/bound/**"
pool = "app"
policy = "bound-deploy"
"#;

async fn rig() -> (Rig, Member) {
    let app = Member::echo("app").await;
    let rig = Rig::start(&filled(&format!("{TWO_HOSTS}{CI}"), &[("app", &app), ("wiki", &app)])).await;
    (rig, app)
}

/// Adds a service account with what a file holds.
async fn add(rig: &Rig, name: &str, file: &[u8]) -> AccountId {
    let name = AccountName::parse(name).expect("a name");
    let (id, kind, created) = (AccountId::fresh(), AccountKind::Service, rig.clock.now());
    let account = Account { id, name, kind, groups: Vec::new(), disabled: false, created };
    assert!(rig.store.accounts.add(&account).await.expect("the store"));
    let state = client_key::read(file).expect("a key");
    let credential = Credential {
        id: CredentialId::fresh(),
        account: id,
        factor: client_key::NAME,
        label: client_key::label(&state),
        created,
        used: None,
        handle: None,
        state,
        version: 0,
    };
    rig.store.credentials.add(&credential).await.expect("the store");
    id
}

fn public_pem(key: &rcgen::KeyPair) -> String {
    let body = data_encoding::BASE64.encode(&rcgen::PublicKeyData::subject_public_key_info(key));
    format!("-----BEGIN PUBLIC KEY-----\n{body}\n-----END PUBLIC KEY-----\n")
}

pub(super) fn claims(rig: &Rig, name: &str, jti: &str) -> Value {
    let now = rig.clock.now().secs();
    let issuer = rig.origin("auth.localhost");
    json!({ "iss": name, "sub": name, "aud": issuer, "iat": now, "exp": now + 120, "jti": jti })
}

pub(super) fn signed(key: &rcgen::KeyPair, claims: &Value) -> String {
    let key = EncodingKey::from_ec_der(key.serialized_der());
    jsonwebtoken::encode(&Header::new(Algorithm::ES256), claims, &key).expect("signed")
}

pub(super) async fn identify(program: &mut Program, assertion: &str, more: &[(&str, &str)]) -> Said {
    let fields = [
        ("grant_type", "client_credentials"),
        ("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"),
        ("client_assertion", assertion),
    ];
    program.post("/oauth/token", &[&fields, more].concat()).await
}

/// The account `ci` with a key, and its program.
pub(super) async fn ci(rig: &Rig) -> (rcgen::KeyPair, Program, AccountId) {
    let key = rcgen::KeyPair::generate().expect("a key");
    let id = add(rig, "ci", public_pem(&key).as_bytes()).await;
    let mut program = Program::of(rig);
    program.client = "ci".to_owned();
    (key, program, id)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_with_a_key_is_admitted_where_a_policy_names_it_and_nowhere_else() {
    let (rig, app) = rig().await;
    let (key, mut program, _) = ci(&rig).await;
    let granted = identify(&mut program, &signed(&key, &claims(&rig, "ci", "one")), &[]).await;
    assert_eq!((granted.status, granted.text("token_type")), (200, "Bearer"), "{granted:?}");
    assert_eq!(granted.document.get("refresh_token"), None, "it can prove itself again");
    program.access = granted.text("access_token").to_owned();
    let at = |path: &str| format!("{}{path}", rig.origin("app.localhost"));
    let page = program.get(&at("/deploy/now")).await;
    assert_eq!((page.status, page.body.as_str()), (200, "app /deploy/now"));
    let seen = app.seen();
    let told = seen.last().expect("a request");
    assert_eq!(told.all("x-portcullis-account"), ["ci"]);
    assert_eq!(told.all("x-portcullis-assurance"), ["one-factor"]);
    assert!(told.all("x-portcullis-groups").is_empty() && told.all("authorization").is_empty());
    let refused = program.get(&at("/page")).await;
    assert_eq!(refused.status, 403, "{refused:?}");
    let document: Value = serde_json::from_str(&refused.body).expect("JSON");
    assert_eq!(document["conditions"][0]["condition"], "service_accounts", "{document}");
    assert_eq!(program.get(&at("/open/page")).await.status, 200);
    assert_eq!(program.get(&at("/bound/now")).await.status, 401, "its token is bound to nothing");
    rig.clock.advance(Duration::from_secs(11 * 60));
    assert_eq!(program.get(&at("/deploy/now")).await.status, 401, "an access token does not last");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_person_passes_where_no_group_is_left_beside_programs() {
    let (rig, _app) = rig().await;
    let (key, mut program, _) = ci(&rig).await;
    let granted = identify(&mut program, &signed(&key, &claims(&rig, "ci", "one")), &[]).await;
    program.access = granted.text("access_token").to_owned();
    let programs = format!("{}/programs/now", rig.origin("app.localhost"));
    assert_eq!(program.get(&programs).await.status, 200);
    let mut alice = rig.signed_in("alice", &["staff", "boss"]).await;
    let page = alice.visit(&format!("{}/deploy/now", rig.origin("app.localhost"))).await;
    assert_eq!(page.status, 200, "without groups every person with two factors passes: {page:?}");
    let refused = alice.visit(&programs).await;
    assert_eq!(refused.status, 403, "{refused:?}");
    assert!(refused.body.contains("a service account"), "{}", refused.body);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_assertion_counts_once_however_many_present_it_at_once() {
    let (rig, _app) = rig().await;
    let (key, program, _) = ci(&rig).await;
    let assertion = signed(&key, &claims(&rig, "ci", "one"));
    let mut tries = tokio::task::JoinSet::new();
    // Thirty failures of one source are suffered.
    for _ in 0..25 {
        let (mut program, assertion) = (program.stolen(), assertion.clone());
        tries.spawn(async move { identify(&mut program, &assertion, &[]).await.status });
    }
    let statuses = tries.join_all().await;
    assert_eq!(statuses.iter().filter(|status| **status == 200).count(), 1, "{statuses:?}");
    assert!(statuses.iter().all(|status| matches!(status, 200 | 401)), "{statuses:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_is_no_service_account_or_has_not_its_key_gets_one_and_the_same_answer() {
    let (rig, _app) = rig().await;
    let (key, mut program, id) = ci(&rig).await;
    rig.signed_in("alice", &["staff"]).await;
    let other = rcgen::KeyPair::generate().expect("a key");
    let foreign = json!({ "aud": "https://other.test" });
    let mut misdirected = claims(&rig, "ci", "two");
    misdirected["aud"] = foreign["aud"].clone();
    let wrong = [
        ("ci", signed(&other, &claims(&rig, "ci", "one"))),
        ("ci", signed(&key, &claims(&rig, "eve", "one"))),
        ("ci", signed(&key, &misdirected)),
        ("ci", "garbage".to_owned()),
        ("alice", signed(&key, &claims(&rig, "alice", "one"))),
        ("nobody", signed(&key, &claims(&rig, "nobody", "one"))),
    ];
    let mut answers = Vec::new();
    for (client, assertion) in wrong {
        program.client = client.to_owned();
        let said = identify(&mut program, &assertion, &[]).await;
        assert_eq!((said.status, said.error()), (401, "invalid_client"), "{client}");
        answers.push(said.document);
    }
    assert!(answers.windows(2).all(|two| two[0] == two[1]), "{answers:?}");
    program.client = "ci".to_owned();
    let missing = program.post("/oauth/token", &[("grant_type", "client_credentials")]).await;
    assert_eq!((missing.status, missing.error()), (400, "invalid_request"));
    let right = identify(&mut program, &signed(&key, &claims(&rig, "ci", "three")), &[]).await;
    program.access = right.text("access_token").to_owned();
    let deploy = format!("{}/deploy/now", rig.origin("app.localhost"));
    assert_eq!(program.get(&deploy).await.status, 200);
    assert!(rig.store.accounts.set_disabled(id, true).await.expect("the store"));
    rig.eventually("its token is refused", async || program.stolen().get(&deploy).await.status == 401).await;
    let disabled = identify(&mut program, &signed(&key, &claims(&rig, "ci", "four")), &[]).await;
    assert_eq!(disabled.error(), "invalid_client");
}

/// What the record says of each program that did not prove who it is: its name, and why.
async fn failures(rig: &Rig) -> Vec<(String, String)> {
    let events = rig.store.events.after(0, 1_000).await.expect("the store");
    let failed = events.into_iter().filter(|(_, row)| row.name == "program.sign-in-failed");
    let failed = failed.map(|(_, row)| serde_json::from_str::<Value>(&row.body).expect("JSON"));
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    failed.map(|body| (text(&body["name"]), text(&body["why"]))).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn why_a_program_did_not_prove_itself_is_on_record_once_a_minute_and_in_its_line() {
    let app = Member::echo("app").await;
    let text = format!("{TWO_HOSTS}{CI}").replace("access = false", "access = true");
    let rig = Rig::start(&filled(&text, &[("app", &app), ("wiki", &app)])).await;
    let (key, mut program, id) = ci(&rig).await;
    let other = rcgen::KeyPair::generate().expect("a key");
    let now = rig.clock.now().secs();
    let with = |name: &str, value: Value, jti: &str| {
        let mut claims = claims(&rig, "ci", jti);
        claims[name] = value;
        signed(&key, &claims)
    };
    let right = signed(&key, &claims(&rig, "ci", "right"));
    assert_eq!(identify(&mut program, &right, &[]).await.status, 200);
    let wrong = [
        ("replayed", right),
        ("key", signed(&other, &claims(&rig, "ci", "a"))),
        ("audience", with("aud", json!("https://other.test"), "b")),
        ("expired", with("exp", json!(now - 120), "c")),
        ("too-far-ahead", with("exp", json!(now + 86_400), "d")),
        ("malformed", "garbage".to_owned()),
    ];
    for (why, assertion) in &wrong {
        for _ in 0..3 {
            let said = identify(&mut program, assertion, &[]).await;
            assert_eq!((said.status, said.error()), (401, "invalid_client"), "{why}");
        }
    }
    program.client = "nobody".to_owned();
    identify(&mut program, "garbage", &[]).await;
    program.client = "ci".to_owned();
    assert!(rig.store.accounts.set_disabled(id, true).await.expect("the store"));
    let refused = identify(&mut program, &signed(&key, &claims(&rig, "ci", "e")), &[]).await;
    let mut expected: Vec<_> = wrong.iter().map(|(why, _)| ("ci".to_owned(), (*why).to_owned())).collect();
    expected.extend([("nobody", "unknown"), ("ci", "disabled")].map(|(name, why)| (name.to_owned(), why.to_owned())));
    rig.eventually("each is on record once", async || failures(&rig).await == expected).await;
    rig.clock.advance(Duration::from_secs(61));
    identify(&mut program, "garbage", &[]).await;
    rig.eventually("and again a minute later", async || failures(&rig).await.len() == expected.len() + 1).await;

    let id = refused.page.header("x-request-id").expect("a name").to_owned();
    let line = async || rig.lines().into_iter().find(|line| line["request"] == *id);
    rig.eventually("its line is written", async || line().await.is_some()).await;
    let line = line().await.expect("it was there");
    let said = ["outcome", "refused", "why", "program"].map(|name| line[name].as_str().unwrap_or_default().to_owned());
    assert_eq!(said, ["own", "invalid_client", "disabled", "ci"], "{line}");
    let socket = rig.directory().join("admin.sock");
    let asked = portcullis::admin::ask(&socket, http::Method::GET, &format!("/decisions/{id}")).await;
    let (status, decision) = asked.expect("it answers on its socket");
    assert_eq!((status, &decision["outcome"]), (200, &json!("invalid_client")), "{decision}");
    assert_eq!(decision["sentence"], "disabled, asked for by the program ci");
    let metrics = rig.admin("/metrics").await.1;
    for (result, count) in [("granted", 1), ("refused", 21)] {
        let counted = format!(r#"portcullis_programs_total{{grant="service",result="{result}"}} {count}"#);
        assert!(metrics.contains(&counted), "{counted} is not in\n{metrics}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_with_a_client_certificate_gets_a_token_that_is_good_with_that_certificate_alone() {
    let app = Member::echo("app").await;
    let names = ["auth.localhost".to_owned(), "app.localhost".to_owned()];
    let own = rcgen::generate_simple_self_signed(names).expect("a certificate");
    let directory = tempfile::tempdir().expect("a directory");
    let lay = |name: &str, text: String| {
        let path = directory.path().join(name);
        std::fs::write(&path, text).expect("written");
        path.display().to_string()
    };
    let (cert, key) = (lay("own.pem", own.cert.pem()), lay("own.key", own.signing_key.serialize_pem()));
    let tls = format!(
        "[[listen]]\naddress = \"127.0.0.3:0\"\ntls = true\nclient_certificates = true\n\n\
         [[certificate]]\ncert = \"{cert}\"\nkey = {{ file = \"{key}\" }}\n"
    );
    let text = format!("{TWO_HOSTS}{CI}").replacen("[admin]", &format!("{tls}\n[admin]"), 1);
    let rig = Rig::start(&filled(&text, &[("app", &app), ("wiki", &app)])).await;
    let (ci, eve) = (certificate("ci"), certificate("eve"));
    add(&rig, "ci", ci.0.as_bytes()).await;
    let address = rig.gateway().addresses()[1];
    let client = |identity: Option<&(String, String)>| {
        let trusted = reqwest::Certificate::from_pem(own.cert.pem().as_bytes()).expect("PEM");
        let builder = reqwest::Client::builder().tls_certs_only([trusted]);
        let builder =
            ["auth.localhost", "app.localhost"].iter().fold(builder, |builder, host| builder.resolve(host, address));
        let builder = match identity {
            Some((cert, key)) => {
                builder.identity(reqwest::Identity::from_pem(format!("{cert}{key}").as_bytes()).expect("PEM"))
            }
            None => builder,
        };
        builder.build().expect("a client")
    };
    let port = address.port();
    let ask = async |client: &reqwest::Client| {
        let form = "grant_type=client_credentials&client_id=ci";
        let request = client.post(format!("https://auth.localhost:{port}/oauth/token"));
        let request = request.header("content-type", "application/x-www-form-urlencoded").body(form);
        let answer = request.send().await.expect("an answer");
        (answer.status().as_u16(), answer.json::<Value>().await.expect("JSON"))
    };
    let get = async |client: &reqwest::Client, path: &str, token: &str| {
        let request = client.get(format!("https://app.localhost:{port}{path}"));
        request.header("authorization", format!("Bearer {token}")).send().await.expect("an answer").status().as_u16()
    };
    let (status, granted) = ask(&client(Some(&ci))).await;
    assert_eq!(status, 200, "{granted}");
    let token = granted["access_token"].as_str().expect("a token");
    assert_eq!(get(&client(Some(&ci)), "/deploy/now", token).await, 200);
    assert_eq!(get(&client(Some(&ci)), "/bound/now", token).await, 200, "it is bound to the certificate");
    assert_eq!(get(&client(Some(&eve)), "/deploy/now", token).await, 401, "with another certificate");
    assert_eq!(get(&client(None), "/deploy/now", token).await, 401, "without one");
    assert_eq!(ask(&client(Some(&eve))).await.1["error"], "invalid_client");
    assert_eq!(ask(&client(None)).await.1["error"], "invalid_request");
}

/// A self-signed certificate and its key, PEM.
fn certificate(name: &str) -> (String, String) {
    let key = rcgen::KeyPair::generate().expect("a key");
    let made = rcgen::CertificateParams::new(vec![name.to_owned()]).expect("a name").self_signed(&key);
    (made.expect("a certificate").pem(), key.serialize_pem())
}
