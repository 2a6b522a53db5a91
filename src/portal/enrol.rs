//! Enrolment as pages: from a link, from a session, or after recovery; one page for each factor.

use super::ask::form_token;
use super::because::because;
use super::news::Deed;
use super::page::{
    self, Before, ChooseContact, ChoosePassword, ChooseWay, ConfirmApp, ConfirmContact, CreatePasskey, Form, Journey,
    Link, Notice, Occasion, SaveCodes, ScanKey, Sent, Step, WayToChoose, field,
};
use super::sign_in::{Browser, signed_in};
use super::{Ask, Outcome, Portal, Trouble, message as saying, respond};
use crate::audit::Event;
use crate::edition::PortalPlan;
use crate::factor::{self, Proven, Rejection, Show, message, passkey, password, recovery_code, totp};
use crate::identity::{FactorName, SessionId};
use crate::login::{Attempt, AttemptToken, EnrolStep, Enrolled, StepAnswer, Stop, Wanted};
use crate::reply::Answer;
use crate::session::cookie::Name;
use crate::session::{LiveSession, SecretToken};
use crate::token::Ticket;
use http::StatusCode;
use std::sync::Arc;

/// What a person reads who typed two different new passwords.
const DIFFERENT: &str = "The two passwords are not the same. Please type them again.";

/// What a form's answer was found to be, for the page that shows it again.
#[derive(Clone, Copy)]
enum Verdict<'a> {
    Rejected(&'a Rejection),
    Different,
}

impl Portal {
    /// Somebody opens an enrolment link: it is exchanged for a cookie at once, so that it stays in no history.
    pub(super) async fn follow_link(&self, ask: &Ask<'_>, token: &str) -> Outcome {
        let Some(link) = SecretToken::parse(token.as_bytes()) else { return Ok(spent(ask)) };
        let ticket = ask.cookie(Name::Destination).and_then(|text| std::str::from_utf8(text).ok());
        let ticket = ticket.filter(|text| self.tickets.open(text, ask.now).is_some()).map(str::to_owned);
        match self.login.follow(&link, ticket, ask.now).await {
            Ok(attempt) => Ok(to_enrolment(ask, &attempt)),
            Err(Stop::Gone) => Ok(spent(ask)),
            Err(stop) => Err(stop.into()),
        }
    }

    /// A live session begins an enrolment.
    pub(super) async fn begin_enrolment(
        &self,
        ask: &Ask<'_>,
        session: &LiveSession,
        wanted: Wanted<'_>,
        ticket: Option<String>,
    ) -> Outcome {
        let attempt = self.login.enrol(session, wanted, ticket, ask.now).await?;
        Ok(to_enrolment(ask, &attempt))
    }

    /// Somebody whom a recovery code let in sets up what was lost, and then goes where the ticket says. What the session
    /// has begun it goes on with, or each visit would ask for another key to be scanned.
    pub(super) async fn recover(&self, ask: &Ask<'_>, session: &LiveSession, ticket: Option<String>) -> Outcome {
        if let Some(token) = ask.token(Name::Attempt) {
            match self.login.enrolment(&token, ask.now).await {
                Ok(step) if step.session == Some(session.id) => return Ok(respond::see_other("/enrol")),
                Ok(_) | Err(Stop::Gone) => {}
                Err(stop) => return Err(stop.into()),
            }
        }
        self.begin_enrolment(ask, session, Wanted::Recovery, ticket).await
    }

    /// The page of the current step.
    pub(super) async fn enrolment(&self, ask: &Ask<'_>, portal: &PortalPlan) -> Outcome {
        let (token, step) = self.step(ask).await?;
        self.step_page(ask, portal, (&token, &step), None).await
    }

    /// The answer to it.
    pub(super) async fn enrol_step(&self, ask: &Ask<'_>, portal: &PortalPlan) -> Outcome {
        let (token, step) = self.step(ask).await?;
        ask.check_form(&self.forms, &token, "")?;
        if !ask.form.text(field::FACTOR).is_empty() {
            return self.choose(ask, &token).await;
        }
        let factor = step.factor.ok_or(Stop::Gone)?;
        let choosing = factor == password::NAME;
        if choosing && ask.form.text(field::NEW_PASSWORD) != ask.form.text(field::REPEATED) {
            return self.step_page(ask, portal, (&token, &step), Some(Verdict::Different)).await;
        }
        let contact = !ask.form.text(field::CONTACT).is_empty();
        let (answer, ceremony) = match factor {
            password::NAME => (ask.form.secret(field::NEW_PASSWORD), None),
            passkey::NAME => (ask.form.secret(field::CREDENTIAL), Some(ask.form.text(field::CEREMONY))),
            message::NAME if contact => (ask.form.secret(field::CONTACT), None),
            _ => (ask.form.secret(field::CODE), None),
        };
        let given = StepAnswer { factor, answer: &answer, ceremony };
        match self.login.finish_step(&token, given, ask.moment()).await {
            Ok(Enrolled::Next(token)) => Ok(to_enrolment(ask, &token)),
            Ok(Enrolled::Done { factors, proven, session, attempt, ended }) => {
                self.keeper.note_ended((attempt.account, &ended), "factor-added", ask.now);
                let (account, address, device) = (attempt.account, ask.client, ask.device());
                let deed = (Deed::set_up(&factors), ended.len());
                self.recorder.report(ask.now, Event::Enrolled { account, factors, address, device });
                self.enrolled(ask, portal, (&proven, session, *attempt), deed).await
            }
            Err(Stop::Rejected(rejection)) => {
                self.step_page(ask, portal, (&token, &step), Some(Verdict::Rejected(&rejection))).await
            }
            Err(Stop::Gone) => Err(self.over(ask).await),
            Err(stop) => Err(stop.into()),
        }
    }

    /// Which of several ways it is to be.
    async fn choose(&self, ask: &Ask<'_>, token: &AttemptToken) -> Outcome {
        let factor = factor::named(ask.form.text(field::FACTOR)).ok_or(Stop::Gone)?;
        match self.login.choose(token, factor, ask.now).await {
            Ok(token) => Ok(to_enrolment(ask, &token)),
            Err(Stop::Gone) => Err(self.over(ask).await),
            Err(stop) => Err(stop.into()),
        }
    }

    /// The step under way. What a session began ends with it: whoever was signed out from elsewhere changes nothing.
    pub(super) async fn step(&self, ask: &Ask<'_>) -> Result<(AttemptToken, EnrolStep), Trouble> {
        let Some(token) = ask.token(Name::Attempt) else { return Err(self.over(ask).await) };
        let step = match self.login.enrolment(&token, ask.now).await {
            Ok(step) => step,
            Err(Stop::Gone) => return Err(self.over(ask).await),
            Err(stop) => return Err(stop.into()),
        };
        let live = self.session(ask).await?.map(|session| session.id);
        let theirs = step.session.is_none() || step.session == live;
        if theirs { Ok((token, step)) } else { Err(Stop::Gone.into()) }
    }

    /// Why there is no step to show. The cookie of an enrolment lasts as long as the browser runs: where there is none
    /// of ours at all, it was lost on the redirect to here, or with the browser's end.
    async fn over(&self, ask: &Ask<'_>) -> Trouble {
        match self.session(ask).await {
            Ok(Some(_)) => Trouble::ChangeEnded,
            Ok(None) if ask.has_cookies() => Trouble::SetUpEnded,
            Ok(None) => Trouble::SetUpLost,
            Err(trouble) => trouble,
        }
    }

    /// Factors changed, and every other session of the account ended with them: this browser goes on with a new token.
    async fn enrolled(
        &self,
        ask: &Ask<'_>,
        portal: &PortalPlan,
        (proven, session, attempt): (&Proven, Option<SessionId>, Attempt),
        (deed, ended): (Deed, usize),
    ) -> Outcome {
        let text = attempt.ticket.filter(|text| self.tickets.open(text, ask.now).is_some());
        let ticket = text.as_deref().and_then(|text| self.tickets.open(text, ask.now));
        let Some(id) = session else {
            let (opened, token) = self.open_session(ask, portal, proven, Browser::Known).await?;
            let answer = signed_in(self.go_on(ask, portal, opened, ticket).await?, ask, &token);
            return self.knowing_device(answer, ask, proven).await;
        };
        let live: Option<Arc<LiveSession>> = self.session(ask).await?.filter(|session| session.id == id);
        let live = live.ok_or(Stop::Gone)?;
        let token = self.keeper.raise(&live, proven, &portal.host).await?.ok_or(Stop::Gone)?;
        let answer = match live.proofs.only_enrol() {
            false => self.go_on(ask, portal, id, ticket).await?,
            true => {
                let held = self.login.credentials(proven.account()).await?;
                let answer = self.after_recovery(ask, portal, (id, text, ticket), &held).await?;
                self.recovering(answer, ask, id)
            }
        };
        let answer = self.telling(signed_in(answer, ask, &token), ask, (id, deed, ended));
        self.knowing_device(answer, ask, proven).await
    }

    async fn step_page(
        &self,
        ask: &Ask<'_>,
        portal: &PortalPlan,
        (token, step): (&AttemptToken, &EnrolStep),
        verdict: Option<Verdict<'_>>,
    ) -> Outcome {
        let csrf = form_token(&self.forms, token, "");
        let form = Form { action: "/enrol", csrf: &csrf, carried: &[] };
        let notice = verdict.map(|verdict| match verdict {
            Verdict::Rejected(rejection) => Notice::Rejected(rejection, ask.now),
            Verdict::Different => Notice::Mistake(DIFFERENT),
        });
        let (portal, portal_host) = (portal.name.as_str(), portal.host.as_str());
        let (account, steps) = (step.attempt.name.as_str(), steps(step));
        let ticket = step.attempt.ticket.as_deref().and_then(|text| self.tickets.open(text, ask.now));
        let because = self.because(step, ticket.as_ref(), portal_host);
        let several = step.choices.len() > 1;
        let journey = Journey {
            occasion: self.occasion(step).await?,
            steps: &steps,
            because: because.as_deref(),
            instead: several.then_some("/enrol/choose"),
            leave: leave(step),
        };
        let choosing = several && (step.factor.is_none() || ask.path == "/enrol/choose");
        let markup = match &step.show {
            _ if choosing => page::choose_way(&ChooseWay { portal, journey, form, ways: &ways(&step.choices) }),
            Show::Nothing => {
                let least = ask.least_password;
                page::choose_password(&ChoosePassword { portal, journey, form, account, least, notice })
            }
            Show::Authenticator { uri, key } if ask.path == "/enrol" && verdict.is_none() => {
                page::scan_key(&ScanKey { portal, journey, uri, key, next: "/enrol/confirm" })
            }
            Show::Authenticator { .. } => {
                page::confirm_app(&ConfirmApp { portal, journey, form, back: "/enrol", notice })
            }
            Show::Contact { channels } => {
                let typed = ask.form.text(field::CONTACT);
                page::choose_contact(&ChooseContact { portal, journey, form, channels, typed, notice })
            }
            Show::Sent { to, channel } => {
                let sent = Sent { to, channel: *channel, minutes: message::LIFE.as_secs() / 60, again: None };
                page::confirm_contact(&ConfirmContact { portal, journey, form, sent, notice })
            }
            Show::Codes(codes) => page::save_codes(&SaveCodes { portal, journey, form, account, codes, made: ask.now }),
            Show::Passkey { .. } => page::create_passkey(&CreatePasskey { portal, journey, form, notice }),
        };
        let (status, rejection) = match verdict {
            Some(Verdict::Rejected(rejection)) => (respond::status_of(Some(rejection)), Some(rejection)),
            Some(Verdict::Different) => (StatusCode::UNPROCESSABLE_ENTITY, None),
            None => (StatusCode::OK, None),
        };
        let answer = respond::page(status, markup, ticket.as_ref().map(|ticket| &ticket.to));
        let scripted = matches!(step.show, Show::Passkey { .. });
        let answer = if scripted { answer.with_own_scripts() } else { answer };
        Ok(answer.strict_transport(ask).retry_after(rejection, ask.now))
    }

    /// Why a page of somebody else's made a session begin this.
    fn because(&self, step: &EnrolStep, ticket: Option<&Ticket>, portal_host: &str) -> Option<String> {
        let second = step.factor.is_none_or(|factor| factor != recovery_code::NAME && factor != password::NAME);
        let ticket = ticket.filter(|ticket| ticket.to.host != portal_host && second)?;
        step.session.and_then(|_| because(ticket, &step.choices, &step.attempt.proofs))
    }

    /// Why this is set up; in a recovery also whether the account has one of the kind, which goes.
    async fn occasion(&self, step: &EnrolStep) -> Result<Occasion, Trouble> {
        let several = step.done.len() + 1 + step.rest.len() > 1;
        match (step.session, several) {
            (None, _) => Ok(Occasion::FirstTime),
            (Some(_), false) => Ok(Occasion::Change),
            (Some(_), true) => {
                let held = self.login.credentials(step.attempt.account).await?;
                let replaced = held.iter().any(|own| Some(own.factor) == step.factor);
                Ok(Occasion::Recovery(if replaced { Before::Replaced } else { Before::Nothing }))
            }
        }
    }
}

/// The list of steps that is shown beside the page: what was done, what is done now, and what comes.
fn steps(step: &EnrolStep) -> Vec<Step> {
    let now = step.factor.map_or(steps_of(&step.choices), |factor| steps_of(&[factor]));
    let done = step.done.iter().flat_map(|factor| steps_of(&[*factor]));
    done.chain(now).chain(step.rest.iter().flat_map(|any| steps_of(any))).copied().collect()
}

/// The pages for any one of these factors.
fn steps_of(any: &[FactorName]) -> &'static [Step] {
    match any {
        [password::NAME] => &[Step::Password],
        [totp::NAME] => &[Step::Scan, Step::Confirm],
        [message::NAME] => &[Step::Contact, Step::Sent],
        [recovery_code::NAME] => &[Step::Codes],
        [passkey::NAME] => &[Step::Passkey],
        _ => &[Step::Choice],
    }
}

/// Where one leaves with nothing changed; whoever has nothing but a link, nowhere.
fn leave(step: &EnrolStep) -> Option<Link<'static>> {
    step.session?;
    let recovering = step.done.len() + 1 + step.rest.len() > 1;
    Some(match (recovering, &step.attempt.ticket) {
        (true, _) => Link { label: "Sign out", href: "/sign-out" },
        (false, Some(_)) => Link { label: "Not now: go to your account", href: "/" },
        (false, None) => Link { label: "Cancel", href: "/" },
    })
}

/// What can be chosen, in words.
fn ways(choices: &[FactorName]) -> Vec<WayToChoose> {
    let way = |factor: &FactorName| {
        let (label, hint) = match *factor {
            passkey::NAME => ("A passkey", "Your fingerprint, face or PIN on this device, or a security key."),
            totp::NAME => ("An authenticator app", "An app on your phone that shows a new code every 30 seconds."),
            message::NAME => ("Codes sent to you", "A code comes to a number or address of yours each time."),
            password::NAME => ("A password", "Something that only you know."),
            FactorName(other) => (other, ""),
        };
        WayToChoose { factor: factor.0, label, hint }
    };
    choices.iter().map(way).collect()
}

fn to_enrolment(ask: &Ask<'_>, token: &AttemptToken) -> Answer {
    respond::see_other("/enrol").with_cookie(ask, Name::Attempt, &token.text(), None)
}

fn spent(ask: &Ask<'_>) -> Answer {
    saying::subject(ask, StatusCode::GONE, page::Subject::LinkSpent)
}
