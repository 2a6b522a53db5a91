//! [`TWO_HOSTS`] with other members and a few keys more.

use super::TWO_HOSTS;
use std::net::SocketAddr;

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
