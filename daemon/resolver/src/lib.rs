//! Looks names up for governed agents.
//!
//! The kernel sees addresses and policies name hosts. What joins them is here: an agent's lookups are answered for the names its
//! policy lists, and each address is bound to the name, for that agent, *before* it learns the address. A connection to an address
//! that nothing is bound to is then judged as an address alone.
//!
//! The life of a question: [`question::Question::decode`] (bytes to a checked value) -> [`decide::decide`] (refuse, answer with
//! nothing, forward) -> [`upstream::ask`] (a question of our own, of which only name and type are the agent's) -> [`admit::admit`]
//! (what of the answer may pass, and what it binds) -> [`Bindings::bind`] -> the reply. All but the third and the binding are pure.
//!
//! Tasks: for each address one that receives datagrams and one that accepts connections, one for each question in flight and each connection; both are
//! bounded by semaphores. State: [`meter::Meter`], one behind a lock that is never held while waiting. No channels.
//!
//! Names that agents ask for are what they do: they stand in no log above `debug`. What became of a question goes to
//! [`Surroundings::looked`], which records it.
//!
//! A policy in observe mode ([`Asker::observes`]) refuses nothing: what would be refused is told as such, looked up, bound and
//! answered. What no policy is needed for still fails: no answer from upstream, endless chains, what is no question for a host name.

pub mod admit;
pub mod decide;
pub mod meter;
pub mod question;
pub mod reply;
pub mod server;
mod surroundings;
#[cfg(test)]
mod tests;
pub mod upstream;

pub use aa_bpf::askers::Transport;
pub use decide::{Refusal, Verdict};
pub use server::{Listener, Server};
pub use surroundings::{Asker, BindError, Bindings, Limits, Surroundings};
