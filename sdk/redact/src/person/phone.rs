//! Telephone numbers: international (ITU-T E.164), North American, and national ones beside a word that says so.

use super::Match;
use super::number::{Group, Number};

pub(crate) fn phone(number: &Number<'_>) -> Option<Match> {
    if number.plus {
        return international(number).map(Match::sure);
    }
    if let Some(place) = american(number) {
        return Some(Match::sure(place));
    }
    national(number).map(Match::named)
}

/// A plus, a country's code, and up to 15 digits in all.
fn international(number: &Number<'_>) -> Option<(usize, usize)> {
    if number.touches_before() || number.before == b')' {
        return None;
    }
    let groups = number.groups();
    let first = groups.first()?;
    let total = |groups: &[Group]| groups.iter().map(|group| group.end - group.start).sum::<usize>();
    let fitting = (1..=groups.len()).rev().find_map(|count| {
        let groups = groups.get(..count)?;
        let end = groups.last()?.end;
        ((8..=15).contains(&total(groups)) && number.ends(end)).then_some((groups, end))
    });
    let (taken, end) = fitting?;
    let leading = number.text.byte(first.start) != Some(b'0');
    let separated = taken.len() > 1 || total(taken) >= 10;
    (leading && separated).then_some((first.start - 1, end))
}

/// Three, three and four digits of the North American plan, the first of each group of three from two to nine.
fn american(number: &Number<'_>) -> Option<(usize, usize)> {
    let groups = number.groups().get(..3)?;
    let [area, exchange, line] = groups else { return None };
    let lengths = [area, exchange, line].map(|group| group.end - group.start);
    let text = number.text;
    let between = |a: &Group, b: &Group| text.slice(a.end, b.start);
    let bracketed = number.before == b'(' && matches!(between(area, exchange), b") " | b")" | b")-");
    let plain = !number.touches_before()
        && matches!(between(area, exchange), b"-" | b".")
        && between(area, exchange) == between(exchange, line);
    let line_follows = matches!(between(exchange, line), b"-" | b"." | b" ");
    let leading = [area, exchange]
        .iter()
        .all(|group| matches!(text.byte(group.start), Some(b'2'..=b'9')));
    let good = lengths == [3, 3, 4] && leading && (plain || (bracketed && line_follows)) && number.ends(line.end);
    good.then(|| (start_of(number, area.start, bracketed), line.end))
}

/// The bracket, and a country code before it.
fn start_of(number: &Number<'_>, area: usize, bracketed: bool) -> usize {
    let start = area - usize::from(bracketed);
    let head = number.text.slice(start.saturating_sub(3), start);
    [b"+1 ".as_slice(), b"+1-", b"+1"]
        .into_iter()
        .find(|code| head.ends_with(code))
        .map_or(start, |code| start - code.len())
}

/// Seven to fifteen digits, however they are grouped.
fn national(number: &Number<'_>) -> Option<(usize, usize)> {
    if number.touches_before() {
        return None;
    }
    let groups = number.groups();
    let start = groups.first()?.start;
    let mut digits = 0;
    let mut end = start;
    for group in groups {
        digits += group.end - group.start;
        if digits > 15 {
            break;
        }
        end = group.end;
    }
    let count = number.digits((start, end)).len();
    let dated = groups.first().is_some_and(|group| group.end - group.start == 4) && groups.len() >= 3 && count == 8;
    ((7..=15).contains(&count) && number.ends(end) && !dated).then_some((start, end))
}
