//! Debian version order and package-name patterns.
//!
//! The order is that of deb-version(7): epoch, upstream version, revision; runs of non-digits and digits in turn; `~` before everything.

use std::cmp::Ordering;

/// Compares two Debian versions as `dpkg --compare-versions` does.
pub(crate) fn compare(left: &str, right: &str) -> Ordering {
    let (left_epoch, left_rest) = split_epoch(left);
    let (right_epoch, right_rest) = split_epoch(right);
    let (left_upstream, left_revision) = left_rest.rsplit_once('-').unwrap_or((left_rest, ""));
    let (right_upstream, right_revision) = right_rest.rsplit_once('-').unwrap_or((right_rest, ""));
    left_epoch
        .cmp(&right_epoch)
        .then_with(|| compare_part(left_upstream.as_bytes(), right_upstream.as_bytes()))
        .then_with(|| compare_part(left_revision.as_bytes(), right_revision.as_bytes()))
}

fn split_epoch(version: &str) -> (u64, &str) {
    match version.split_once(':') {
        Some((epoch, rest)) => (epoch.parse().unwrap_or(0), rest),
        None => (0, version),
    }
}

fn compare_part(mut left: &[u8], mut right: &[u8]) -> Ordering {
    while !left.is_empty() || !right.is_empty() {
        let (left_text, left_rest) = split_run(left, |byte| !byte.is_ascii_digit());
        let (right_text, right_rest) = split_run(right, |byte| !byte.is_ascii_digit());
        let (left_digits, left_tail) = split_run(left_rest, u8::is_ascii_digit);
        let (right_digits, right_tail) = split_run(right_rest, u8::is_ascii_digit);
        let order = compare_text(left_text, right_text).then_with(|| compare_digits(left_digits, right_digits));
        if order != Ordering::Equal {
            return order;
        }
        (left, right) = (left_tail, right_tail);
    }
    Ordering::Equal
}

fn split_run(bytes: &[u8], belongs: impl Fn(&u8) -> bool) -> (&[u8], &[u8]) {
    let length = bytes.iter().take_while(|byte| belongs(byte)).count();
    bytes.split_at(length)
}

/// Letters sort before other characters, the end before both, `~` before the end.
fn weight(byte: Option<&u8>) -> i32 {
    match byte {
        Some(b'~') => -1,
        None => 0,
        Some(letter) if letter.is_ascii_alphabetic() => i32::from(*letter),
        Some(other) => i32::from(*other) + 256,
    }
}

fn compare_text(left: &[u8], right: &[u8]) -> Ordering {
    (0..left.len().max(right.len()))
        .map(|at| weight(left.get(at)).cmp(&weight(right.get(at))))
        .find(|order| *order != Ordering::Equal)
        .unwrap_or(Ordering::Equal)
}

fn compare_digits(left: &[u8], right: &[u8]) -> Ordering {
    let (_, left) = split_run(left, |byte| *byte == b'0');
    let (_, right) = split_run(right, |byte| *byte == b'0');
    left.len().cmp(&right.len()).then_with(|| left.cmp(right))
}

/// Whether a package name matches a pattern in which `*` stands for one or more characters other than `-`.
pub(crate) fn matches(pattern: &str, name: &str) -> bool {
    let (literal, star_and_rest) = pattern.split_at(pattern.find('*').unwrap_or(pattern.len()));
    let Some(name_rest) = name.strip_prefix(literal) else {
        return false;
    };
    let Some(pattern_rest) = star_and_rest.strip_prefix('*') else {
        return name_rest.is_empty();
    };
    name_rest
        .char_indices()
        .take_while(|(_, character)| *character != '-')
        .any(|(at, character)| matches(pattern_rest, name_rest.split_at(at + character.len_utf8()).1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_order_as_dpkg_orders_them() {
        let rising = [
            "5.10.9-1",
            "5.10.262-1",
            "6.1~rc3-1",
            "6.1-1",
            "6.1.176-1",
            "6.18.15-1~bpo13+1",
            "6.18.15-1",
            "6.18.15-1+b1",
            "7.2.12-1",
            "7.2.13-1",
            "1:0.1-1",
        ];
        for pair in rising.windows(2) {
            assert_eq!(compare(pair[0], pair[1]), Ordering::Less, "{pair:?}");
            assert_eq!(compare(pair[1], pair[0]), Ordering::Greater, "{pair:?}");
        }
        assert_eq!(compare("1.0-1", "1.00-1"), Ordering::Equal);
    }

    #[test]
    fn a_star_matches_within_one_dash_separated_field() {
        assert!(matches(
            "linux-image-6.1.0-*-cloud-amd64",
            "linux-image-6.1.0-50-cloud-amd64"
        ));
        assert!(matches(
            "linux-image-6.12.*-cloud-amd64",
            "linux-image-6.12.107+deb13-cloud-amd64"
        ));
        assert!(matches(
            "linux-binary-7.*-cloud-amd64",
            "linux-binary-7.2.13+deb14-cloud-amd64"
        ));
    }

    #[test]
    fn other_flavours_are_not_matched() {
        assert!(!matches(
            "linux-image-6.1.0-*-cloud-amd64",
            "linux-image-6.1.0-0.deb11.50-rt-cloud-amd64"
        ));
        assert!(!matches(
            "linux-binary-7.*-cloud-amd64",
            "linux-binary-unsigned-7.2.13+deb14-cloud-amd64"
        ));
        assert!(!matches(
            "linux-image-6.12.*-cloud-amd64",
            "linux-image-6.12.107+deb13-amd64"
        ));
        assert!(!matches(
            "linux-image-6.12.*-cloud-amd64",
            "linux-image-6.12.-cloud-amd64"
        ));
        assert!(!matches(
            "linux-image-6.12.*-cloud-amd64",
            "linux-image-6.12.107-cloud-amd64-dbg"
        ));
    }
}
