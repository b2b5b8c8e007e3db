//! How a failure is told: what failed, why, what to do, and a code for programs.

use std::error::Error;
use std::fmt;

use serde::{Deserialize, Serialize};

/// A failure as it crosses a process boundary or reaches a person.
///
/// `Display` is the one renderer: `error`, `cause`, `hint` and `code`, a line each, absent ones left out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WireError {
    /// For programs: lower case words joined by `-`, never changed once released.
    pub code: String,
    /// What failed, in one line.
    pub message: String,
    /// Why, in one line or several.
    pub cause: Option<String>,
    /// What the reader can do about it.
    pub hint: Option<String>,
}

impl WireError {
    /// A failure with neither cause nor hint.
    pub fn new(code: &str, message: impl Into<String>) -> Self {
        Self {
            code: code.to_owned(),
            message: message.into(),
            cause: None,
            hint: None,
        }
    }

    /// A failure told by an error and the chain of its sources.
    pub fn from_error(code: &str, error: &dyn Error) -> Self {
        Self {
            cause: chain(error.source()),
            ..Self::new(code, error.to_string())
        }
    }

    /// The same with its cause.
    #[must_use]
    pub fn because(mut self, cause: impl fmt::Display) -> Self {
        self.cause = Some(cause.to_string());
        self
    }

    /// The same with what to do about it.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

/// The sources of an error from the outermost to the root, joined by `: `.
pub fn chain(mut source: Option<&(dyn Error + 'static)>) -> Option<String> {
    let mut text = source?.to_string();
    while let Some(deeper) = source.and_then(Error::source) {
        text.push_str(": ");
        text.push_str(&deeper.to_string());
        source = Some(deeper);
    }
    Some(text)
}

impl fmt::Display for WireError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_indented(f, "error", &self.message)?;
        if let Some(cause) = &self.cause {
            f.write_str("\n")?;
            write_indented(f, "cause", cause)?;
        }
        if let Some(hint) = &self.hint {
            f.write_str("\n")?;
            write_indented(f, "hint", hint)?;
        }
        write!(f, "\ncode:  {}", self.code)
    }
}

fn write_indented(f: &mut fmt::Formatter<'_>, label: &str, text: &str) -> fmt::Result {
    let mut lines = text.lines();
    write!(f, "{:<7}{}", format!("{label}:"), lines.next().unwrap_or_default())?;
    lines.try_for_each(|line| write!(f, "\n       {line}"))
}

impl Error for WireError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_is_told_as_error_cause_hint_and_code() {
        let failure = WireError::new("daemon-unreachable", "cannot reach aa-sensord")
            .because("connect /run/aa-sensord/control.sock: no such file\nno daemon")
            .hint("systemctl start aa-sensord");
        assert_eq!(
            failure.to_string(),
            "error: cannot reach aa-sensord\n\
             cause: connect /run/aa-sensord/control.sock: no such file\n       no daemon\n\
             hint:  systemctl start aa-sensord\n\
             code:  daemon-unreachable"
        );
    }

    #[test]
    fn what_is_absent_leaves_no_line() {
        assert_eq!(WireError::new("x", "no").to_string(), "error: no\ncode:  x");
    }
}
