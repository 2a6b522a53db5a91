//! What a service is told in a request's header, what it is never told, and what it cannot tell clients.

mod assertion;
mod claims;
mod cookies;
mod nominations;
mod proxies;
mod responses;
