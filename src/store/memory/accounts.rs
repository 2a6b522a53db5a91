//! Accounts in memory.

use super::Memory;
use crate::identity::{Account, AccountId, AccountName, Group};
use crate::store::{Accounts, Change, Result};
use async_trait::async_trait;

#[async_trait]
impl Accounts for Memory {
    async fn add(&self, account: &Account) -> Result<bool> {
        let mut state = self.state()?;
        let taken = state.accounts.values().any(|held| held.name == account.name || held.id == account.id);
        if !taken {
            state.accounts.insert(account.id, account.clone());
            state.note(Change::Account(account.id));
        }
        Ok(!taken)
    }

    async fn by_name(&self, name: &AccountName) -> Result<Option<Account>> {
        Ok(self.state()?.accounts.values().find(|held| held.name == *name).cloned())
    }

    async fn by_id(&self, id: AccountId) -> Result<Option<Account>> {
        Ok(self.state()?.accounts.get(&id).cloned())
    }

    async fn still_known(&self, name: &AccountName) -> Result<Option<AccountId>> {
        Ok(self.by_name(name).await?.map(|account| account.id))
    }

    async fn list(&self) -> Result<Vec<Account>> {
        let mut all: Vec<Account> = self.state()?.accounts.values().cloned().collect();
        all.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(all)
    }

    async fn set_groups(&self, id: AccountId, groups: &[Group]) -> Result<bool> {
        let mut state = self.state()?;
        let Some(account) = state.accounts.get_mut(&id) else { return Ok(false) };
        account.groups = groups.to_vec();
        state.note(Change::Account(id));
        Ok(true)
    }

    async fn set_disabled(&self, id: AccountId, disabled: bool) -> Result<bool> {
        let mut state = self.state()?;
        let Some(account) = state.accounts.get_mut(&id) else { return Ok(false) };
        account.disabled = disabled;
        if disabled {
            state.end_where(|session| session.account == id);
            state.once.retain(|_, kept| kept.owner != Some(id));
        }
        state.note(Change::Account(id));
        Ok(true)
    }

    async fn remove(&self, id: AccountId) -> Result<bool> {
        let mut state = self.state()?;
        if state.accounts.remove(&id).is_none() {
            return Ok(false);
        }
        state.end_where(|session| session.account == id);
        state.once.retain(|_, kept| kept.owner != Some(id));
        state.credentials.retain(|credential| credential.account != id);
        state.throttles.retain(|whose, _| whose.account() != Some(id));
        state.note(Change::Account(id));
        Ok(true)
    }
}
