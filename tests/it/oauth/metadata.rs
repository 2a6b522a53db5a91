//! What programs find out by themselves (RFC 8414, RFC 9728).

use crate::rig::{Member, Rig, TWO_HOSTS, filled};
use serde_json::{Value, json};

/// How programs may prove who they are: not at all, with a key, or with a certificate.
const METHODS: [&str; 3] = ["none", "private_key_jwt", "self_signed_tls_client_auth"];

#[tokio::test(flavor = "multi_thread")]
async fn a_challenge_leads_to_the_host_s_metadata_and_that_to_the_portal_s() {
    let (rig, app, _wiki) = Rig::two_hosts().await;
    let mut browser = rig.browser();
    let refused = browser.fetch(&format!("{}/page", rig.origin("app.localhost"))).await;
    let challenge = refused.header("www-authenticate").expect("a challenge");
    let address = challenge.split('"').nth(1).expect("an address").to_owned();
    let resource: Value = serde_json::from_str(&browser.fetch(&address).await.body).expect("JSON");
    assert_eq!(resource["resource"], rig.origin("app.localhost"));
    assert_eq!(resource["authorization_servers"], json!([rig.origin("auth.localhost")]));
    assert_eq!(resource["bearer_methods_supported"], json!(["header"]));
    let address = format!("{}/.well-known/oauth-authorization-server", rig.origin("auth.localhost"));
    let answer = browser.fetch(&address).await;
    assert_eq!((answer.status, answer.header("content-type")), (200, Some("application/json")));
    let server: Value = serde_json::from_str(&answer.body).expect("JSON");
    assert_eq!(server["issuer"], rig.origin("auth.localhost"));
    assert_eq!(server["code_challenge_methods_supported"], json!(["S256"]));
    assert_eq!(server["token_endpoint_auth_methods_supported"], json!(METHODS));
    assert_eq!(server["authorization_response_iss_parameter_supported"], true);
    assert_eq!(server["dpop_signing_alg_values_supported"], json!(["ES256"]));
    for endpoint in ["token_endpoint", "device_authorization_endpoint", "revocation_endpoint", "jwks_uri"] {
        let address = server[endpoint].as_str().expect("an address");
        let status = browser.fetch(address).await.status;
        assert!(status == 405 || status == 200, "{endpoint}: {status}");
    }
    assert!(app.seen().is_empty(), "no service was asked");
}

#[tokio::test(flavor = "multi_thread")]
async fn other_well_known_addresses_are_the_service_s_own_and_so_is_this_one_where_nothing_is_protected() {
    let (app, wiki) = (Member::echo("app").await, Member::echo("wiki").await);
    let open = TWO_HOSTS.replace("pool = \"wiki\"\npolicy = \"staff\"", "pool = \"wiki\"\npolicy = \"open\"");
    let text = format!(
        "{open}\n[[route]]\nname = \"well-known\"\nhost = \"app.localhost\"\npath = \"/.well-known/**\"\n\
         pool = \"app\"\npolicy = \"open\"\n"
    );
    let rig = Rig::start(&filled(&text, &[("app", &app), ("wiki", &wiki)])).await;
    let mut browser = rig.browser();
    for path in
        ["/.well-known/security.txt", "/.well-known/oauth-protected-resource/x", "/.well-known/openid-configuration"]
    {
        let page = browser.fetch(&format!("{}{path}", rig.origin("app.localhost"))).await;
        assert_eq!((page.status, page.body), (200, format!("app {path}")));
    }
    let path = "/.well-known/oauth-protected-resource";
    let page = browser.fetch(&format!("{}{path}", rig.origin("wiki.localhost"))).await;
    assert_eq!((page.status, page.body), (200, format!("wiki {path}")), "every route of it is open");
    let nowhere = browser.fetch(&format!("{}{path}", rig.origin("elsewhere.localhost"))).await;
    assert_eq!(nowhere.status, 421);
}
