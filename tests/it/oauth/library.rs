//! Both flows as a public client library drives them, with nothing of ours but the network: what it makes of the metadata
//! and of every answer is its own.

use super::approve;
use crate::rig::{Browser, Rig};
use oauth2::basic::BasicClient;
use oauth2::{
    AuthUrl, AuthorizationCode, ClientId, CsrfToken, DeviceAuthorizationUrl, HttpRequest, HttpResponse,
    PkceCodeChallenge, RedirectUrl, StandardDeviceAuthorizationResponse, TokenResponse, TokenUrl,
};
use serde_json::Value;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Mutex;

/// What the library sends goes by a browser without cookies, which finds every host at the gateway.
async fn send(http: Arc<Mutex<Browser>>, request: HttpRequest) -> Result<HttpResponse, std::io::Error> {
    let mut http = http.lock().await;
    let fields: Vec<(&str, &str)> =
        request.headers().iter().map(|(name, value)| (name.as_str(), value.to_str().expect("text"))).collect();
    let url = request.uri().to_string();
    let page = http.request_with((request.method().clone(), &url), &fields, request.body().clone()).await;
    let mut answer = HttpResponse::new(page.body.into_bytes());
    *answer.status_mut() = http::StatusCode::from_u16(page.status).expect("a status");
    *answer.headers_mut() = page.headers;
    Ok(answer)
}

/// The portal's metadata.
async fn metadata(rig: &Rig) -> impl Fn(&str) -> String + use<> {
    let address = format!("{}/.well-known/oauth-authorization-server", rig.origin("auth.localhost"));
    let document: Value = serde_json::from_str(&rig.browser().fetch(&address).await.body).expect("JSON");
    move |name| document[name].as_str().unwrap_or_else(|| panic!("no {name}")).to_owned()
}

async fn opens(rig: &Rig, token: &str) -> bool {
    let (url, bearer) = (format!("{}/page", rig.origin("app.localhost")), format!("Bearer {token}"));
    rig.browser().request(reqwest::Method::GET, &url, &[("authorization", &bearer)]).await.status == 200
}

#[tokio::test(flavor = "multi_thread")]
async fn a_public_library_gets_through_the_device_flow_and_refreshes() {
    let (rig, _app, _wiki) = Rig::two_hosts().await;
    let mut person = rig.signed_in("alice", &["staff"]).await;
    let at = metadata(&rig).await;
    let client = BasicClient::new(ClientId::new("library".to_owned()))
        .set_auth_type(oauth2::AuthType::RequestBody)
        .set_token_uri(TokenUrl::new(at("token_endpoint")).expect("a URL"))
        .set_device_authorization_url(DeviceAuthorizationUrl::new(at("device_authorization_endpoint")).expect("a URL"));
    let http = Arc::new(Mutex::new(rig.browser()));
    let sender = move |request| send(http.clone(), request);
    let details: StandardDeviceAuthorizationResponse =
        client.exchange_device_code().request_async(&sender).await.expect("a device code");
    assert!(details.verification_uri().as_str().ends_with("/device"));
    approve(&rig, &mut person, details.user_code().secret()).await;
    let waiting = client.exchange_device_access_token(&details);
    let token = waiting.request_async(&sender, tokio::time::sleep, Some(Duration::from_secs(20))).await;
    let token = token.expect("a token");
    assert!(opens(&rig, token.access_token().secret()).await);
    let refresh = token.refresh_token().expect("a refresh token");
    let again = client.exchange_refresh_token(refresh).request_async(&sender).await.expect("another token");
    assert!(opens(&rig, again.access_token().secret()).await);
    assert_ne!(again.refresh_token().map(|token| token.secret()), Some(refresh.secret()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_public_library_gets_through_the_code_flow() {
    let (rig, _app, _wiki) = Rig::two_hosts().await;
    let mut person = rig.signed_in("alice", &["staff"]).await;
    let at = metadata(&rig).await;
    let client = BasicClient::new(ClientId::new("library".to_owned()))
        .set_auth_type(oauth2::AuthType::RequestBody)
        .set_auth_uri(AuthUrl::new(at("authorization_endpoint")).expect("a URL"))
        .set_token_uri(TokenUrl::new(at("token_endpoint")).expect("a URL"))
        .set_redirect_uri(RedirectUrl::new("http://127.0.0.1:4711/back".to_owned()).expect("a URL"));
    let http = Arc::new(Mutex::new(rig.browser()));
    let sender = move |request| send(http.clone(), request);
    let (challenge, verifier) = PkceCodeChallenge::new_random_sha256();
    let (address, state) = client.authorize_url(CsrfToken::new_random).set_pkce_challenge(challenge).url();
    let page = person.visit(address.as_str()).await;
    let sent = person.post(&page, "/oauth/authorize", &[("decision", "approve")]).await;
    let back = url::Url::parse(sent.header("location").expect("it is sent back")).expect("a URL");
    let of = |name: &str| back.query_pairs().find(|(own, _)| own == name).map(|(_, value)| value.into_owned());
    assert_eq!(of("state").as_ref(), Some(state.secret()));
    let code = AuthorizationCode::new(of("code").expect("a code"));
    let token = client.exchange_code(code).set_pkce_verifier(verifier).request_async(&sender).await.expect("a token");
    assert!(opens(&rig, token.access_token().secret()).await);
}
