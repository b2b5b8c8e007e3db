//! What a tool is called with, put together from the values of a document.

use std::fmt;

use serde_json::{Map, Value};

use crate::json::Leaf;

/// Bytes of names and texts, and what each value takes beside them; of arguments with more nothing is told.
const BYTES_MAX: usize = 64 << 10;
const EACH: usize = 16;

/// A call of a tool. Its `Debug` does not show the arguments.
#[derive(Clone, PartialEq)]
pub struct ToolCall {
    /// The tool's; `None` where readers could differ on it: keys that are there twice, or in other letters.
    pub name: Option<String>,
    /// An object; `None` where it is not all known, or readers could differ on it. Where there are none, it is empty.
    pub arguments: Option<Value>,
}

impl fmt::Debug for ToolCall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let known = if self.arguments.is_some() { "known" } else { "unknown" };
        write!(f, "ToolCall({:?}, arguments {known})", self.name)
    }
}

/// Arguments of which not all has been read.
#[derive(Default)]
pub(super) struct Arguments {
    /// Containers in one another, with the keys they stand under.
    open: Vec<(Option<String>, Value)>,
    key: Option<String>,
    whole: Option<Value>,
    bytes: usize,
    lost: bool,
}

impl Arguments {
    /// The key of the next value, if it is no longer than keys are kept.
    pub(super) fn key(&mut self, key: Option<&str>) {
        if self.open.is_empty() || self.lost {
            return;
        }
        match key {
            Some(key) => {
                self.bytes += key.len();
                self.key = Some(key.to_owned());
            }
            None => self.lose(),
        }
    }

    /// What stands deeper is not told.
    pub(super) fn deep(&mut self) {
        if !self.open.is_empty() {
            self.lose();
        }
    }

    /// Takes a value, or the end of one.
    pub(super) fn value(&mut self, leaf: Leaf<'_>) {
        self.bytes += EACH;
        if self.lost || self.bytes > BYTES_MAX {
            return self.lose();
        }
        match leaf {
            Leaf::Object => self.open.push((self.key.take(), Value::Object(Map::new()))),
            Leaf::Array => self.open.push((self.key.take(), Value::Array(Vec::new()))),
            Leaf::End | Leaf::ArrayEnd => match self.open.pop() {
                Some((key, value)) => self.put(key, value),
                None => self.lose(),
            },
            Leaf::Text(text) => {
                self.bytes += text.len();
                self.put_next(Value::String(text.to_owned()));
            }
            Leaf::Number(number) => match serde_json::from_str(number) {
                Ok(number) => self.put_next(Value::Number(number)),
                Err(_) => self.lose(),
            },
            Leaf::Bool(truth) => self.put_next(Value::Bool(truth)),
            Leaf::Null => self.put_next(Value::Null),
            Leaf::LongText => self.lose(),
        }
    }

    fn put_next(&mut self, value: Value) {
        let key = self.key.take();
        self.put(key, value);
    }

    fn put(&mut self, key: Option<String>, value: Value) {
        let twice = match (self.open.last_mut(), key) {
            (Some((_, Value::Object(fields))), Some(key)) => fields.insert(key, value).is_some(),
            (Some((_, Value::Array(items))), None) => {
                items.push(value);
                false
            }
            (None, _) => self.whole.replace(value).is_some(),
            (Some(_), _) => true,
        };
        if twice {
            self.lose();
        }
    }

    fn lose(&mut self) {
        *self = Self {
            lost: true,
            ..Self::default()
        };
    }

    /// All of them, if they are known.
    pub(super) fn finish(self) -> Option<Value> {
        let none = || Value::Object(Map::new());
        let is_known = !self.lost && self.open.is_empty();
        is_known.then(|| self.whole.unwrap_or_else(none))
    }

    /// Bytes that are kept, roughly.
    pub(super) fn memory(&self) -> usize {
        self.bytes + self.open.capacity() * size_of::<(Option<String>, Value)>()
    }
}
