//! The kernel programs of aa-sensord and the one safe way to them.
//!
//! - [`abi`]: the types both sides share, made by bindgen from `abi/*.h`, with the names of actions, reasons, losses.
//! - [`hooks`]: where programs are attached, by which of three ways; [`obedience`]: whether the kernel runs them each time,
//!   and [`forking`]: whether it keeps who is governed.
//! - [`load`]: open, load and attach the objects, or adopt what is pinned; the sensor only.
//! - [`tables`]: the maps the sensor writes: agents, policies, addresses, selectors, settings.
//! - [`pool`]: the automaton pool, mapped writable; builds a generation beside those in use.
//! - [`holds`]: asks: who takes answers, and the answers.
//! - [`names`]: addresses bound to names, and where the resolver is.
//! - [`askers`]: who asks the resolver; all that the resolver uses.
//! - [`tasks`]: who is governed: storage by pidfd, the iterators.
//! - [`mapped`]: which files processes map as code; [`uprobes`]: probes in such files.
//! - [`probe`]: actions a self-test needs that no safe interface offers.
//! - [`ring`]: the readers' side of the rings, and [`record`]: what their bytes say. The gateway uses nothing else of
//!   this crate but [`abi`].
//!
//! Nothing here knows the policy language; `aa-sensord` translates.

pub mod abi;
pub mod answers;
pub mod askers;
mod clock;
pub mod contents;
pub mod forking;
pub mod holds;
pub mod hooks;
pub mod load;
pub mod mapped;
pub mod names;
pub mod obedience;
pub mod pool;
pub mod probe;
pub mod record;
pub mod ring;
mod shared;
pub mod tables;
pub mod tasks;
pub mod uprobes;

pub use load::{Kernel, LoadError};
