//! Panics that are caught, and of which nothing is told: what a verifier or a decoder says when it panics may hold what it looked at.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Once;

thread_local! {
    static QUIET: Cell<bool> = const { Cell::new(false) };
}

/// What a function gives; `None` if it panicked, of which the process's panic hook learns nothing.
pub(crate) fn caught<R>(look: impl FnOnce() -> R) -> Option<R> {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            if !QUIET.get() {
                before(panic);
            }
        }));
    });
    let outer = QUIET.replace(true);
    let result = catch_unwind(AssertUnwindSafe(look));
    QUIET.set(outer);
    result.ok()
}
