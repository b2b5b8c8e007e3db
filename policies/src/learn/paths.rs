//! Few patterns for many paths: of a directory of which much was used, all that is in it; of names that are made up each time,
//! what stays the same.

use crate::glob::escape;
use std::collections::{BTreeMap, BTreeSet};

/// Where names of temporary files are made.
const SCRATCH: [&str; 3] = ["/tmp", "/var/tmp", "/dev/shm"];

/// What holds things of many kinds and owners: never allowed as a whole, however much of it was used.
const MIXED: [&str; 22] = [
    "",
    "/home",
    "/home/*",
    "/root",
    "/etc",
    "/var",
    "/var/lib",
    "/var/log",
    "/run",
    "/run/user",
    "/proc",
    "/proc/*",
    "/sys",
    "/dev",
    "/mnt",
    "/media",
    "/srv",
    "/opt",
    "/boot",
    "$home",
    "$home/.config",
    "$home/.local",
];

/// A directory, or a file that is one's last name.
#[derive(Debug, Default)]
struct Node {
    names: BTreeMap<String, Node>,
    used: bool,
}

/// The patterns, with `$work` and its like for what these stand for. `places`: these names, and their paths. `one_by_one`: so
/// many names of a directory are each written out.
pub(super) fn patterns<'a>(
    paths: impl IntoIterator<Item = &'a [u8]>,
    places: &[(&str, String)],
    one_by_one: usize,
) -> BTreeSet<String> {
    let mut root = Node::default();
    for path in paths {
        let (begin, rest) = named(path, places);
        let mut node = match begin {
            Some(name) => root.names.entry(name.to_owned()).or_default(),
            None => &mut root,
        };
        let mut above = begin.unwrap_or_default().to_owned();
        for name in rest.split(|byte| *byte == b'/').filter(|name| !name.is_empty()) {
            let name = general(&above, name);
            above = format!("{above}/{name}");
            node = node.names.entry(name).or_default();
        }
        node.used = true;
    }
    let mut found = BTreeSet::new();
    for (name, node) in &root.names {
        let place = if name.starts_with('$') {
            name.clone()
        } else {
            format!("/{name}")
        };
        node.fold(&place, one_by_one, &mut found);
    }
    if root.used {
        found.insert("/".to_owned());
    }
    found
}

/// Which name a path begins with, and what follows.
fn named<'a, 'p>(path: &'p [u8], places: &[(&'a str, String)]) -> (Option<&'a str>, &'p [u8]) {
    let place = places.iter().find_map(|(name, place)| {
        let rest = path.strip_prefix(place.as_bytes())?;
        (rest.is_empty() || rest.starts_with(b"/")).then_some((*name, rest))
    });
    place.map_or((None, path), |(name, rest)| (Some(name), rest))
}

impl Node {
    fn fold(&self, place: &str, one_by_one: usize, found: &mut BTreeSet<String>) {
        if place == "$work" || (self.names.len() > one_by_one && !MIXED.contains(&place)) {
            let deep = self.names.values().any(|node| !node.names.is_empty());
            if deep || place == "$work" {
                found.insert(format!("{place}/**"));
                return;
            }
            found.insert(format!("{place}/*"));
        } else {
            for (name, node) in &self.names {
                node.fold(&format!("{place}/{name}"), one_by_one, found);
            }
        }
        if self.used {
            found.insert(place.to_owned());
        }
    }
}

/// A name below `above`, with `*` for what is made up.
fn general(above: &str, name: &[u8]) -> String {
    let number = name.iter().all(u8::is_ascii_digit);
    let of_process = above == "/proc"
        || above.starts_with("/proc/") && ["/task", "/fd", "/fdinfo"].iter().any(|end| above.ends_with(end));
    if of_process && number {
        return "*".to_owned();
    }
    let scratch = SCRATCH
        .iter()
        .any(|place| above == *place || above.starts_with(&format!("{place}/")));
    if let Some(begin) = pythons(name).filter(|_| scratch) {
        return format!("{begin}????????");
    }
    let mut pattern = String::new();
    for part in parts(name) {
        let text = String::from_utf8_lossy(part);
        let unknown = text.contains('\u{fffd}') || is_drawn(part, scratch);
        if is_number(part, scratch) {
            pattern.push('*');
        } else if unknown {
            pattern.push_str(&"?".repeat(part.len()));
        } else {
            pattern.push_str(&escape(&text).replace('$', "\\$"));
        }
    }
    pattern
}

/// Words of letters and digits, and what stands between them.
fn parts(name: &[u8]) -> impl Iterator<Item = &[u8]> {
    name.chunk_by(|one, other| one.is_ascii_alphanumeric() == other.is_ascii_alphanumeric())
}

/// What the names of Python's tempfile begin with: `tmp`, or nothing where it tries a directory.
fn pythons(name: &[u8]) -> Option<&'static str> {
    let begin = if name.starts_with(b"tmp") && name.len() == 11 {
        "tmp"
    } else {
        ""
    };
    let rest = name.get(begin.len()..)?;
    let drawn = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || *byte == b'_';
    (rest.len() == 8 && rest.iter().all(drawn)).then_some(begin)
}

/// Of processes and times: long ones, and in scratch places all but the shortest.
fn is_number(part: &[u8], scratch: bool) -> bool {
    part.iter().all(u8::is_ascii_digit) && part.len() >= if scratch { 3 } else { 6 }
}

/// Hashes, and in scratch places what mkstemp(3) draws of letters and digits.
fn is_drawn(part: &[u8], scratch: bool) -> bool {
    let digits = part.iter().filter(|byte| byte.is_ascii_digit()).count();
    let hash = part.len() >= 16 && digits > 0 && part.iter().all(u8::is_ascii_hexdigit);
    let capitals = part.iter().skip(1).filter(|byte| byte.is_ascii_uppercase()).count();
    let mixed = part.iter().all(u8::is_ascii_alphanumeric) && (digits > 0 || capitals > 0);
    hash || scratch && part.len() >= 6 && mixed
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(paths: &[&str]) -> Vec<String> {
        let places = [("$work", "/home/dev/src".to_owned()), ("$home", "/home/dev".to_owned())];
        patterns(paths.iter().map(|path| path.as_bytes()), &places, 8)
            .into_iter()
            .collect()
    }

    #[test]
    fn few_files_stand_one_by_one_and_many_as_their_directory() {
        assert_eq!(
            of(&["/etc/hosts", "/etc/passwd", "/"]),
            ["/", "/etc/hosts", "/etc/passwd"]
        );
        let many: Vec<String> = (0..9)
            .map(|number| format!("/usr/share/zoneinfo/Zone{number}"))
            .collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        assert_eq!(of(&many), ["/usr/share/zoneinfo/*"]);
        assert_eq!(
            of(&[&many[..], &["/usr/share/zoneinfo/Europe/Berlin"]].concat()),
            ["/usr/share/zoneinfo/**"]
        );
        assert_eq!(
            of(&[&many[..], &["/usr/share/zoneinfo"]].concat()),
            ["/usr/share/zoneinfo", "/usr/share/zoneinfo/*"]
        );
    }

    #[test]
    fn what_holds_things_of_many_owners_is_never_allowed_as_a_whole() {
        for place in ["/etc", "/home/dev", "/run", ""] {
            let many: Vec<String> = (0..30).map(|number| format!("{place}/n{number}/x")).collect();
            let many: Vec<&str> = many.iter().map(String::as_str).collect();
            assert_eq!(of(&many).len(), 30, "{place}");
        }
    }

    #[test]
    fn the_workspace_is_allowed_as_a_whole_and_the_home_by_name() {
        assert_eq!(
            of(&["/home/dev/src/a.rs", "/home/dev/srcs", "/home/dev/.npmrc"]),
            ["$home/.npmrc", "$home/srcs", "$work/**"]
        );
    }

    #[test]
    fn what_is_made_up_each_time_is_any_and_what_is_not_stays() {
        for (path, pattern) in [
            ("/proc/4711/status", "/proc/*/status"),
            ("/proc/4711/task/4712/comm", "/proc/*/task/*/comm"),
            ("/proc/cpuinfo", "/proc/cpuinfo"),
            ("/tmp/tmpab_cdefg/x", "/tmp/tmp????????/x"),
            ("/srv/tmpab_cdefg", "/srv/tmpab_cdefg"),
            ("/srv/cost$5", "/srv/cost\\$5"),
            ("/tmp/n_mzdmex", "/tmp/????????"),
            ("/tmp/ssh-XXab1Cd2e/agent", "/tmp/ssh-?????????/agent"),
            (
                "/tmp/npm-4711-1a2b3c4d/package.json",
                "/tmp/npm-*-????????/package.json",
            ),
            ("/tmp/build/output.log", "/tmp/build/output.log"),
            ("/var/cache/0123456789abcdef0123/x", "/var/cache/????????????????????/x"),
            ("/srv/reports/2026.csv", "/srv/reports/2026.csv"),
            ("/srv/x.1763900000.tmp", "/srv/x.*.tmp"),
            ("/usr/lib/python3.11/os.py", "/usr/lib/python3.11/os.py"),
            ("/srv/odd[1]*", "/srv/odd\\[1\\]\\*"),
        ] {
            assert_eq!(of(&[path]), [pattern], "{path}");
        }
        assert_eq!(
            patterns([&b"/srv/\xff\xfe"[..]], &[], 8)
                .into_iter()
                .collect::<Vec<_>>(),
            ["/srv/??"]
        );
    }
}
