//! The readers' side of the rings: what the gateway, which holds no capability, does with three file descriptors.
//!
//! libbpf maps the rings and finds the records; this module only turns its callback into an ordinary closure call. A
//! record is handed over as bytes in the ring itself, valid during the call.

use std::ffi::{c_int, c_void};
use std::os::fd::{AsRawFd, OwnedFd};
use std::ptr::NonNull;
use std::time::Duration;
use std::{io, slice};

use libbpf_rs::libbpf_sys;

/// Which ring a record came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RingName {
    /// Denials, identity, lifecycle.
    Decisions,
    /// Allowed actions.
    Activity,
    /// TLS plaintext.
    Plaintext,
}

const NAMES: [RingName; 3] = [RingName::Decisions, RingName::Activity, RingName::Plaintext];

/// The rings, mapped. Polled by one thread.
#[derive(Debug)]
pub struct RingSet {
    rings: NonNull<libbpf_sys::ring_buffer>,
    contexts: Box<[Context; 3]>,
    _descriptors: [OwnedFd; 3],
}

// SAFETY: libbpf's ring buffer has no thread affinity; `poll` takes `&mut self`, so one thread at a time uses it.
unsafe impl Send for RingSet {}

type Handler<'a> = dyn FnMut(RingName, &[u8]) + 'a;

#[derive(Debug)]
struct Context {
    name: RingName,
    /// The closure of the poll under way, as a pointer to its fat reference; null in between.
    handler: *mut c_void,
}

impl RingSet {
    /// Maps the three rings.
    ///
    /// # Errors
    /// What the kernel said: the descriptors are not ring buffers, or may not be mapped.
    pub fn new(decisions: OwnedFd, activity: OwnedFd, plaintext: OwnedFd) -> io::Result<Self> {
        let descriptors = [decisions, activity, plaintext];
        let mut contexts = Box::new(NAMES.map(|name| Context {
            name,
            handler: std::ptr::null_mut(),
        }));
        let mut rings = None;
        for (context, descriptor) in contexts.iter_mut().zip(&descriptors) {
            let context: *mut Context = context;
            match rings {
                None => {
                    // SAFETY: `context` points into a box that lives as long as the ring buffer.
                    let created = unsafe {
                        libbpf_sys::ring_buffer__new(
                            descriptor.as_raw_fd(),
                            Some(deliver),
                            context.cast(),
                            std::ptr::null(),
                        )
                    };
                    rings = Some(NonNull::new(created).ok_or_else(io::Error::last_os_error)?);
                }
                Some(rings) => {
                    // SAFETY: `rings` was just made by libbpf; the context as above.
                    let ret = unsafe {
                        libbpf_sys::ring_buffer__add(
                            rings.as_ptr(),
                            descriptor.as_raw_fd(),
                            Some(deliver),
                            context.cast(),
                        )
                    };
                    if ret < 0 {
                        // SAFETY: made above and not used again.
                        unsafe { libbpf_sys::ring_buffer__free(rings.as_ptr()) };
                        return Err(io::Error::from_raw_os_error(-ret));
                    }
                }
            }
        }
        let rings = rings.ok_or_else(|| io::Error::other("no rings"))?;
        Ok(Self {
            rings,
            contexts,
            _descriptors: descriptors,
        })
    }

    /// Waits up to `timeout` and gives every record to `handler`. Returns how many there were.
    pub fn poll(&mut self, timeout: Duration, mut handler: impl FnMut(RingName, &[u8])) -> io::Result<usize> {
        let mut handler: &mut Handler<'_> = &mut handler;
        let pointer: *mut c_void = std::ptr::from_mut(&mut handler).cast();
        for context in self.contexts.iter_mut() {
            context.handler = pointer;
        }
        let timeout_ms = c_int::try_from(timeout.as_millis()).unwrap_or(c_int::MAX);
        // SAFETY: the rings live; `deliver` finds the handler through its context during this call only.
        let ret = unsafe { libbpf_sys::ring_buffer__poll(self.rings.as_ptr(), timeout_ms) };
        for context in self.contexts.iter_mut() {
            context.handler = std::ptr::null_mut();
        }
        match usize::try_from(ret) {
            Ok(count) => Ok(count),
            Err(_) if ret == -nix::libc::EINTR => Ok(0),
            Err(_) => Err(io::Error::from_raw_os_error(-ret)),
        }
    }
}

impl Drop for RingSet {
    fn drop(&mut self) {
        // SAFETY: made by libbpf and not used after this.
        unsafe { libbpf_sys::ring_buffer__free(self.rings.as_ptr()) };
    }
}

unsafe extern "C" fn deliver(context: *mut c_void, data: *mut c_void, size: u64) -> c_int {
    // SAFETY: the context given at creation; it lives in the RingSet's box, and only poll() calls here.
    let context = unsafe { &*context.cast::<Context>() };
    if context.handler.is_null() || data.is_null() {
        return 0;
    }
    // SAFETY: libbpf hands over `size` readable bytes for the time of the call.
    let bytes = unsafe { slice::from_raw_parts(data.cast::<u8>().cast_const(), usize::try_from(size).unwrap_or(0)) };
    // SAFETY: set by poll() to a live `&mut Handler` for the time of this call.
    let handler = unsafe { &mut *context.handler.cast::<&mut Handler<'_>>() };
    handler(context.name, bytes);
    0
}
