//! A refusal that happened, by its id: asked of the running gateway, else looked for in the durable record.

use super::report::{Fact, Judged, Report};
use crate::admin::{self, Unanswered};
use crate::cli::ending::Stopped;
use crate::cli::home::Home;
use crate::cli::settings::ConfigFile;
use crate::edge::{DecisionId, RequestId};
use crate::store::EventRow;
use http::Method;
use serde_json::Value;

/// Events that are looked through, newest first: months of refusals of signed-in people.
const MOST_SEARCHED: u64 = 100_000;

/// Events asked for at once.
const PAGE: usize = 1_000;

/// The refusal of that id.
///
/// # Errors
/// If it is not known any more, with what to do then.
pub async fn find(home: &Home, id: DecisionId) -> anyhow::Result<Report> {
    let missing = match asked(&home.config, &id.to_string()).await {
        Ok(Some(decision)) => return Ok(from_gateway(&decision)),
        Ok(None) => "the gateway no longer remembers it".to_owned(),
        Err(error) => format!("{error:#}"),
    };
    let unrecorded = match recorded(home, id).await {
        Ok(Some(row)) => return Ok(from_record(&row)),
        Ok(None) => "it is not among the recorded events".to_owned(),
        Err(error) => format!("the record cannot be read ({error:#})"),
    };
    Err(Stopped::no(format!(
        "{id} is unknown: {missing}, and {unrecorded}\n\
         The gateway remembers the last 10000 refusals since it started; its access log has the id in the line of the \
         request.\nWith method and address from there: portcullis explain URL --method M --as ACCOUNT"
    )))
}

/// The refusal of a request.
///
/// # Errors
/// If it is not known any more, or the request was not refused, with what to do then.
pub async fn of_request(config: &ConfigFile, id: RequestId) -> anyhow::Result<Report> {
    let missing = match asked(config, &id.to_string()).await {
        Ok(Some(decision)) => return Ok(from_gateway(&decision)),
        Ok(None) => "the gateway remembers no refusal of it".to_owned(),
        Err(error) => format!("{error:#}"),
    };
    Err(Stopped::no(format!(
        "{id} is a request's id, and {missing}\n\
         Its line in the access log says what became of it: journalctl -u portcullis | grep {id}\n\
         If it was refused, the line has the refusal's id too: portcullis explain dec_…"
    )))
}

async fn asked(config: &ConfigFile, id: &str) -> anyhow::Result<Option<Value>> {
    let path = format!("/decisions/{id}");
    match admin::ask(&config.socket()?, Method::GET, &path).await {
        Ok((200, decision)) => Ok(Some(decision)),
        Ok((404, _)) => Ok(None),
        Ok((status, _)) => anyhow::bail!("the gateway answered {status}"),
        Err(error @ (Unanswered::Nobody(_) | Unanswered::Forbidden(_) | Unanswered::Broken { .. })) => {
            Err(error.into())
        }
    }
}

async fn recorded(home: &Home, id: DecisionId) -> anyhow::Result<Option<EventRow>> {
    let opened = home.open().await?;
    let (id, newest) = (id.to_string(), opened.store.events.newest().await?);
    let mut after = newest.saturating_sub(MOST_SEARCHED);
    loop {
        let page = opened.store.events.after(after, PAGE).await?;
        let Some((last, _)) = page.last() else { return Ok(None) };
        after = *last;
        let found = page.into_iter().find(|(_, row)| field(row, "decision").as_deref() == Some(&id));
        if let Some((_, row)) = found {
            return Ok(Some(row));
        }
    }
}

fn from_gateway(decision: &Value) -> Report {
    let text = |key: &str| decision.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    let list = |key: &str| decision.get(key).and_then(Value::as_array).into_iter().flatten();
    let (outcome, sentence) = (text("outcome"), text("sentence"));
    let answer = if sentence.is_empty() { outcome.clone() } else { format!("{sentence} ({outcome})") };
    let edition = decision.get("edition").and_then(Value::as_u64);
    let mut facts: Vec<(&'static str, Fact)> =
        [("decision", "decision"), ("at", "at"), ("request", "what"), ("request id", "request"), ("from", "client")]
            .map(|(name, key)| (name, Fact::Text(text(key))))
            .into();
    let account = decision.get("account").and_then(Value::as_str).map(str::to_owned);
    facts.extend(account.map(|account| ("caller", Fact::Caller { account: Some(account), groups: None })));
    facts.extend(edition.map(|edition| ("edition", Fact::Number(edition))));
    facts.extend(["route", "policy", "pool"].map(|key| (key, Fact::Text(text(key)))));
    let members = list("members").filter_map(Value::as_str).map(str::to_owned);
    facts.push(("members", Fact::List(members.collect())));
    let conditions = list("conditions").filter_map(Judged::from_json).collect();
    Report { permitted: false, outcome, answer, facts, conditions, notes: Vec::new() }
}

fn from_record(row: &EventRow) -> Report {
    let text = |key: &str| field(row, key).unwrap_or_default();
    let mut facts = vec![("decision", Fact::Text(text("decision"))), ("at", Fact::Text(row.at.to_string()))];
    let account = row.account.map(|id| id.to_string());
    facts.extend(account.map(|account| ("caller", Fact::Caller { account: Some(account), groups: None })));
    facts.extend(["route", "policy"].map(|key| (key, Fact::Text(text(key)))));
    Report {
        permitted: false,
        outcome: "forbidden".to_owned(),
        answer: format!("{} does not hold (forbidden)", text("condition")),
        facts,
        conditions: Vec::new(),
        notes: vec!["from the record of events; the gateway itself no longer remembers the conditions".to_owned()],
    }
}

fn field(row: &EventRow, name: &str) -> Option<String> {
    let fields: Value = serde_json::from_str(&row.body).ok()?;
    fields.get(name)?.as_str().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::Event;
    use crate::cli::opened::{Absent, Opened};
    use crate::cli::output::{Ink, View};
    use crate::cli::record;
    use crate::stdx::clock::Time;
    use serde_json::json;

    fn configured() -> (tempfile::TempDir, Home) {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("portcullis.toml");
        let text = "[gateway]\nstate = \"state\"\n[admin]\nsocket = \"admin.sock\"\n\
            [[listen]]\naddress = \"127.0.0.1:0\"\n";
        std::fs::write(&file, text).expect("a file");
        (folder, Home::of(ConfigFile { file }))
    }

    #[test]
    fn a_decision_of_the_gateway_shows_its_conditions() {
        let decision = json!({
            "decision": "dec_1", "outcome": "forbidden", "sentence": "groups: you have guests", "what": "GET a.test /x",
            "edition": 3, "account": null, "route": "x", "policy": "staff",
            "conditions": [{ "condition": "groups", "holds": false, "has": "guests", "needs": "any of staff" }],
        });
        let text = from_gateway(&decision).text(Ink::Plain);
        assert!(text.starts_with("refused  groups: you have guests (forbidden)\n\n  decision  dec_1\n"), "{text}");
        assert!(text.contains("✗  groups     guests  any of staff") && !text.contains("caller"), "{text}");
    }

    #[tokio::test]
    async fn without_a_gateway_the_record_is_asked() {
        let (_folder, home) = configured();
        let essentials = home.essentials().expect("a configuration");
        let opened = Opened::open(essentials, Absent::Make).await.expect("a fresh store");
        let id = DecisionId::new([7; 16]);
        let event = Event::Denied {
            account: None,
            route: "ledger".to_owned(),
            policy: "finance".to_owned(),
            condition: "groups".to_owned(),
            decision: id.to_string(),
        };
        opened.store.events.append(&[record::row(Time::from_secs(1), &event, &[])]).await.expect("a record");
        let report = find(&home, id).await.expect("it is recorded");
        assert!(report.text(Ink::Plain).contains("ledger"), "{}", report.text(Ink::Plain));
        let unknown = find(&home, DecisionId::new([8; 16])).await.expect_err("it never was").to_string();
        assert!(unknown.contains("no gateway is running here"), "{unknown}");
        assert!(unknown.contains("not among the recorded events"), "{unknown}");
        let request = RequestId::new([9; 16]);
        let said = of_request(&home.config, request).await.expect_err("no gateway runs").to_string();
        assert!(said.contains(&format!("{request} is a request's id, and no gateway is running here")), "{said}");
        assert!(said.contains("access log") && said.contains("explain dec_…"), "{said}");
    }
}
