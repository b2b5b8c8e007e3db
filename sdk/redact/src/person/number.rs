//! Groups of digits as people write them.

use crate::detector::Hit;
use crate::text::Text;

const GROUPS_MAX: usize = 8;
const DIGITS_MAX: usize = 24;
/// A longer run of digits is nobody's number.
pub(crate) const RUN_MAX: usize = 64;
/// How far before its first three digits a number may begin, in bytes.
pub(crate) const LEAD_MAX: usize = 40;

/// A group of digits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Group {
    pub(crate) start: usize,
    pub(crate) end: usize,
}

impl Group {
    fn len(self) -> usize {
        self.end - self.start
    }
}

/// Groups of digits with separators between them.
pub(crate) struct Number<'a> {
    pub(crate) text: Text<'a>,
    groups: [Group; GROUPS_MAX],
    count: usize,
    /// A plus stands before the first.
    pub(crate) plus: bool,
    /// What a reader sees before it, and behind it.
    pub(crate) before: u8,
    pub(crate) after: u8,
}

/// The next run of at least three digits, or a plus and two.
pub(crate) enum Run {
    At(Hit),
    /// It begins here and may go on in bytes that are not here yet.
    Open(usize),
    /// There is none that begins before this position, where to go on.
    None(usize),
}

#[inline]
fn is_digit(byte: u8) -> bool {
    byte.wrapping_sub(b'0') < 10
}

#[inline]
fn is_mark(byte: u8) -> bool {
    is_digit(byte) || byte == b'+'
}

/// Bytes that are passed over at once where no run begins in them.
const BLOCK: usize = 32;

/// Whether three digits in a row, or a plus and two, begin in the block. Without a branch, so that it becomes vector instructions.
#[inline]
fn begins_run(block: &[u8; BLOCK + 2]) -> bool {
    let from = |start: usize| block.get(start..).and_then(<[u8]>::first_chunk::<BLOCK>);
    let (Some(first), Some(second), Some(third)) = (from(0), from(1), from(2)) else {
        return true;
    };
    let mut any = false;
    for ((first, second), third) in first.iter().zip(second).zip(third) {
        any |= is_mark(*first) & is_digit(*second) & is_digit(*third);
    }
    any
}

/// Where in a block the first run begins.
fn first_in(block: &[u8; BLOCK + 2]) -> Option<usize> {
    if !begins_run(block) {
        return None;
    }
    (0..BLOCK).step_by(STEP).find_map(|from| {
        // The last word lies within the block, and looks once more at what the one before it looked at.
        let from = from.min(BLOCK + 2 - 8);
        let word = block.get(from..).and_then(<[u8]>::first_chunk::<8>)?;
        let starts = starts_in(u64::from_le_bytes(*word));
        (starts != 0).then(|| from + starts.trailing_zeros() as usize / 8)
    })
}

/// Positions of a word of which it shows whether a run begins there.
const STEP: usize = 6;

/// The highest bit of each byte of a word at which a run begins, as far as the word shows it.
fn starts_in(word: u64) -> u64 {
    const ONES: u64 = 0x0101_0101_0101_0101;
    let below = |word: u64, bound: u64| !(((word & (0x7f * ONES)) + (0x80 - bound) * ONES) | word) & (0x80 * ONES);
    let digits = below(word ^ (0x30 * ONES), 10);
    let plus = below(word ^ (0x2b * ONES), 1);
    (digits | plus) & (digits >> 8) & (digits >> 16)
}

/// Looks from a position up to another: by blocks, and in the last bytes, of which there is no whole one, at every third, which is enough to meet
/// every run of three.
pub(crate) fn next_run(text: &Text<'_>, from: usize, until: usize) -> Run {
    let mut at = from;
    while at < until {
        let within = if let Some(block) = text.bytes.get(at..).and_then(<[u8]>::first_chunk::<{ BLOCK + 2 }>) {
            let Some(ahead) = first_in(block) else {
                at += BLOCK;
                continue;
            };
            at += ahead;
            at + 1
        } else {
            match text.byte(at + 2) {
                Some(byte) if is_mark(byte) => at + 2,
                Some(_) => {
                    at += 3;
                    continue;
                }
                // The last two bytes alone are no run; more bytes may make them one.
                None => return Run::None(at),
            }
        };
        let (start, end) = run_around(text, within);
        let known = end < text.bytes.len() || text.last;
        if !known && end - start <= RUN_MAX {
            return Run::Open(start);
        }
        let continued = start
            .checked_sub(1)
            .and_then(|before| text.byte(before))
            .is_some_and(is_digit);
        if end - start >= 3 && end - start <= RUN_MAX && !continued && start >= from {
            return Run::At(Hit { start, end });
        }
        at = end.max(at + 3);
    }
    Run::None(at)
}

/// The run that a digit or plus is part of. Its start is at most [`RUN_MAX`] bytes back, so that a long run costs what it is long.
fn run_around(text: &Text<'_>, at: usize) -> (usize, usize) {
    let here = text.byte(at);
    let (mut start, mut end) = (at, at + 1);
    if here == Some(b'+') {
        while text.byte(end).is_some_and(is_digit) {
            end += 1;
        }
        return (start, end);
    }
    while start > at.saturating_sub(RUN_MAX) && text.byte(start - 1).is_some_and(is_digit) {
        start -= 1;
    }
    let behind = text.bytes.get(end..).unwrap_or_default();
    end += behind.iter().take_while(|byte| is_digit(**byte)).count();
    if start > 0 && text.byte(start - 1) == Some(b'+') {
        start -= 1;
    }
    (start, end)
}

impl<'a> Number<'a> {
    /// Reads on from a run; `None` if the text ends in the number.
    pub(crate) fn read(text: &Text<'a>, run: Hit) -> Option<Self> {
        let sign = text.byte(run.start) == Some(b'+');
        // Behind `%2C` or the like, in a form, a plus is a space.
        let form = matches!(text.slice(run.start.saturating_sub(3), run.start), [b'%', a, b] if a.is_ascii_hexdigit() && b.is_ascii_hexdigit());
        let plus = sign && !form;
        let mut number = Self {
            text: *text,
            groups: [Group::default(); GROUPS_MAX],
            count: 0,
            plus,
            before: text.before(run.start).unwrap_or(b' '),
            after: b' ',
        };
        let (mut start, mut end) = (run.start + usize::from(sign), run.end);
        let mut digits = 0;
        loop {
            digits += end - start;
            let Some(slot) = number.groups.get_mut(number.count) else {
                break;
            };
            *slot = Group { start, end };
            number.count += 1;
            if digits >= DIGITS_MAX {
                break;
            }
            let separators = text
                .slice(end, end + 2)
                .iter()
                .take_while(|byte| matches!(byte, b' ' | b'-' | b'.' | b'/' | b'(' | b')'))
                .count();
            start = end + separators;
            if !text.last && start + RUN_MAX > text.bytes.len() {
                return None;
            }
            if separators == 0 || !text.byte(start).is_some_and(is_digit) {
                break;
            }
            end = start;
            while end - start < RUN_MAX && text.byte(end).is_some_and(is_digit) {
                end += 1;
            }
        }
        number.after = text.glyph(end_of(&number)).map_or(b' ', |glyph| glyph.byte);
        Some(number)
    }

    /// The groups.
    pub(crate) fn groups(&self) -> &[Group] {
        self.groups.get(..self.count).unwrap_or_default()
    }

    /// Whether it is part of a longer word, a decimal number, or a path.
    pub(crate) fn touches_before(&self) -> bool {
        self.before.is_ascii_alphanumeric() || matches!(self.before, b'_' | b'-' | b'.' | b'/' | b'+' | b'%' | b'$')
    }

    /// Its first groups, if they are so long, are separated by one of `separators` each, the same one throughout, and end there.
    pub(crate) fn shaped(&self, lengths: &[usize], separators: &[u8]) -> Option<(usize, usize)> {
        let groups = self.groups().get(..lengths.len())?;
        let fits = groups.iter().zip(lengths).all(|(group, length)| group.len() == *length);
        let mut between = groups.windows(2).map(|pair| match pair {
            [a, b] if b.start == a.end + 1 => self.text.byte(a.end),
            _ => None,
        });
        let first = between.next();
        let same = match first {
            None => true,
            Some(Some(byte)) => separators.contains(&byte) && between.all(|other| other == Some(byte)),
            Some(None) => false,
        };
        let (start, end) = (groups.first()?.start, groups.last()?.end);
        (fits && same && self.ends(end)).then_some((start, end))
    }

    /// Whether no word, number or domain goes on behind a position.
    pub(crate) fn ends(&self, at: usize) -> bool {
        let next = self.text.glyph(at).map_or(b' ', |glyph| glyph.byte);
        let then = self.text.byte(at + 1).unwrap_or(b' ');
        match next {
            b'.' | b'-' | b':' | b'/' => !then.is_ascii_alphanumeric(),
            b'_' | b'%' | b'@' => false,
            _ => !next.is_ascii_alphanumeric(),
        }
    }

    /// The digits within a range.
    pub(crate) fn digits(&self, (start, end): (usize, usize)) -> Vec<u8> {
        let raw = self.text.slice(start, end);
        raw.iter()
            .filter(|byte| byte.is_ascii_digit())
            .map(|byte| byte - b'0')
            .collect()
    }
}

fn end_of(number: &Number<'_>) -> usize {
    number.groups().last().map_or(0, |group| group.end)
}
