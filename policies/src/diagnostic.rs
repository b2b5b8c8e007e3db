//! What is wrong with a policy file, where, why, and what to write instead; one renderer for all of it.

use serde::Serialize;
use std::fmt;

/// A place in the text. Lines and columns count from 1, columns and length in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Span {
    /// The line.
    pub line: u32,
    /// The first column.
    pub column: u32,
    /// How many characters; the underline is at least one long and ends with the line.
    pub length: u32,
}

/// Whether the file can be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// It cannot.
    Error,
    /// It can, but look here.
    Warning,
}

/// The stable number of a kind of diagnostic.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
pub enum Code {
    /// The text is not YAML.
    #[serde(rename = "AA-P001")]
    Yaml,
    /// YAML that a policy does not use: anchors, tags, several documents; or too large.
    #[serde(rename = "AA-P002")]
    Document,
    /// A list where a mapping is wanted, and the like.
    #[serde(rename = "AA-P003")]
    Shape,
    /// A key no policy has.
    #[serde(rename = "AA-P004")]
    UnknownKey,
    /// Part of the language, not of this version.
    #[serde(rename = "AA-P005")]
    NotYet,
    /// A key every policy has.
    #[serde(rename = "AA-P006")]
    Missing,
    /// A value that is none of those possible.
    #[serde(rename = "AA-P007")]
    Value,
    /// A `$name` that nothing defines.
    #[serde(rename = "AA-P008")]
    Undefined,
    /// A path pattern that cannot be read.
    #[serde(rename = "AA-P009")]
    Path,
    /// A network pattern that cannot be read.
    #[serde(rename = "AA-P010")]
    Net,
    /// An exec pattern that cannot be read.
    #[serde(rename = "AA-P011")]
    Exec,
    /// An `expect` line that cannot be read.
    #[serde(rename = "AA-P012")]
    ExpectSyntax,
    /// An `expect` line that does not hold.
    #[serde(rename = "AA-P013")]
    ExpectFailed,
    /// A key twice in one mapping.
    #[serde(rename = "AA-P014")]
    Duplicate,
    /// A condition that cannot be read, or asks for what there is not.
    #[serde(rename = "AA-P015")]
    Condition,
    /// A section that is absent, or what another needs of it.
    #[serde(rename = "AA-P101")]
    Absent,
    /// A rule that never decides anything.
    #[serde(rename = "AA-P102")]
    Dead,
    /// A policy whose tables would be too large.
    #[serde(rename = "AA-P103")]
    TooLarge,
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Yaml => "AA-P001",
            Self::Document => "AA-P002",
            Self::Shape => "AA-P003",
            Self::UnknownKey => "AA-P004",
            Self::NotYet => "AA-P005",
            Self::Missing => "AA-P006",
            Self::Value => "AA-P007",
            Self::Undefined => "AA-P008",
            Self::Path => "AA-P009",
            Self::Net => "AA-P010",
            Self::Exec => "AA-P011",
            Self::ExpectSyntax => "AA-P012",
            Self::ExpectFailed => "AA-P013",
            Self::Duplicate => "AA-P014",
            Self::Condition => "AA-P015",
            Self::Absent => "AA-P101",
            Self::Dead => "AA-P102",
            Self::TooLarge => "AA-P103",
        })
    }
}

/// One thing to say about a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Diagnostic {
    /// Error or warning.
    pub severity: Severity,
    /// Its number.
    pub code: Code,
    /// What is wrong, in one sentence without a full stop.
    pub message: String,
    /// The file as the caller named it.
    pub file: String,
    /// Where.
    pub span: Span,
    /// The line of the source.
    pub source: String,
    /// Why it is wrong.
    pub cause: Option<String>,
    /// What to write instead.
    pub hint: Option<String>,
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let severity = match self.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        };
        let Span { line, column, length } = self.span;
        writeln!(f, "{severity}: {}", self.message)?;
        let gutter = " ".repeat(line.to_string().len());
        writeln!(f, "{gutter}--> {}:{line}:{column}", self.file)?;
        writeln!(f, "{gutter} |")?;
        writeln!(f, "{line} | {}", self.source.replace('\t', " "))?;
        let before = column.saturating_sub(1) as usize;
        let room = self.source.chars().count().saturating_sub(before);
        let under = (length as usize).min(room).max(1);
        writeln!(f, "{gutter} | {}{}", " ".repeat(before), "^".repeat(under))?;
        if let Some(cause) = &self.cause {
            writeln!(f, "{gutter} = cause: {cause}")?;
        }
        if let Some(hint) = &self.hint {
            writeln!(f, "{gutter} = hint: {hint}")?;
        }
        writeln!(f, "{gutter} = code: {}", self.code)
    }
}

/// Everything found in one file, in the order of the text.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
#[serde(transparent)]
pub struct Diagnostics {
    /// What was found.
    pub items: Vec<Diagnostic>,
}

impl Diagnostics {
    /// The errors among them.
    pub fn errors(&self) -> impl Iterator<Item = &Diagnostic> {
        self.items.iter().filter(|item| item.severity == Severity::Error)
    }
}

impl fmt::Display for Diagnostics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, item) in self.items.iter().enumerate() {
            if number > 0 {
                writeln!(f)?;
            }
            item.fmt(f)?;
        }
        Ok(())
    }
}

impl std::error::Error for Diagnostics {}

/// Collects diagnostics while a file is read.
#[derive(Debug)]
pub(crate) struct Report<'text> {
    file: &'text str,
    lines: Vec<&'text str>,
    items: Vec<Diagnostic>,
}

impl<'text> Report<'text> {
    pub(crate) fn new(file: &'text str, text: &'text str) -> Self {
        Self {
            file,
            lines: text.lines().collect(),
            items: Vec::new(),
        }
    }

    pub(crate) fn error(&mut self, code: Code, span: Span, message: impl Into<String>) -> Note<'_> {
        self.add(Severity::Error, code, span, message.into())
    }

    pub(crate) fn warning(&mut self, code: Code, span: Span, message: impl Into<String>) -> Note<'_> {
        self.add(Severity::Warning, code, span, message.into())
    }

    fn add(&mut self, severity: Severity, code: Code, span: Span, message: String) -> Note<'_> {
        let row = span.line.saturating_sub(1) as usize;
        let source = self.lines.get(row).copied().unwrap_or_default().to_owned();
        let file = self.file.to_owned();
        self.items.push(Diagnostic {
            severity,
            code,
            message,
            file,
            span,
            source,
            cause: None,
            hint: None,
        });
        Note {
            item: self.items.last_mut(),
        }
    }

    pub(crate) fn is_clean(&self) -> bool {
        self.items.is_empty()
    }

    pub(crate) fn finish(mut self) -> Diagnostics {
        self.items.sort_by_key(|item| (item.span.line, item.span.column));
        Diagnostics { items: self.items }
    }
}

/// Adds cause and hint to the diagnostic just made.
#[derive(Debug)]
pub(crate) struct Note<'report> {
    item: Option<&'report mut Diagnostic>,
}

impl Note<'_> {
    pub(crate) fn cause(mut self, cause: impl Into<String>) -> Self {
        if let Some(item) = self.item.as_deref_mut() {
            item.cause = Some(cause.into());
        }
        self
    }

    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        if let Some(item) = self.item.as_deref_mut() {
            item.hint = Some(hint.into());
        }
        self
    }
}

/// What is wrong with a value, before it is known where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Complaint {
    pub(crate) code: Code,
    pub(crate) message: String,
    pub(crate) cause: Option<String>,
    pub(crate) hint: Option<String>,
}

impl Complaint {
    pub(crate) fn new(code: Code, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
            cause: None,
            hint: None,
        }
    }

    pub(crate) fn cause(mut self, cause: impl Into<String>) -> Self {
        self.cause = Some(cause.into());
        self
    }

    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    pub(crate) fn report(self, report: &mut Report<'_>, span: Span) {
        let note = report.error(self.code, span, self.message);
        let note = match self.cause {
            Some(cause) => note.cause(cause),
            None => note,
        };
        if let Some(hint) = self.hint {
            note.hint(hint);
        }
    }
}
