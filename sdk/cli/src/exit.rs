//! How the program ends, and how failures are told.

use std::process::ExitCode;

use aa_sdk::SdkError;
use aa_wire::WireError;

pub(crate) const FAILED: u8 = 1;
pub(crate) const USAGE: u8 = 64;
pub(crate) const BAD_POLICY: u8 = 65;
pub(crate) const UNAVAILABLE: u8 = 69;
pub(crate) const NOT_PERMITTED: u8 = 77;
pub(crate) const CANNOT_RUN: u8 = 126;
pub(crate) const NOT_FOUND: u8 = 127;

/// Something that ends the program.
#[derive(Debug)]
pub(crate) enum Failure {
    /// Told by the renderer; the code decides the exit code.
    Problem(WireError),
    /// Told in its own form already.
    Code(u8),
}

impl From<WireError> for Failure {
    fn from(problem: WireError) -> Self {
        Self::Problem(problem)
    }
}

impl From<SdkError> for Failure {
    fn from(error: SdkError) -> Self {
        Self::Problem(error.to_wire())
    }
}

impl Failure {
    /// Tells it on standard error; the exit code.
    pub(crate) fn tell(self) -> ExitCode {
        match self {
            Self::Problem(problem) => {
                eprintln!("{problem}");
                ExitCode::from(code(&problem))
            }
            Self::Code(code) => ExitCode::from(code),
        }
    }
}

/// The exit code of a problem.
pub(crate) fn code(problem: &WireError) -> u8 {
    match problem.code.as_str() {
        "usage" | "bad-path" | "bad-name" | "secret-exists" => USAGE,
        "bad-policy" | "unknown-policy" | "policy-too-large" | "policy-gap" => BAD_POLICY,
        "daemon-unreachable" | "bad-version" | "sensor-gone" | "sensor-timeout" | "audit-failing" | "busy"
        | "unsupported" | "vault-locked" | "vault-key" | "vault-damaged" | "vault-failing" => UNAVAILABLE,
        "not-permitted" | "governed" => NOT_PERMITTED,
        "cannot-run" => CANNOT_RUN,
        "not-found" => NOT_FOUND,
        _ => FAILED,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_of_failure_has_its_documented_code() {
        for (name, expected) in [
            ("usage", 64),
            ("bad-policy", 65),
            ("unknown-policy", 65),
            ("policy-gap", 65),
            ("daemon-unreachable", 69),
            ("audit-failing", 69),
            ("not-permitted", 77),
            ("governed", 77),
            ("cannot-run", 126),
            ("not-found", 127),
            ("no-such-event", 1),
        ] {
            assert_eq!(code(&WireError::new(name, "")), expected, "{name}");
        }
    }
}
