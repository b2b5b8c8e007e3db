//! What the processes of aa-sensord say to each other and to their users. Pure: no I/O, no async.
//!
//! * [`sensor`]: the typed protocol between `aa-sensord` (sensor) and `aa-gateway`, framed by [`frame`].
//! * [`resolver`]: the typed protocol between the sensor and `aa-resolver`.
//! * [`status`]: the state of the daemon as `aasm status` shows it.
//! * [`event`]: the event everybody sees: in the audit log, in `aasm events`, in exports.
//! * [`api`]: the JSON lines of the control socket.
//! * [`alerts`]: what goes out of the machine, as part of these.
//! * [`vault`]: secrets and keys, as part of these.
//! * [`problem`]: how a failure is told (`error / cause / hint / code`), the same everywhere.
//! * [`text`], [`time`], [`ids`], [`secret`]: the scalars all of these are made of.

pub mod alerts;
pub mod api;
pub mod event;
pub mod exchange;
pub mod frame;
pub mod ids;
pub mod problem;
pub mod resolver;
pub mod secret;
pub mod sensor;
pub mod status;
pub mod text;
pub mod time;
pub mod vault;

pub use event::Event;
pub use ids::{AgentId, CgroupId, Generation, Pid, Sequence, SessionId, Slot};
pub use problem::WireError;
pub use secret::{Secret, SecretBytes};
pub use text::EscapedBytes;
pub use time::Timestamp;
