//! Stories: a whole gateway on a rig, with scripted members and a hand-turned clock.
#![allow(clippy::disallowed_methods, clippy::unwrap_used, reason = "tests own their tasks, and a panic is a verdict")]

mod rig;

mod account;
mod admission;
mod binary;
mod connections;
mod denied;
mod headers;
mod keys;
mod members;
mod message;
mod notice;
mod oauth;
mod operate;
mod panics;
mod passkey;
mod paths;
mod pipelining;
mod portal;
mod recovery;
mod rehearsal;
mod reload;
mod session;
mod sign_in;
mod smuggling;
mod state;
mod step_up;
mod streams;
mod throttle;
mod tls;
mod upgrade;
mod websocket;
mod written;
