//! "My account": where I am signed in and how, and changing it after a fresh proof.

use super::ask::form_token;
use super::lost::{after_removal, rp};
use super::news::{Deed, Told};
use super::page::{
    self, Actions, Confirm, Form, Link, MOST_LETTERS, MyAccount, Notice, Question, Rename, Sessions, SignInRecord,
    Sort, Way, Ways, field,
};
use super::sign_in::TO;
use super::sign_out::forgetting;
use super::{Ask, Outcome, Portal, Trouble, respond};
use crate::audit::Event;
use crate::edition::PortalPlan;
use crate::factor::{message, passkey, password, recovery_code, totp};
use crate::identity::{Credential, CredentialId, FactorName, SessionId};
use crate::login::{PastSignIn, Stop, Wanted};
use crate::session::cookie::Name;
use crate::session::{LiveSession, SecretToken};
use crate::stdx::clock::Time;
use crate::token::{Destination, Ticket};
use http::StatusCode;
use std::sync::Arc;
use std::time::Duration;

/// Why something has no `Remove`.
const STAYS: &str = "To remove it, add another one first: without it you could not sign in as you do now.";

/// How fresh the proofs must be to change a factor (ASVS 5.0 §7.5.1: full re-authentication).
pub(super) const FRESHNESS: Duration = Duration::from_secs(5 * 60);

/// So many past sign-ins are shown: enough to notice one that was not one's own.
const RECENT: usize = 10;

/// A session and the token that it was presented with, which ties its forms.
pub(super) struct Held {
    pub session: Arc<LiveSession>,
    pub token: SecretToken,
}

impl Portal {
    /// The page itself; whoever is not signed in is sent to.
    pub(super) async fn my_account(&self, ask: &Ask<'_>, portal: &PortalPlan) -> Outcome {
        let Some(held) = self.held(ask).await? else { return Ok(respond::see_other("/sign-in")) };
        let mut all = self.keeper.of(held.session.account.id).await?;
        all.retain(|session| ask.now < ask.rules.end_of(session.created, session.used));
        all.sort_by_key(|session| session.id != held.session.id);
        let credentials = self.login.credentials(held.session.account.id).await?;
        let rows = self.rows(&credentials);
        let ways: Vec<Way<'_>> = rows.iter().map(Row::way).collect();
        let past = self.login.recent(held.session.account.id, RECENT).await?;
        let how: Vec<String> = past.iter().map(|past| in_words(&past.factors)).collect();
        let recent: Vec<SignInRecord<'_>> = past.iter().zip(&how).map(|(past, how)| record(past, how)).collect();
        let csrf = form_token(&self.forms, &held.token, "");
        let told = self.news(ask, held.session.id);
        let view = MyAccount {
            portal: &portal.name,
            account: held.session.account.name.as_str(),
            groups: &held.session.account.groups,
            now: ask.now,
            sessions: Sessions { all: &all, current: held.session.id },
            ways: Ways { held: &ways, additions: &additions(&self.login.factors(), &rows) },
            recent: &recent,
            actions: Actions {
                csrf: &csrf,
                end_session: "/account/sessions/end",
                end_others: "/account/sessions/end-others",
                sign_out: "/sign-out",
                sign_out_everywhere: "/account/sessions/end-all",
            },
            news: told.as_ref().map(|told| told.view(rp(ask))),
        };
        let answer = respond::page(StatusCode::OK, page::my_account(&view), None).strict_transport(ask);
        Ok(once_told(answer, ask, told.as_ref()))
    }

    /// Pages below it: enrolments, which need a fresh proof, and questions.
    pub(super) async fn account_page(&self, ask: &Ask<'_>, portal: &PortalPlan, path: &[&str]) -> Outcome {
        let Some(held) = self.held(ask).await? else { return Ok(respond::see_other("/sign-in")) };
        match path {
            ["password"] => self.enrol_fresh(ask, portal, &held, Wanted::One(password::NAME)).await,
            ["app"] => self.enrol_fresh(ask, portal, &held, Wanted::One(totp::NAME)).await,
            ["message"] => self.enrol_fresh(ask, portal, &held, Wanted::One(message::NAME)).await,
            ["codes"] => self.enrol_fresh(ask, portal, &held, Wanted::One(recovery_code::NAME)).await,
            ["passkey"] => self.enrol_fresh(ask, portal, &held, Wanted::One(passkey::NAME)).await,
            ["lost"] => self.which_lost(ask, portal, &held).await,
            ["remove", id] => self.ask_remove(ask, portal, &held, id).await,
            ["rename", id] => self.ask_rename(portal, &held, id).await,
            ["sessions", "end-others"] => {
                let others = self.keeper.of(held.session.account.id).await?.len().saturating_sub(1);
                let action = ("/account/sessions/end-others", None);
                Ok(self.question(portal, &held, action, Question::EndOthers(others)))
            }
            ["sessions", "end-all"] => {
                let question = Question::SignOutEverywhere(held.session.account.name.as_str());
                Ok(self.question(portal, &held, ("/account/sessions/end-all", None), question))
            }
            _ => Err(Trouble::NoPage),
        }
    }

    /// Forms below it.
    pub(super) async fn account_action(&self, ask: &Ask<'_>, portal: &PortalPlan, path: &[&str]) -> Outcome {
        let held = self.held(ask).await?.ok_or(Stop::Gone)?;
        ask.check_form(&self.forms, &held.token, "")?;
        let account = held.session.account.id;
        match path {
            ["sessions", "end"] => self.end_one(ask, &held).await,
            ["sessions", "end-others"] => {
                let count = self.keeper.end_all(account, Some(held.session.id)).await?;
                self.recorder.report(ask.now, Event::SessionsEnded { account, count, by: "self" });
                Ok(self.telling(respond::see_other("/"), ask, (held.session.id, Deed::SignedOut, count)))
            }
            ["sessions", "end-all"] => {
                let count = self.keeper.end_all(account, None).await?;
                self.recorder.report(ask.now, Event::SessionsEnded { account, count, by: "self" });
                Ok(forgetting(respond::see_other("/signed-out/everywhere"), ask))
            }
            ["remove", id] => self.remove(ask, portal, &held, id).await,
            ["rename", id] => self.rename(ask, portal, &held, id).await,
            _ => Err(Trouble::NoPage),
        }
    }

    /// The session that may look and change here. One that a recovery code opened may do nothing but enrol.
    pub(super) async fn held(&self, ask: &Ask<'_>) -> Result<Option<Held>, Trouble> {
        let session = self.session(ask).await?.filter(|session| !session.proofs.only_enrol());
        Ok(session.zip(ask.token(Name::Session)).map(|(session, token)| Held { session, token }))
    }

    /// Only a session of this very account, whatever id a form carries.
    async fn end_one(&self, ask: &Ask<'_>, held: &Held) -> Outcome {
        let account = held.session.account.id;
        let wanted = SessionId::parse(ask.form.text(field::SESSION)).map_err(|_| Trouble::NoPage)?;
        let theirs = self.keeper.of(account).await?.iter().any(|session| session.id == wanted);
        if !theirs {
            return Err(Trouble::NoPage);
        }
        self.keeper.end(wanted).await?;
        self.recorder.report(ask.now, Event::SessionEnded { account, session: wanted, by: "self" });
        match wanted == held.session.id {
            true => Ok(forgetting(respond::see_other("/signed-out"), ask)),
            false => Ok(self.telling(respond::see_other("/"), ask, (held.session.id, Deed::SignedOut, 1))),
        }
    }

    async fn enrol_fresh(&self, ask: &Ask<'_>, portal: &PortalPlan, held: &Held, wanted: Wanted<'_>) -> Outcome {
        match self.stale(ask, portal, held).await? {
            Some(answer) => Ok(answer),
            None => self.begin_enrolment(ask, &held.session, wanted, None).await,
        }
    }

    /// The way to a fresh proof and back to this page, if the session's are too old to change anything.
    pub(super) async fn stale(
        &self,
        ask: &Ask<'_>,
        portal: &PortalPlan,
        held: &Held,
    ) -> Result<Option<crate::reply::Answer>, Trouble> {
        let need = self.need_to_change(ask, &held.session).await?;
        if need.is_met_by(&held.session.proofs, ask.now) {
            return Ok(None);
        }
        let to = Destination {
            scheme: portal.scheme.to_owned(),
            host: portal.host.clone(),
            port: portal.port,
            path: ask.query.map_or_else(|| ask.path.to_owned(), |query| format!("{}?{query}", ask.path)),
        };
        // Within the portal's own host no browser has to be bound: no code is sent anywhere.
        let ticket = self.tickets.seal(&Ticket { to, binding: [0; 32], need: need.clone() }, ask.now);
        self.step_up(ask, &held.session, need, Some(ticket)).await.map(Some)
    }

    async fn ask_remove(&self, ask: &Ask<'_>, portal: &PortalPlan, held: &Held, id: &str) -> Outcome {
        if let Some(answer) = self.stale(ask, portal, held).await? {
            return Ok(answer);
        }
        let credentials = self.login.credentials(held.session.account.id).await?;
        let rows = self.rows(&credentials);
        let row = rows.iter().find(|row| row.remove.is_some() && row.id.to_string() == id).ok_or(Trouble::NoPage)?;
        let text = ask.parameter(TO).filter(|text| self.tickets.open(text, ask.now).is_some());
        let question = match row.factor {
            recovery_code::NAME => Question::RemoveCodes,
            _ => Question::Remove(&row.label),
        };
        Ok(self.question(portal, held, (&format!("/account/remove/{id}"), text.as_deref()), question))
    }

    async fn remove(&self, ask: &Ask<'_>, portal: &PortalPlan, held: &Held, id: &str) -> Outcome {
        if let Some(answer) = self.stale(ask, portal, held).await? {
            return Ok(answer);
        }
        let account = held.session.account.id;
        let credentials = self.login.credentials(account).await?;
        let rows = self.rows(&credentials);
        let id = CredentialId::parse(id).map_err(|_| Trouble::NoPage)?;
        let row = rows.iter().find(|row| row.remove.is_some() && row.id == id).ok_or(Trouble::NoPage)?;
        let ended = self.login.remove_credential(id, held.session.id, ask.now).await?.ok_or(Stop::Gone)?;
        self.keeper.note_ended((account, &ended), "factor-removed", ask.now);
        let (factor, address, device) = (row.factor, ask.client, ask.device());
        let event = Event::FactorRemoved { account, factor, credential: id, by: "self", address, device };
        self.recorder.report(ask.now, event);
        let gone = credentials.iter().find(|gone| gone.id == id).ok_or(Stop::Gone)?;
        let told = (held.session.id, Deed::removed(gone, &row.label), ended.len());
        let answer = after_removal(self.carried(ask).as_deref(), self.recovered(ask, held.session.id));
        Ok(self.telling(answer, ask, told))
    }

    /// What is called what its holder calls it.
    async fn ask_rename(&self, portal: &PortalPlan, held: &Held, id: &str) -> Outcome {
        let (id, label) = self.renamable(held, id).await?;
        Ok(self.rename_page(portal, held, (id, &label), None))
    }

    async fn rename(&self, ask: &Ask<'_>, portal: &PortalPlan, held: &Held, id: &str) -> Outcome {
        let (id, _) = self.renamable(held, id).await?;
        let label = ask.form.text(field::LABEL).trim();
        if let Some(fault) = fault_of(label) {
            return Ok(self.rename_page(portal, held, (id, label), Some(Notice::Mistake(fault))));
        }
        match self.login.rename_credential(id, held.session.account.id, label).await? {
            true => {
                let told = (held.session.id, Deed::Renamed(label.to_owned()), 0);
                Ok(self.telling(respond::see_other("/"), ask, told))
            }
            false => Err(Trouble::NoPage),
        }
    }

    /// A passkey of this very account, and what it is called.
    async fn renamable(&self, held: &Held, id: &str) -> Result<(CredentialId, String), Trouble> {
        let credentials = self.login.credentials(held.session.account.id).await?;
        let own = credentials.into_iter().find(|own| own.factor == passkey::NAME && own.id.to_string() == id);
        own.map(|own| (own.id, own.label)).ok_or(Trouble::NoPage)
    }

    fn rename_page(
        &self,
        portal: &PortalPlan,
        held: &Held,
        (id, label): (CredentialId, &str),
        notice: Option<Notice<'_>>,
    ) -> crate::reply::Answer {
        let csrf = form_token(&self.forms, &held.token, "");
        let action = format!("/account/rename/{id}");
        let form = Form { action: &action, csrf: &csrf, carried: &[] };
        let status = if notice.is_some() { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK };
        let view = Rename { portal: &portal.name, form, label, cancel: "/", notice };
        respond::page(status, page::rename(&view), None)
    }

    /// What the account holds, and what may be done with each.
    pub(super) fn rows(&self, credentials: &[Credential]) -> Vec<Row> {
        let removable = self.login.removable(credentials);
        let mut rows = rows(&self.login.factors(), credentials);
        for row in &mut rows {
            match removable.contains(&row.id) {
                true => row.remove = Some(format!("/account/remove/{}", row.id)),
                false => row.stays = (row.factor != password::NAME).then_some(STAYS),
            }
        }
        rows
    }

    /// A question, whose form carries the sealed ticket if there is one.
    fn question(
        &self,
        portal: &PortalPlan,
        held: &Held,
        (action, ticket): (&str, Option<&str>),
        question: Question<'_>,
    ) -> crate::reply::Answer {
        let csrf = form_token(&self.forms, &held.token, "");
        let carried: Vec<(&str, &str)> = ticket.iter().map(|text| (TO, *text)).collect();
        let form = Form { action, csrf: &csrf, carried: &carried };
        let view = Confirm { portal: &portal.name, form, question, cancel: "/" };
        respond::page(StatusCode::OK, page::confirm(&view), None)
    }
}

/// One credential as the page shows it.
pub(super) struct Row {
    pub(super) id: CredentialId,
    factor: crate::identity::FactorName,
    sort: Sort,
    label: String,
    remark: Option<String>,
    times: (Time, Option<Time>),
    pub(super) change: Option<(&'static str, String)>,
    pub(super) remove: Option<String>,
    stays: Option<&'static str>,
}

impl Row {
    pub(super) fn way(&self) -> Way<'_> {
        Way {
            sort: self.sort,
            label: &self.label,
            remark: self.remark.as_deref(),
            created: self.times.0,
            used: self.times.1,
            change: self.change.as_ref().map(|(label, href)| Link { label, href }),
            remove: self.remove.as_deref(),
            stays: self.stays,
        }
    }
}

/// The credentials as rows.
fn rows(factors: &crate::factor::Factors, credentials: &[Credential]) -> Vec<Row> {
    let apps = credentials.iter().filter(|credential| credential.factor == totp::NAME).count();
    let mut number = 0;
    let row = |credential: &Credential| {
        let &Credential { id, factor, created, used, .. } = credential;
        let counts = factors.get(factor).is_none_or(|factor| factor.counts(&credential.state));
        let (sort, label, remark, change) = match factor {
            password::NAME => (Sort::Secret, "Password".to_owned(), None, change("Change", "/account/password")),
            totp::NAME => {
                number += 1;
                let label =
                    if apps > 1 { format!("Authenticator app {number}") } else { "Authenticator app".to_owned() };
                (Sort::App, label, None, None)
            }
            recovery_code::NAME => {
                let left = recovery_code::RecoveryCode::left(&credential.state);
                let remark = Some(if left == 1 { "1 code left".to_owned() } else { format!("{left} codes left") });
                (Sort::Codes, "Recovery codes".to_owned(), remark, change("Replace", "/account/codes"))
            }
            message::NAME => (Sort::Message, credential.label.clone(), None, None),
            passkey::NAME => {
                let synced = passkey::is_synced(&credential.state).unwrap_or_default();
                let remark = if synced { "Synced" } else { "One device" };
                let address = format!("/account/rename/{id}");
                (Sort::Key, credential.label.clone(), Some(remark.to_owned()), change("Rename", &address))
            }
            other => (Sort::Key, other.to_string(), None, None),
        };
        let remark = if counts { remark } else { Some("No longer accepted".to_owned()) };
        Row { id, factor, sort, label, remark, times: (created, used), change, remove: None, stays: None }
    };
    let known = credentials.iter().filter(|credential| factors.get(credential.factor).is_some());
    let mut rows: Vec<Row> = known.map(row).collect();
    rows.sort_by_key(|row| row.sort);
    rows
}

fn change(label: &'static str, address: &str) -> Option<(&'static str, String)> {
    Some((label, address.to_owned()))
}

/// Why this is no name for a passkey, if it is none.
fn fault_of(label: &str) -> Option<&'static str> {
    match label.chars().count() {
        0 => Some("Please type a name, so that you can tell this passkey from others."),
        1..=MOST_LETTERS if !label.chars().any(char::is_control) => None,
        1..=MOST_LETTERS => Some("A name has letters, digits and signs, and nothing else. Please choose another."),
        _ => Some("A name has 64 characters at most. Please choose a shorter one."),
    }
}

/// The page after which there is no more news.
pub(super) fn once_told(answer: crate::reply::Answer, ask: &Ask<'_>, told: Option<&Told>) -> crate::reply::Answer {
    let answer = if told.is_some_and(Told::has_script) { answer.with_own_scripts() } else { answer };
    if told.is_some() { answer.without_cookie(ask, Name::News) } else { answer }
}

fn record<'a>(past: &'a PastSignIn, how: &'a str) -> SignInRecord<'a> {
    let device = past.device.as_deref().unwrap_or("Unknown device");
    let remark = past.new_device.then_some("New device");
    SignInRecord { at: past.at, device, address: past.address, how, remark }
}

/// `Password and authenticator app`; empty if nothing of it is known.
fn in_words(factors: &[FactorName]) -> String {
    let word = |factor: &FactorName| match *factor {
        password::NAME => "password",
        totp::NAME => "authenticator app",
        passkey::NAME => "passkey",
        message::NAME => "code that was sent",
        recovery_code::NAME => "recovery code",
        FactorName(other) => other,
    };
    let words = factors.iter().map(word).collect::<Vec<_>>().join(" and ");
    words.char_indices().map(|(at, letter)| if at == 0 { letter.to_ascii_uppercase() } else { letter }).collect()
}

/// What the account could hold besides; recovery codes that it holds are replaced, not added to.
fn additions(factors: &crate::factor::Factors, rows: &[Row]) -> Vec<Link<'static>> {
    let held = rows.iter().any(|row| row.factor == recovery_code::NAME);
    let key = factors.get(passkey::NAME).map(|_| link("Add a passkey", "/account/passkey"));
    let app = factors.get(totp::NAME).map(|_| link("Add an authenticator app", "/account/app"));
    let codes =
        factors.get(recovery_code::NAME).filter(|_| !held).map(|_| link("New recovery codes", "/account/codes"));
    let sent = factors.get(message::NAME).map(|_| link("Add a phone number or e-mail address", "/account/message"));
    key.into_iter().chain(app).chain(sent).chain(codes).collect()
}

const fn link(label: &'static str, href: &'static str) -> Link<'static> {
    Link { label, href }
}
