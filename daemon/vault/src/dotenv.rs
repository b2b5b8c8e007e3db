//! The files that people keep secrets in today: `NAME=value`, a line each.
//!
//! As `docker --env-file` and shells agree on it: `export` may stand before a name, `#` begins a comment on a line of its own and behind a blank,
//! values may stand in single quotes (taken as they are) or double quotes (`\n`, `\t`, `\r`, `\"`, `\\`, `\$`), over several lines. What a
//! shell would expand (`$NAME`, backquotes) is refused: its value is not in the file.

use zeroize::Zeroizing;

use crate::{SecretName, VALUE_LIMIT};

/// A name and its value.
pub type Pair = (SecretName, Zeroizing<Vec<u8>>);

/// What cannot be read, by its line from 1; never what stands there.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {what}")]
pub struct DotenvError {
    /// From 1.
    pub line: usize,
    /// What is wrong.
    pub what: &'static str,
}

/// Reads all of it or nothing. A name that comes twice is an error.
pub fn parse_dotenv(text: &str) -> Result<Vec<Pair>, DotenvError> {
    let mut reader = Reader {
        rest: text.strip_prefix('\u{feff}').unwrap_or(text),
        line: 1,
        begun: 1,
    };
    let mut pairs: Vec<Pair> = Vec::new();
    while let Some(pair) = reader.next_pair()? {
        if pairs.iter().any(|(name, _)| *name == pair.0) {
            return Err(reader.error("this name comes twice"));
        }
        pairs.push(pair);
    }
    Ok(pairs)
}

struct Reader<'a> {
    rest: &'a str,
    /// That `rest` begins on.
    line: usize,
    /// That the pair at hand begins on.
    begun: usize,
}

impl<'a> Reader<'a> {
    fn error(&self, what: &'static str) -> DotenvError {
        DotenvError { line: self.begun, what }
    }

    fn next_pair(&mut self) -> Result<Option<Pair>, DotenvError> {
        loop {
            if self.rest.is_empty() {
                return Ok(None);
            }
            let (line, behind) = cut_line(self.rest);
            let trimmed = line.trim();
            self.begun = self.line;
            if !trimmed.is_empty() && !trimmed.starts_with('#') {
                break;
            }
            self.rest = behind;
            self.line += 1;
        }
        let (name, value) = cut_line(self.rest)
            .0
            .split_once('=')
            .ok_or_else(|| self.error("it has no `=`"))?;
        let name = name.trim();
        let name = name.strip_prefix("export ").unwrap_or(name).trim();
        let name = SecretName::parse(name).map_err(|_| self.error("what is before `=` cannot be a secret's name"))?;
        let indented = value.len() - value.trim_start().len();
        // Of the whole rest: quotes may reach over lines.
        let (_, value) = self.rest.split_once('=').unwrap_or_default();
        let value = value.get(indented..).unwrap_or_default();
        let value = match value.chars().next() {
            Some(quote @ ('"' | '\'')) => self.quoted(value.strip_prefix(quote).unwrap_or(value), quote)?,
            _ => self.plain(value)?,
        };
        if value.is_empty() {
            return Err(self.error("the value is empty"));
        }
        if value.len() > VALUE_LIMIT {
            return Err(self.error("the value is longer than a secret may be"));
        }
        Ok(Some((name, value)))
    }

    fn plain(&mut self, value: &'a str) -> Result<Zeroizing<Vec<u8>>, DotenvError> {
        let (line, behind) = cut_line(value);
        let comment = line.char_indices().find(|(at, letter)| {
            let before = line.get(..*at).unwrap_or_default();
            *letter == '#' && (before.is_empty() || before.ends_with([' ', '\t']))
        });
        let end = comment.map_or(line.len(), |(at, _)| at);
        let value = line.get(..end).unwrap_or_default().trim_end();
        if value.contains(['$', '`']) {
            return Err(self.error("a shell would expand this; put it in single quotes if it is meant as it stands"));
        }
        if value.contains(['"', '\'']) {
            return Err(self.error("a quote within an unquoted value"));
        }
        self.rest = behind;
        self.line += 1;
        Ok(Zeroizing::new(value.as_bytes().to_vec()))
    }

    fn quoted(&mut self, value: &'a str, quote: char) -> Result<Zeroizing<Vec<u8>>, DotenvError> {
        // Never longer than what it is written as, so it does not grow and leave copies.
        let most = value.len().min(VALUE_LIMIT + 4);
        let mut read = Zeroizing::new(Vec::with_capacity(most));
        let mut letters = value.char_indices();
        while let Some((at, letter)) = letters.next() {
            let letter = match letter {
                _ if letter == quote => return self.behind(value.get(at + 1..).unwrap_or_default(), value, at, read),
                '\\' if quote == '"' => match letters.next() {
                    Some((_, 'n')) => '\n',
                    Some((_, 't')) => '\t',
                    Some((_, 'r')) => '\r',
                    Some((_, escaped @ ('"' | '\\' | '$' | '`'))) => escaped,
                    _ => return Err(self.error("an escape nobody knows; in single quotes there are none")),
                },
                '$' | '`' if quote == '"' => {
                    return Err(
                        self.error("a shell would expand this; put it in single quotes if it is meant as it stands")
                    );
                }
                letter => letter,
            };
            read.extend_from_slice(letter.encode_utf8(&mut [0; 4]).as_bytes());
            if read.len() > VALUE_LIMIT {
                return Err(self.error("the value is longer than a secret may be"));
            }
        }
        Err(self.error("a quote is not closed"))
    }

    /// What stands behind the closing quote: nothing, or a comment.
    fn behind(
        &mut self,
        rest: &'a str,
        value: &str,
        end: usize,
        read: Zeroizing<Vec<u8>>,
    ) -> Result<Zeroizing<Vec<u8>>, DotenvError> {
        let (line, behind) = cut_line(rest);
        let tail = line.trim();
        let comment = tail.starts_with('#') && line.starts_with([' ', '\t']);
        if !tail.is_empty() && !comment {
            return Err(self.error("something stands behind the closing quote"));
        }
        let within = value.get(..end).unwrap_or_default();
        self.line += 1 + within.matches('\n').count();
        self.rest = behind;
        Ok(read)
    }
}

/// A line without its end, and what is behind it.
fn cut_line(text: &str) -> (&str, &str) {
    let (line, behind) = text.split_once('\n').unwrap_or((text, ""));
    (line.strip_suffix('\r').unwrap_or(line), behind)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Vec<(String, String)> {
        let pairs = parse_dotenv(text).unwrap_or_else(|error| panic!("{text:?}: {error}"));
        let own = |(name, value): &Pair| (name.to_string(), String::from_utf8(value.to_vec()).unwrap());
        pairs.iter().map(own).collect()
    }

    #[test]
    fn values_are_read_as_shells_read_them() {
        for (text, value) in [
            ("A=abc", "abc"),
            ("A=abc\r\n", "abc"),
            ("  export A = abc  # x\n", "abc"),
            ("A=a#b", "a#b"),
            ("A=\"a b\\n\\\"c\\\" \\$d\" # x", "a b\n\"c\" $d"),
            ("A='a \\n $b'", "a \\n $b"),
            ("A='zwölf'", "zwölf"),
            ("A='one\ntwo'", "one\ntwo"),
            ("# x\n\nA=1=2", "1=2"),
        ] {
            assert_eq!(read(text), [("A".to_owned(), value.to_owned())], "{text:?}");
        }
        assert_eq!(read("A='1\n2'\nB=3\n").len(), 2);
        assert_eq!(read("\u{feff}A=1\n").len(), 1);
    }

    #[test]
    fn what_is_wrong_is_told_by_its_line_and_never_shown() {
        for (text, line) in [
            ("A=1\nsk_live_abc\n", 2),
            ("sk-/live=abc", 1),
            ("A=", 1),
            ("A=''", 1),
            ("A=$HOME", 1),
            ("A=\"`id`\"", 1),
            ("A='x", 1),
            ("A='x'y", 1),
            ("A=\"\\q\"", 1),
            ("A=a\"b\"", 1),
            ("A='1\n2'\nB=1\nA=2", 4),
        ] {
            let error = parse_dotenv(text).unwrap_err();
            assert_eq!(error.line, line, "{text:?}: {error}");
            assert!(!error.to_string().contains("sk"), "{error}");
        }
    }
}
