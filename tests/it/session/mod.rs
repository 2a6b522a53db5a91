//! Sessions: how they begin and end, on one host and on many, and what their cookies are worth to others.

mod cookie;
mod hand_off;
mod life;
mod onward;

use crate::rig::{Browser, Rig};

/// The code's address on a service's host, for a browser whose session at the portal is good enough.
async fn address_with_a_code(browser: &mut Browser, url: &str) -> String {
    let to_portal = browser.navigate(url).await.onward().expect("a redirect to the portal");
    let onward = browser.navigate(&to_portal).await.onward().expect("a redirect from the portal");
    assert!(onward.contains("/.portcullis/enter?code="), "{onward}");
    onward
}

/// Somebody who is signed in at the portal and on both hosts.
async fn everywhere(rig: &Rig, name: &str) -> Browser {
    let mut browser = rig.signed_in(name, &["staff"]).await;
    for host in ["app.localhost", "wiki.localhost"] {
        assert_eq!(browser.visit(&format!("{}/page", rig.origin(host))).await.status, 200);
    }
    browser
}
