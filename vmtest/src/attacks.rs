//! The catalogue of attacks as documents show it, from the first lines of its files.

use std::fmt::Write as _;
use std::path::Path;
use std::{fs, io};

#[path = "../attacks/header.rs"]
mod header;

use header::{Attack, Leaves, Twin};

/// The classes in the order they are shown, each with what its attacks try to reach.
const CLASSES: [(&str, &str); 8] = [
    ("exec", "programs and code that rules deny"),
    ("file", "files that rules deny, to read or to change"),
    ("net", "addresses and sockets that rules deny"),
    ("dns", "names that no rule lists"),
    ("identity", "being nobody who is governed, or another agent"),
    ("control", "other processes, the kernel, and us"),
    ("resource", "verdicts that fail when something is used up"),
    ("race", "verdicts on what is changed meanwhile"),
];

/// The catalogue could not be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CatalogueError {
    /// The folder or a file of it.
    #[error("cannot read the attacks")]
    Read(#[from] io::Error),
    /// A file does not say what it should.
    #[error("{0}")]
    Header(String),
}

/// All attacks of the folder, class by class.
pub(crate) fn catalogue(folder: &Path) -> Result<Vec<Attack>, CatalogueError> {
    let mut text = String::new();
    for (class, _) in CLASSES {
        let mut files: Vec<_> = fs::read_dir(folder.join(class))?.collect::<Result<_, _>>()?;
        files.sort_by_key(fs::DirEntry::file_name);
        for file in files {
            let name = file.file_name().to_string_lossy().into_owned();
            if let Some(name) = name.strip_suffix(".c") {
                // Writing to a string does not fail.
                let _ = write!(text, "=== {class}/{name}\n{}", fs::read_to_string(file.path())?);
            }
        }
    }
    header::all(&text).map_err(CatalogueError::Header)
}

/// How many there are of each class: the table of ARCHITECTURE.md.
pub(crate) fn counts(attacks: &[Attack]) -> String {
    let mut table = "| class | tries to reach | attacks | not stopped |\n|---|---|---|---|\n".to_owned();
    let (mut all, mut open) = (0, 0);
    for (class, about) in CLASSES {
        let count = attacks.iter().filter(|attack| attack.class == class).count();
        let not_stopped = attacks
            .iter()
            .filter(|attack| attack.class == class && attack.stopped.is_err());
        let not_stopped = not_stopped.count();
        let _ = writeln!(table, "| {class} | {about} | {count} | {not_stopped} |");
        all += count;
        open += not_stopped;
    }
    let _ = writeln!(table, "| | | {all} | {open} |");
    table
}

/// docs/attacks.md.
pub(crate) fn document(attacks: &[Attack]) -> String {
    let mut text = "# Attacks\n\n\
        What was tried to get round a policy, and what stops it. Each is a file of `vmtest/attacks/`, named for what must hold, and \
        runs on every\nkernel that enforces: against what the policy denies, where it must fail without a trace but its record, and \
        against what\nthe policy allows, where the same must succeed. `aa-vmtest attacks` prints this page.\n"
        .to_owned();
    text.push_str("\n## What cannot be stopped\n\n| | class | attack | why not |\n|---|---|---|---|\n");
    for (place, attack) in attacks.iter().enumerate() {
        if let Err(why) = &attack.stopped {
            let _ = writeln!(text, "| {} | {} | {} | {why} |", place + 1, attack.class, attack.what);
        }
    }
    text.push_str(
        "\n## What is stopped\n\nThe twin of an attack is the same on an object that the policy allows, under a policy that permits it (p), \
         or done by somebody\nwho is not governed (u), where no policy permits it. Both are under a policy of ten thousand rules more where it says m.\n\n\
         | | class | what holds | attack | stopped by | record | seen by | twin |\n|---|---|---|---|---|---|---|---|\n",
    );
    for (place, attack) in attacks.iter().enumerate() {
        if let Ok(how) = &attack.stopped {
            let twin = match attack.twin {
                Twin::OtherObject if attack.more_rules > 0 => "m",
                Twin::OtherObject => "",
                Twin::Permitted => "p",
                Twin::Ungoverned => "u",
            };
            let (name, what) = (attack.name.replace('_', " "), &attack.what);
            let record = attack.record.as_deref().unwrap_or("-");
            let seen = seen_by(attack.leaves);
            let _ = writeln!(
                text,
                "| {} | {} | {name} | {what} | {how} | {record} | {seen} | {twin} |",
                place + 1,
                attack.class
            );
        }
    }
    text
}

/// By what others see that an attack worked.
fn seen_by(leaves: Leaves) -> &'static str {
    match leaves {
        Leaves::Reads => "a secret told",
        Leaves::Changes => "files",
        Leaves::Runs => "a file made",
        Leaves::Reaches => "a listener",
        Leaves::Harms => "a victim",
        Leaves::Returns => "its result",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all() -> Vec<Attack> {
        catalogue(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/attacks"))).unwrap()
    }

    #[test]
    fn the_documents_show_the_catalogue() {
        let attacks = all();
        assert_eq!(
            include_str!("../../docs/attacks.md"),
            document(&attacks),
            "docs/attacks.md is not of this catalogue: `cargo run -p aa-vmtest --bin aa-vmtest attacks > docs/attacks.md`"
        );
        let table = counts(&attacks);
        assert!(
            include_str!("../../ARCHITECTURE.md").contains(&table),
            "ARCHITECTURE.md has another table of attacks: put in what `aa-vmtest attacks --counts` prints:\n{table}"
        );
    }

    #[test]
    fn the_catalogue_is_large_enough_and_says_what_it_must() {
        let attacks = all();
        assert!(attacks.len() >= 120, "only {}", attacks.len());
        for attack in &attacks {
            // Each has to have its record, unless nothing of ours in the kernel refuses it.
            let recorded = attack.record.is_some() || attack.stopped.is_err() || attack.class == "identity";
            assert!(recorded, "{}/{} has no record", attack.class, attack.name);
            let words = [&attack.what, attack.stopped.as_ref().unwrap_or_else(|why| why)];
            assert!(
                words.iter().all(|text| !text.contains('|')),
                "{} breaks the table",
                attack.name
            );
        }
    }
}
