//! What may be taken from an account: nothing without which its holder could not get back here.

use super::attempt::counting;
use super::plan::{Gap, choices};
use super::{Login, Stop, farewell};
use crate::factor::{Factors, password, recovery_code};
use crate::identity::{Assurance, Credential, CredentialId, Need, Proofs, SessionId};
use crate::stdx::clock::Time;

/// The levels that a removal must not take from an account.
const KEPT: [Assurance; 2] = [Assurance::OneFactor, Assurance::Mfa];

impl Login {
    /// Those of an account's credentials that may be removed.
    pub fn removable(&self, held: &[Credential]) -> Vec<CredentialId> {
        let factors = self.factors();
        let removable = held.iter().map(|credential| credential.id);
        removable.filter(|id| may_go(&factors, held, *id)).collect()
    }

    /// Removes a credential of the account whose session `by` is, and ends its attempts and other sessions: what was
    /// proven in them may rest on it. Gives the sessions that ended; `None` if the session or the credential is no more,
    /// or what is left would be too little.
    ///
    /// # Errors
    /// If the store cannot be written.
    pub async fn remove_credential(
        &self,
        id: CredentialId,
        by: SessionId,
        now: Time,
    ) -> Result<Option<Vec<SessionId>>, Stop> {
        let Some((_, account)) = self.store.sessions.by_id(by).await? else { return Ok(None) };
        let held = self.credentials(account.id).await?;
        if !may_go(&self.factors(), &held, id) {
            return Ok(None);
        }
        let (going, staying): (Vec<Credential>, _) = held.into_iter().partition(|held| held.id == id);
        let staying: Vec<CredentialId> = staying.iter().map(|held| held.id).collect();
        let ended = self.store.credentials.remove(id, by, &staying).await?;
        if ended.is_some() {
            farewell::keep(&self.store, &going, now).await?;
        }
        Ok(ended)
    }
}

/// Whether what is left without a credential reaches every level that is reached with it, up to two factors. Recovery
/// codes prove nothing, and what does not count any more is not missed. A password is changed: recovery codes rest on it.
fn may_go(factors: &Factors, held: &[Credential], id: CredentialId) -> bool {
    let Some(credential) = held.iter().find(|held| held.id == id) else { return false };
    match credential.factor {
        password::NAME => false,
        recovery_code::NAME => true,
        _ => {
            let rest: Vec<&Credential> = held.iter().filter(|held| held.id != id).collect();
            let kept = |level: &Assurance| !reaches(factors, held, *level) || reaches(factors, rest.clone(), *level);
            KEPT.iter().all(kept)
        }
    }
}

fn reaches<'a>(factors: &Factors, held: impl IntoIterator<Item = &'a Credential>, level: Assurance) -> bool {
    let (proofs, need) = (Proofs::new(), Need::of(level, None));
    let gap = Gap { proofs: &proofs, need: &need, now: Time::EPOCH };
    !choices(factors, &counting(factors, held), gap).is_empty()
}

#[cfg(test)]
mod tests {
    use super::super::outside::Outside;
    use super::*;
    use crate::factor::{Factor, passkey, totp};
    use crate::identity::{AccountId, Kind, Kinds};
    use std::sync::Arc;

    /// Which of these may be removed: each by its factor, in capitals if it counts.
    fn removable(held: &str) -> String {
        let (known, has) = (Kinds::of(Kind::Knowledge), Kinds::of(Kind::Possession));
        let all = [(password::NAME, known), (totp::NAME, has), (passkey::NAME, has.and(Kind::Inherence))];
        let all = all.map(|(name, kinds)| Arc::new(Outside(name, kinds)) as Arc<dyn Factor>);
        let factors = Factors::new(all.into());
        let credential = |(at, letter): (usize, char)| Credential {
            id: CredentialId::new([u8::try_from(at).expect("few"); 16]),
            account: AccountId::new([1; 16]),
            factor: match letter.to_ascii_uppercase() {
                'P' => password::NAME,
                'T' => totp::NAME,
                'K' => passkey::NAME,
                _ => recovery_code::NAME,
            },
            label: String::new(),
            created: Time::EPOCH,
            used: None,
            handle: None,
            state: if letter.is_uppercase() { vec![1] } else { Vec::new() },
            version: 0,
        };
        let all: Vec<Credential> = held.chars().enumerate().map(credential).collect();
        let going = all.iter().zip(held.chars()).filter(|(credential, _)| may_go(&factors, &all, credential.id));
        going.map(|(_, letter)| letter).collect()
    }

    #[test]
    fn whatever_the_rest_can_do_without_may_go() {
        assert_eq!(removable("PT"), "", "the only second factor stays");
        assert_eq!(removable("PTT"), "TT");
        assert_eq!(removable("PTK"), "TK", "either is enough without the other");
        assert_eq!(removable("PK"), "", "without the passkey there is one factor");
        assert_eq!(removable("K"), "");
        assert_eq!(removable("KK"), "KK");
        assert_eq!(removable("KT"), "T", "an app alone is one factor");
        assert_eq!(removable("PTR"), "R");
    }

    #[test]
    fn what_does_not_count_is_neither_missed_nor_relied_on() {
        assert_eq!(removable("PTk"), "k");
        assert_eq!(removable("PKk"), "k");
        assert_eq!(removable("k"), "k", "it opens nothing anyway");
    }
}
