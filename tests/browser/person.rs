//! A person at a browser, with an authenticator app on a phone and recovery codes in a drawer.

use crate::chrome::{Chrome, Scripts};
use crate::rig::browser::authenticator_code;
use crate::rig::{PASSWORD, Rig};
use portcullis::stdx::clock::Clock;
use std::time::Duration;

/// How long a code is shown.
const STEP: Duration = Duration::from_secs(30);

/// The field for it.
pub const CODE: &str = "Code from your authenticator app";

/// Somebody with an account.
pub struct Person<'a> {
    rig: &'a Rig,
    pub chrome: Chrome,
    /// The key in the app, base 32, once scanned.
    pub key: String,
    /// Recovery codes, once shown.
    pub codes: Vec<String>,
}

impl<'a> Person<'a> {
    /// Before a browser that has never been here.
    pub async fn sit_down(rig: &'a Rig, scripts: Scripts) -> Self {
        Person { rig, chrome: Chrome::with(scripts).await, key: String::new(), codes: Vec::new() }
    }

    /// Enrolled and signed in, on the account page.
    pub async fn signed_in(rig: &'a Rig, name: &str) -> Self {
        let link = rig.invite(name, &["staff"]).await;
        let mut person = Self::sit_down(rig, Scripts::Run).await;
        person.chrome.open(&link).await;
        person.enrol().await;
        person
    }

    /// The same person at one more browser.
    pub async fn elsewhere(&self) -> Self {
        let chrome = Chrome::start().await;
        Person { rig: self.rig, chrome, key: self.key.clone(), codes: self.codes.clone() }
    }

    /// What the app shows once the code before has gone: no code works twice.
    pub fn next_code(&self) -> String {
        self.rig.clock.advance(STEP);
        authenticator_code(&self.key, self.rig.clock.now())
    }

    /// From the first page behind an enrolment link to the end.
    pub async fn enrol(&mut self) {
        let chrome = &self.chrome;
        chrome.fill("New password", PASSWORD).await;
        chrome.fill("The same once more", PASSWORD).await;
        chrome.press("Continue").await;
        self.connect_app().await;
        self.save_codes().await;
    }

    /// Scans what the page shows, and types the app's first code.
    pub async fn connect_app(&mut self) {
        self.scan().await;
        self.chrome.press("Continue").await;
        self.chrome.fill(CODE, &self.next_code()).await;
        self.chrome.press("Confirm").await;
    }

    /// Takes the key off the page with the QR code, as somebody types it who cannot scan.
    pub async fn scan(&mut self) {
        assert_eq!(self.chrome.heading().await, "Connect your authenticator app");
        self.key = self.chrome.texts("code.key").await.concat().replace(' ', "");
    }

    /// Writes the recovery codes down.
    pub async fn save_codes(&mut self) {
        assert_eq!(self.chrome.heading().await, "Save your recovery codes");
        self.codes = self.chrome.texts(".codes code").await;
        self.chrome.press("I have saved them").await;
    }

    /// Name and password on the sign-in page.
    pub async fn type_password(&self, name: &str, password: &str) {
        assert_eq!(self.chrome.heading().await, "Sign in");
        self.chrome.fill("User name", name).await;
        self.chrome.fill("Password", password).await;
        self.chrome.press("Sign in").await;
    }

    /// The next code, on any page that asks for one.
    pub async fn type_code(&self) {
        self.chrome.fill(CODE, &self.next_code()).await;
        self.chrome.press("Continue").await;
    }

    /// A code that the app does not show.
    pub async fn type_wrong_code(&self) {
        let right = self.next_code();
        let digits = right.bytes().map(|digit| char::from(b'0' + (digit - b'0' + 5) % 10));
        self.chrome.fill(CODE, &digits.collect::<String>()).await;
        self.chrome.press("Continue").await;
    }

    /// From the sign-in page to where it leads.
    pub async fn sign_in(&self, name: &str) {
        self.type_password(name, PASSWORD).await;
        self.type_code().await;
    }

    /// Proves once more who it is, on the pages of a step-up.
    pub async fn prove_again(&self) {
        assert_eq!(self.chrome.heading().await, "Confirm it’s you");
        self.chrome.fill("Password", PASSWORD).await;
        self.chrome.press("Continue").await;
        self.type_code().await;
    }

    /// Goes to the page on which sessions and factors are looked after.
    pub async fn open_account(&self) {
        self.chrome.open(&self.rig.origin("auth.localhost")).await;
        assert_eq!(self.chrome.heading().await, "Your account");
    }
}
