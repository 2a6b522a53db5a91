//! `status`: how the running gateway stands, in a page for whoever was woken up, or as it says it; changes nothing.

use super::ending::Ending;
use super::moment;
use super::output::{Ink, Output, View, count, harmless};
use super::settings::Gateway;
use super::table::{Table, pairs};
use crate::admin::Problem;
use crate::stdx::clock::Time;
use http::Method;
use serde_json::Value;
use std::time::Duration;

/// Messages that were not delivered, one after the other, before that is a warning: a single number may be wrong.
const MANY_FAILURES: u64 = 3;

/// How long a failure of the store is a warning. One that is longer ago than this is only told.
const RECENT: Duration = Duration::from_secs(3600);

/// How long reading the configuration may take without being remarkable.
const LONG_READING: Duration = Duration::from_secs(5);

/// What `status` may be told.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    #[command(flatten)]
    gateway: Gateway,
}

/// Asks, and shows the answer; the ending is `No` if the gateway is not ready for traffic.
pub async fn status(arguments: &Arguments, out: &Output) -> anyhow::Result<Ending> {
    let (status, answer) = arguments.gateway.ask(Method::GET, "/status").await?;
    anyhow::ensure!(status == 200, "the gateway answered {status}: {answer}");
    let ready = answer.get("ready").and_then(Value::as_bool) == Some(true);
    out.show(&Standing(answer))?;
    Ok(if ready { Ending::Fine } else { Ending::No })
}

/// What a gateway says of itself: [`crate::admin::Operate::status`].
struct Standing(Value);

impl View for Standing {
    fn text(&self, ink: Ink) -> String {
        let (unready, degraded) = (self.text_at(&["unready"]), self.text_at(&["degraded"]));
        let head = match (unready, degraded) {
            (Some(_), _) => ink.bad("not ready"),
            (None, Some(_)) => ink.bad("degraded"),
            (None, None) => ink.good("ready"),
        };
        let (version, started) = (self.word(&["version"]), self.ago(&["started"]).unwrap_or_default());
        let mut text = format!("{head}  portcullis {}, started {started}\n\n", harmless(&version));
        text += &pairs(&self.facts(), "  ");
        for (word, why) in [("not ready:", unready), ("degraded:", degraded)] {
            text += &why.map(|why| format!("\n  {} {}", ink.bad(word), harmless(why))).unwrap_or_default();
        }
        for line in self.refused() {
            text += &format!("\n  {} {}", ink.bad("refused:"), harmless(&line.to_string()));
        }
        for warning in self.warnings() {
            text += &format!("\n  {} {}", ink.bad("warning:"), harmless(&warning));
        }
        match self.members() {
            Some(members) => text + "\n\n" + &members.text(ink, "  "),
            None => text,
        }
    }

    fn json(&self) -> Value {
        self.0.clone()
    }
}

impl Standing {
    fn facts(&self) -> Vec<(&'static str, String)> {
        let admin = [&["admin", "address"][..], &["admin", "socket"]].map(|key| self.word(key));
        let streams = self.number(&["streams"]);
        let connections = format!(
            "{} of {}, with {}",
            self.number(&["connections"]),
            self.number(&["connections_allowed"]),
            count(usize::try_from(streams).unwrap_or(usize::MAX), "stream")
        );
        vec![
            ("process", self.word(&["process"])),
            ("configuration", self.word(&["configuration"])),
            ("edition", self.edition()),
            ("last reload", self.last_reload()),
            ("restart needed", self.restart_needed()),
            ("listening", self.listeners()),
            ("certificates", self.certificates()),
            ("portal", self.word(&["portal"])),
            ("admin", admin.into_iter().filter(|word| !word.is_empty()).collect::<Vec<_>>().join(", ")),
            ("state", self.word(&["state"])),
            ("store", self.store()),
            ("store failures", if self.failed_lately() { String::new() } else { self.failures().unwrap_or_default() }),
            ("connections", connections),
            ("sessions", format!("{} tokens in memory", self.number(&["sessions_cached"]))),
        ]
    }

    fn edition(&self) -> String {
        let held = match self.number(&["editions_held"]) {
            0 => String::new(),
            past => format!("; requests still hold {past} before it"),
        };
        format!("{}, live since {}{held}", self.word(&["edition"]), self.ago(&["edition_since"]).unwrap_or_default())
    }

    fn last_reload(&self) -> String {
        match self.text_at(&["last_reload", "became", "outcome"]) {
            None => "none since the start".to_owned(),
            Some(outcome) => {
                let refused = match self.refused().len() {
                    0 => String::new(),
                    problems => {
                        let retried = self.at(&["last_reload_tried_again"]).and_then(Value::as_bool) == Some(true);
                        let retried = if retried { "; it is tried again now and then" } else { "" };
                        let edition = self.word(&["edition"]);
                        format!(": {}; edition {edition} serves on{retried}", count(problems, "problem"))
                    }
                };
                format!("{outcome} {}{refused}", self.ago(&["last_reload", "at"]).unwrap_or_default())
            }
        }
    }

    /// What waits for the next start.
    fn restart_needed(&self) -> String {
        self.list(&["restart_needed"]).iter().filter_map(Value::as_str).collect::<Vec<_>>().join(", ")
    }

    fn listeners(&self) -> String {
        let listener = |listener: &Value| {
            let is = |key: &str| listener.get(key).and_then(Value::as_bool) == Some(true);
            let address = listener.get("address").and_then(Value::as_str).unwrap_or_default();
            let (tls, redirect) = (is("tls"), is("redirect_to_https"));
            let kind = if tls { "https" } else { "http" };
            format!("{kind} {address}{}", if redirect { " (redirects to https)" } else { "" })
        };
        self.list(&["listeners"]).iter().map(listener).collect::<Vec<_>>().join(", ")
    }

    fn certificates(&self) -> String {
        let certificate = |certificate: &Value| {
            let names = names(certificate);
            let until = certificate.get("until").and_then(Value::as_str).and_then(|text| moment::parse(text).ok());
            let until = until.map(|until| format!(" until {}", moment::date(until))).unwrap_or_default();
            format!("{names}{until}")
        };
        self.list(&["certificates"]).iter().map(certificate).collect::<Vec<_>>().join(", ")
    }

    fn store(&self) -> String {
        let answers = match self.text_at(&["store", "error"]) {
            Some(error) => format!("does not answer: {error}"),
            None => format!("answers, in {} ms", self.number(&["store", "milliseconds"])),
        };
        match self.text_at(&["store", "last_failed_write", "error"]) {
            Some(error) => {
                let when = self.ago(&["store", "last_failed_write", "at"]).unwrap_or_default();
                format!("{answers}; the last write that failed: {when}: {error}")
            }
            None => answers,
        }
    }

    /// How many operations the store failed, and the last of them; `None` if it failed none.
    fn failures(&self) -> Option<String> {
        let failed = usize::try_from(self.number(&["store_failures"])).ok().filter(|failed| *failed > 0)?;
        let failed = format!("{} of the store failed since the start", count(failed, "operation"));
        // An older gateway does not say.
        let Some(at) = self.ago(&["store", "last_failure", "at"]) else { return Some(failed) };
        Some(format!("{failed}, the last at {at}: {}", self.word(&["store", "last_failure", "error"])))
    }

    /// Whether the last operation that the store failed is not long ago.
    fn failed_lately(&self) -> bool {
        self.time(&["store", "last_failure", "at"]).is_none_or(|at| self.now().since(at) < RECENT)
    }

    /// A reading of the configuration that takes remarkably long.
    fn reading(&self) -> Option<String> {
        self.time(&["reading_since"]).filter(|since| self.now().since(*since) >= LONG_READING)?;
        let file = self.text_at(&["reading_file"]).map(|file| format!(" and is at {file}")).unwrap_or_default();
        Some(format!("the configuration is being read since {}{file}", self.ago(&["reading_since"])?))
    }

    /// What should not be overlooked.
    fn warnings(&self) -> Vec<String> {
        let no = |key: &[&str]| self.at(key).and_then(Value::as_bool) == Some(false);
        let some = |key: &str| Some(self.number(&[key])).filter(|number| *number > 0);
        let certificates = self.list(&["certificates"]).iter().filter_map(|certificate| {
            let warning = certificate.get("warning")?.as_str()?;
            Some(format!("the certificate for {} {warning}", names(certificate)))
        });
        let others = [
            self.reading(),
            no(&["store", "believed"]).then(|| "the store was silent for too long: no session is believed".to_owned()),
            some("sessions_barred").map(|orders| {
                let orders = count(usize::try_from(orders).unwrap_or(usize::MAX), "order");
                format!("{orders} to end sessions held in memory alone; give the command again before the next start")
            }),
            self.failures().filter(|_| self.failed_lately()),
            some("events_lost").map(|events| format!("{events} security events could not be recorded")),
            some("access_lines_lost").map(|lines| format!("{lines} lines of the access log could not be written")),
        ];
        let deliveries = self.list(&["deliveries"]).iter().filter_map(|failing| {
            let failing = Standing(failing.clone());
            let (courier, kind, failures) =
                (failing.word(&["courier"]), failing.word(&["kind"]), failing.number(&["failures"]));
            let error = failing.word(&["error"]);
            (failures >= MANY_FAILURES).then(|| {
                format!("nothing of the kind {kind} is delivered by {courier} any more: {failures} failures, the last: {error}")
            })
        });
        certificates.chain(deliveries).chain(others.into_iter().flatten()).collect()
    }

    /// Every member of every pool; `None` if there is no pool.
    fn members(&self) -> Option<Table> {
        let mut table = Table::new(&["pool", "member", "health", "since", "weight", "in flight"]);
        let pools = self.list(&["pools"]);
        for pool in pools {
            let name = pool.get("name").and_then(Value::as_str).unwrap_or_default();
            for member in pool.get("members").and_then(Value::as_array).into_iter().flatten() {
                let member = Standing(member.clone());
                let ejected = member.at(&["ejected"]).and_then(Value::as_bool) == Some(true);
                let health = if ejected { "ejected".to_owned() } else { member.word(&["health"]) };
                let since = member.time(&["since"]).map(|since| moment::ago(self.now(), since)).unwrap_or_default();
                let (weight, in_flight) = (member.word(&["weight"]), member.word(&["in_flight"]));
                table.row([name.to_owned(), member.word(&["address"]), health, since, weight, in_flight]);
            }
        }
        (!pools.is_empty()).then_some(table)
    }

    fn refused(&self) -> Vec<Problem> {
        self.list(&["last_reload_refused"]).iter().filter_map(Problem::from_json).collect()
    }

    fn at(&self, key: &[&str]) -> Option<&Value> {
        key.iter().try_fold(&self.0, |value, key| value.get(key))
    }

    fn text_at(&self, key: &[&str]) -> Option<&str> {
        self.at(key)?.as_str()
    }

    /// A text or a number; empty if there is none.
    fn word(&self, key: &[&str]) -> String {
        match self.at(key) {
            Some(Value::String(text)) => text.clone(),
            Some(Value::Number(number)) => number.to_string(),
            Some(_) | None => String::new(),
        }
    }

    fn number(&self, key: &[&str]) -> u64 {
        self.at(key).and_then(Value::as_u64).unwrap_or(0)
    }

    fn list(&self, key: &[&str]) -> &[Value] {
        self.at(key).and_then(Value::as_array).map_or(&[], Vec::as_slice)
    }

    fn time(&self, key: &[&str]) -> Option<Time> {
        moment::parse(self.text_at(key)?).ok()
    }

    /// When the gateway said it.
    fn now(&self) -> Time {
        self.time(&["at"]).unwrap_or(Time::EPOCH)
    }

    /// `2026-03-01 14:05 UTC, 3h 12m ago`.
    fn ago(&self, key: &[&str]) -> Option<String> {
        let at = self.time(key)?;
        Some(format!("{}, {}", moment::date(at), moment::ago(self.now(), at)))
    }
}

/// The names of a certificate.
fn names(certificate: &Value) -> String {
    let names = certificate.get("names").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
    names.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn standing() -> Value {
        json!({
            "version": "1.2.3", "process": 42, "ready": true, "unready": null,
            "at": "2026-03-01T14:05:00.000Z", "started": "2026-03-01T10:53:00.000Z",
            "configuration": "/etc/portcullis/portcullis.toml", "state": "/var/lib/portcullis", "portal": null,
            "admin": { "address": "127.0.0.1:9180", "socket": null },
            "edition": 3, "edition_since": "2026-03-01T14:04:51.000Z", "editions_held": 0,
            "last_reload": null, "last_reload_refused": [],
            "listeners": [{ "address": "0.0.0.0:80", "tls": false, "redirect_to_https": true }],
            "connections": 12, "connections_allowed": 20000, "streams": 1, "sessions_cached": 5,
            "store": { "answers": true, "error": null, "milliseconds": 2, "believed": true },
            "pools": [{ "name": "app", "members": [{
                "address": "10.0.0.1:80", "health": "healthy", "since": "2026-03-01T14:00:00.000Z", "weight": 1,
                "in_flight": 4, "ejected": false,
            }] }],
        })
    }

    #[test]
    fn a_gateway_that_is_well_fits_a_page() {
        let text = Standing(standing()).text(Ink::Plain);
        for part in [
            "ready  portcullis 1.2.3, started 2026-03-01 10:53 UTC, 3h 12m ago\n",
            "  edition        3, live since 2026-03-01 14:04 UTC, 9s ago\n",
            "  last reload    none since the start\n",
            "  listening      http 0.0.0.0:80 (redirects to https)\n",
            "  admin          127.0.0.1:9180\n",
            "  store          answers, in 2 ms\n",
            "  connections    12 of 20000, with 1 stream\n",
            "  app   10.0.0.1:80  healthy  5m ago  1       4",
        ] {
            assert!(text.contains(part), "{part:?} is not in\n{text}");
        }
        assert!(!text.contains("warning:") && !text.contains("refused"), "{text}");
        assert!(!text.contains("restart needed"), "{text}");
    }

    #[test]
    fn a_store_that_cannot_be_written_is_told_at_the_top_and_its_last_failure_when_it_is_over() {
        let mut value = standing();
        value["degraded"] = json!("the store cannot be written");
        value["store"]["last_failed_write"] = json!({ "at": "2026-03-01T14:04:00.000Z", "error": "disk full" });
        let failed = "answers, in 2 ms; the last write that failed: 2026-03-01 14:04 UTC, 1m ago: disk full\n";
        let text = Standing(value.clone()).text(Ink::Plain);
        assert!(text.starts_with("degraded  portcullis 1.2.3"), "{text}");
        assert!(text.contains("\n  degraded: the store cannot be written\n") && text.contains(failed), "{text}");
        value["degraded"] = Value::Null;
        let text = Standing(value).text(Ink::Plain);
        assert!(text.starts_with("ready  ") && text.contains(failed), "{text}");
    }

    #[test]
    fn settings_that_wait_for_a_restart_are_named() {
        let mut value = standing();
        value["restart_needed"] = json!(["gateway.state", "admin.address"]);
        let text = Standing(value).text(Ink::Plain);
        assert!(text.contains("  restart needed  gateway.state, admin.address\n"), "{text}");
    }

    #[test]
    fn what_is_wrong_is_not_to_be_overlooked() {
        let mut value = standing();
        value["unready"] = json!("stopping");
        value["last_reload"] = json!({ "at": "2026-03-01T14:04:00.000Z", "became": { "outcome": "refused" } });
        value["last_reload_tried_again"] = json!(true);
        value["last_reload_refused"] =
            json!([{ "file": "a.toml", "line": 1, "column": 1, "key": "x", "what": "unknown\u{1b}[2J" }]);
        value["store"] = json!({ "error": "disk I/O error", "believed": false });
        value["pools"][0]["members"][0]["ejected"] = json!(true);
        value["sessions_barred"] = json!(1);
        value["events_lost"] = json!(7);
        let text = Standing(value).text(Ink::Plain);
        for part in [
            "not ready  portcullis 1.2.3",
            "not ready: stopping\n",
            "refused 2026-03-01 14:04 UTC, 1m ago: 1 problem; edition 3 serves on; it is tried again now and then",
            "refused: a.toml:1:1: x: unknown\\u{1b}[2J\n",
            "does not answer: disk I/O error",
            "warning: the store was silent for too long",
            "warning: 1 order to end sessions held in memory alone",
            "warning: 7 security events",
            "ejected",
        ] {
            assert!(text.contains(part), "{part:?} is not in\n{text}");
        }
    }

    #[test]
    fn what_the_store_failed_is_a_warning_for_an_hour_and_then_a_fact() {
        let mut value = standing();
        value["store_failures"] = json!(13);
        value["store"]["last_failure"] = json!({ "at": "2026-03-01T13:06:00.000Z", "error": "disk full" });
        let told =
            "13 operations of the store failed since the start, the last at 2026-03-01 13:06 UTC, 59m ago: disk full";
        let text = Standing(value.clone()).text(Ink::Plain);
        assert!(text.contains(&format!("  warning: {told}")) && !text.contains("store failures"), "{text}");
        value["store"]["last_failure"]["at"] = json!("2026-03-01T13:05:00.000Z");
        let text = Standing(value).text(Ink::Plain);
        let told =
            "  store failures  13 operations of the store failed since the start, the last at 2026-03-01 13:05 UTC, ";
        assert!(text.contains(told) && !text.contains("warning:"), "{text}");
    }

    #[test]
    fn a_certificate_that_is_out_of_time_or_soon_will_be_is_a_warning() {
        let mut value = standing();
        value["certificates"] = json!([
            { "names": ["a.test", "b.test"], "until": "2026-02-26T00:00:00.000Z", "warning": "expired 3 days ago" },
            { "names": ["c.test"], "until": "2027-01-01T00:00:00.000Z", "warning": null },
        ]);
        let text = Standing(value).text(Ink::Plain);
        assert!(text.contains("\n  warning: the certificate for a.test b.test expired 3 days ago"), "{text}");
        assert_eq!(text.matches("warning:").count(), 1, "{text}");
    }

    #[test]
    fn a_reading_that_takes_long_is_told_with_the_file_it_is_at() {
        let mut value = standing();
        value["reading_since"] = json!("2026-03-01T14:04:57.000Z");
        assert!(!Standing(value.clone()).text(Ink::Plain).contains("being read"));
        value["reading_since"] = json!("2026-03-01T14:04:00.000Z");
        value["reading_file"] = json!("/mnt/teams/a.toml");
        let text = Standing(value).text(Ink::Plain);
        let told = "the configuration is being read since 2026-03-01 14:04 UTC, 1m ago and is at /mnt/teams/a.toml";
        assert!(text.contains(told), "{text}");
    }

    #[test]
    fn an_older_gateway_that_says_less_is_shown_too() {
        let text = Standing(json!({ "edition": 7 })).text(Ink::Plain);
        assert!(text.contains("  edition      7, live since "), "{text}");
    }
}
