//! What the user sees of aa-vmtest itself, all on stderr: notes, and errors as `error / cause / hint`.

use std::time::Duration;

use crate::manifest::ManifestError;
use crate::tool::ToolError;

/// A line about what is going on.
pub(crate) fn note(text: &str) {
    eprintln!("aa-vmtest: {text}");
}

/// An error with its causes and what to do.
pub(crate) fn error(error: &str, causes: &[String], hint: Option<&str>) {
    eprintln!("error: {error}");
    for cause in causes {
        eprintln!("cause: {cause}");
    }
    if let Some(hint) = hint {
        eprintln!("hint: {hint}");
    }
}

/// Renders an error chain; the hint is that of the first error in the chain that has one.
pub(crate) fn render(failure: &anyhow::Error) {
    let causes: Vec<String> = failure.chain().skip(1).map(ToString::to_string).collect();
    error(&failure.to_string(), &causes, hint(failure));
}

fn hint(failure: &anyhow::Error) -> Option<&'static str> {
    failure.chain().find_map(|error| {
        let tool = error.downcast_ref::<ToolError>().and_then(ToolError::hint);
        tool.or_else(|| error.downcast_ref::<ManifestError>().and_then(ManifestError::hint))
    })
}

/// Seconds with one decimal.
pub(crate) fn seconds(duration: Duration) -> String {
    format!("{:.1} s", duration.as_secs_f64())
}

/// One row of the closing table of `test`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Row {
    /// Name in the support table.
    pub(crate) kernel: String,
    /// `uname -r`.
    pub(crate) release: String,
    /// What was expected of the daemon.
    pub(crate) expect: String,
    /// Sum of its result lines.
    pub(crate) passed: u64,
    /// Sum of its result lines; a guest that gave none or ended badly counts as one more.
    pub(crate) failed: u64,
    /// Which tests failed, and why.
    pub(crate) failures: Vec<String>,
    /// Until the task began.
    pub(crate) boot: String,
    /// Until the end.
    pub(crate) total: String,
    /// What else went wrong.
    pub(crate) remark: String,
}

/// The closing table and, as the last line, the sum.
pub(crate) fn table(rows: &[Row]) -> String {
    let mut lines = vec![format!(
        "{:<12} {:<30} {:<8} {:>6} {:>6} {:>8} {:>8}  {}",
        "kernel", "release", "expect", "passed", "failed", "boot", "total", "remark"
    )];
    lines.extend(rows.iter().map(|row| {
        format!(
            "{:<12} {:<30} {:<8} {:>6} {:>6} {:>8} {:>8}  {}",
            row.kernel, row.release, row.expect, row.passed, row.failed, row.boot, row.total, row.remark
        )
    }));
    let passed: u64 = rows.iter().map(|row| row.passed).sum();
    let failed: u64 = rows.iter().map(|row| row.failed).sum();
    let body: Vec<&str> = lines.iter().map(|line| line.trim_end()).collect();
    format!("{}\n{passed} passed, {failed} failed\n", body.join("\n"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use anyhow::Context;

    #[test]
    fn the_last_line_sums_all_kernels() {
        let row = |passed, failed| Row {
            passed,
            failed,
            ..Row::default()
        };
        let text = table(&[row(3, 0), row(4, 1)]);
        assert_eq!(text.lines().last(), Some("7 passed, 1 failed"));
        assert_eq!(text.lines().count(), 4);
    }

    #[test]
    fn the_hint_is_found_below_contexts() {
        let missing = ToolError::Missing {
            tool: "mmdebstrap".to_owned(),
        };
        let failure = Err::<(), _>(missing)
            .context("cannot build the guest image")
            .unwrap_err();
        assert!(hint(&failure).unwrap().contains("make deps"));
        assert_eq!(hint(&anyhow::anyhow!("other")), None);
    }
}
