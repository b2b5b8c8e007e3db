//! JSON (RFC 8259) as it comes, without keeping it: values are told with the path they stand at.
//!
//! A path is keys joined by `.`, with `[]` for an element of an array: `choices[].message.content`. A key that could be taken for more than one
//! step, or is longer than any that is looked for, is `?`. Documents may follow one another, as lines of NDJSON do.
//!
//! Not a library, because those that take bytes as they come keep each string whole, and a request's strings are megabytes long.

use memchr::memchr2;

/// Containers in one another; a document that is deeper cannot be read.
const DEPTH_MAX: usize = 256;
/// Values deeper than this have no path and are not told.
const TOLD_DEPTH: usize = 12;
const KEY_MAX: usize = 64;
/// Room that stays for the next text.
const TOKEN_KEPT: usize = 1024;
/// The longest of numbers and literals that is one for us.
const LITERAL_MAX: usize = 32;

/// A value, or the beginning of one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Leaf<'a> {
    Text(&'a str),
    /// A text that is longer than the scanner keeps.
    LongText,
    Number(&'a str),
    Bool(bool),
    Null,
    /// An array or an object begins.
    Array,
    Object,
    /// An object ends, of which all has been told.
    End,
    /// An array ends.
    ArrayEnd,
}

impl Leaf<'_> {
    /// A count, if it is one. Some write it as `12.0`.
    pub(crate) fn count(self) -> Option<u64> {
        let Self::Number(digits) = self else { return None };
        digits.split_once(".0").map_or(digits, |(whole, _)| whole).parse().ok()
    }
}

/// What is told: the path and what stands there; the path of a document itself is empty.
pub(crate) trait Listen {
    fn value(&mut self, path: &str, leaf: Leaf<'_>);

    /// The key as it is, before what stands there is told; `None` if it is longer than any that is looked for.
    fn key(&mut self, _key: Option<&str>) {}

    /// An array or an object has begun of which nothing is told, as it is too deep.
    fn deep(&mut self) {}
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    /// A value, or at the root the end.
    Value,
    /// The same, or the end of the array that has just begun.
    FirstValue,
    /// A key, or the end of the object that has just begun.
    FirstKey,
    Key,
    Colon,
    /// A comma, or the end of the container.
    Behind,
    Text,
    Escape,
    /// So many digits of `\u` are there, and their value.
    Unicode(u8, u16),
    Literal,
    /// It is not JSON.
    Broken,
}

/// Where a container's path ends, and what it is.
#[derive(Clone, Copy)]
struct Frame {
    path: u16,
    array: bool,
}

pub(crate) struct Scanner {
    state: State,
    frames: Vec<Frame>,
    path: String,
    /// The text or literal that is being read, decoded, up to `keep`.
    token: Vec<u8>,
    /// It is a key.
    is_key: bool,
    /// It is longer than what is kept of it.
    long: bool,
    /// The first half of a surrogate pair.
    high: u16,
    /// Bytes of a text that are kept.
    keep: usize,
    /// The document began with `{`.
    object: bool,
}

impl Scanner {
    /// Texts are told up to a length in bytes.
    pub(crate) fn new(keep: usize) -> Self {
        Self {
            state: State::Value,
            frames: Vec::new(),
            path: String::new(),
            token: Vec::new(),
            is_key: false,
            long: false,
            high: 0,
            keep,
            object: false,
        }
    }

    /// Whether the last document that there was something of began as an object.
    pub(crate) fn began_as_object(&self) -> bool {
        self.object
    }

    /// What comes next is a new document.
    pub(crate) fn reset(&mut self) {
        self.state = State::Value;
        self.frames.clear();
        self.path.clear();
        self.clear_token();
    }

    /// The end of the document, or of all. `false` if it was none to its end.
    pub(crate) fn end(&mut self, listen: &mut impl Listen) -> bool {
        if self.state == State::Literal {
            self.literal(listen);
        }
        let whole = self.frames.is_empty() && self.state == State::Value;
        self.reset();
        whole
    }

    pub(crate) fn memory(&self) -> usize {
        self.frames.capacity() * size_of::<Frame>() + self.path.capacity() + self.token.capacity()
    }

    /// Takes the next bytes.
    pub(crate) fn push(&mut self, mut bytes: &[u8], listen: &mut impl Listen) {
        while let Some((&byte, rest)) = bytes.split_first() {
            bytes = match self.state {
                State::Broken => return,
                State::Text => self.text(bytes, listen),
                State::Escape => {
                    self.escape(byte);
                    rest
                }
                State::Unicode(digits, value) => {
                    self.unicode(byte, digits, value);
                    rest
                }
                State::Literal => self.more_literal(bytes, listen),
                _ if matches!(byte, b' ' | b'\t' | b'\r' | b'\n') => rest,
                _ => {
                    self.structure(byte, listen);
                    rest
                }
            };
        }
    }

    fn structure(&mut self, byte: u8, listen: &mut impl Listen) {
        let array = self.frames.last().is_some_and(|frame| frame.array);
        if self.frames.is_empty() {
            self.object = byte == b'{';
        }
        match (self.state, byte) {
            (State::Value | State::FirstValue, b'{') => self.open(false, listen),
            (State::Value | State::FirstValue, b'[') => self.open(true, listen),
            (State::Value | State::FirstValue, b'"') => self.begin_text(false),
            (State::FirstKey | State::Key, b'"') => self.begin_text(true),
            (State::Colon, b':') => self.state = State::Value,
            (State::Behind, b',') if array => self.state = State::Value,
            (State::Behind, b',') => {
                self.leave_key();
                self.state = State::Key;
            }
            (State::FirstValue, b']') | (State::FirstKey, b'}') => self.close(listen),
            (State::Behind, b']' | b'}') if array == (byte == b']') => self.close(listen),
            (State::Value | State::FirstValue, b'-' | b'0'..=b'9' | b't' | b'f' | b'n') => {
                self.state = State::Literal;
                self.token.push(byte);
            }
            _ => self.state = State::Broken,
        }
    }

    fn open(&mut self, array: bool, listen: &mut impl Listen) {
        if self.frames.len() >= DEPTH_MAX {
            self.state = State::Broken;
            return;
        }
        self.tell(if array { Leaf::Array } else { Leaf::Object }, listen);
        let path = u16::try_from(self.path.len()).unwrap_or(u16::MAX);
        self.frames.push(Frame { path, array });
        if !self.has_path() {
            listen.deep();
        } else if array {
            self.path.push_str("[]");
        }
        self.state = if array { State::FirstValue } else { State::FirstKey };
    }

    fn close(&mut self, listen: &mut impl Listen) {
        if let Some(frame) = self.frames.pop() {
            self.path.truncate(frame.path.into());
            self.tell(if frame.array { Leaf::ArrayEnd } else { Leaf::End }, listen);
        }
        self.after_value();
    }

    fn after_value(&mut self) {
        self.state = if self.frames.is_empty() {
            State::Value
        } else {
            State::Behind
        };
    }

    /// Whether the path of what stands in the innermost container is kept.
    fn has_path(&self) -> bool {
        self.frames.len() <= TOLD_DEPTH
    }

    fn tell(&self, leaf: Leaf<'_>, listen: &mut impl Listen) {
        if self.has_path() {
            listen.value(&self.path, leaf);
        }
    }

    fn leave_key(&mut self) {
        let end = self.frames.last().map_or(0, |frame| frame.path);
        self.path.truncate(end.into());
    }

    fn enter_key(&mut self, listen: &mut impl Listen) {
        self.leave_key();
        if !self.has_path() {
            return;
        }
        if !self.path.is_empty() {
            self.path.push('.');
        }
        let plain = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'$' | b'/');
        let key = std::str::from_utf8(&self.token).ok().filter(|_| !self.long);
        match key.filter(|key| !key.is_empty() && key.bytes().all(|byte| plain(&byte))) {
            Some(key) => self.path.push_str(key),
            None => self.path.push('?'),
        }
        listen.key(key);
    }

    fn clear_token(&mut self) {
        self.token.clear();
        self.token.shrink_to(TOKEN_KEPT);
        self.long = false;
        self.high = 0;
    }

    fn begin_text(&mut self, is_key: bool) {
        self.clear_token();
        self.is_key = is_key;
        self.state = State::Text;
    }

    fn text<'a>(&mut self, bytes: &'a [u8], listen: &mut impl Listen) -> &'a [u8] {
        let end = memchr2(b'"', b'\\', bytes);
        let (part, rest) = bytes.split_at(end.unwrap_or(bytes.len()));
        self.keep(part);
        let Some((mark, rest)) = rest.split_first() else {
            return rest;
        };
        if *mark == b'\\' {
            self.state = State::Escape;
        } else if self.is_key {
            self.enter_key(listen);
            self.clear_token();
            self.state = State::Colon;
        } else {
            match std::str::from_utf8(&self.token) {
                Ok(text) if !self.long => self.tell(Leaf::Text(text), listen),
                _ => self.tell(Leaf::LongText, listen),
            }
            self.clear_token();
            self.after_value();
        }
        rest
    }

    fn keep(&mut self, part: &[u8]) {
        let most = if self.is_key { KEY_MAX } else { self.keep };
        if self.long || !self.has_path() {
            return;
        }
        if self.token.len() + part.len() > most {
            self.long = true;
            self.token.clear();
        } else {
            self.token.extend_from_slice(part);
        }
    }

    fn escape(&mut self, byte: u8) {
        self.state = State::Text;
        match byte {
            b'"' | b'\\' | b'/' => self.keep(&[byte]),
            b'b' => self.keep(&[8]),
            b'f' => self.keep(&[12]),
            b'n' => self.keep(b"\n"),
            b'r' => self.keep(b"\r"),
            b't' => self.keep(b"\t"),
            b'u' => self.state = State::Unicode(0, 0),
            _ => self.state = State::Broken,
        }
    }

    fn unicode(&mut self, byte: u8, digits: u8, value: u16) {
        let Some(digit) = char::from(byte)
            .to_digit(16)
            .and_then(|digit| u16::try_from(digit).ok())
        else {
            self.state = State::Broken;
            return;
        };
        let value = value << 4 | digit;
        if digits < 3 {
            self.state = State::Unicode(digits + 1, value);
            return;
        }
        self.state = State::Text;
        let high = std::mem::take(&mut self.high);
        let scalar = match (high, value) {
            (_, 0xd800..0xdc00) => {
                self.high = value;
                return;
            }
            (0, _) => u32::from(value),
            (high, 0xdc00..0xe000) => 0x10000 + ((u32::from(high) - 0xd800) << 10) + (u32::from(value) - 0xdc00),
            _ => u32::from(value),
        };
        let scalar = char::from_u32(scalar).unwrap_or(char::REPLACEMENT_CHARACTER);
        self.keep(scalar.encode_utf8(&mut [0; 4]).as_bytes());
    }

    fn more_literal<'a>(&mut self, bytes: &'a [u8], listen: &mut impl Listen) -> &'a [u8] {
        let is_part = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'+' | b'-');
        let end = bytes.iter().position(|byte| !is_part(byte));
        let (part, rest) = bytes.split_at(end.unwrap_or(bytes.len()));
        self.token.extend(part.iter().take(LITERAL_MAX + 1 - self.token.len()));
        if end.is_some() {
            self.literal(listen);
        }
        rest
    }

    fn literal(&mut self, listen: &mut impl Listen) {
        self.after_value();
        let token = std::mem::take(&mut self.token);
        match (token.as_slice(), std::str::from_utf8(&token)) {
            (b"true", _) => self.tell(Leaf::Bool(true), listen),
            (b"false", _) => self.tell(Leaf::Bool(false), listen),
            (b"null", _) => self.tell(Leaf::Null, listen),
            // A number of so many digits counts nothing; how it is written is not checked further.
            ([b'-' | b'0'..=b'9', ..], Ok(number)) => self.tell(Leaf::Number(number), listen),
            _ => self.state = State::Broken,
        }
        self.token = token;
        self.clear_token();
    }
}

#[cfg(test)]
mod tests;
