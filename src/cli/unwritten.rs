//! What is left when the store cannot be written, because the disk is full perhaps, or another program holds its lock:
//! the running gateway refuses the sessions from memory. Makes nothing durable, and says so.

use super::opened::Opened;
use crate::admin::{self, Unanswered};
use crate::session::Barred;
use crate::store::Unavailable;
use http::Method;
use std::path::Path;

/// Has the running gateway refuse sessions that the store could not end; `whose` they are is said to the operator.
/// What was asked for has failed either way, so this is the error to stop with.
pub async fn bar(opened: &Opened, barred: Barred, (whose, error): (&str, Unavailable)) -> anyhow::Error {
    let ended = match &opened.essentials.socket {
        Some(socket) => told(socket, barred).await,
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

async fn told(socket: &Path, barred: Barred) -> Result<(), String> {
    let path = match barred {
        Barred::Session(session) => format!("/bar/{session}"),
        Barred::Account(account) => format!("/bar/{account}"),
    };
    match admin::ask(socket, Method::POST, &path).await {
        Ok((200, _)) => Ok(()),
        Ok((status, answer)) => Err(format!("the gateway answered {status}: {answer}")),
        Err(error @ (Unanswered::Nobody(_) | Unanswered::Forbidden(_) | Unanswered::Broken { .. })) => {
            Err(error.to_string())
        }
    }
}
