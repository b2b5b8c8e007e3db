//! The file rules as what Landlock can carry out: whole directories and single files that are allowed, all else denied.
//!
//! A section is there if it is enforced and its default is deny. What of it cannot be said so is a [`Gap`](crate::Gap): no path is judged
//! in another way than by the rules unless a gap names the rule.

use crate::glob::{PathPattern, Piece, is_anchored};
use crate::policy::{Mode, Policy};
use crate::rule::{Column, Rule, RuleKind, Section};
use crate::verdict::Verdict;

/// How much an allowed place is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Extent {
    /// That file alone.
    File,
    /// What is directly in it, where there are no directories: `/dev/pts/*`.
    Entries,
    /// It and all below it.
    Tree,
}

/// A place that is allowed.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Place {
    /// Absolute, without links on the way.
    pub path: String,
    /// How much of it.
    pub extent: Extent,
}

impl Place {
    /// Whether the path is in it.
    pub fn holds(&self, path: &[u8]) -> bool {
        let own = self.path.strip_suffix('/').unwrap_or(&self.path).as_bytes();
        let below = path.strip_prefix(own).and_then(|rest| rest.strip_prefix(b"/"));
        match self.extent {
            Extent::File => path == self.path.as_bytes(),
            Extent::Entries => below.is_some_and(|name| !name.is_empty() && !name.contains(&b'/')),
            Extent::Tree => path == self.path.as_bytes() || below.is_some(),
        }
    }

    /// What all of a pattern's alternative is, if it is one.
    fn of(pieces: &[Piece]) -> Option<Self> {
        let fixed: Vec<u8> = pieces
            .iter()
            .map_while(|piece| match piece {
                Piece::Byte(byte) => Some(*byte),
                _ => None,
            })
            .collect();
        let rest = pieces.get(fixed.len()..)?;
        let path = String::from_utf8(fixed).ok()?;
        let (path, extent) = match (rest, path.as_str()) {
            ([], _) => (path, Extent::File),
            ([Piece::Below | Piece::Any], "" | "/") => ("/".to_owned(), Extent::Tree),
            ([Piece::Below], _) => (path, Extent::Tree),
            ([Piece::Star], "/dev/pts/") => ("/dev/pts".to_owned(), Extent::Entries),
            _ => return None,
        };
        let plain = path.split('/').skip(1).all(|part| !["", ".", ".."].contains(&part));
        (path == "/" || (path.starts_with('/') && plain)).then_some(Self { path, extent })
    }

    /// Whether the pattern matches all of it.
    fn is_covered(&self, pattern: &PathPattern) -> bool {
        let above = |pieces: &Vec<Piece>| {
            Self::of(pieces).is_some_and(|place| place.extent == Extent::Tree && place.holds(self.path.as_bytes()))
        };
        match self.extent {
            Extent::File => pattern.matches(self.path.as_bytes()),
            Extent::Entries | Extent::Tree => pattern.alternatives.iter().any(above),
        }
    }

    /// Whether the pattern may match something in it.
    fn is_touched(&self, pattern: &PathPattern) -> bool {
        let path = self.path.as_bytes();
        let anywhere = pattern.alternatives.iter().any(|pieces| !is_anchored(pieces));
        let below = self.path == "/" || pattern.reaches_below(path);
        pattern.matches(path) || (self.extent != Extent::File && (anywhere || below))
    }
}

/// What may be read and written. `None`: that is not judged.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Trees {
    /// By `file.read`.
    pub read: Option<Vec<Place>>,
    /// By `file.write`.
    pub write: Option<Vec<Place>>,
}

impl Policy {
    /// Its file rules as places that are allowed.
    pub fn trees(&self) -> Trees {
        let places = |section, column| self.is_confined(section).then(|| self.places(column));
        Trees {
            read: places(Section::Read, Column::Read),
            write: places(Section::Write, Column::Write),
        }
    }

    /// Whether nothing of a section is allowed but what its rules allow.
    pub(crate) fn is_confined(&self, section: Section) -> bool {
        self.mode() == Mode::Enforce && self.sections.decision(section).verdict() == Verdict::Deny
    }

    fn places(&self, column: Column) -> Vec<Place> {
        let patterns = |from: Verdict, to: Verdict| {
            let wanted = move |rule: &&Rule| (from..=to).contains(&rule.verdict);
            self.rules()
                .iter()
                .filter(wanted)
                .filter_map(move |rule| rule.column(column))
        };
        let mut places: Vec<Place> = patterns(Verdict::Allow, Verdict::Allow)
            .flat_map(|pattern| pattern.alternatives.iter().filter_map(|pieces| Place::of(pieces)))
            .filter(|place| !patterns(Verdict::Ask, Verdict::Kill).any(|pattern| place.is_covered(pattern)))
            .collect();
        places.sort();
        places.dedup();
        places
    }

    /// What of a rule in a section that is confined these places do not carry out.
    pub(crate) fn beyond_trees(&self, rule: &Rule, column: Column) -> Option<&'static str> {
        let pattern = rule.column(column).filter(|_| rule.kind == RuleKind::Written)?;
        let in_a_place = || self.places(column).iter().any(|place| place.is_touched(pattern));
        match rule.verdict {
            Verdict::Ungoverned => None,
            Verdict::Allow => {
                let said = pattern.alternatives.iter().all(|pieces| Place::of(pieces).is_some());
                (!said).then_some("denied: Landlock allows single files and `DIRECTORY/**`")
            }
            _ if in_a_place() => Some("not judged: it is within what is allowed"),
            Verdict::Ask => Some("denied: nobody can be asked about a file there"),
            Verdict::Deny => None,
            Verdict::Suspend | Verdict::Kill => Some("denied, and the agent goes on"),
        }
    }
}
