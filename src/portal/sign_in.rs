//! Signing in and stepping up: each page asks for one proof, and each right answer leads on; knows the order of pages,
//! not which factor counts for what.

use super::account::FRESHNESS;
use super::ask::form_token;
use super::because::{errand, reason};
use super::lost::{ANOTHER, onward, rp};
use super::page::{self, Asked, Form, Gone, Notice, Prompt, SignIn, field};
use super::send::Posted;
use super::steps::{address_of, factor_of, ways_instead};
use super::{Ask, Outcome, Portal, Trouble, message as saying, respond, send};
use crate::audit::Event;
use crate::edition::PortalPlan;
use crate::factor::{Proven, Rejection, message, passkey, password, recovery_code, totp};
use crate::identity::{Assurance, Device, FactorName, Need, SessionId};
use crate::login::{
    ATTEMPT_LIFE, Attempt, AttemptToken, Begun, Completed, Given, Next, Opening, Progress, Purpose, Stop, Wanted,
};
use crate::reply::Answer;
use crate::session::cookie::Name;
use crate::session::{LiveSession, SecretToken};
use crate::token::{Destination, TICKET_LIFE, Ticket};
use http::StatusCode;

/// The hidden field, and the query's parameter, that carries the sealed ticket.
pub(super) const TO: &str = "to";

/// What is said of a passkey that no account has.
const UNKNOWN: &str =
    "This passkey is not known here any more: delete it from your device. Use another way to sign in.";

impl Portal {
    /// The beginning: somebody comes with a ticket, or without one. A session that is good enough goes straight on.
    pub(super) async fn start(&self, ask: &Ask<'_>, portal: &PortalPlan) -> Outcome {
        let text = ask.parameter(TO);
        let ticket = text.as_deref().and_then(|text| self.tickets.open(text, ask.now));
        let need = ticket.as_ref().map_or(Need::MFA, |ticket| ticket.need.clone());
        let text = text.filter(|_| ticket.is_some());
        let Some(session) = self.session(ask).await? else {
            return Ok(self.sign_in_page(ask, portal, (text.as_deref(), ticket.as_ref()), None));
        };
        if session.proofs.only_enrol() {
            return self.recover(ask, &session, text).await;
        }
        if need.is_met_by(&session.proofs, ask.now) {
            return self.go_on(ask, portal, session.id, ticket).await;
        }
        self.step_up(ask, &session, need, text).await
    }

    /// Asks a live session for the proof it lacks.
    pub(super) async fn step_up(
        &self,
        ask: &Ask<'_>,
        session: &LiveSession,
        need: Need,
        ticket: Option<String>,
    ) -> Outcome {
        match self.login.step_up(session, need.clone(), ticket.clone(), ask.now).await? {
            (token, Next::Ask(factor)) => Ok(remembering(to_step(ask, &token, factor), ask, ticket.as_deref())),
            (_, Next::Done) => Ok(respond::see_other("/")),
            (_, Next::Enrol(_) | Next::Lapsed) => self.enrol_missing(ask, session, &need, ticket).await,
            (_, Next::Impossible) => Ok(impossible(ask, need.level)),
        }
    }

    /// Leads to the enrolment of what an account lacks, by way of a fresh proof as strong as the account can give.
    async fn enrol_missing(
        &self,
        ask: &Ask<'_>,
        session: &LiveSession,
        lacking: &Need,
        ticket: Option<String>,
    ) -> Outcome {
        let need = self.login.strongest(session.account.id, FRESHNESS).await?;
        if need.is_met_by(&session.proofs, ask.now) {
            let missing = self.login.enrolments(session, lacking, ask.now).await?;
            return self.begin_enrolment(ask, session, Wanted::AnyOf(&missing), ticket).await;
        }
        match self.login.step_up(session, need.clone(), ticket.clone(), ask.now).await? {
            (token, Next::Ask(factor)) => Ok(remembering(to_step(ask, &token, factor), ask, ticket.as_deref())),
            (_, Next::Lapsed) => Ok(saying::refused(ask, StatusCode::FORBIDDEN, Some(LAPSED))),
            (_, Next::Done | Next::Enrol(_) | Next::Impossible) => Ok(impossible(ask, need.level)),
        }
    }

    /// The name and the password, or a passkey.
    pub(super) async fn first_factor(&self, ask: &Ask<'_>, portal: &PortalPlan) -> Outcome {
        if !ask.form.text(field::OCCASION).is_empty() {
            return self.first_passkey(ask, portal).await;
        }
        let tie = ask.token(Name::Form).ok_or_else(|| untied(ask))?;
        ask.check_form(&self.forms, &tie, "")?;
        let text = ask.form.text(TO).to_owned();
        let ticket = self.tickets.open(&text, ask.now);
        let need = ticket.as_ref().map_or(Need::MFA, |ticket| ticket.need.clone());
        let opening = Opening {
            name: ask.form.text(field::NAME),
            answer: ask.form.secret(field::PASSWORD),
            ticket: ticket.is_some().then(|| text.clone()),
            need,
        };
        match self.login.begin(opening, ask.moment()).await {
            Ok(progress) => self.progress(ask, portal, progress).await,
            Err(Stop::Rejected(rejection)) => {
                let text = ticket.is_some().then_some(text.as_str());
                Ok(self.sign_in_page(ask, portal, (text, ticket.as_ref()), Some((&rejection, Asked::NameAndPassword))))
            }
            Err(stop) => Err(stop.into()),
        }
    }

    /// The page that asks for the next proof.
    pub(super) async fn next_factor(&self, ask: &Ask<'_>, portal: &PortalPlan, step: &str) -> Outcome {
        let Some((_, begun)) = self.under_way(ask).await? else { return self.overtaken(ask).await };
        match (begun.next, factor_of(step)) {
            (Next::Ask(factor), Some(asked)) if factor == asked || begun.others.contains(&asked) => {
                self.ask_for(ask, portal, (&begun, asked), None).await
            }
            (_, Some(asked)) if asked == recovery_code::NAME && begun.recoverable => {
                self.ask_for(ask, portal, (&begun, asked), None).await
            }
            (Next::Ask(factor), _) => Ok(respond::see_other(address_of(factor))),
            (Next::Done | Next::Enrol(_) | Next::Lapsed | Next::Impossible, _) => Err(Stop::Gone.into()),
        }
    }

    /// The answer to it.
    pub(super) async fn answer_factor(&self, ask: &Ask<'_>, portal: &PortalPlan, step: &str) -> Outcome {
        let factor = factor_of(step).ok_or(Trouble::NoPage)?;
        let Some((token, mut begun)) = self.under_way(ask).await? else { return self.overtaken(ask).await };
        let tie = ask.token(Name::Form).ok_or(Trouble::Foreign)?;
        ask.check_form(&self.forms, &tie, &begun.attempt.account.to_string())?;
        let (answer, ceremony) = match factor {
            password::NAME => (ask.form.secret(field::PASSWORD), None),
            passkey::NAME => (ask.form.secret(field::CREDENTIAL), Some(ask.form.text(field::CEREMONY))),
            _ => (ask.form.secret(field::CODE), None),
        };
        let ticket = self.carried(ask);
        let given = Given { factor, answer: &answer, ceremony, ticket: ticket.clone() };
        match self.login.answer(&token, given, ask.moment()).await {
            Ok(progress) => self.progress(ask, portal, progress).await,
            Err(Stop::Rejected(rejection)) => {
                begun.attempt.ticket = ticket;
                self.ask_for(ask, portal, (&begun, factor), Some(&rejection)).await
            }
            Err(Stop::Gone) => self.overtaken(ask).await,
            Err(stop) => Err(stop.into()),
        }
    }

    /// The attempt that this browser is in the middle of.
    pub(super) async fn under_way(&self, ask: &Ask<'_>) -> Result<Option<(AttemptToken, Begun)>, Trouble> {
        let Some(token) = ask.token(Name::Attempt) else { return Ok(None) };
        match self.login.look(&token, ask.now).await {
            Ok(begun) => Ok(Some((token, begun))),
            Err(Stop::Gone) => Ok(None),
            Err(stop) => Err(stop.into()),
        }
    }

    /// There is no attempt any more. If another tab finished it, its session serves this one too, as far as it goes.
    pub(super) async fn overtaken(&self, ask: &Ask<'_>) -> Outcome {
        self.session(ask).await?.ok_or(Stop::Gone)?;
        let onward = self.carried(ask).map_or_else(|| "/".to_owned(), |text| format!("/sign-in?{TO}={text}"));
        Ok(respond::see_other(&onward))
    }

    /// The sealed ticket in the form, if it opens.
    pub(super) fn carried(&self, ask: &Ask<'_>) -> Option<String> {
        let text = ask.form.text(TO);
        self.tickets.open(text, ask.now).map(|_| text.to_owned())
    }

    pub(super) async fn progress(&self, ask: &Ask<'_>, portal: &PortalPlan, progress: Progress) -> Outcome {
        match progress {
            Progress::Ask(token, factor) => Ok(to_step(ask, &token, factor)),
            Progress::Proven(completed) | Progress::Lacking(completed) => self.complete(ask, portal, *completed).await,
            Progress::Impossible(completed) => Ok(impossible(ask, completed.attempt.need.level)),
        }
    }

    async fn complete(&self, ask: &Ask<'_>, portal: &PortalPlan, completed: Completed) -> Outcome {
        let Completed { proven, attempt } = completed;
        let (account, address) = (proven.account(), ask.client);
        match attempt.purpose {
            Purpose::SignIn => {
                let new = if self.login.knows(ask.moment(), account).await? { Browser::Known } else { Browser::New };
                let (session, token) = self.open_session(ask, portal, &proven, new).await?;
                if proven.proofs().only_enrol() {
                    self.recorder.report(ask.now, Event::Recovered { account, session, address });
                    return Ok(signed_in(to_sign_in(attempt.ticket.as_deref()), ask, &token));
                }
                let answer = self.onward(ask, portal, (session, &proven), attempt).await?;
                self.knowing_device(signed_in(answer, ask, &token), ask, &proven).await
            }
            Purpose::StepUp(id) => {
                let session = self.session(ask).await?.filter(|session| session.id == id).ok_or(Stop::Gone)?;
                let token = self.keeper.raise(&session, &proven, &portal.host).await?.ok_or(Stop::Gone)?;
                let newest = proven.proofs().iter().max_by_key(|proof| proof.at);
                let factor = newest.map_or(password::NAME, |proof| proof.factor);
                self.recorder.report(ask.now, Event::SteppedUp { account, session: id, factor, address });
                let answer = self.onward(ask, portal, (id, &proven), attempt).await?;
                self.knowing_device(signed_in(answer, ask, &token), ask, &proven).await
            }
            Purpose::Enrol(_) => Err(Stop::Gone.into()),
        }
    }

    /// Where a session goes on to from an attempt: to what it was for, or to the beginning if more is needed there.
    async fn onward(
        &self,
        ask: &Ask<'_>,
        portal: &PortalPlan,
        (session, proven): (SessionId, &Proven),
        attempt: Attempt,
    ) -> Outcome {
        let ticket = attempt.ticket.as_deref().and_then(|text| self.tickets.open(text, ask.now));
        let need = ticket.as_ref().map_or(&attempt.need, |ticket| &ticket.need);
        match need.is_met_by(proven.proofs(), ask.now) {
            true => self.go_on(ask, portal, session, ticket).await,
            false => Ok(to_sign_in(attempt.ticket.as_deref())),
        }
    }

    /// Opens a session; one that the browser held before ends, whoever planted it.
    pub(super) async fn open_session(
        &self,
        ask: &Ask<'_>,
        portal: &PortalPlan,
        proven: &Proven,
        browser: Browser,
    ) -> Result<(SessionId, SecretToken), Trouble> {
        if let Some(old) = self.session(ask).await? {
            self.keeper.end(old.id).await?;
        }
        let (device, address) = (ask.device(), ask.client);
        let held_by = Device { name: device.clone(), address };
        let first = (&*portal.host, Some(ask.rules.per_account));
        let (session, token) = self.keeper.open(proven, held_by, first, ask.now).await?;
        let factors = proven.proofs().iter().map(|proof| proof.factor).collect();
        let (account, new_device) = (proven.account(), browser == Browser::New);
        self.recorder.report(ask.now, Event::SignedIn { account, session, factors, address, device, new_device });
        Ok((session, token))
    }

    pub(super) fn sign_in_page(
        &self,
        ask: &Ask<'_>,
        portal: &PortalPlan,
        (text, ticket): (Option<&str>, Option<&Ticket>),
        rejected: Option<(&Rejection, Asked)>,
    ) -> Answer {
        self.sign_in_page_for(ask, portal, (text, ticket), (rejected, None))
    }

    /// The same, after a passkey was tried that is not known here.
    pub(super) fn sign_in_page_for(
        &self,
        ask: &Ask<'_>,
        portal: &PortalPlan,
        (text, ticket): (Option<&str>, Option<&Ticket>),
        (rejected, unknown): (Option<(&Rejection, Asked)>, Option<&str>),
    ) -> Answer {
        let tie = tie(ask);
        let csrf = form_token(&self.forms, &tie, "");
        let carried: Vec<(&str, &str)> = text.iter().map(|text| (TO, *text)).collect();
        let form = Form { action: "/sign-in", csrf: &csrf, carried: &carried };
        let (factors, rejection) = (self.login.factors(), rejected.map(|(rejection, _)| rejection));
        let passkey = factors.get(passkey::NAME).map(|_| form);
        let view = SignIn {
            portal: &portal.name,
            form: (passkey.is_none() || factors.get(password::NAME).is_some()).then_some(form),
            passkey,
            errand: ticket.and_then(|ticket| errand(ticket, portal)),
            name: ask.form.text(field::NAME),
            notice: match unknown {
                Some(_) => Some(Notice::Mistake(UNKNOWN)),
                None => rejection.map(|rejection| Notice::Rejected(rejection, ask.now)),
            },
            asked: rejected.map_or(Asked::NameAndPassword, |(_, asked)| asked),
            gone: unknown.map(|credential| Gone { rp: rp(ask), credential }),
        };
        let onward = ticket.map(|ticket| &ticket.to);
        let answer = respond::page(respond::status_of(rejection), page::sign_in(&view), onward);
        let answer = if passkey.is_some() { answer.with_own_scripts() } else { answer };
        let answer = answer.strict_transport(ask).retry_after(rejection, ask.now);
        remembering(tied(answer, ask, &tie), ask, text)
    }

    pub(super) fn prompt(
        &self,
        ask: &Ask<'_>,
        portal: &PortalPlan,
        (begun, factor, posted): (&Begun, FactorName, &Posted),
        rejection: Option<&Rejection>,
    ) -> Answer {
        let (tie, attempt) = (tie(ask), &begun.attempt);
        // Not tied to the attempt, of which a browser with two tabs has but one: to the account, so that the code of one
        // is never taken for another's.
        let csrf = form_token(&self.forms, &tie, &attempt.account.to_string());
        let carried: Vec<(&str, &str)> = attempt.ticket.iter().map(|text| (TO, text.as_str())).collect();
        let ticket = attempt.ticket.as_deref().and_then(|text| self.tickets.open(text, ask.now));
        let restart = match (&attempt.purpose, &attempt.ticket) {
            (Purpose::StepUp(_), _) => "/sign-out".to_owned(),
            (Purpose::SignIn | Purpose::Enrol(_), Some(text)) => format!("/sign-in?{TO}={text}"),
            (Purpose::SignIn | Purpose::Enrol(_), None) => "/sign-in".to_owned(),
        };
        let another = onward(ANOTHER, attempt.ticket.as_deref());
        let others = ways_instead(begun, factor, &another);
        let errand = ticket.as_ref().and_then(|ticket| errand(ticket, portal));
        let view = Prompt {
            portal: &portal.name,
            form: Form { action: address_of(factor), csrf: &csrf, carried: &carried },
            errand,
            account: attempt.name.as_str(),
            reason: reason(begun, errand),
            others: &others,
            restart: &restart,
            notice: rejection.map(|rejection| Notice::Rejected(rejection, ask.now)),
        };
        let markup = match factor {
            recovery_code::NAME => page::recovery_code(&view),
            totp::NAME => page::authenticator_code(&view),
            message::NAME => send::page(&view, (attempt, posted), ask),
            passkey::NAME => page::passkey_proof(&view),
            _ => page::password_again(&view),
        };
        let answer = respond::page(respond::status_of(rejection), markup, ticket.as_ref().map(|ticket| &ticket.to));
        let answer = if factor == passkey::NAME { answer.with_own_scripts() } else { answer };
        tied(answer.strict_transport(ask).retry_after(rejection, ask.now), ask, &tie)
    }

    /// Where a session goes on to: the address in the ticket, or the account page.
    pub(super) async fn go_on(
        &self,
        ask: &Ask<'_>,
        portal: &PortalPlan,
        session: SessionId,
        ticket: Option<Ticket>,
    ) -> Outcome {
        match ticket {
            None => Ok(respond::see_other("/")),
            Some(Ticket { to: Destination { host, path, .. }, .. }) if host == portal.host => {
                Ok(respond::see_other(&path))
            }
            Some(ticket) => self.hand_off(ask, session, ticket).await,
        }
    }
}

/// Whether a browser was used by an account before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Browser {
    /// It was, or it is the one in which the account was set up.
    Known,
    /// Not as far as it can tell.
    New,
}

/// The answer after which a browser is signed in at the portal.
pub(super) fn signed_in(answer: Answer, ask: &Ask<'_>, token: &SecretToken) -> Answer {
    answer
        .with_cookie(ask, Name::Session, &token.text(), None)
        .without_cookie(ask, Name::Attempt)
        .without_cookie(ask, Name::Destination)
}

/// What ties forms to this browser: what it holds, or something new that [`tied`] gives it.
fn tie(ask: &Ask<'_>) -> SecretToken {
    ask.token(Name::Form).unwrap_or_else(SecretToken::fresh)
}

fn tied(answer: Answer, ask: &Ask<'_>, tie: &SecretToken) -> Answer {
    match ask.token(Name::Form) {
        Some(_) => answer,
        None => answer.with_cookie(ask, Name::Form, &tie.text(), None),
    }
}

/// Why a form came without what ties it. To forms of other sites browsers add no cookies of ours, so those say nothing.
pub(super) fn untied(ask: &Ask<'_>) -> Trouble {
    if ask.has_cookies() || !ask.is_same_origin() { Trouble::Foreign } else { Trouble::NoCookies }
}

/// To the beginning, where it is seen what is still needed.
fn to_sign_in(ticket: Option<&str>) -> Answer {
    respond::see_other(&ticket.map_or_else(|| "/sign-in".to_owned(), |text| format!("/sign-in?{TO}={text}")))
}

pub(super) fn to_step(ask: &Ask<'_>, token: &AttemptToken, factor: FactorName) -> Answer {
    to_address(ask, token, address_of(factor))
}

/// To a step's page by its address.
pub(super) fn to_address(ask: &Ask<'_>, token: &AttemptToken, address: &str) -> Answer {
    respond::see_other(address).with_cookie(ask, Name::Attempt, &token.text(), Some(ATTEMPT_LIFE))
}

/// Keeps the ticket in a cookie besides: for whoever enrols before the first sign-in, and whoever has to start again.
fn remembering(answer: Answer, ask: &Ask<'_>, ticket: Option<&str>) -> Answer {
    match ticket {
        Some(text) => answer.with_cookie(ask, Name::Destination, text, Some(TICKET_LIFE)),
        None => answer,
    }
}

/// Said where the account had a second factor that does not count any more, and there is no recovery code to ask for.
const LAPSED: &str = "What you confirmed your sign-in with is not accepted here any more, and a password alone is not \
                      enough to set up something else. If you have recovery codes, sign out and use one when you sign in \
                      again; otherwise ask whoever runs this portal for an enrolment link.";

/// The account has nothing that could prove what is needed.
fn impossible(ask: &Ask<'_>, level: Assurance) -> Answer {
    let sentence = match level {
        Assurance::PhishingResistant => {
            "This page asks for a passkey, and your account has none. Ask whoever runs this portal how to get one."
        }
        Assurance::None | Assurance::OneFactor | Assurance::Mfa => {
            "This page asks for a second factor, and your account has none yet. Ask whoever runs this portal for an \
             enrolment link."
        }
    };
    saying::refused(ask, StatusCode::FORBIDDEN, Some(sentence))
}
