//! What is known of an action, for the conditions of rules.

use cel::Value;
use cel::objects::{Key, Map};
use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

/// Values that an argument may have in it; of one with more nothing is known.
pub(crate) const NODES: usize = 1024;
/// The facts, and the fields of those whose fields are not an agent's.
pub(crate) const FACTS: [(&str, &[&str]); 4] = [
    ("args", &[]),
    ("tool", &["name"]),
    ("http", &["method", "host", "path"]),
    ("time", &["hour", "minute", "weekday", "date"]),
];
const WEEKDAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

/// What is known of an action. What is not said here is not known. Its `Debug` shows no values.
#[derive(Clone, Default)]
pub struct Facts(BTreeMap<&'static str, Value>);

impl fmt::Debug for Facts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

impl Facts {
    /// `args`: what a tool is called with, an object of JSON. Of what is larger than conditions take nothing is known.
    #[must_use]
    pub fn arguments(mut self, arguments: &serde_json::Value) -> Self {
        let mut room = NODES;
        if let (true, Some(value)) = (arguments.is_object(), of_json(arguments, &mut room)) {
            self.0.insert("args", value);
        }
        self
    }

    /// `tool.name`
    #[must_use]
    pub fn tool(self, name: &str) -> Self {
        self.with("tool", [("name", name.into())])
    }

    /// `http`: the request, or the one it is part of; the path without what is behind `?`, and only if all servers take it for the same. The host only where it is known to lead to the far end, and
    /// not where the client merely claims it.
    #[must_use]
    pub fn http(self, method: &str, host: Option<&str>, path: &str) -> Self {
        let host = host.map(|host| ("host", host.into()));
        let path = plain_path(path).map(|path| ("path", path.into()));
        let fields = [Some(("method", method.into())), path, host];
        self.with("http", fields.into_iter().flatten())
    }

    /// `time`: now, in UTC.
    #[must_use]
    pub fn time(self, now: SystemTime) -> Self {
        let Ok(now) = jiff::Timestamp::try_from(now) else {
            return self;
        };
        let now = now.to_zoned(jiff::tz::TimeZone::UTC);
        let day = usize::try_from(now.weekday().to_monday_zero_offset()).unwrap_or_default();
        let weekday = WEEKDAYS.get(day).copied().unwrap_or_default();
        let fields = [
            ("hour", Value::Int(now.hour().into())),
            ("minute", Value::Int(now.minute().into())),
            ("weekday", weekday.into()),
            ("date", now.date().to_string().into()),
        ];
        self.with("time", fields)
    }

    fn with<'a>(mut self, name: &'static str, fields: impl IntoIterator<Item = (&'a str, Value)>) -> Self {
        let fields = fields.into_iter().map(|(key, value)| (key.to_owned(), value));
        self.0.insert(name, map(fields));
        self
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&'static str, &Value)> {
        self.0.iter().map(|(name, value)| (*name, value))
    }
}

fn map(fields: impl IntoIterator<Item = (String, Value)>) -> Value {
    let fields = fields
        .into_iter()
        .map(|(key, value)| (Key::String(Arc::new(key)), value));
    Value::Map(Map {
        map: Arc::new(fields.collect::<HashMap<_, _>>()),
    })
}

/// A path with its unreserved characters written as they are (RFC 3986, 6.2.2.2). `None` where servers could differ on what it leads to:
/// segments that are dots or nothing, slashes and dots in disguise, backslashes.
fn plain_path(path: &str) -> Option<String> {
    let mut plain = String::new();
    let mut rest = path.strip_prefix('/')?;
    while let Some((before, behind)) = rest.split_once('%') {
        let (digits, behind) = behind.split_at_checked(2)?;
        let byte = u8::from_str_radix(digits, 16)
            .ok()
            .filter(|_| !digits.starts_with('+'))?;
        plain.push_str(before);
        match byte {
            b'/' | b'\\' | b'%' | b';' | 0..0x20 | 0x7f => return None,
            byte if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) => plain.push(byte.into()),
            _ => plain.extend(["%", &digits.to_ascii_uppercase()]),
        }
        rest = behind;
    }
    plain.push_str(rest);
    let mut segments = plain.split('/').peekable();
    while let Some(segment) = segments.next() {
        let name = segment.split(';').next().unwrap_or_default();
        let is_last = segments.peek().is_none();
        if matches!(name, "." | "..") || name.is_empty() && !(is_last && segment.is_empty()) {
            return None;
        }
    }
    let is_plain = |c: char| !c.is_control() && c != '\\' && c != ' ';
    plain.chars().all(is_plain).then(|| format!("/{plain}"))
}

/// `None`: it is too large.
fn of_json(json: &serde_json::Value, room: &mut usize) -> Option<Value> {
    *room = room.checked_sub(1)?;
    Some(match json {
        serde_json::Value::Null => Value::Null,
        serde_json::Value::Bool(truth) => Value::Bool(*truth),
        serde_json::Value::Number(of) => match (of.as_i64(), of.as_u64()) {
            (Some(whole), _) => Value::Int(whole),
            (None, Some(whole)) => Value::UInt(whole),
            (None, None) => Value::Float(of.as_f64()?),
        },
        serde_json::Value::String(text) => text.as_str().into(),
        serde_json::Value::Array(items) => {
            let items: Option<Vec<Value>> = items.iter().map(|item| of_json(item, room)).collect();
            Value::List(Arc::new(items?))
        }
        serde_json::Value::Object(fields) => {
            let fields = fields
                .iter()
                .map(|(key, value)| Some((key.clone(), of_json(value, room)?)));
            map(fields.collect::<Option<Vec<_>>>()?)
        }
    })
}
