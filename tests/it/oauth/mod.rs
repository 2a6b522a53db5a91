//! Programs: how they come by tokens, what tokens open, and what nobody gets.

mod code;
mod device;
mod dpop;
mod library;
mod metadata;
mod program;
mod refresh;
mod service;
mod target;
mod token;

use crate::rig::{Browser, Page, Rig};
use program::{Program, Said};
use std::sync::Arc;
use tokio::sync::Barrier;

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

/// What a hundred copies of a program are told that all ask the same at once.
async fn hundred(program: &Program, fields: &[(&'static str, &str)]) -> Vec<Said> {
    let start = Arc::new(Barrier::new(100));
    let fields: Vec<(&'static str, String)> = fields.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
    let copies = (0..100).map(|_| {
        let (mut copy, fields, start) = (program.stolen(), fields.clone(), start.clone());
        tokio::spawn(async move {
            start.wait().await;
            let fields: Vec<(&str, &str)> = fields.iter().map(|(name, value)| (*name, &**value)).collect();
            copy.post("/oauth/token", &fields).await
        })
    });
    let mut said = Vec::new();
    for copy in copies.collect::<Vec<_>>() {
        said.push(copy.await.expect("no panic"));
    }
    said
}

/// How many of the events of this name are on record.
async fn recorded(rig: &Rig, name: &str) -> usize {
    let events = rig.store.events.after(0, 1_000).await.expect("the store");
    events.iter().filter(|(_, row)| row.name == name).count()
}
