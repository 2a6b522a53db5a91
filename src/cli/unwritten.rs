//! What is left when the store cannot be written, because the disk is full perhaps, another program holds its lock, or its
//! files were taken away: the running gateway refuses the sessions from memory. Makes nothing durable, and says so.

use super::home::Essentials;
use crate::admin::{self, Unanswered};
use crate::identity::{AccountId, AccountName, SessionId};
use http::Method;
use serde_json::Value;
use std::fmt::Display;
use std::path::Path;

/// Whose sessions are to end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Whom {
    /// This one.
    Session(SessionId),
    /// All of this account.
    Account(AccountId),
    /// All of the account of this name, where only the gateway can still tell which that is.
    Named(AccountName),
}

/// Has the running gateway refuse sessions that the store could not end, which is the `error`; `whose` they are is said to
/// the operator. What was asked for has failed either way, so this is the error to stop with.
pub async fn bar(essentials: &Essentials, whom: &Whom, (whose, error): (&str, impl Display)) -> anyhow::Error {
    let ended = match &essentials.socket {
        Some(socket) => told(socket, whom).await,
        None => Err("the configuration names no [admin] socket to tell a running gateway by".to_owned()),
    };
    match ended {
        Ok(()) => anyhow::anyhow!(
            "nothing is written: {error}\n{whose} is refused by the running gateway from now on, but only until it is \
             started again\nonce the store can be written, give the command again: that makes it last"
        ),
        Err(why) => anyhow::anyhow!(
            "nothing is written: {error}\nand nothing has ended: {why}\nonce the store can be written, give the command again; \
             until then only stopping the gateway closes anything"
        ),
    }
}

async fn told(socket: &Path, whom: &Whom) -> Result<(), String> {
    let id = match whom {
        Whom::Session(session) => session.to_string(),
        Whom::Account(account) => account.to_string(),
        Whom::Named(name) => {
            let account = answered(socket, Method::GET, &format!("/accounts/{name}")).await?;
            let id = account.get("id").and_then(Value::as_str);
            id.ok_or_else(|| format!("the gateway did not say which account {name} is"))?.to_owned()
        }
    };
    answered(socket, Method::POST, &format!("/bar/{id}")).await.map(drop)
}

async fn answered(socket: &Path, method: Method, path: &str) -> Result<Value, String> {
    match admin::ask(socket, method, path).await {
        Ok((200, answer)) => Ok(answer),
        Ok((status, answer)) => {
            let why = answer.get("error").and_then(Value::as_str).map_or_else(|| answer.to_string(), str::to_owned);
            Err(format!("the gateway answered {status}: {why}"))
        }
        Err(error @ (Unanswered::Nobody(_) | Unanswered::Forbidden(_) | Unanswered::Broken { .. })) => {
            Err(error.to_string())
        }
    }
}
