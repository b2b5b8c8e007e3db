//! Throws the kill switch of an agent that is a `measure swarm`, and tells how long after the call the last of its processes
//! did something: nanoseconds, then how many processes there were, then nanoseconds until the answer.

use std::error::Error;
use std::fs;
use std::time::Duration;

use aa_sdk::Client;
use aa_sdk::wire::api::KillTarget;
use nix::time::{ClockId, clock_gettime};

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let (Some(agent), Some(file)) = (arguments.next(), arguments.next()) else {
        return Err("usage: aa-bench-killer AGENT FILE".into());
    };
    let mut client = Client::connect_default()?;
    let now = || clock_gettime(ClockId::CLOCK_MONOTONIC).map(Duration::from);
    let begun = now()?;
    let processes = client.kill(KillTarget::Agent(agent))?;
    let ended = now()?;
    let bytes = fs::read(file)?;
    let times = bytes
        .chunks_exact(8)
        .filter_map(|time| time.try_into().ok())
        .map(u64::from_ne_bytes);
    let last = Duration::from_nanos(times.max().unwrap_or(0));
    println!(
        "{} {processes} {}",
        last.saturating_sub(begun).as_nanos(),
        ended.saturating_sub(begun).as_nanos()
    );
    Ok(())
}
