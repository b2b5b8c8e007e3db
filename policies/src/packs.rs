//! The policies that ship.

const PACKS: [(&str, &str); 3] = [
    ("coding-agent", include_str!("../packs/coding-agent.yaml")),
    ("observe-all", include_str!("../packs/observe-all.yaml")),
    ("lockdown", include_str!("../packs/lockdown.yaml")),
];

/// The text of a pack.
pub fn pack(name: &str) -> Option<&'static str> {
    PACKS.iter().find(|(pack, _)| *pack == name).map(|(_, text)| *text)
}

/// Their names and texts.
pub fn packs() -> impl Iterator<Item = (&'static str, &'static str)> {
    PACKS.into_iter()
}
