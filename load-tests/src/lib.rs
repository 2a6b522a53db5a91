//! Measures Portcullis beside its peers, each in the same run; knows none of Portcullis' code, only its commands and pages.

pub mod bare;
pub mod drive;
pub mod machine;
pub mod measure;
pub mod origin;
pub mod report;
pub mod scenario;
pub mod sign_in;
pub mod stage;
pub mod wire;
