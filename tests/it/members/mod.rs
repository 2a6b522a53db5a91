//! Pools and their members: who gets a request, what callers notice of a broken one, and what bodies go through.

mod blame;
mod bodies;
mod broken;
mod health;
mod lapses;
mod turns;
