//! Live sessions: the token that opens one, the cookie that carries it, the hot path's reader, and the only writer of
//! sessions; knows no page and no factor.

pub mod cookie;

mod barred;
mod feed;
mod hand_off;
mod keeper;
mod kept_form;
mod live;
mod reader;
mod strangers;
mod token;

pub use crate::store::Unavailable;
pub use barred::Barred;
pub use feed::{Feed, Written};
pub use hand_off::{HAND_OFF_LIFE, HandOff, HandOffCode, HandOffs, Presented};
pub use keeper::Keeper;
pub use kept_form::{KEPT_FORM_SIZE, KeptForm, KeptForms, Presenter};
pub use live::{LiveSession, Stamp};
pub use reader::{Bearer, Blind, Carried, Known, Reader, Reading, Thumbprint};
pub use token::{SecretToken, SessionToken};
