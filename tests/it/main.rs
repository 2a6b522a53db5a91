//! Stories: a whole gateway on a rig, with scripted members and a hand-turned clock.
#![allow(clippy::disallowed_methods, clippy::unwrap_used, reason = "tests own their tasks, and a panic is a verdict")]

mod rig;

mod admission;
mod sign_in;
