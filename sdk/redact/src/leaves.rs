//! The strings of a JSON document and where each stands in it, without building the document.

/// A string value.
pub(crate) struct Leaf {
    /// Names from the root, `*` for an array's place.
    pub(crate) path: String,
    /// Its first byte behind the quote.
    pub(crate) start: usize,
    /// The closing quote.
    pub(crate) end: usize,
}

/// Strings, and the values of members that tell streams apart, in order.
#[derive(Default)]
pub(crate) struct Leaves {
    pub(crate) strings: Vec<Leaf>,
    /// The values of `index` and its like, joined.
    pub(crate) stream: String,
}

/// Members that number parallel streams within one connection.
const NUMBERS: [&str; 5] = ["index", "output_index", "content_index", "summary_index", "item_id"];
/// Deeper documents are not looked into.
const DEPTH_MAX: usize = 32;

/// Reads as much of a document as is one; what is no JSON has no leaves.
pub(crate) fn leaves(text: &[u8], from: usize) -> Leaves {
    let mut reader = Reader {
        text,
        at: from,
        names: Vec::new(),
        found: Leaves::default(),
    };
    // Where it stops being JSON, what was found before still stands.
    let _ = reader.value();
    reader.found
}

struct Reader<'a> {
    text: &'a [u8],
    at: usize,
    names: Vec<String>,
    found: Leaves,
}

impl Reader<'_> {
    fn skip_space(&mut self) -> Option<u8> {
        while self.text.get(self.at)?.is_ascii_whitespace() {
            self.at += 1;
        }
        self.text.get(self.at).copied()
    }

    fn value(&mut self) -> Option<()> {
        match self.skip_space()? {
            b'{' => self.members(b'}'),
            b'[' => self.members(b']'),
            b'"' => {
                let (start, end) = self.string()?;
                self.number(start, end);
                let path = self.names.join(".");
                self.found.strings.push(Leaf { path, start, end });
                Some(())
            }
            _ => {
                let start = self.at;
                while !matches!(self.text.get(self.at)?, b',' | b'}' | b']' | b' ' | b'\n' | b'\r') {
                    self.at += 1;
                }
                self.number(start, self.at);
                // A bracket that closes something else: no document.
                (self.at > start).then_some(())
            }
        }
    }

    /// Notes the value of a member that numbers a stream.
    fn number(&mut self, start: usize, end: usize) {
        let numbers = self.names.last().is_some_and(|name| NUMBERS.contains(&name.as_str()));
        if numbers {
            self.found.stream.push('/');
            let value = self.text.get(start..end).unwrap_or_default();
            self.found.stream.push_str(&String::from_utf8_lossy(value));
        }
    }

    fn members(&mut self, close: u8) -> Option<()> {
        if self.names.len() >= DEPTH_MAX {
            return None;
        }
        self.at += 1;
        loop {
            let next = self.skip_space()?;
            if next == close {
                self.at += 1;
                return Some(());
            }
            if next == b',' {
                self.at += 1;
                continue;
            }
            let name = if close == b'}' { self.name()? } else { "*".to_owned() };
            self.names.push(name);
            self.value()?;
            self.names.pop();
        }
    }

    fn name(&mut self) -> Option<String> {
        let (start, end) = self.string()?;
        if self.skip_space()? != b':' {
            return None;
        }
        self.at += 1;
        let name = self.text.get(start..end)?;
        Some(String::from_utf8_lossy(name).into_owned())
    }

    fn string(&mut self) -> Option<(usize, usize)> {
        if self.text.get(self.at) != Some(&b'"') {
            return None;
        }
        let start = self.at + 1;
        let mut at = start;
        loop {
            at += memchr::memchr2(b'"', b'\\', self.text.get(at..)?)?;
            if self.text.get(at) == Some(&b'"') {
                self.at = at + 1;
                return Some((start, at));
            }
            at += 2;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_are_told_with_their_path_and_place() {
        let text = br#"data: {"index":1,"delta":{"text":"a\"b"},"choices":[{"index":0,"x":null,"y":"z"}]}"#;
        let found = leaves(text, 6);
        let list: Vec<_> = found
            .strings
            .iter()
            .map(|leaf| (leaf.path.as_str(), &text[leaf.start..leaf.end]))
            .collect();
        assert_eq!(list, [("delta.text", br#"a\"b"#.as_slice()), ("choices.*.y", b"z")]);
        assert_eq!(found.stream, "/1/0");
        assert!(leaves(b"{\"a\":\"b", 0).strings.is_empty());
    }

    #[test]
    fn brackets_that_cross_end_the_document() {
        for text in [&b"[}]"[..], b"{\"a\":]}", b"{\"a\":[1,}]}", b"{\"a\":,}"] {
            assert!(leaves(text, 0).strings.is_empty());
        }
    }
}
