//! Every key of the configuration, declared once: name, kind, default, sentence, example. Knows no rule between keys.

pub mod gateway;
mod leaf;
pub mod message;
pub mod policy;
pub mod pool;
pub mod portal;
pub mod route;

use super::raw::{Include, List, Named, Sub, Tables, Text, table};
use gateway::{Admin, Certificate, Gateway, Limits, Listen, Log};
use message::Notice;
use policy::{Defaults, Policy};
use pool::Pool;
use portal::{Factors, Oauth, Portal, Session};
use route::Route;

table! {
    /// What only the main file may hold.
    Main {
        /// Files that are read as well, with `*` in the last part of the path. An included file may hold only
        /// `pool`, `policy` and `route`.
        include: List<Text<Include>>, or(Vec::new()), r#"["routes.d/*.toml"]"#;
        /// The process.
        gateway: Sub<Gateway>, implied, "";
        /// What listens where.
        listen: Tables<Listen>, or(Vec::new()), "";
        /// What TLS listeners show.
        certificate: Tables<Certificate>, or(Vec::new()), "";
        /// Caps and deadlines.
        limits: Sub<Limits>, implied, "";
        /// The operator's listener and socket.
        admin: Sub<Admin>, implied, "";
        /// Where people sign in.
        portal: Sub<Portal>, optional, "";
        /// How programs come by tokens.
        oauth: Sub<Oauth>, implied, "";
        /// When sessions end.
        session: Sub<Session>, implied, "";
        /// Ways of proving identity.
        factor: Sub<Factors>, implied, "";
        /// News for people about their own accounts.
        notice: Sub<Notice>, optional, "";
        /// What stands in where a route says nothing.
        defaults: Sub<Defaults>, implied, "";
        /// What is logged.
        log: Sub<Log>, implied, "";
    }
}

table! {
    /// What the main file and every included file may hold.
    Shared {
        /// Who may pass.
        policy: Named<Policy>, or(Vec::new()), "";
        /// Servers that do the same work.
        pool: Named<Pool>, or(Vec::new()), "";
        /// Which requests go where.
        route: Tables<Route>, or(Vec::new()), "";
    }
}
