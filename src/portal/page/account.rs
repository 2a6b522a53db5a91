//! The page on which people look after their sessions and ways to sign in; knows not who may remove what.

use super::icon::Icon;
use super::part::{Form, Link, Look, field};
use super::passkey::News;
use super::shell::{Shell, Width};
use super::wording::{ago, stamp};
use crate::identity::{Group, Session, SessionId};
use crate::stdx::clock::Time;
use maud::{Markup, html};
use std::net::IpAddr;

/// What [`my_account`] shows.
#[derive(Clone, Copy, Debug)]
pub struct MyAccount<'a> {
    /// The portal's name.
    pub portal: &'a str,
    /// The account's name.
    pub account: &'a str,
    /// The groups it is in.
    pub groups: &'a [Group],
    /// The time now, from which times past are told.
    pub now: Time,
    /// Where the person is signed in.
    pub sessions: Sessions<'a>,
    /// How the person can sign in.
    pub ways: Ways<'a>,
    /// The latest sign-ins, newest first; if there are none, the section is left out.
    pub recent: &'a [SignInRecord<'a>],
    /// Where the buttons lead.
    pub actions: Actions<'a>,
    /// What was done a moment ago.
    pub news: Option<News<'a>>,
}

/// Where a person is signed in.
#[derive(Clone, Copy, Debug)]
pub struct Sessions<'a> {
    /// All live sessions of the account, in the order to show.
    pub all: &'a [Session],
    /// The one that looks at the page.
    pub current: SessionId,
}

/// How a person can sign in.
#[derive(Clone, Copy, Debug)]
pub struct Ways<'a> {
    /// What the account holds.
    pub held: &'a [Way<'a>],
    /// What it could hold besides, for example `Add an authenticator app`.
    pub additions: &'a [Link<'a>],
}

/// One credential.
#[derive(Clone, Copy, Debug)]
pub struct Way<'a> {
    /// Chooses the drawing.
    pub sort: Sort,
    /// What it is called: its label, or what its factor is called.
    pub label: &'a str,
    /// Something more to know, for example `7 of 10 codes left`.
    pub remark: Option<&'a str>,
    /// When it was enrolled.
    pub created: Time,
    /// When it last proved something.
    pub used: Option<Time>,
    /// Where it is changed, and what that is called: `Change`, `Replace`, `New codes`.
    pub change: Option<Link<'a>>,
    /// Where its removal is confirmed; `None` if it may not be removed.
    pub remove: Option<&'a str>,
    /// Why it may not be, in a sentence, if it may not.
    pub stays: Option<&'a str>,
}

/// What sort of thing a credential is, in the order of the page.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Sort {
    /// Something to remember.
    Secret,
    /// An app on a phone.
    App,
    /// A list of codes.
    Codes,
    /// A key or passkey.
    Key,
    /// A number or mailbox that receives codes.
    Message,
}

/// One past sign-in.
#[derive(Clone, Copy, Debug)]
pub struct SignInRecord<'a> {
    /// When.
    pub at: Time,
    /// For example `Firefox on Linux`.
    pub device: &'a str,
    /// From where.
    pub address: IpAddr,
    /// With what, for example `Password and authenticator app`; empty if that is not known.
    pub how: &'a str,
    /// Something more to know, for example `New device`.
    pub remark: Option<&'a str>,
}

/// Where the account page's buttons lead.
#[derive(Clone, Copy, Debug)]
pub struct Actions<'a> {
    /// The token of the forms.
    pub csrf: &'a str,
    /// Takes [`field::SESSION`] by POST and ends that session.
    pub end_session: &'a str,
    /// Shows the confirmation that all other sessions are to end.
    pub end_others: &'a str,
    /// Shows the confirmation of signing out here.
    pub sign_out: &'a str,
    /// Shows the confirmation of signing out everywhere.
    pub sign_out_everywhere: &'a str,
}

/// Sessions, ways to sign in, recent sign-ins.
pub fn my_account(view: &MyAccount) -> Markup {
    let content = html! {
        div.heading {
            h1 { "Your account" }
            p.lead {
                strong { (view.account) }
                @for group in view.groups { " " span.tag { (group.as_str()) } }
            }
        }
        @if let Some(news) = &view.news { (news.draw()) }
        (ways(&view.ways, view.now))
        (sessions(&view.sessions, &view.actions, view.now))
        @if !view.recent.is_empty() { (recent(view.recent, view.now)) }
    };
    let leave = html! { a href=(view.actions.sign_out) { "Sign out" } };
    let shell = Shell {
        portal: view.portal,
        title: "Your account",
        width: Width::Account,
        aside: Some(leave),
        script: News::script(view.news.as_ref()),
    };
    shell.around(content)
}

fn ways(ways: &Ways, now: Time) -> Markup {
    html! {
        section aria-labelledby="ways" {
            h2 id="ways" { "Your ways to sign in" }
            (rows_of(ways.held, now))
            @if !ways.additions.is_empty() {
                div.actions { @for addition in ways.additions { (addition.button(Look::Quiet)) } }
            }
        }
    }
}

/// A list of what can be used to sign in.
pub(super) fn rows_of(ways: &[Way], now: Time) -> Markup {
    html! { ul.rows { @for held in ways { (way(held, now)) } } }
}

fn way(way: &Way, now: Time) -> Markup {
    html! {
        li {
            (way.sort.icon().draw())
            div.what {
                p { strong { (way.label) } @if let Some(remark) = way.remark { " " span.tag { (remark) } } }
                p.small {
                    span { (way.sort.since()) " " (ago(way.created, now)) }
                    @match (way.used, way.sort) {
                        (Some(used), _) => { span { "Last used " (ago(used, now)) } }
                        // It was typed twice when it was chosen.
                        (None, Sort::Secret) => {}
                        (None, Sort::App | Sort::Codes | Sort::Key | Sort::Message) => { span { "Not used yet" } }
                    }
                }
                @if let Some(why) = way.stays { p.small { (why) } }
            }
            @if way.change.is_some() || way.remove.is_some() {
                div.do {
                    @if let Some(change) = way.change {
                        a.button.quiet href=(change.href) { (change.label) span.unseen { " " (way.label) } }
                    }
                    @if let Some(href) = way.remove {
                        a.button.quiet href=(href) { "Remove" span.unseen { " " (way.label) } }
                    }
                }
            }
        }
    }
}

fn sessions(sessions: &Sessions, actions: &Actions, now: Time) -> Markup {
    let others = sessions.all.iter().any(|session| session.id != sessions.current);
    html! {
        section aria-labelledby="sessions" {
            h2 id="sessions" { "Where you are signed in" }
            ul.rows {
                @for session in sessions.all {
                    li {
                        (Icon::Screen.draw())
                        div.what {
                            p {
                                strong { (session.device.name) }
                                @if session.id == sessions.current { " " span.tag.here { "This device" } }
                            }
                            p.small {
                                span { (session.device.address) }
                                span { "Signed in " (ago(session.created, now)) }
                                span { "Last used " (ago(session.used, now)) }
                            }
                        }
                        @if session.id != sessions.current { div.do { (end(session, actions)) } }
                    }
                }
            }
            div.actions {
                @if others { a.button.quiet href=(actions.end_others) { "Sign out all other devices" } }
                a.button.quiet href=(actions.sign_out_everywhere) { "Sign out everywhere" }
            }
        }
    }
}

fn end(session: &Session, actions: &Actions) -> Markup {
    let id = session.id.to_string();
    let form = Form { action: actions.end_session, csrf: actions.csrf, carried: &[(field::SESSION, &id)] };
    form.around(html! {
        button.button.quiet type="submit" {
            // For whoever hears the page, two browsers of one sort differ by nothing else.
            "Sign out" span.unseen { " " (session.device.name) ", signed in on " (stamp(session.created)) }
        }
    })
}

fn recent(records: &[SignInRecord], now: Time) -> Markup {
    html! {
        section aria-labelledby="recent" {
            h2 id="recent" { "Recent sign-ins" }
            p.hint { "If one of these was not you, change your password and sign out everywhere." }
            ul.rows {
                @for record in records {
                    li {
                        (Icon::Check.draw())
                        div.what {
                            p {
                                strong { (record.device) }
                                @if let Some(remark) = record.remark { " " span.tag { (remark) } }
                            }
                            p.small {
                                span { (record.address) }
                                span { "Signed in " (ago(record.at, now)) }
                                @if !record.how.is_empty() { span { (record.how) } }
                            }
                        }
                    }
                }
            }
        }
    }
}

impl Sort {
    /// What the time at which it was enrolled means to people.
    const fn since(self) -> &'static str {
        match self {
            Sort::Secret => "Last changed",
            Sort::App | Sort::Codes | Sort::Key | Sort::Message => "Added",
        }
    }

    const fn icon(self) -> Icon {
        match self {
            Sort::Secret => Icon::Secret,
            Sort::App => Icon::Phone,
            Sort::Codes => Icon::Codes,
            Sort::Key => Icon::Key,
            Sort::Message => Icon::Message,
        }
    }
}
