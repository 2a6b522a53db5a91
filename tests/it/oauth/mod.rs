//! Programs: how they come by tokens, what tokens open, and what nobody gets.

mod device;
mod program;
mod service;

use crate::rig::{Browser, Page, Rig};
use program::Program;

const DEVICE_GRANT: &str = "urn:ietf:params:oauth:grant-type:device_code";

/// Approves what a code stands for, as a person does who has the page open; gives the last page.
async fn approve(rig: &Rig, person: &mut Browser, user_code: &str) -> Page {
    let page = person.visit(&format!("{}/device?user_code={user_code}", rig.origin("auth.localhost"))).await;
    person.submit(&page, "/device", &[("decision", "approve")]).await
}

/// A person who is signed in, and a program that they let act for them.
async fn connected(rig: &Rig, name: &str) -> (Browser, Program) {
    let mut person = rig.signed_in(name, &["staff"]).await;
    let mut program = Program::of(rig);
    program.connect(rig, &mut person, &[]).await;
    (person, program)
}
