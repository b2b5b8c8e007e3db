//! Texts of `/proc` (proc(5)), read from bytes: parts of each are chosen by whoever is looked at. Pure: no I/O.
//!
//! * [`maps`]: `/proc/PID/maps`, which file is mapped where.
//! * [`mountinfo`]: `/proc/PID/mountinfo`, where each file system is mounted whole.
//! * [`stat`]: `/proc/PID/stat`, when a process started.

pub mod maps;
pub mod mountinfo;
pub mod stat;
