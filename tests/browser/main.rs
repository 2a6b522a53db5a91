//! Stories in a real Chromium: what people see, hear and press, before a whole gateway on a rig.
#![allow(clippy::disallowed_methods, clippy::unwrap_used, reason = "tests own their tasks, and a panic is a verdict")]

#[path = "../it/rig/mod.rs"]
#[allow(dead_code, unused_imports, reason = "the rig serves other stories too")]
mod rig;

mod chrome;
mod look;
mod person;

mod account;
mod journey;
mod kept_form;
mod keyboard;
mod passkey;
mod programs;
mod recovery;
mod refusals;
mod tour;
