//! `audit verify`: whether the record of security events was altered; changes nothing in it.

use super::ending::Ending;
use super::opened::Opened;
use super::output::{Ink, Output, View, count};
use crate::store::{Record, verify};
use data_encoding::HEXLOWER_PERMISSIVE;
use serde_json::{Value, json};

/// What `audit verify` may be told.
#[derive(Clone, Debug, clap::Args)]
pub struct Arguments {
    /// A head that was printed earlier and kept elsewhere: the record must still lead past it. The full answer: it
    /// shows too whether the record was put back to an older state, or written anew with its key
    #[arg(long, value_name = "HASH", value_parser = head)]
    head: Option<Head>,
}

/// A head of the chain, as it is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Head([u8; 32]);

fn head(text: &str) -> Result<Head, &'static str> {
    let bytes = HEXLOWER_PERMISSIVE.decode(text.as_bytes()).ok();
    bytes.and_then(|bytes| bytes.try_into().ok()).map(Head).ok_or("a head is 64 hexadecimal digits")
}

/// What is said where nothing else can be: without its seal, no event is known to be the last.
const UNSEALED: &str = "the record was altered: what says with which event it ends was changed or removed";

/// Says whether the record was altered.
///
/// # Errors
/// If the store cannot be read.
pub async fn audit_verify(opened: &Opened, arguments: &Arguments, out: &Output) -> anyhow::Result<Ending> {
    let found = verify(&*opened.store.events, arguments.head.map(|head| head.0)).await?;
    out.show(&found)?;
    Ok(if matches!(found, Record::Sound { .. }) { Ending::Fine } else { Ending::No })
}

impl View for Record {
    fn text(&self, ink: Ink) -> String {
        match self {
            Record::Sound { events, head } => {
                let events = count(usize::try_from(*events).unwrap_or(usize::MAX), "event");
                let head = ink.bold(&HEXLOWER_PERMISSIVE.encode(head));
                format!(
                    "the record is sound: {events} in one chain\nhead {head}\nkept elsewhere, it shows later that \
                     nothing up to here was written anew: audit verify --head …"
                )
            }
            Record::Broken { number, why } => format!("the record was altered at event {number}: {why}"),
            Record::Unsealed => UNSEALED.to_owned(),
            Record::Rewritten => "the record was written anew: it does not lead past the head that was kept".to_owned(),
        }
    }

    fn json(&self) -> Value {
        match self {
            Record::Sound { events, head } => {
                json!({ "sound": true, "events": events, "head": HEXLOWER_PERMISSIVE.encode(head) })
            }
            Record::Broken { number, why } => json!({ "sound": false, "event": number, "why": why }),
            Record::Unsealed => json!({ "sound": false, "why": UNSEALED }),
            Record::Rewritten => json!({ "sound": false, "why": "the head that was kept is not in it" }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_is_read_as_it_was_printed() {
        let text = HEXLOWER_PERMISSIVE.encode(&[0xab; 32]);
        assert_eq!(head(&text), Ok(Head([0xab; 32])));
        assert!(head("abc").is_err() && head("").is_err());
    }

    #[test]
    fn an_altered_record_is_said_to_be_where_it_was_altered() {
        let broken = Record::Broken { number: 7, why: "it is gone" };
        assert_eq!(broken.text(Ink::Plain), "the record was altered at event 7: it is gone");
        assert_eq!(broken.json(), json!({ "sound": false, "event": 7, "why": "it is gone" }));
        assert_eq!(Record::Unsealed.json()["sound"], false);
    }
}
