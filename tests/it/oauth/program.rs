//! A program as a person runs it: speaks to the portal and to services, keeps its tokens, follows no redirect.

use super::{DEVICE_GRANT, approve};
use crate::rig::{Browser, Page, Rig};
use reqwest::Method;
use serde_json::Value;

/// A program and what it holds.
pub struct Program {
    http: Browser,
    pub portal: String,
    pub client: String,
    pub access: String,
    pub refresh: String,
}

/// What the portal said to a program.
#[derive(Clone, Debug)]
pub struct Said {
    pub status: u16,
    pub document: Value,
    pub page: Page,
}

impl Said {
    /// A member's text.
    pub fn text(&self, name: &str) -> &str {
        self.document[name].as_str().unwrap_or_else(|| panic!("no {name}: {self:?}"))
    }

    /// The error, which a refusal has.
    pub fn error(&self) -> &str {
        assert!(self.status >= 400, "{self:?}");
        self.text("error")
    }
}

impl Program {
    pub fn of(rig: &Rig) -> Self {
        let (access, refresh) = (String::new(), String::new());
        Program {
            http: rig.browser(),
            portal: rig.origin("auth.localhost"),
            client: "tool".to_owned(),
            access,
            refresh,
        }
    }

    /// Another copy with the same tokens: what a thief of them has.
    pub fn stolen(&self) -> Self {
        Program {
            http: self.http.other(),
            portal: self.portal.clone(),
            client: self.client.clone(),
            access: self.access.clone(),
            refresh: self.refresh.clone(),
        }
    }

    /// Sends a form to one of the portal's addresses, with header fields.
    pub async fn send(&mut self, path: &str, fields: &[(&str, &str)], headers: &[(&str, &str)]) -> Said {
        let fields: Vec<_> = fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let page = self.http.send_form(&format!("{}{path}", self.portal), &fields, headers).await;
        let document = serde_json::from_str(&page.body).unwrap_or(Value::Null);
        Said { status: page.status, document, page }
    }

    /// The same with the program's name.
    pub async fn post(&mut self, path: &str, fields: &[(&str, &str)]) -> Said {
        let client = self.client.clone();
        self.send(path, &[&[("client_id", &*client)], fields].concat(), &[]).await
    }

    /// Asks whether it was approved.
    pub async fn poll(&mut self, device_code: &str) -> Said {
        self.post("/oauth/token", &[("grant_type", DEVICE_GRANT), ("device_code", device_code)]).await
    }

    /// Goes through the whole of the device flow.
    pub async fn connect(&mut self, rig: &Rig, person: &mut Browser, asks: &[(&str, &str)]) {
        let begun = self.post("/oauth/device_authorization", asks).await;
        let page = approve(rig, person, begun.text("user_code")).await;
        assert!(page.body.contains("The program is connected"), "{page:?}");
        let granted = self.poll(begun.text("device_code")).await;
        self.keep(&granted);
    }

    /// Keeps the tokens of an answer.
    pub fn keep(&mut self, granted: &Said) {
        assert_eq!(granted.status, 200, "{granted:?}");
        self.access = granted.text("access_token").to_owned();
        self.refresh = granted.text("refresh_token").to_owned();
    }

    /// Exchanges the refresh token.
    pub async fn refresh(&mut self) -> Said {
        let token = self.refresh.clone();
        self.post("/oauth/token", &[("grant_type", "refresh_token"), ("refresh_token", &token)]).await
    }

    /// Asks a service, with the access token.
    pub async fn get(&mut self, url: &str) -> Page {
        let bearer = format!("Bearer {}", self.access);
        self.get_with(url, &[("authorization", &bearer)]).await
    }

    /// The same with these header fields.
    pub async fn get_with(&mut self, url: &str, fields: &[(&str, &str)]) -> Page {
        self.http.request(Method::GET, url, fields).await
    }
}
