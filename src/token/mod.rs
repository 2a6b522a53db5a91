//! Signed and sealed statements: assertions to services, and the sealed ticket that carries a return address to the
//! portal; knows no header it arrives in.

mod assertion;
mod keyring;
mod ticket;

pub use assertion::{ASSERTION_LIFE, Audience, Mint};
pub use keyring::{KEY_LIFE, KeyFailure, Keyring};
pub use ticket::{Destination, TICKET_LIFE, Ticket, Tickets};
