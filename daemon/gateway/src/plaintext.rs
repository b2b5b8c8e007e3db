//! The plaintext thread: reads the kernel's ring.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use aa_bpf::record::plaintext::decode;
use aa_bpf::ring::{self, Ring};

pub(crate) fn start(mut ring: Ring) -> std::io::Result<()> {
    let stop = Arc::new(AtomicBool::new(false));
    std::thread::Builder::new().name("plaintext".into()).spawn(move || {
        while !stop.load(Ordering::Relaxed) {
            let count = ring.read(256, |bytes| match decode(bytes) {
                Ok(piece) => tracing::info!(?piece, "piece"),
                Err(error) => tracing::warn!(%error, "undecodable"),
            });
            ring.release();
            if count == 0 {
                let _ = ring::wait(std::slice::from_ref(&ring), Duration::from_millis(250));
            }
        }
    })?;
    Ok(())
}
