//! What is sent to people: codes for the factor that knows no courier, by the couriers that know no factor.

use crate::courier::{Courier, Deliveries, Outbox, Parcel, Smtp, Sort, WAITING, Webhook};
use crate::edition::MessagePlan;
use crate::factor::message::{Deliver, Full, Letter};
use crate::identity::Channel;
use crate::login::Login;
use crate::stdx::clock::Clock;
use crate::stdx::secret::Secret;
use crate::stdx::task::Tasks;
use std::sync::Arc;
use tokio::sync::mpsc;

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
            code: Some(letter.name),
            account: letter.account,
            to: Some(letter.to),
            subject: letter.subject,
            text: letter.text,
            fields: vec![("code", letter.code), ("minutes", minutes)],
        };
        self.outbox.hand_in(courier, parcel).map_err(|_| Full)
    }
}

/// Starts what takes codes and news out of the house.
pub(super) fn start(tasks: &Tasks, (codes, news): (Deliveries, Deliveries), clock: &Arc<dyn Clock>, login: Arc<Login>) {
    let (given_up, names) = mpsc::channel(WAITING);
    tasks.spawn("codes", codes.run(clock.clone(), given_up));
    // News have no codes in them.
    tasks.spawn("news", news.run(clock.clone(), mpsc::channel(1).0));
    tasks.spawn("undelivered codes", give_back(names, login));
}

/// Has each code that was given up count for nobody.
async fn give_back(mut given_up: mpsc::Receiver<String>, login: Arc<Login>) {
    while let Some(code) = given_up.recv().await {
        if let Err(error) = login.undelivered(&code).await {
            tracing::warn!(%error, "a code that was not delivered goes on counting for whoever waits for it");
        }
    }
}
