//! The last sign-ins of an account, as the record of security events has them, for the person whose account it is.

use super::{Login, Unavailable};
use crate::audit::Event;
use crate::factor;
use crate::identity::{AccountId, FactorName};
use crate::stdx::clock::Time;
use crate::store::EventRow;
use serde::Deserialize;
use std::net::IpAddr;

/// One past sign-in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PastSignIn {
    /// When.
    pub at: Time,
    /// For example `Firefox on Linux`; `None` if it was not noted.
    pub device: Option<String>,
    /// From where.
    pub address: IpAddr,
    /// With what, in the order in which it was proven. Factors that this build does not have are left out.
    pub factors: Vec<FactorName>,
    /// Whether it was the first one with that browser, as far as is known.
    pub new_device: bool,
}

/// The event's fields that are of use here.
#[derive(Deserialize)]
struct Fields {
    device: Option<String>,
    address: IpAddr,
    factors: String,
    new_device: Option<String>,
}

impl Login {
    /// The last `most` sign-ins of an account, newest first.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub async fn recent(&self, account: AccountId, most: usize) -> Result<Vec<PastSignIn>, Unavailable> {
        let rows = self.store.events.of(account, Event::SIGNED_IN, most).await?;
        Ok(rows.iter().filter_map(past).collect())
    }
}

/// `None` for an event that was written without what is needed.
fn past(row: &EventRow) -> Option<PastSignIn> {
    let fields: Fields = serde_json::from_str(&row.body).ok()?;
    let factors = fields.factors.split(',').filter_map(factor::named).collect();
    let new_device = fields.new_device.as_deref() == Some("true");
    Some(PastSignIn { at: row.at, device: fields.device, address: fields.address, factors, new_device })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(body: &str) -> EventRow {
        EventRow { at: Time::from_secs(7), name: Event::SIGNED_IN.to_owned(), account: None, body: body.to_owned() }
    }

    #[test]
    fn a_sign_in_is_read_back_from_its_event() {
        let text = r#"{"session":"ses_1","factors":"password,totp,smell","device":"curl","address":"192.0.2.1"}"#;
        let expected = PastSignIn {
            at: Time::from_secs(7),
            device: Some("curl".to_owned()),
            address: [192, 0, 2, 1].into(),
            factors: vec![factor::password::NAME, factor::totp::NAME],
            new_device: false,
        };
        assert_eq!(past(&row(text)), Some(expected));
    }

    #[test]
    fn an_event_without_a_device_is_a_sign_in_and_one_without_an_address_is_not() {
        let found = past(&row(r#"{"factors":"password","address":"::1"}"#)).map(|past| past.device);
        assert_eq!(found, Some(None));
        assert_eq!(past(&row(r#"{"factors":"password"}"#)), None);
    }
}
