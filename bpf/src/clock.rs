//! The kernel programs' clock.

use std::io;
use std::time::Duration;

use nix::time::{ClockId, clock_gettime};

/// Nanoseconds since the machine was started, sleep included: `bpf_ktime_get_boot_ns`.
pub(crate) fn boot_ns() -> io::Result<u64> {
    let time = clock_gettime(ClockId::CLOCK_BOOTTIME)?;
    Ok(Duration::from(time).as_nanos().try_into().unwrap_or(u64::MAX))
}
