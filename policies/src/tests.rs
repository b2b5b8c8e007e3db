//! What holds for every policy and every action, and the cases of `policies/cases`.

mod cases;
mod data;
mod deputies;
mod diagnostics;
mod diff;
mod differential;
mod gaps;
mod hosts;
mod labels;
mod limits;
mod models;
mod packs;
mod programs;
mod rates;
mod requests;
mod schema;
mod speed;
mod spending;
mod tools;
mod trees;
mod unrecorded;
