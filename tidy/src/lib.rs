//! Tests of the repository itself: what depends on what (`crates`), what every source must be (`sources`), and that the
//! documentation and the packages say what is so (`docs`, `packaging`).
//!
//! A rule without a tool decays. What rustc and clippy can hold stands in `Cargo.toml` under `[workspace.lints]`; what
//! cargo-deny can hold stands in `deny.toml`; the rest is here and runs with every `cargo test`.

#[cfg(test)]
mod crates;
#[cfg(test)]
mod docs;
#[cfg(test)]
mod packaging;
#[cfg(test)]
mod sources;
#[cfg(test)]
mod tree;
