//! YAML text to a tree that knows where each part stands. Nothing of YAML's cleverness is used: no anchors, tags or second documents.

use crate::diagnostic::{Code, Report, Span};
use saphyr_parser::{Event, Parser, ScalarStyle};

/// A part of the document.
#[derive(Debug, Clone)]
pub(crate) struct Node {
    pub(crate) span: Span,
    pub(crate) value: Value,
}

#[derive(Debug, Clone)]
pub(crate) enum Value {
    Null,
    Text(String),
    List(Vec<Node>),
    Map(Vec<Entry>),
}

#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub(crate) key: String,
    pub(crate) span: Span,
    pub(crate) node: Node,
}

impl Node {
    pub(crate) fn kind(&self) -> &'static str {
        match self.value {
            Value::Null => "nothing",
            Value::Text(_) => "text",
            Value::List(_) => "a list",
            Value::Map(_) => "a mapping",
        }
    }
}

const MAX_BYTES: usize = 1 << 20;
const MAX_DEPTH: usize = 16;

enum Open {
    List(Span, Vec<Node>),
    Map(Span, Vec<Entry>, Option<(String, Span)>),
}

/// Reads the document; what is wrong goes to the report.
pub(crate) fn parse(text: &str, report: &mut Report<'_>) -> Option<Node> {
    let start = Span {
        line: 1,
        column: 1,
        length: 1,
    };
    if text.len() > MAX_BYTES {
        report
            .error(Code::Document, start, "the policy is larger than 1 MiB")
            .hint("split it: several policies can govern one agent, and the strictest verdict wins");
        return None;
    }
    let mut tree = Tree {
        open: Vec::new(),
        root: None,
        documents: 0,
    };
    for event in Parser::new_from_str(text) {
        match event {
            Ok((event, place)) => tree.take(event, convert(place), report)?,
            Err(error) => {
                scan_error(&error, report);
                return None;
            }
        }
    }
    if tree.root.is_none() {
        report
            .error(Code::Document, start, "the file is empty")
            .hint("begin with `policy: NAME` and `version: 1`");
    }
    tree.root
}

struct Tree {
    open: Vec<Open>,
    root: Option<Node>,
    documents: usize,
}

impl Tree {
    /// Takes up one event; `None` if going on makes no sense.
    fn take(&mut self, event: Event<'_>, span: Span, report: &mut Report<'_>) -> Option<()> {
        let finished = match event {
            Event::DocumentStart(_) => {
                self.documents += 1;
                if self.documents > 1 {
                    report
                        .error(Code::Document, span, "a second document in one file")
                        .hint("one policy per file; remove the `---`");
                    return None;
                }
                None
            }
            Event::Alias(_) => {
                report
                    .error(Code::Document, span, "an alias (`*name`) is not used in policies")
                    .hint("quote a pattern that begins with `*`: \"**/.env\"");
                Some(Node {
                    span,
                    value: Value::Text(String::new()),
                })
            }
            Event::Scalar(text, style, anchor, tag) => {
                no_extras(anchor, tag.is_some(), span, report);
                let null = style == ScalarStyle::Plain && matches!(text.as_ref(), "" | "~" | "null");
                let value = if null {
                    Value::Null
                } else {
                    Value::Text(text.into_owned())
                };
                Some(Node { span, value })
            }
            Event::SequenceStart(anchor, tag) => {
                no_extras(anchor, tag.is_some(), span, report);
                self.open.push(Open::List(span, Vec::new()));
                None
            }
            Event::MappingStart(anchor, tag) => {
                no_extras(anchor, tag.is_some(), span, report);
                self.open.push(Open::Map(span, Vec::new(), None));
                None
            }
            Event::SequenceEnd | Event::MappingEnd => self.open.pop().map(close),
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentEnd => None,
        };
        if self.open.len() > MAX_DEPTH {
            report
                .error(Code::Document, span, "nested too deeply")
                .cause("no part of a policy is deeper than four levels");
            return None;
        }
        if let Some(node) = finished {
            place_node(node, &mut self.open, &mut self.root, report);
        }
        Some(())
    }
}

fn close(open: Open) -> Node {
    match open {
        Open::List(span, items) => Node {
            span,
            value: Value::List(items),
        },
        Open::Map(span, entries, _) => Node {
            span,
            value: Value::Map(entries),
        },
    }
}

fn place_node(node: Node, open: &mut [Open], root: &mut Option<Node>, report: &mut Report<'_>) {
    match open.last_mut() {
        None => *root = Some(node),
        Some(Open::List(_, items)) => items.push(node),
        Some(Open::Map(_, entries, pending)) => {
            let Some((key, span)) = pending.take() else {
                *pending = Some((key_of(node.value, node.span, report), node.span));
                return;
            };
            if entries.iter().any(|entry| entry.key == key) {
                report
                    .error(Code::Duplicate, span, format!("`{key}` stands here twice"))
                    .hint("merge the two; order means nothing in a policy");
            } else {
                entries.push(Entry { key, span, node });
            }
        }
    }
}

fn key_of(value: Value, span: Span, report: &mut Report<'_>) -> String {
    if let Value::Text(text) = value {
        return text;
    }
    report
        .error(Code::Shape, span, "a key must be a word")
        .hint("quote a pattern that begins with `[`, `{` or `*`");
    String::new()
}

fn no_extras(anchor: usize, tag: bool, span: Span, report: &mut Report<'_>) {
    if anchor != 0 {
        report
            .error(Code::Document, span, "an anchor (`&name`) is not used in policies")
            .hint("name a value with `let` and write $name");
    }
    if tag {
        report
            .error(Code::Document, span, "a tag (`!name`) is not used in policies")
            .hint("quote text that begins with `!`");
    }
}

fn convert(place: saphyr_parser::Span) -> Span {
    let length = if place.start.line() == place.end.line() {
        place.end.col().saturating_sub(place.start.col())
    } else {
        1
    };
    Span {
        line: count(place.start.line()),
        column: count(place.start.col() + 1),
        length: count(length.max(1)),
    }
}

fn scan_error(error: &saphyr_parser::ScanError, report: &mut Report<'_>) {
    let span = Span {
        line: count(error.marker().line()),
        column: count(error.marker().col() + 1),
        length: 1,
    };
    report
        .error(Code::Yaml, span, "this is not YAML")
        .cause(error.info())
        .hint("quote patterns that begin with `*`, `[`, `{`, `@`, `!` or `&`, and text with `: ` or ` #` in it");
}

/// A count as it travels in spans and tables.
pub(crate) fn count(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}
