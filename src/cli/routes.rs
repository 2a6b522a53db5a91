//! `routes`: the table as requests will be matched against it; decides nothing.

use super::ending::Ending;
use super::output::{Ink, Output, View};
use super::settings::ConfigFile;
use super::table::Table;
use crate::edition::RoutePlan;
use crate::route::Entry;
use serde_json::{Value, json};
use std::sync::Arc;

/// Prints every route, most specific first.
pub async fn routes(config: &ConfigFile, out: &Output) -> anyhow::Result<Ending> {
    let loaded = config.answer_from(out).await?;
    out.show(&Routes(loaded.routes.in_order()))?;
    Ok(Ending::Fine)
}

struct Routes<'a>(&'a [Entry<Arc<RoutePlan>>]);

impl View for Routes<'_> {
    fn text(&self, ink: Ink) -> String {
        if self.0.is_empty() {
            return "there are no routes".to_owned();
        }
        let mut table = Table::new(&["host", "path", "only", "route", "policy", "pool", "where"]);
        for entry in self.0 {
            let route = &entry.value;
            table.row([
                entry.host.to_string(),
                path(entry),
                only(entry),
                route.name.to_string(),
                route.policy.name.to_string(),
                route.pool.to_string(),
                route.place.clone(),
            ]);
        }
        table.text(ink, "")
    }

    fn json(&self) -> Value {
        let route = |entry: &Entry<Arc<RoutePlan>>| {
            json!({
                "name": &*entry.value.name,
                "host": entry.host.to_string(),
                "path": entry.path.as_str(),
                "path_is_regex": entry.path.is_regex(),
                "methods": (!entry.methods.is_any()).then(|| entry.methods.to_string()),
                "headers": (entry.headers.count() > 0).then(|| entry.headers.to_string()),
                "policy": &*entry.value.policy.name,
                "needs_session": entry.value.policy.needs_session(),
                "pool": &*entry.value.pool,
                "place": entry.value.place,
            })
        };
        self.0.iter().map(route).collect()
    }
}

fn path(entry: &Entry<Arc<RoutePlan>>) -> String {
    if entry.path.is_regex() { format!("~ {}", entry.path) } else { entry.path.to_string() }
}

/// What a route asks for besides host and path.
fn only(entry: &Entry<Arc<RoutePlan>>) -> String {
    let methods = (!entry.methods.is_any()).then(|| entry.methods.to_string());
    let headers = (entry.headers.count() > 0).then(|| entry.headers.to_string());
    methods.into_iter().chain(headers).collect::<Vec<_>>().join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn routes_stand_in_the_order_of_matching_with_policy_pool_and_place() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("a.toml");
        let text = "[[listen]]\naddress = \"127.0.0.1:0\"\n[pool.a]\nmembers = [\"127.0.0.1:1\"]\n\
            [[route]]\nname = \"all\"\nhost = \"*.test\"\npool = \"a\"\npolicy = \"open\"\n\
            [[route]]\nname = \"reads\"\nhost = \"a.test\"\npath = \"/x\"\nmethods = [\"GET\"]\npool = \"a\"\npolicy = \"open\"\n";
        std::fs::write(&file, text).expect("a file");
        let loaded = ConfigFile { file }.load().expect("a fine configuration");
        let shown = Routes(loaded.routes.in_order()).text(Ink::Plain);
        let words: Vec<Vec<&str>> = shown.lines().map(|line| line.split_whitespace().collect()).collect();
        assert_eq!(words[0], ["HOST", "PATH", "ONLY", "ROUTE", "POLICY", "POOL", "WHERE"]);
        assert_eq!(words[1][..6], ["a.test", "/x", "GET", "reads", "open", "a"]);
        assert!(words[1][6].ends_with("a.toml:10"), "{shown}");
        assert_eq!(words[2][..5], ["*.test", "/**", "all", "open", "a"]);
    }
}
