//! The bytes that come out of a guest, made into lines and messages.

/// Cuts a stream of bytes into lines.
#[derive(Debug, Default)]
pub(crate) struct Lines {
    partial: Vec<u8>,
}

impl Lines {
    /// Takes more bytes; returns the lines they complete, without line ends.
    pub(crate) fn push(&mut self, bytes: &[u8]) -> Vec<String> {
        self.partial.extend_from_slice(bytes);
        let mut lines = Vec::new();
        while let Some(end) = self.partial.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = self.partial.drain(..=end).collect();
            lines.push(clean(&line));
        }
        lines
    }
}

fn clean(line: &[u8]) -> String {
    String::from_utf8_lossy(line).trim_end_matches(['\n', '\r']).to_owned()
}

/// What a guest says on its control port, one per line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Control {
    /// The task begins now.
    Start,
    /// The task ended with this status.
    Exit(u8),
    /// The guest could not get as far as the task.
    Fail(String),
    /// To be shown to the user.
    Note(String),
    /// Not understood.
    Unknown(String),
}

impl Control {
    /// Reads one line of the control port.
    pub(crate) fn parse(line: &str) -> Self {
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        match (word, rest.parse()) {
            ("start", _) => Self::Start,
            ("exit", Ok(status)) => Self::Exit(status),
            ("fail", _) => Self::Fail(rest.to_owned()),
            ("note", _) => Self::Note(rest.to_owned()),
            _ => Self::Unknown(line.to_owned()),
        }
    }
}

/// What a line of the kernel's console tells about the kernel's health.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Health {
    /// Nothing.
    Fine,
    /// It complains but goes on.
    Complaint,
    /// It has stopped.
    Panic,
}

/// In the kernel's text, met by a processor that should not have.
pub(crate) const BREAKPOINT: &str = "int3: 0000";

/// Judges a line of the kernel's console.
pub(crate) fn health(line: &str) -> Health {
    const COMPLAINTS: [&str; 7] = [
        BREAKPOINT,
        "BUG: ",
        "WARNING: CPU",
        "Oops: ",
        "general protection fault",
        "KASAN: ",
        "kernel BUG at",
    ];
    if line.contains("Kernel panic - not syncing") {
        Health::Panic
    } else if COMPLAINTS.iter().any(|mark| line.contains(mark)) {
        Health::Complaint
    } else {
        Health::Fine
    }
}

/// Reads a plain line `N passed, N failed`.
pub(crate) fn parse_result(line: &str) -> Option<(u64, u64)> {
    let (passed, failed) = line.trim().split_once(" passed, ")?;
    Some((passed.parse().ok()?, failed.strip_suffix(" failed")?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_whole_however_the_bytes_arrive() {
        let mut lines = Lines::default();
        assert_eq!(lines.push(b"fir"), Vec::<String>::new());
        assert_eq!(lines.push(b"st\r\nsecond\nth"), ["first", "second"]);
        assert_eq!(lines.push(b"ird"), Vec::<String>::new());
        assert_eq!(lines.push(b"\n"), ["third"]);
    }

    #[test]
    fn control_lines_are_read() {
        assert_eq!(Control::parse("start"), Control::Start);
        assert_eq!(Control::parse("exit 7"), Control::Exit(7));
        assert_eq!(
            Control::parse("fail no root disk"),
            Control::Fail("no root disk".to_owned())
        );
        assert_eq!(Control::parse("note slow"), Control::Note("slow".to_owned()));
    }

    #[test]
    fn a_status_that_is_no_status_is_not_taken_for_success() {
        for line in ["exit", "exit ", "exit 256", "exit -1", "exit seven", ""] {
            assert_eq!(Control::parse(line), Control::Unknown(line.to_owned()));
        }
    }

    #[test]
    fn panics_and_complaints_are_told_apart() {
        assert_eq!(health("[ 1.0] Kernel panic - not syncing: VFS"), Health::Panic);
        assert_eq!(
            health("[ 1.0] WARNING: CPU: 0 PID: 1 at kernel/bpf/x.c"),
            Health::Complaint
        );
        assert_eq!(health("[ 1.0] BUG: unable to handle page fault"), Health::Complaint);
        assert_eq!(health("[ 1.0] Run /init as init process"), Health::Fine);
    }

    #[test]
    fn only_a_plain_result_line_is_a_result() {
        assert_eq!(parse_result("12 passed, 0 failed"), Some((12, 0)));
        assert_eq!(parse_result(" 3 passed, 4 failed "), Some((3, 4)));
        for line in [
            "test result: ok. 3 passed; 0 failed",
            "3 passed, 4 failed, 1 ignored",
            "x passed, 1 failed",
            "",
        ] {
            assert_eq!(parse_result(line), None, "{line}");
        }
    }
}
