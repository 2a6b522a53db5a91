//! [`TWO_HOSTS`] with other members and a few keys more, and a gateway with next to nothing.

use super::{Member, Rig, TWO_HOSTS, filled};
use std::net::SocketAddr;

/// No portal, and one open route for everything on `app.localhost`; `{app}` is the address of its pool's one member.
pub const ONE_ROUTE: &str = r#"
[gateway]
state = "state"
drain = "2s"

[admin]
address = "127.0.0.2:0"
socket = "admin.sock"

[[listen]]
address = "127.0.0.1:0"

[limits]

[log]

[pool.app]
members = ["{app}"]

[[route]]
name = "app"
host = "app.localhost"
pool = "app"
policy = "open"
"#;

impl Rig {
    /// A gateway with what `changed` makes of [`ONE_ROUTE`], before a member that echoes under the name `app`. Gives
    /// its configuration besides.
    pub async fn one_route(changed: impl FnOnce(String) -> String) -> (Self, Member, String) {
        let app = Member::echo("app").await;
        let text = changed(filled(ONE_ROUTE, &[("app", &app)]));
        (Rig::start(&text).await, app, text)
    }
}

/// What differs from [`TWO_HOSTS`].
#[derive(Clone, Copy, Default)]
pub struct Scene<'a> {
    /// The members of the pool `app`.
    pub members: &'a [SocketAddr],
    /// More keys of the pool `app`.
    pub pool: &'a str,
    /// More keys of `[gateway]`.
    pub gateway: &'a str,
    /// More tables.
    pub tables: &'a str,
}

impl Scene<'_> {
    /// The configuration. Nobody listens where its pool `wiki` is.
    pub fn text(&self) -> String {
        let members: Vec<String> = self.members.iter().map(|member| format!("\"{member}\"")).collect();
        let text = TWO_HOSTS
            .replace(r#"members = ["{app}"]"#, &format!("members = [{}]\n{}", members.join(", "), self.pool))
            .replace("{wiki}", "127.0.0.1:9")
            .replace("[gateway]\n", &format!("[gateway]\n{}\n", self.gateway));
        format!("{text}\n{}\n", self.tables)
    }
}
