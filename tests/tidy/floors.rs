//! Who may know whom: the rooms from the ground up, what each may import, and the fences around foreign crates.

use crate::source::{Breach, Source, is_name};

/// The rooms, lowest first, and what each may import beside itself and `stdx`; a path narrows it to one module or
/// name. Imports go down only.
const ROOMS: &[(&str, &str)] = &[
    ("stdx", ""),
    ("identity", ""),
    ("route", ""),
    ("policy", "identity route"),
    ("telemetry", ""),
    ("reply", "identity::AccountId identity::AccountName"),
    ("audit", "identity route policy"),
    ("factor", "identity"),
    ("store", "identity"),
    ("session", "identity store factor::Proven audit"),
    ("token", "identity session store"),
    ("pool", "telemetry"),
    ("limit", "telemetry"),
    ("courier", "identity::AccountId identity::Channel identity::Contact telemetry"),
    ("listen", "telemetry"),
    ("login", "identity factor store session limit audit"),
    ("oauth", "identity factor::Proven factor::Verified factor::client_key session token store audit"),
    ("edition", "identity route policy factor oauth session token pool limit listen courier telemetry"),
    (
        "edge",
        "identity route policy session::cookie session::LiveSession session::Reader session::Reading \
         session::SecretToken session::SessionToken session::Bearer session::Carried session::Known \
         session::Unavailable reply token pool limit listen audit telemetry edition",
    ),
    ("portal", "identity policy factor login oauth session reply token audit edition"),
    ("admin", "identity store session pool audit telemetry edition"),
    ("config", BELOW),
    ("gateway", BELOW),
    ("cli", BELOW),
    ("lib", BELOW),
    ("main", BELOW),
];

/// Every room further down.
const BELOW: &str = "all rooms below";

/// Foreign crates (`*`: every crate of that family), and the only places that may name them.
const FENCES: &[(&str, &str)] = &[
    ("pingora*", "edge portal admin listen gateway pool/peer.rs pool/health"),
    (
        "serde",
        "config factor/client_key factor/passkey store portal admin token session/hand_off.rs session/kept_form.rs \
         login oauth cli",
    ),
    ("sqlx", "store/embedded"),
    ("webauthn*", "factor/passkey"),
    ("serde_cbor_2", "factor/passkey"),
    ("maud", "portal"),
    ("lettre", "courier identity/contact.rs config"),
    ("reqwest", "courier cli"),
    ("anyhow", "main.rs cli"),
];

/// A room imports only what the table allows, and is in the table.
pub fn imports(source: &Source) -> Vec<Breach> {
    let room = source.room();
    let Some(floor) = ROOMS.iter().position(|(name, _)| *name == room) else {
        return vec![source.breach(0, format!("`{room}` is not on the plan: a new room needs a line in the table"))];
    };
    let grants = ROOMS[floor].1;
    let allowed = |path: &str| {
        let first = path.split("::").next().unwrap_or_default();
        let below = || ROOMS[..floor].iter().any(|(name, _)| *name == first);
        let granted = |grant: &str| path.strip_prefix(grant).is_some_and(|rest| !rest.starts_with(is_name));
        first == room || first == "stdx" || if grants == BELOW { below() } else { grants.split(' ').any(granted) }
    };
    let sentence = |path: &str| {
        let grants = if grants.is_empty() { "nothing of ours" } else { grants };
        format!("`{room}` may import {grants} (and `stdx`), not `{path}`: imports go down only, by the table")
    };
    let crossing = uses(source).into_iter().filter(|(at, path)| source.ships(*at) && !allowed(path));
    crossing.map(|(at, path)| source.breach(at, sentence(&path))).chain(climbs(source)).collect()
}

/// A foreign crate is named only behind its fence.
pub fn fences(source: &Source) -> Vec<Breach> {
    let mut breaches = Vec::new();
    for (fenced, places) in FENCES.iter().filter(|(_, places)| !source.lies_in(places)) {
        let family = fenced.trim_end_matches('*');
        let named = |at: &usize| {
            let rest = source.code[at + family.len()..].trim_start_matches(|c| fenced.ends_with('*') && is_name(c));
            source.ships(*at) && ["::", "!", ";"].iter().any(|next| rest.starts_with(next))
        };
        let rule = format!("only {places} may name `{family}`: it stays behind its fence");
        breaches.extend(source.find(family).filter(named).map(|at| source.breach(at, &*rule)));
    }
    breaches
}

/// Every path from `crate::` on, with where it stands; a group is taken apart, a macro of ours is left out.
fn uses(source: &Source) -> Vec<(usize, String)> {
    let from = |at: usize| branches(&source.code[at + "crate::".len()..]).into_iter().map(move |path| (at, path));
    source.find("crate::").flat_map(from).filter(|(_, path)| !path.ends_with('!')).collect()
}

/// The paths of the tree that `text` begins with: `a::{b, c::D}` gives `a::b` and `a::c::D`.
fn branches(text: &str) -> Vec<String> {
    let text = text.trim_start();
    if let Some(group) = text.strip_prefix('{') {
        return members(group).into_iter().flat_map(branches).collect();
    }
    let end = text.find(|c: char| !is_name(c)).unwrap_or(text.len());
    let (name, rest) = text.split_at(end);
    match rest.strip_prefix("::") {
        Some(more) if more.starts_with(|c: char| is_name(c) || c == '{') => {
            branches(more).into_iter().map(|path| format!("{name}::{path}")).collect()
        }
        _ if rest.starts_with('!') => vec![format!("{name}!")],
        _ => vec![name.into()],
    }
}

/// The members of a group, behind its opening brace.
fn members(group: &str) -> Vec<&str> {
    let (mut depth, mut start, mut found) = (0, 0, Vec::new());
    for (at, c) in group.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth > 0 => depth -= 1,
            ',' | '}' if depth == 0 => {
                found.push(&group[start..at]);
                start = at + 1;
                if c == '}' {
                    break;
                }
            }
            _ => {}
        }
    }
    found.retain(|member| !member.trim().is_empty());
    found
}

/// Chains of `super::` that leave the room, and so would hide what they import.
fn climbs(source: &Source) -> Vec<Breach> {
    let file = source.path.trim_end_matches(".rs").trim_end_matches("/mod").matches('/').count();
    let modules: Vec<_> = source.items("mod ").collect();
    let leaves = |at: &usize| {
        let depth = file + modules.iter().filter(|module| module.contains(at)).count();
        let supers = source.code[*at..].split("::").take_while(|segment| *segment == "super").count();
        source.ships(*at) && !source.code[..*at].ends_with("super::") && supers >= depth
    };
    let sentence = "another room is imported by `crate::`, so that everyone sees it";
    source.find("super::").filter(leaves).map(|at| source.breach(at, sentence)).collect()
}
