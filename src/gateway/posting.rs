//! What is sent to people: codes for the factor that knows no courier, by the couriers that know no factor.

use crate::courier::{Courier, Outbox, Parcel, Smtp, Sort, Webhook};
use crate::edition::MessagePlan;
use crate::factor::message::{Deliver, Full, Letter};
use crate::identity::Channel;
use crate::stdx::secret::Secret;
use std::sync::Arc;

/// The ways out of the house that are configured.
#[derive(Clone)]
pub(super) struct Ways {
    webhook: Option<Arc<dyn Courier>>,
    smtp: Option<Arc<dyn Courier>>,
}

impl Ways {
    /// The ways of a plan.
    pub fn of(plan: &MessagePlan) -> Self {
        let webhook = plan.webhook.as_ref().map(|plan| Arc::new(Webhook::new(plan)) as Arc<dyn Courier>);
        let smtp = plan.smtp.as_ref().map(|plan| Arc::new(Smtp::new(plan)) as Arc<dyn Courier>);
        Ways { webhook, smtp }
    }

    /// The way to a telephone or a mailbox.
    pub fn to(&self, channel: Channel) -> Option<&Arc<dyn Courier>> {
        match channel {
            Channel::Sms => self.webhook.as_ref(),
            Channel::Mail => self.smtp.as_ref().or(self.webhook.as_ref()),
        }
    }
}

/// Takes codes to the outbox.
pub(super) struct Codes {
    outbox: Outbox,
    ways: Ways,
}

impl Codes {
    /// Codes of a plan go into this outbox.
    pub fn new(plan: &MessagePlan, outbox: &Outbox) -> Self {
        Codes { outbox: outbox.clone(), ways: Ways::of(plan) }
    }
}

impl Deliver for Codes {
    fn take(&self, letter: Letter) -> Result<(), Full> {
        let courier = self.ways.to(letter.to.channel()).ok_or(Full)?;
        let minutes = Secret::new(letter.minutes.to_string());
        let parcel = Parcel {
            sort: Sort::Code,
            account: letter.account,
            to: Some(letter.to),
            subject: letter.subject,
            text: letter.text,
            fields: vec![("code", letter.code), ("minutes", minutes)],
        };
        self.outbox.hand_in(courier, parcel).map_err(|_| Full)
    }
}
