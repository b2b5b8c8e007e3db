//! Path patterns: `*`, `?`, `**`, `[a-z]`, `{a,b}` over absolute byte paths, and matching one path directly.
//!
//! `X/**` is X and everything below it; `**/x` is x at any depth; a `/**/` in the middle also stands for a single slash. Other `**` are
//! any bytes at all.

use crate::diagnostic::{Code, Complaint};
use crate::syntax::count;

/// A set of byte values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub(crate) struct ByteSet([u64; 4]);

impl ByteSet {
    pub(crate) const ALL: Self = Self([u64::MAX; 4]);

    pub(crate) fn all_but(bytes: &[u8]) -> Self {
        let mut set = Self::ALL;
        for byte in bytes {
            set.remove(*byte);
        }
        set
    }

    pub(crate) fn insert(&mut self, byte: u8) {
        if let Some(word) = self.0.get_mut(usize::from(byte >> 6)) {
            *word |= 1 << (byte & 63);
        }
    }

    fn remove(&mut self, byte: u8) {
        if let Some(word) = self.0.get_mut(usize::from(byte >> 6)) {
            *word &= !(1 << (byte & 63));
        }
    }

    pub(crate) fn has(&self, byte: u8) -> bool {
        self.0
            .get(usize::from(byte >> 6))
            .is_some_and(|word| word >> (byte & 63) & 1 == 1)
    }

    fn is_empty(&self) -> bool {
        self.0 == [0; 4]
    }
}

/// One step of a pattern.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Piece {
    Byte(u8),
    /// `?`: one byte but `/`.
    AnyByte,
    /// `[...]`: one of these, never `/`.
    Class(ByteSet),
    /// `*`: any bytes but `/`.
    Star,
    /// `**`: any bytes.
    Any,
    /// `/**/`: a slash, or a slash, any bytes and a slash.
    Deep,
    /// A closing `/**`: nothing, or a slash and any bytes.
    Below,
}

/// A pattern over paths, with its names substituted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PathPattern {
    /// The pattern after substitution.
    pub(crate) text: String,
    /// `{a,b}` written out.
    pub(crate) alternatives: Vec<Vec<Piece>>,
}

const MAX_ALTERNATIVES: usize = 256;

#[derive(Debug, Clone, PartialEq)]
enum Token {
    Byte(u8),
    AnyByte,
    Star,
    DoubleStar,
    Class(ByteSet),
}

fn complaint(message: impl Into<String>) -> Complaint {
    Complaint::new(Code::Path, message)
}

impl PathPattern {
    /// Reads a pattern of a file path.
    pub(crate) fn path(text: &str) -> Result<Self, Complaint> {
        if !text.starts_with('/') && !text.starts_with("**") && !text.starts_with('{') {
            return Err(complaint(format!("`{text}` is not an absolute path")).hint(format!(
                "write `**/{text}` for that name at any depth, or `$work/{text}`"
            )));
        }
        Self::parse(text)
    }

    /// Reads a pattern of a path or of an abstract socket name with its `@`.
    pub(crate) fn socket(text: &str) -> Result<Self, Complaint> {
        if text.starts_with('@') {
            Self::parse(text)
        } else {
            Self::path(text)
        }
    }

    fn parse(text: &str) -> Result<Self, Complaint> {
        let alternatives = expand(text)?
            .into_iter()
            .map(|tokens| pieces(text, tokens))
            .collect::<Result<Vec<_>, _>>()?;
        Ok(Self {
            text: text.to_owned(),
            alternatives,
        })
    }

    /// How many bytes are fixed from the start, over all alternatives.
    pub(crate) fn literal_prefix(&self) -> u32 {
        let fixed = |pieces: &Vec<Piece>| {
            pieces
                .iter()
                .take_while(|piece| matches!(piece, Piece::Byte(_)))
                .count()
        };
        count(self.alternatives.iter().map(fixed).min().unwrap_or(0))
    }

    /// The path it names if it names exactly one.
    pub(crate) fn literal(&self) -> Option<Vec<u8>> {
        let [only] = self.alternatives.as_slice() else {
            return None;
        };
        only.iter()
            .map(|piece| {
                if let Piece::Byte(byte) = piece {
                    Some(*byte)
                } else {
                    None
                }
            })
            .collect()
    }

    /// Whether the whole of `input` matches.
    pub(crate) fn matches(&self, input: &[u8]) -> bool {
        self.alternatives.iter().any(|pieces| {
            let live = input
                .iter()
                .fold(Live::start(pieces), |live, byte| live.step(pieces, *byte));
            live.accepts(pieces)
        })
    }

    /// Whether an anchored alternative can still match something strictly below `path`.
    pub(crate) fn reaches_below(&self, path: &[u8]) -> bool {
        self.alternatives
            .iter()
            .filter(|pieces| is_anchored(pieces))
            .any(|pieces| {
                let live = path
                    .iter()
                    .chain(b"/")
                    .fold(Live::start(pieces), |live, byte| live.step(pieces, *byte));
                !live.0.is_empty()
            })
    }
}

/// Whether a pattern is bound to a place (does not begin with `**`).
pub(crate) fn is_anchored(pieces: &[Piece]) -> bool {
    !matches!(pieces.first(), Some(Piece::Deep | Piece::Any | Piece::Below))
}

/// The positions a match may be at: before piece `n`, or inside it (`true`) for `/**/` and a closing `/**`.
struct Live(Vec<(usize, bool)>);

impl Live {
    fn start(pieces: &[Piece]) -> Self {
        let mut live = Self(Vec::new());
        live.add(pieces, 0);
        live
    }

    fn insert(&mut self, place: (usize, bool)) {
        if !self.0.contains(&place) {
            self.0.push(place);
        }
    }

    fn add(&mut self, pieces: &[Piece], at: usize) {
        self.insert((at, false));
        if matches!(pieces.get(at), Some(Piece::Star | Piece::Any)) {
            self.add(pieces, at + 1);
        }
    }

    fn step(&self, pieces: &[Piece], byte: u8) -> Self {
        let mut next = Self(Vec::new());
        for (at, inside) in &self.0 {
            let slash = byte == b'/';
            match (pieces.get(*at), inside) {
                (Some(Piece::Byte(want)), _) if *want == byte => next.add(pieces, at + 1),
                (Some(Piece::AnyByte), _) if !slash => next.add(pieces, at + 1),
                (Some(Piece::Class(set)), _) if set.has(byte) => next.add(pieces, at + 1),
                (Some(Piece::Star), _) if !slash => next.add(pieces, *at),
                (Some(Piece::Any), _) => next.add(pieces, *at),
                (Some(Piece::Deep), inside) => {
                    if slash {
                        next.add(pieces, at + 1);
                    }
                    if slash || *inside {
                        next.insert((*at, true));
                    }
                }
                (Some(Piece::Below), inside) if slash || *inside => next.insert((*at, true)),
                _ => {}
            }
        }
        next
    }

    fn accepts(&self, pieces: &[Piece]) -> bool {
        self.0
            .iter()
            .any(|(at, _)| *at == pieces.len() || matches!(pieces.get(*at), Some(Piece::Below)))
    }
}

/// Writes `{a,b}` out and reads the rest into tokens.
fn expand(text: &str) -> Result<Vec<Vec<Token>>, Complaint> {
    let mut cursor = Cursor {
        bytes: text.as_bytes(),
        at: 0,
    };
    let result = sequence(&mut cursor, 0)?;
    if cursor.peek().is_some() {
        return Err(complaint(format!("`{text}` has a `}}` or `,` too many")).hint("a literal brace is written `\\}`"));
    }
    Ok(result)
}

struct Cursor<'text> {
    bytes: &'text [u8],
    at: usize,
}

impl Cursor<'_> {
    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn next(&mut self) -> Option<u8> {
        let byte = self.peek()?;
        self.at += 1;
        Some(byte)
    }
}

fn sequence(cursor: &mut Cursor<'_>, depth: usize) -> Result<Vec<Vec<Token>>, Complaint> {
    let mut all = vec![Vec::new()];
    while let Some(byte) = cursor.peek() {
        if depth > 0 && (byte == b'}' || byte == b',') || depth == 0 && byte == b'}' {
            break;
        }
        cursor.at += 1;
        let token = match byte {
            b'*' if cursor.peek() == Some(b'*') => {
                cursor.at += 1;
                Token::DoubleStar
            }
            b'*' => Token::Star,
            b'?' => Token::AnyByte,
            b'[' => class(cursor)?,
            b'{' => {
                all = product(&all, &braces(cursor, depth)?)?;
                continue;
            }
            b'\\' => Token::Byte(
                cursor
                    .next()
                    .ok_or_else(|| complaint("the pattern ends with `\\`").hint("write `\\\\`"))?,
            ),
            0 => return Err(complaint("a path has no NUL byte")),
            byte => Token::Byte(byte),
        };
        for one in &mut all {
            one.push(token.clone());
        }
    }
    Ok(all)
}

fn braces(cursor: &mut Cursor<'_>, depth: usize) -> Result<Vec<Vec<Token>>, Complaint> {
    if depth > 4 {
        return Err(complaint("braces are nested too deeply"));
    }
    let mut choices = Vec::new();
    loop {
        choices.extend(sequence(cursor, depth + 1)?);
        match cursor.next() {
            Some(b',') => {}
            Some(_) => return Ok(choices),
            None => return Err(complaint("a `{` is not closed").hint("a literal brace is written `\\{`")),
        }
    }
}

fn product(heads: &[Vec<Token>], tails: &[Vec<Token>]) -> Result<Vec<Vec<Token>>, Complaint> {
    if heads.len().saturating_mul(tails.len()) > MAX_ALTERNATIVES {
        return Err(
            complaint(format!("the braces stand for more than {MAX_ALTERNATIVES} patterns"))
                .hint("write several rules, or a `*`"),
        );
    }
    Ok(heads
        .iter()
        .flat_map(|head| tails.iter().map(|tail| [head.as_slice(), tail].concat()))
        .collect())
}

fn class(cursor: &mut Cursor<'_>) -> Result<Token, Complaint> {
    let open = || complaint("a `[` is not closed").hint("a literal bracket is written `\\[`");
    let negated = matches!(cursor.peek(), Some(b'!' | b'^'));
    if negated {
        cursor.at += 1;
    }
    let mut set = ByteSet::default();
    let mut first = true;
    loop {
        let mut low = cursor.next().ok_or_else(open)?;
        if low == b']' && !first {
            break;
        }
        first = false;
        if low == b'\\' {
            low = cursor.next().ok_or_else(open)?;
        }
        if !low.is_ascii() {
            return Err(complaint("a `[...]` holds ASCII characters only").hint("write `{ä,ö}`"));
        }
        let mut high = low;
        let closes = cursor.bytes.get(cursor.at + 1).is_none_or(|byte| *byte == b']');
        if cursor.peek() == Some(b'-') && !closes {
            cursor.at += 1;
            high = cursor.next().ok_or_else(open)?;
        }
        if high < low || !high.is_ascii() {
            return Err(complaint("a range in `[...]` runs backwards"));
        }
        (low..=high).for_each(|byte| set.insert(byte));
    }
    let mut result = ByteSet::default();
    (0..=u8::MAX)
        .filter(|byte| set.has(*byte) != negated && *byte != b'/')
        .for_each(|byte| result.insert(byte));
    if result.is_empty() {
        return Err(complaint("a `[...]` that no byte matches").hint("`[...]` never matches a slash"));
    }
    Ok(Token::Class(result))
}

fn pieces(text: &str, mut tokens: Vec<Token>) -> Result<Vec<Piece>, Complaint> {
    let slash = Token::Byte(b'/');
    if tokens.first() == Some(&Token::DoubleStar) {
        tokens.insert(0, slash.clone());
    }
    if tokens.first() != Some(&Token::Byte(b'@')) {
        check_components(text, &tokens)?;
    }
    let mut result = Vec::with_capacity(tokens.len());
    let mut rest = tokens.as_slice();
    while let Some((token, after)) = rest.split_first() {
        rest = after;
        if *token == slash && after.first() == Some(&Token::DoubleStar) {
            let mut tail = after.get(1..).unwrap_or_default();
            while tail.first() == Some(&slash) && tail.get(1) == Some(&Token::DoubleStar) {
                tail = tail.get(2..).unwrap_or_default();
            }
            let piece = match tail.split_first() {
                None => Some(Piece::Below),
                Some((first, further)) if *first == slash => {
                    tail = further;
                    Some(Piece::Deep)
                }
                Some(_) => None,
            };
            if let Some(piece) = piece {
                result.push(piece);
                rest = tail;
                continue;
            }
        }
        result.push(match token {
            Token::Byte(byte) => Piece::Byte(*byte),
            Token::AnyByte => Piece::AnyByte,
            Token::Star => Piece::Star,
            Token::DoubleStar => Piece::Any,
            Token::Class(set) => Piece::Class(*set),
        });
    }
    Ok(result)
}

fn check_components(text: &str, tokens: &[Token]) -> Result<(), Complaint> {
    let slash = Token::Byte(b'/');
    let Some((first, below)) = tokens.split_first() else {
        return Err(complaint("an empty path").hint("the root directory is `/`, everything is `/**`"));
    };
    if *first != slash {
        return Err(complaint(format!("`{text}` is not an absolute path")).hint("begin with `/`, `**/` or `$work/`"));
    }
    if below.is_empty() {
        return Ok(());
    }
    let dot = Token::Byte(b'.');
    for component in below.split(|token| *token == slash) {
        if component.is_empty() {
            return Err(
                complaint(format!("`{text}` has an empty component or a slash at the end"))
                    .cause("the kernel's paths have neither, so it would never match")
                    .hint("a directory and everything below it is `/dir/**`"),
            );
        }
        if component == [dot.clone()] || component == [dot.clone(), dot.clone()] {
            return Err(complaint(format!("`{text}` has a `.` or `..` component"))
                .cause("the kernel's paths are resolved, so it would never match"));
        }
    }
    Ok(())
}

/// Whether a pattern of any characters (`*`) and one (`?`) matches a whole name, byte by byte. Goes on behind the last `*` where the rest does not fit: no pattern takes longer than its length times the name's.
pub(crate) fn wildcard(pattern: &[u8], name: &[u8]) -> bool {
    let (mut at, mut place) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while let Some(byte) = name.get(place) {
        match pattern.get(at) {
            Some(b'*') => {
                star = Some((at, place));
                at += 1;
                continue;
            }
            Some(b'?') => {}
            Some(own) if own == byte => {}
            _ => {
                let Some((behind, from)) = star else { return false };
                star = Some((behind, from + 1));
                (at, place) = (behind + 1, from + 1);
                continue;
            }
        }
        (at, place) = (at + 1, place + 1);
    }
    pattern.iter().skip(at).all(|byte| *byte == b'*')
}

/// Puts a backslash before everything a pattern would read as more than itself.
pub(crate) fn escape(text: &str) -> String {
    let mut result = String::with_capacity(text.len());
    for c in text.chars() {
        if "*?[]{},\\".contains(c) {
            result.push('\\');
        }
        result.push(c);
    }
    result
}
