//! The program as an OAuth client of one origin: comes by tokens, renews them, and raises them to what a request needs;
//! hands them to nobody.

use super::aim::{Aim, Origin};
use super::asking::{Answer, Asking, Http};
use super::device::{self, Need, Wish};
use super::discovery::{self, Binding, Server};
use super::grant;
use super::kept::{Folder, Kept, Place, Unread};
use super::proof::ProofKey;
use super::step::{Raised, SignedIn, Waiting};
use crate::cli::ending::Stopped;
use crate::cli::output::{Output, harmless};
use crate::stdx::clock::{Clock, SystemClock};
use serde::Deserialize;
use std::time::Duration;

/// A token that ends sooner is renewed first: it must outlast the request it is for.
const LEAST_LIFE: Duration = Duration::from_secs(60);

/// How often a request is looked at: each remedy once, and each time another command was faster.
const TRIES: usize = 8;

/// What is a gateway's own on every host; where it is asked whether it would admit a request, and whose session it is.
const OWN: &str = "/.portcullis/";
const CHECK: &str = "/.portcullis/check";
const SESSION: &str = "/.portcullis/session";

/// One user's tokens for one origin.
pub struct Client {
    /// Asks the gateway.
    pub http: Http,
    /// Keeps the tokens.
    pub folder: Folder,
    /// What the tokens are for.
    pub origin: Origin,
    /// How new ones are to be used, if the server can.
    pub binding: Binding,
    /// Where the steps are told.
    pub told: Output,
    /// Who can approve a sign-in.
    pub approver: Approver,
}

/// Who can approve a sign-in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Approver {
    /// Whoever is told the steps.
    Somebody,
    /// Nobody is told: a script runs by itself.
    Nobody,
}

/// What the gateway says of a request.
enum Verdict {
    Admitted,
    /// The session behind the token is too weak or too old: what it needs, and the sentence.
    TooLittle(Need, String),
    /// The token is not good, or not any more.
    Unknown,
    /// It must be bound to a key.
    Unbound,
    Denied(String),
}

/// What may help, each once.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Remedy {
    Renew,
    SignIn,
    Raise,
}

/// Who somebody is, as the gateway tells.
#[derive(Default, Deserialize)]
struct Whose {
    account: Option<String>,
    ends: Option<String>,
}

impl Client {
    /// Signs in, whatever is kept so far.
    ///
    /// # Errors
    /// If it is denied, or nobody answers.
    pub async fn sign_in_anew(&mut self) -> anyhow::Result<()> {
        let place = self.hold()?;
        let old = place.read()?;
        self.sign_in(&place, old, &Need::default()).await.map(drop)
    }

    /// Tokens that this request will be admitted with.
    ///
    /// # Errors
    /// If the gateway would not admit it, whoever asks; or does not answer.
    pub async fn ready(&mut self, aim: &Aim) -> anyhow::Result<Kept> {
        let mut kept = self.usable().await?;
        let mut taken = Vec::new();
        for _ in 0..TRIES {
            let Some((remedy, need)) = self.remedy(&kept, aim, &taken).await? else { return Ok(kept) };
            let place = self.hold()?;
            kept = match place.read()? {
                // Another command was faster.
                Some(newer) if newer.access.expose() != kept.access.expose() => {
                    kept = newer;
                    continue;
                }
                _ if taken.contains(&remedy) => return Err(refused_again(aim)),
                Some(old) if remedy == Remedy::Renew => self.renew(&place, old).await?,
                old => self.sign_in(&place, old, &need).await?,
            };
            taken.push(remedy);
        }
        Err(refused_again(aim))
    }

    /// What would have a request admitted; `None` if it is already.
    async fn remedy(&mut self, kept: &Kept, aim: &Aim, taken: &[Remedy]) -> anyhow::Result<Option<(Remedy, Need)>> {
        let renewable = kept.refresh.is_some() && !taken.contains(&Remedy::Renew);
        match self.check(kept, aim).await? {
            Verdict::Admitted => Ok(None),
            Verdict::Denied(sentence) => Err(Stopped::no(sentence)),
            Verdict::Unbound if self.binding == Binding::Bearer => {
                Err(Stopped::no("this needs a token that is bound to a key: leave --bearer out"))
            }
            Verdict::TooLittle(_, why) if self.approver == Approver::Nobody => Err(Stopped::no(format!(
                "{why}: nobody is here to prove it; on a terminal: portcullis login '{}' --print-header --method {}",
                harmless(aim.url.as_str()),
                aim.method
            ))),
            Verdict::TooLittle(need, why) => {
                self.told.line(&Raised { address: aim.url.as_str(), why: &why })?;
                Ok(Some((Remedy::Raise, need)))
            }
            Verdict::Unknown if renewable => Ok(Some((Remedy::Renew, Need::default()))),
            Verdict::Unknown | Verdict::Unbound => Ok(Some((Remedy::SignIn, Need::default()))),
        }
    }

    /// Gives the tokens back and forgets them. What could not be done at the gateway is the inner error; `None` if nothing
    /// was kept.
    ///
    /// # Errors
    /// If what is kept cannot be removed.
    pub async fn sign_out(&mut self) -> anyhow::Result<Option<anyhow::Result<()>>> {
        if !self.folder.is_there() {
            return Ok(None);
        }
        let place = self.folder.hold_to_forget(&self.origin, || self.told.line(&Waiting(self.origin.as_str())))?;
        let (revoked, issuer) = match place.read_to_give_back() {
            Ok(None) => return Ok(None),
            Ok(Some(kept)) => (self.revoke(&kept).await, Some(kept.issuer)),
            Err(unread) => (Err(unreadable(unread)), self.server().await.ok().map(|server| server.issuer)),
        };
        place.remove()?;
        Ok(Some(revoked.map_err(|error| {
            let portal = issuer.map_or_else(|| "its portal".to_owned(), |issuer| format!("{issuer}/"));
            error.context(format!("the session may live on until it ends by itself; end it at {portal}"))
        })))
    }

    fn hold(&self) -> anyhow::Result<Place> {
        let origin = self.origin.as_str();
        self.folder.hold(&self.origin, || self.told.line(&Waiting(origin)))
    }

    /// Tokens that do not end at once.
    async fn usable(&mut self) -> anyhow::Result<Kept> {
        let place = self.hold()?;
        match place.read()? {
            Some(kept) if SystemClock.now().plus(LEAST_LIFE) < kept.until => Ok(kept),
            Some(kept) => self.renew(&place, kept).await,
            None => self.sign_in(&place, None, &Need::default()).await,
        }
    }

    /// Exchanges the refresh token; without a good one, a person has to sign in.
    async fn renew(&mut self, place: &Place, kept: Kept) -> anyhow::Result<Kept> {
        if let Some(refresh) = &kept.refresh {
            let server = self.server().await?;
            let now = SystemClock.now();
            if server.issuer == kept.issuer
                && let Some(granted) =
                    grant::refresh((&mut self.http, &server), refresh, kept.key.as_ref(), now).await?
            {
                let kept = kept.renewed(granted);
                place.write(&kept)?;
                return Ok(kept);
            }
        }
        self.sign_in(place, Some(kept), &Need::default()).await
    }

    async fn sign_in(&mut self, place: &Place, old: Option<Kept>, need: &Need) -> anyhow::Result<Kept> {
        if self.approver == Approver::Nobody {
            return Err(Stopped::no(format!(
                "nobody is here to approve it; sign in first: portcullis login {}",
                self.origin
            )));
        }
        let server = self.server().await?;
        place.try_out()?;
        let key = match (server.binding, self.binding) {
            (Binding::Key, Binding::Key) => Some(ProofKey::fresh()?),
            (Binding::Bearer, _) | (_, Binding::Bearer) => None,
        };
        let wish = Wish { origin: &self.origin, need, key: key.as_ref() };
        let granted = device::sign_in((&mut self.http, &server), &wish, &self.told).await?;
        let mut kept = Kept {
            issuer: server.issuer.clone(),
            resource: self.origin.clone(),
            account: None,
            access: granted.access,
            refresh: granted.refresh,
            until: granted.until,
            key,
        };
        place.write(&kept)?;
        let Whose { account, ends } = self.whose(&kept).await;
        if let Some(account) = account.or_else(|| grant::holder(&kept.access)) {
            kept.account = Some(account);
            place.write(&kept)?;
        }
        self.told.line(&SignedIn { kept: &kept, ends: ends.as_deref() })?;
        // The session before has no use any more; if it cannot be ended now, it ends by itself.
        if let Some(old) = old {
            drop(self.revoke(&old).await);
        }
        Ok(kept)
    }

    async fn revoke(&mut self, kept: &Kept) -> anyhow::Result<()> {
        let server = self.server().await?;
        if server.issuer != kept.issuer {
            anyhow::bail!("the tokens are {}'s, and {} is served by {} now", kept.issuer, self.origin, server.issuer);
        }
        grant::revoke((&mut self.http, &server), kept.refresh.as_ref().unwrap_or(&kept.access)).await
    }

    async fn server(&mut self) -> anyhow::Result<Server> {
        discovery::discover(&mut self.http, &self.origin).await
    }

    /// Whose the tokens are. Only told to people, so that an answer that does not come is none.
    async fn whose(&mut self, kept: &Kept) -> Whose {
        let url = self.origin.at(SESSION);
        let asking = with(kept, Asking::get("whose session it is", &url));
        let answer = self.http.ask(&asking).await.ok().filter(|answer| answer.status == 200);
        answer.and_then(|answer| answer.json().ok()).unwrap_or_default()
    }

    /// Whether a request would be admitted. What is the gateway's own it answers whoever asks.
    async fn check(&mut self, kept: &Kept, aim: &Aim) -> anyhow::Result<Verdict> {
        if aim.url.path().starts_with(OWN) {
            return Ok(Verdict::Admitted);
        }
        let mut url = self.origin.at(CHECK);
        url.query_pairs_mut().append_pair("method", aim.method.as_str()).append_pair("path", &aim.target());
        let asking = with(kept, Asking::get("whether the request would be admitted", &url));
        judge(&self.http.ask(&asking).await?, kept)
    }
}

/// A question that carries the tokens.
fn with<'a>(kept: &'a Kept, asking: Asking<'a>) -> Asking<'a> {
    Asking { key: kept.key.as_ref(), token: Some(&kept.access), ..asking }
}

fn judge(answer: &Answer, kept: &Kept) -> anyhow::Result<Verdict> {
    match answer.status {
        // One that does not know the question admits or refuses the request itself.
        200..300 | 404 => Ok(Verdict::Admitted),
        401 => challenged(answer, kept),
        403 => Ok(Verdict::Denied(sentence(answer, "the gateway refuses it and does not say why"))),
        _ => Err(answer.unexpected()),
    }
}

fn challenged(answer: &Answer, kept: &Kept) -> anyhow::Result<Verdict> {
    let error = answer.challenges.iter().find_map(|challenge| Some((challenge, challenge.get("error")?)));
    match error {
        Some((challenge, "insufficient_user_authentication")) => {
            let need = Need {
                acr_values: challenge.get("acr_values").map(str::to_owned),
                max_age: challenge.get("max_age").and_then(|age| age.parse().ok()),
            };
            Ok(Verdict::TooLittle(need, sentence(answer, "a stronger or fresher sign-in")))
        }
        Some((_, "invalid_token")) => Ok(Verdict::Unknown),
        Some((_, other)) => anyhow::bail!("{}: {}", harmless(other), sentence(answer, "the gateway does not say why")),
        None if kept.key.is_none() && answer.challenges.iter().any(|challenge| challenge.is("DPoP")) => {
            Ok(Verdict::Unbound)
        }
        None => Ok(Verdict::Unknown),
    }
}

/// The gateway's own sentence.
fn sentence(answer: &Answer, otherwise: &str) -> String {
    answer.sentence().unwrap_or_else(|| otherwise.to_owned())
}

/// What was kept cannot be given back.
fn unreadable(unread: Unread) -> anyhow::Error {
    match unread {
        Unread::Garbled { path, why } => Stopped::no(format!("{path} could not be read: {why}")),
        Unread::Exposed { .. } | Unread::Foreign { .. } | Unread::Open { .. } => Stopped::no(unread.to_string()),
    }
}

fn refused_again(aim: &Aim) -> anyhow::Error {
    let address = harmless(aim.url.as_str());
    Stopped::no(format!("{address} is still refused after a new sign-in; the gateway's `portcullis explain` says why"))
}
