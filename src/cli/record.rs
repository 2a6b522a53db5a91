//! From a security event to the row the store keeps, with who gave the command; knows no verb.

use crate::audit::Event;
use crate::gateway;
use crate::stdx::clock::Time;
use crate::store::EventRow;

/// The row of an event that a command caused at `at`, with `more` fields behind the event's own.
pub fn row(at: Time, event: &Event, more: &[(&str, String)]) -> EventRow {
    let by = [("by", "operator".to_owned()), ("operator", operator())];
    gateway::event_row(at, event, &[more, &by].concat())
}

/// Who gave the command: whoever became another user by `sudo`, or else the user of this process. Whoever may write the
/// store could say otherwise.
fn operator() -> String {
    let sudo = std::env::var("SUDO_USER").ok().filter(|user| !user.is_empty());
    sudo.or_else(gateway::this_user).unwrap_or_else(|| "unknown".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::AccountId;
    use serde_json::Value;

    #[tokio::test]
    async fn a_row_has_the_event_s_fields_the_reason_and_the_operator() {
        let event = Event::AccountChanged { account: AccountId::new([1; 16]), change: "reset" };
        let row = row(Time::EPOCH, &event, &[("reason", "lost \"phone\"".to_owned())]);
        let body: Value = serde_json::from_str(&row.body).expect("JSON");
        assert_eq!((row.name.as_str(), row.account), ("account.changed", event.account()));
        assert_eq!(
            (&body["change"], &body["reason"], &body["by"]),
            (&Value::from("reset"), &Value::from("lost \"phone\""), &Value::from("operator"))
        );
        let operator = body["operator"].as_str().expect("text");
        assert!(std::env::var_os("SUDO_USER").is_some() || operator.starts_with("uid "), "{operator}");
    }
}
