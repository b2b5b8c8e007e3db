//! The formats, one row each.
//!
//! A row's examples are made from its shape by the tests ([`Detector::sample`](crate::Detector::sample)): adding a format is adding its row.
//! Minimal lengths are those documented or seen, rounded down; there are no maximal ones where a literal tells, since formats grow.

mod ai;
mod apps;
mod chat;
mod cloud;
mod forge;
mod generic;
mod near;
mod payment;
mod person;

use crate::detector::Detector;

/// All rows, in order of the files they stand in.
pub fn detectors() -> impl Iterator<Item = &'static Detector> {
    [
        cloud::ROWS,
        ai::ROWS,
        forge::ROWS,
        chat::ROWS,
        payment::ROWS,
        apps::ROWS,
        near::ROWS,
        generic::ROWS,
        person::ROWS,
    ]
    .into_iter()
    .flatten()
}
