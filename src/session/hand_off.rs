//! The code that carries a session from the portal's host to another: one use, thirty seconds, one host, one browser.

use super::token::SecretToken;
use crate::identity::SessionId;
use crate::stdx::clock::Time;
use crate::stdx::digest;
use crate::store::{Once, OnceKind, Unavailable};
use data_encoding::HEXLOWER;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::time::Duration;

/// Long enough for one redirect, too short to pass around.
pub const HAND_OFF_LIFE: Duration = Duration::from_secs(30);

/// The code in the address of `/.portcullis/enter`.
pub type HandOffCode = SecretToken;

/// What a code stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HandOff {
    /// The session to enter with.
    pub session: SessionId,
    /// The canonical host it may enter.
    pub host: String,
    /// SHA-256 of the binding that the browser holds on that host.
    pub binding: [u8; 32],
    /// Path and query to go to.
    pub path: String,
}

/// What became of a code that was presented.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Presented {
    /// It enters.
    Entered(HandOff),
    /// It was for another host or another browser; it is spent.
    Stolen,
    /// There is no such code, or no more.
    Unknown,
}

#[derive(Serialize, Deserialize)]
struct Record {
    session: String,
    host: String,
    binding: String,
    path: String,
}

/// Keeps and spends hand-offs.
#[derive(Clone)]
pub struct HandOffs(Arc<dyn Once>);

impl HandOffs {
    /// Kept in `once`.
    pub fn new(once: Arc<dyn Once>) -> Self {
        HandOffs(once)
    }

    /// Keeps a hand-off under a fresh code.
    ///
    /// # Errors
    /// If the store cannot be written.
    pub async fn put(&self, hand_off: &HandOff, now: Time) -> Result<HandOffCode, Unavailable> {
        let record = Record {
            session: hand_off.session.to_string(),
            host: hand_off.host.clone(),
            binding: HEXLOWER.encode(&hand_off.binding),
            path: hand_off.path.clone(),
        };
        let value = serde_json::to_vec(&record).map_err(|error| Unavailable(error.to_string()))?;
        let code = HandOffCode::fresh();
        self.0.put(OnceKind::HandOff, code.hash().0, None, &value, now.plus(HAND_OFF_LIFE)).await?;
        Ok(code)
    }

    /// Spends a code, if it is for this host and this browser. A code that is presented on the wrong host or by the
    /// wrong browser is spent all the same: whoever presents it should not have had it.
    ///
    /// # Errors
    /// If the store cannot be asked.
    pub async fn take(
        &self,
        code: &HandOffCode,
        host: &str,
        binding: &[u8],
        now: Time,
    ) -> Result<Presented, Unavailable> {
        // A look costs less than a transaction, and strangers present made-up codes.
        let key = code.hash().0;
        if self.0.peek(OnceKind::HandOff, key, now).await?.is_none() {
            return Ok(Presented::Unknown);
        }
        let taken = self.0.take(OnceKind::HandOff, key, now).await?;
        let Some(hand_off) = taken.and_then(|value| Record::read(&value)) else { return Ok(Presented::Unknown) };
        let ours = hand_off.host == host && digest::same(&hand_off.binding, &digest::sha256(binding));
        Ok(if ours { Presented::Entered(hand_off) } else { Presented::Stolen })
    }
}

impl Record {
    fn read(value: &[u8]) -> Option<HandOff> {
        let record: Record = serde_json::from_slice(value).ok()?;
        let binding = HEXLOWER.decode(record.binding.as_bytes()).ok()?.try_into().ok()?;
        let session = SessionId::parse(&record.session).ok()?;
        Some(HandOff { session, host: record.host, binding, path: record.path })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::memory;

    fn hand_off() -> HandOff {
        let binding = digest::sha256(b"browser");
        HandOff { session: SessionId::new([1; 16]), host: "app.example.com".into(), binding, path: "/a".into() }
    }

    #[tokio::test]
    async fn a_code_enters_once_on_its_host_with_its_browser_for_thirty_seconds() {
        let hand_offs = HandOffs::new(memory::open().once);
        let now = Time::from_secs(1000);
        let put = async || hand_offs.put(&hand_off(), now).await.expect("memory");
        let take = async |code: &HandOffCode, host: &str, binding: &[u8], at| {
            hand_offs.take(code, host, binding, at).await.expect("memory")
        };
        let code = put().await;
        assert_eq!(take(&code, "app.example.com", b"browser", now).await, Presented::Entered(hand_off()));
        assert_eq!(take(&code, "app.example.com", b"browser", now).await, Presented::Unknown, "spent");
        assert_eq!(take(&put().await, "wiki.example.com", b"browser", now).await, Presented::Stolen, "another host");
        assert_eq!(take(&put().await, "app.example.com", b"thief", now).await, Presented::Stolen, "another browser");
        let late = now.plus(HAND_OFF_LIFE);
        assert_eq!(take(&put().await, "app.example.com", b"browser", late).await, Presented::Unknown, "too late");
    }
}
