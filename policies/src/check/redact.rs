//! `data`, and in it `redact`.

use super::{Draft, list, mapping, one_of, unknown_key};
use crate::diagnostic::Report;
use crate::redact::{DATA_CLASSES, RedactedClass};
use crate::syntax::Node;

const NOT_YET: [(&str, &str); 1] = [(
    "block",
    "label the files in `file.label` and take `net` from who read them in `data.from`",
)];

impl Draft {
    /// `data: {redact: [CLASS...], from: {...}}`
    pub(super) fn data(&mut self, node: &Node, report: &mut Report<'_>) {
        for entry in mapping(node, "`data`", report).unwrap_or_default() {
            match entry.key.as_str() {
                "redact" => self.redact = Some(classes(&entry.node, report)),
                "from" => self.data_from(&entry.node, report),
                _ => unknown_key(entry, &["redact", "from"], &NOT_YET, report),
            }
        }
    }
}

fn classes(node: &Node, report: &mut Report<'_>) -> Vec<RedactedClass> {
    let choices = DATA_CLASSES.map(|name| (name, name));
    let mut classes: Vec<RedactedClass> = Vec::new();
    for item in list(node, "`redact`", report) {
        if let Some(name) = one_of(item, &choices, report)
            && !classes.iter().any(|class| class.name == name)
        {
            let line = item.span.line;
            classes.push(RedactedClass { name, line });
        }
    }
    classes
}
