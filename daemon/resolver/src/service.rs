//! The process around the server: what the sensor tells, and what it is told.
//!
//! Tasks, all in one thread: those of [`aa_resolver::Server`], and [`link`], which alone reads and writes the sensor's socket. One
//! channel goes to it: the frames that lookups send, bounded. State: [`world::World`], one [`book::Book`] behind a lock that is never
//! held while waiting; it holds for one connection and is forgotten with it. The sockets stay: the sensor may restart at any time.
//!
//! What comes from agents is parsed in the library; here are only addresses, checked names, and the sensor's frames.

pub(crate) mod book;
pub(crate) mod link;
pub(crate) mod live;
pub(crate) mod privileges;
pub(crate) mod resolv_conf;
pub(crate) mod seccomp;
pub(crate) mod settings;
#[cfg(test)]
mod tests;
pub(crate) mod told;
pub(crate) mod world;
