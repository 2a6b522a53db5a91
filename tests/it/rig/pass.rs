//! People who are signed in already: sessions put into the store as the portal would have opened them, for stories that
//! are not about signing in.

use super::{Line, Rig, get};
use portcullis::identity::{
    Account, AccountId, AccountKind, AccountName, Device, FactorName, Group, Kind, Kinds, Proof, Session, SessionId,
};
use portcullis::session::SessionToken;
use portcullis::stdx::clock::Clock;
use portcullis::store::Opening;
use std::net::Ipv4Addr;

/// A live session on one host, proved by password and authenticator app.
pub struct Pass {
    pub session: SessionId,
    pub account: AccountId,
    /// What its cookie holds.
    pub token: String,
}

impl Pass {
    /// The `Cookie` field's value on plain `http`.
    pub fn cookie(&self) -> String {
        format!("portcullis={}", self.token)
    }
}

impl Rig {
    /// Waits until the gateway has heard of everything that was changed in its store so far.
    pub async fn heard(&self) {
        let name = format!("canary-{}", AccountId::fresh()).replace('_', "-");
        let canary = self.pass(&name, &[], "app.localhost").await;
        let request = get("/.portcullis/session", &format!("Cookie: {}\r\n", canary.cookie()));
        let ask = async || Line::to(self.address()).await.ask(&request).await.status;
        assert_eq!(ask().await, 200);
        assert!(self.store.sessions.end(canary.session).await.expect("the store"));
        self.eventually("the last change was heard, and so were those before it", async || ask().await == 401).await;
    }

    /// A new account with a session on `host`, signed in now.
    pub async fn pass(&self, name: &str, groups: &[&str], host: &str) -> Pass {
        let now = self.clock.now();
        let account = Account {
            id: AccountId::fresh(),
            name: AccountName::parse(name).expect("a valid name"),
            groups: groups.iter().map(|group| Group::parse(group).expect("a valid group")).collect(),
            kind: AccountKind::Person,
            disabled: false,
            created: now,
        };
        assert!(self.store.accounts.add(&account).await.expect("the store"), "{name} is taken");
        let proof = |factor, kind| Proof {
            factor: FactorName(factor),
            kinds: Kinds::of(kind),
            phishing_resistant: false,
            recovery: false,
            at: now,
        };
        let session = Session {
            id: SessionId::fresh(),
            account: account.id,
            proofs: [proof("password", Kind::Knowledge), proof("totp", Kind::Possession)].into_iter().collect(),
            created: now,
            used: now,
            device: Device { name: "a story".to_owned(), address: Ipv4Addr::LOCALHOST.into() },
        };
        let token = SessionToken::fresh();
        let opening = Opening { token: Some((token.hash(), host)), ..Opening::default() };
        self.store.sessions.open(&session, opening).await.expect("the store");
        Pass { session: session.id, account: account.id, token: token.text().as_str().to_owned() }
    }
}
