//! Sends records of the audit log out of the machine, by rules of the configuration.
//!
//! The courier is a service of its own, as nobody: it may read the log's files and speak to the network, and nothing else. The gateway, which
//! decides, does not know whether it lives: the log is the queue between them, so that a dead receiver costs disk that is used anyway.
//!
//! Threads: one for each rule ([`route`]), which follows the log, sends, waits and tries again; and [`link`], which tells the gateway every
//! second how the rules stand and hears what is to be tested or signed. State: a file for each rule ([`state`]), which only its thread writes,
//! and a row for each rule behind one lock ([`board`]), held for a copy.
//!
//! What receivers answer is read by [`http`], bounded in bytes and time; nothing of it goes anywhere but a status, a time to wait, and a count.

pub mod address;
mod backoff;
pub mod board;
mod condition;
mod config;
mod destination;
pub mod http;
pub mod link;
mod otlp;
pub mod privileges;
mod render;
pub mod route;
pub mod settings;
mod slack;
pub mod state;
mod syslog;
mod tls;
mod webhook;

#[cfg(test)]
mod tests;
