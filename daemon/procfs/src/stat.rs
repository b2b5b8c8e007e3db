//! `/proc/PID/stat`: when a process started.

/// Nanoseconds of a tick, fixed in the kernel's interface (USER_HZ).
pub const NANOSECONDS_PER_TICK: u64 = 10_000_000;

/// Field 22: start after boot, in ticks. The name before it may hold anything, but the last `)` ends it.
pub fn start_ticks(text: &[u8]) -> Option<u64> {
    let end = text.iter().rposition(|byte| *byte == b')')?;
    let after = text.get(end + 2..)?;
    let field = after
        .split(u8::is_ascii_whitespace)
        .filter(|field| !field.is_empty())
        .nth(19)?;
    std::str::from_utf8(field).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const REST: &str = "S 1 2 2 0 -1 4194560 5 6 7 8 9 10 11 12 20 0 1 0 4711 999 3";

    #[test]
    fn the_start_is_found_whatever_the_process_calls_itself() {
        for name in ["sh", "a b", ") S 1 2 (", "\u{fffd}\n"] {
            assert_eq!(
                start_ticks(format!("7 ({name}) {REST}\n").as_bytes()),
                Some(4711),
                "{name}"
            );
        }
    }

    #[test]
    fn a_text_that_ends_early_has_no_start() {
        let whole = format!("7 (sh) {REST}\n");
        for cut in 0..whole.find("4711").unwrap() {
            assert_eq!(start_ticks(&whole.as_bytes()[..cut]), None);
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read(text: Vec<u8>) {
            let _ = start_ticks(&text);
        }
    }
}
