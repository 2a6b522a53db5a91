//! Portcullis: an MFA gate in front of a service fleet.
//!
//! Start with `docs/architecture.md`. The rooms, from the top floor down; imports go down only (`tests/tidy.rs`):
//!
//! | Floor | Rooms |
//! |---|---|
//! | commands | [`cli`] |
//! | assembly | [`gateway`], [`config`] |
//! | surfaces | [`edge`] (the hot path), [`portal`] (for people), [`admin`] (for operators) |
//! | use-cases | [`login`], [`oauth`], [`edition`] |
//! | engines | [`factor`], [`store`], [`session`], [`token`], [`pool`], [`listen`], [`courier`], [`audit`], [`telemetry`], [`reply`] |
//! | rules | [`identity`], [`route`], [`policy`] |
//! | ground | [`stdx`] |
//!
//! A request walks `gateway::front` → `edge::arrive` → `edge::admit` → `edge::forward` → `edge::deliver` →
//! `edge::record`, and holds one [`edition::Edition`] from beginning to end.

pub mod admin;
pub mod audit;
pub mod cli;
pub mod config;
pub mod courier;
pub mod edge;
pub mod edition;
pub mod factor;
pub mod gateway;
pub mod identity;
pub mod listen;
pub mod login;
pub mod oauth;
pub mod policy;
pub mod pool;
pub mod portal;
pub mod reply;
pub mod route;
pub mod session;
pub mod stdx;
pub mod store;
pub mod telemetry;
pub mod token;
