//! The device flow (RFC 8628).

use super::{Program, approve};
use crate::rig::Rig;

#[tokio::test(flavor = "multi_thread")]
async fn a_program_shows_a_code_and_gets_a_token_once_somebody_approved_it() {
    let (rig, app, _wiki) = Rig::two_hosts().await;
    let mut person = rig.signed_in("alice", &["staff"]).await;
    let mut program = Program::of(&rig);
    let begun = program.post("/oauth/device_authorization", &[]).await;
    assert_eq!(begun.page.header("cache-control"), Some("no-store"));
    assert_eq!(begun.text("verification_uri"), format!("{}/device", rig.origin("auth.localhost")));
    let code = begun.text("user_code").to_owned();
    assert_eq!(program.poll(begun.text("device_code")).await.error(), "authorization_pending");
    let page = person.visit(begun.text("verification_uri_complete")).await;
    assert!(page.body.contains("calls itself") && page.body.contains("tool") && page.body.contains(&code), "{page:?}");
    assert!(page.body.contains("127.0.0.1") && page.body.contains("every site"), "{page:?}");
    approve(&rig, &mut person, &code).await;
    let granted = program.poll(begun.text("device_code")).await;
    assert_eq!((granted.text("token_type"), &granted.document["expires_in"]), ("Bearer", &600.into()));
    program.keep(&granted);
    let page = program.get(&format!("{}/page", rig.origin("app.localhost"))).await;
    assert_eq!((page.status, page.body.as_str()), (200, "app /page"));
    let seen = app.last();
    assert_eq!(seen.one("x-portcullis-account").as_deref(), Some("alice"));
    assert_eq!(seen.one("authorization"), None, "no service sees the token");
}
