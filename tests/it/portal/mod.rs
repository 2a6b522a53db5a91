//! The portal as strangers meet it: forms that others send, pages that others would like to read or frame.

mod change;
mod dead_links;
mod forgery;
mod kept_form;
mod leaving;
mod lost;
mod news;
mod page;
mod reasons;
mod set_up;
mod tabs;
