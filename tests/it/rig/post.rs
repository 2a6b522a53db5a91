//! The operator's service that passes messages on: checks every signature, and keeps what it was given.

use super::{Member, PATIENCE, Seen};
use aws_lc_rs::hmac;
use data_encoding::BASE64;
use http::Response;
use serde_json::Value;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, AtomicUsize, Ordering};
use std::time::Duration;
use tempfile::TempDir;

/// The key that both know, as the configuration names it and as it is.
const TOKEN: &str = "whsec_c29tZXRoaW5nIHRoYXQgYm90aCBrbm93IQ==";
const KEY: &[u8] = b"something that both know!";

/// The service.
pub struct Post {
    member: Member,
    folder: TempDir,
    /// What it answers.
    status: Arc<AtomicU16>,
    /// How often it says 500 before anything else.
    failing: Arc<AtomicUsize>,
}

impl Post {
    /// A service that takes everything.
    pub async fn open() -> Self {
        let (status, failing) = (Arc::new(AtomicU16::new(200)), Arc::new(AtomicUsize::new(0)));
        let (says, fails) = (status.clone(), failing.clone());
        let member = Member::scripted(Arc::new(move |seen: &Seen| {
            assert_eq!(seen.one("webhook-signature"), Some(signature(seen)), "it is signed");
            assert_eq!(seen.one("content-type").as_deref(), Some("application/json"));
            assert_eq!(seen.one("authorization"), None);
            let failing = fails.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok();
            let status = if failing { 500 } else { says.load(Ordering::SeqCst) };
            let mut answer = Response::new("x".repeat(1000));
            *answer.status_mut() = http::StatusCode::from_u16(status).expect("a status");
            answer
        }))
        .await;
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::write(folder.path().join("token"), format!("{TOKEN}\n")).expect("a file");
        Post { member, folder, status, failing }
    }

    /// It in a configuration: `{ url = …, token = … }`.
    pub fn webhook(&self) -> String {
        self.webhook_at(self.member.address())
    }

    /// Another service with the same token.
    pub fn webhook_at(&self, address: SocketAddr) -> String {
        let token = self.folder.path().join("token");
        std::fs::set_permissions(&token, std::os::unix::fs::PermissionsExt::from_mode(0o600)).expect("its own file");
        format!("{{ url = \"http://{address}/post?x=1\", token = {{ file = {token:?} }} }}")
    }

    /// From now on it answers this.
    pub fn answers(&self, status: u16) {
        self.status.store(status, Ordering::SeqCst);
    }

    /// The next requests are answered with 500.
    pub fn fails(&self, times: usize) {
        self.failing.store(times, Ordering::SeqCst);
    }

    /// Every request so far.
    pub fn requests(&self) -> Vec<Seen> {
        self.member.seen()
    }

    /// Everything of that kind that it was given so far.
    pub fn given(&self, kind: &str) -> Vec<Value> {
        let bodies = self.requests().into_iter().map(|seen| serde_json::from_slice(&seen.body).expect("JSON"));
        bodies.filter(|body: &Value| body["kind"] == kind).collect()
    }

    /// The newest code, once it has been given `count` of them.
    pub async fn code(&self, count: usize) -> String {
        let codes = self.wait_for("code", count).await;
        codes[count - 1]["code"].as_str().expect("a code").to_owned()
    }

    /// Waits until it was given `count` messages of a kind.
    pub async fn wait_for(&self, kind: &str, count: usize) -> Vec<Value> {
        let deadline = tokio::time::Instant::now() + PATIENCE;
        loop {
            let given = self.given(kind);
            if given.len() >= count {
                return given;
            }
            assert!(tokio::time::Instant::now() < deadline, "{count} of {kind} never came: {given:?}");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

/// What the Standard Webhooks specification asks for.
fn signature(seen: &Seen) -> String {
    let field = |name: &str| seen.one(name).unwrap_or_else(|| panic!("it has no {name}"));
    let signed = [field("webhook-id").as_bytes(), field("webhook-timestamp").as_bytes(), &seen.body].join(&b'.');
    let key = hmac::Key::new(hmac::HMAC_SHA256, KEY);
    format!("v1,{}", BASE64.encode(hmac::sign(&key, &signed).as_ref()))
}
