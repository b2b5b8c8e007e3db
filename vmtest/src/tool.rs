//! Running the host's programs: a missing one is told from a failing one, and both say what to do.

use std::io;
use std::process::{Command, ExitStatus, Stdio};

/// A host program that could not do its part.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ToolError {
    /// Not installed.
    #[error("{tool} is not installed")]
    Missing {
        /// The program's name.
        tool: String,
    },
    /// It could not be started for another reason.
    #[error("cannot start {tool}")]
    Start {
        /// The program's name.
        tool: String,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// It ran and failed.
    #[error("{tool} failed ({status}): {said}")]
    Failed {
        /// The program's name.
        tool: String,
        /// How it ended.
        status: ExitStatus,
        /// The end of what it wrote to stderr.
        said: String,
    },
}

impl ToolError {
    /// What the user can do about it.
    pub(crate) fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Missing { .. } => Some("`make deps` installs the host programs aa-vmtest needs"),
            Self::Start { .. } | Self::Failed { .. } => None,
        }
    }

    /// Tells "not there" from other failures to start.
    pub(crate) fn from_start(command: &Command, source: io::Error) -> Self {
        let tool = name(command);
        if source.kind() == io::ErrorKind::NotFound {
            Self::Missing { tool }
        } else {
            Self::Start { tool, source }
        }
    }
}

/// A command with a neutral locale and no stdin.
pub(crate) fn command(program: &str) -> Command {
    let mut command = Command::new(program);
    command.env("LC_ALL", "C.UTF-8").stdin(Stdio::null());
    command
}

/// Runs to the end; its stdout is returned.
pub(crate) fn output(command: &mut Command) -> Result<Vec<u8>, ToolError> {
    let output = command
        .output()
        .map_err(|source| ToolError::from_start(command, source))?;
    if output.status.success() {
        return Ok(output.stdout);
    }
    let said = tail(&String::from_utf8_lossy(&output.stderr), 8);
    Err(ToolError::Failed {
        tool: name(command),
        status: output.status,
        said,
    })
}

/// Runs to the end; only success counts.
pub(crate) fn run(command: &mut Command) -> Result<(), ToolError> {
    output(command).map(drop)
}

/// The last `count` lines of a text.
pub(crate) fn tail(text: &str, count: usize) -> String {
    let lines: Vec<&str> = text.lines().collect();
    lines
        .into_iter()
        .rev()
        .take(count)
        .collect::<Vec<_>>()
        .into_iter()
        .rev()
        .collect::<Vec<_>>()
        .join("\n")
}

fn name(command: &Command) -> String {
    command.get_program().to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_program_hints_at_make_deps() {
        let error = run(&mut command("aa-no-such-program")).unwrap_err();
        assert!(matches!(error, ToolError::Missing { .. }));
        assert!(error.hint().unwrap().contains("make deps"));
    }

    #[test]
    fn a_failing_program_is_quoted() {
        let error = run(command("sh").args(["-c", "echo first >&2; echo last >&2; exit 3"])).unwrap_err();
        assert!(error.to_string().contains("last"), "{error}");
        assert!(error.hint().is_none());
    }

    #[test]
    fn the_tail_of_a_short_text_is_the_text() {
        assert_eq!(tail("a\nb", 5), "a\nb");
        assert_eq!(tail("a\nb\nc", 2), "b\nc");
    }
}
