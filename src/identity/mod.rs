//! Who people are and what they have proved: pure values, no I/O, no wire format.

mod account;
mod assurance;
mod contact;
mod credential;
mod need;
mod proof;
mod session;

pub use account::{Account, AccountId, AccountKind, AccountName, Group, InvalidGroup, InvalidName};
pub use assurance::{Assurance, InvalidAssurance};
pub use contact::{Channel, Contact};
pub use credential::{Credential, CredentialId};
pub use need::Need;
pub use proof::{FactorName, Kind, Kinds, Proof, Proofs};
pub use session::{Device, Session, SessionId, SessionRules, TokenHash};
