//! The portal as strangers meet it: forms that others send, pages that others would like to read or frame.

mod dead_links;
mod forgery;
mod page;
