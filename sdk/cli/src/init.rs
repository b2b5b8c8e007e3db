//! `aasm init`: a first policy, from one that ships and the agents that are found on this machine.

use std::collections::BTreeMap;
use std::env;
use std::fs::{self, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use aa_policy::{Environment, pack, packs, parse_policy};
use aa_wire::WireError;

use crate::cli::InitArgs;
use crate::exit::Failure;
use crate::print;

/// Commands of agents, as their makers install them.
const AGENTS: [&str; 13] = [
    "aider",
    "amp",
    "claude",
    "codex",
    "copilot",
    "crush",
    "cursor-agent",
    "gemini",
    "goose",
    "interpreter",
    "openhands",
    "opencode",
    "qwen",
];
/// Where they put them besides what PATH says, below the home directory.
const BELOW_HOME: [&str; 5] = [
    ".local/bin",
    ".claude/local",
    ".npm-global/bin",
    ".bun/bin",
    ".cargo/bin",
];

/// What a program is, as far as the kernel tells it by its file.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Found {
    /// Machine code: governed wherever it is started.
    Program(PathBuf),
    /// A script: the kernel sees its interpreter run, which is others' too.
    Script,
}

pub(crate) fn init(arguments: &InitArgs) -> Result<(), Failure> {
    let Some(text) = pack(&arguments.pack) else {
        let names: Vec<&str> = packs().map(|(name, _)| name).collect();
        let none = WireError::new("usage", format!("no policy `{}` ships", arguments.pack));
        return Err(none.hint(names.join(", ")).into());
    };
    let found = if arguments.programs.is_empty() {
        look(&places())
    } else {
        named(&arguments.programs)?
    };
    let governed: Vec<&Path> = found
        .values()
        .filter_map(|found| match found {
            Found::Program(path) => Some(path.as_path()),
            Found::Script => None,
        })
        .collect();
    let text = write_policy(text, &name(&arguments.output), &governed, arguments.enforce);
    let file = arguments.output.display().to_string();
    // As the daemon reads it: no directory is given for `$work`.
    let environment = Environment {
        lets: BTreeMap::new(),
        ..crate::policy::here()
    };
    if let Err(errors) = parse_policy(&text, &file, &environment) {
        let wrong = WireError::new("internal", "the policy that was made cannot be used");
        return Err(wrong.because(errors).into());
    }
    let created = OpenOptions::new().write(true).create_new(true).open(&arguments.output);
    created
        .and_then(|mut output| output.write_all(text.as_bytes()))
        .map_err(|error| {
            let failed = WireError::new("unwritable", format!("{file} cannot be written")).because(&error);
            match error.kind() {
                io::ErrorKind::AlreadyExists => failed.hint("--output names another file"),
                _ => failed,
            }
        })?;
    print(&told(&file, &found, arguments.enforce));
    Ok(())
}

/// The policy's name, by its file's.
fn name(output: &Path) -> String {
    let stem = output.file_stem().unwrap_or_default().to_string_lossy().to_lowercase();
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "_-.".contains(c);
    let begins = stem.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_');
    if begins && stem.len() <= 64 && stem.chars().all(plain) {
        stem
    } else {
        "agents".to_owned()
    }
}

fn places() -> Vec<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let home = env::var_os("HOME").map(PathBuf::from);
    let below = home.iter().flat_map(|home| BELOW_HOME.map(|folder| home.join(folder)));
    env::split_paths(&path).chain(below).collect()
}

/// Each agent where it is found first.
fn look(places: &[PathBuf]) -> BTreeMap<String, Found> {
    let find = |agent: &str| places.iter().find_map(|place| what_is(&place.join(agent)));
    let found = AGENTS
        .into_iter()
        .filter_map(|agent| Some((agent.to_owned(), find(agent)?)));
    found.collect()
}

fn named(programs: &[PathBuf]) -> Result<BTreeMap<String, Found>, WireError> {
    let each = programs.iter().map(|program| {
        let none = || WireError::new("usage", format!("{} is no program", program.display()));
        Ok((program.display().to_string(), what_is(program).ok_or_else(none)?))
    });
    each.collect()
}

/// By the file itself, behind all links.
fn what_is(path: &Path) -> Option<Found> {
    let path = fs::canonicalize(path).ok().filter(|path| path.is_file())?;
    let mut begins = [0; 4];
    let read = fs::File::open(&path).and_then(|mut file| file.read_exact(&mut begins));
    Some(match (read, &begins) {
        (Ok(()), b"\x7fELF") => Found::Program(path),
        _ => Found::Script,
    })
}

/// The pack's text with another name, whom it governs, and its mode.
fn write_policy(pack: &str, name: &str, governed: &[&Path], enforce: bool) -> String {
    let quoted = |path: &&Path| {
        // As patterns have it: these stand for more than themselves there.
        let text = path.to_string_lossy();
        let plain: String = text
            .chars()
            .flat_map(|c| "\\*?[]{}$".contains(c).then_some('\\').into_iter().chain([c]))
            .collect();
        format!("  - exec: '{}'\n", plain.replace('\'', "''"))
    };
    let governs: String = governed.iter().map(quoted).collect();
    let mut text = String::new();
    for line in pack.lines() {
        let key = line.split_once(':').map_or("", |(key, _)| key);
        match key {
            "policy" => text = text + "policy: " + name + "\n",
            "mode" if !enforce => text += "mode: observe   # records what it would deny; `enforce` denies it\n",
            "governs" => {}
            _ => text = text + line + "\n",
        }
        if key == "version" && !governs.is_empty() {
            text = text + "governs:\n" + &governs;
        }
    }
    text
}

fn told(file: &str, found: &BTreeMap<String, Found>, enforce: bool) -> String {
    let line = |(agent, found): (&String, &Found)| match found {
        Found::Program(path) => format!("{agent}: {} is governed wherever it is started\n", path.display()),
        Found::Script => format!("{agent}: a script, so start it with: sudo aasm run --policy {file} -- {agent}\n"),
    };
    let text: String = if found.is_empty() {
        format!("No agent was found; start yours with: sudo aasm run --policy {file} -- COMMAND\n")
    } else {
        found.iter().map(line).collect()
    };
    let then = if enforce {
        ""
    } else {
        "\n  aasm events --denied -f             # what it would deny; when nothing of that is needed: mode: enforce"
    };
    text + &format!(
        "{file} is written, and its expectations hold. Next:\n  sudo cp {file} /etc/aa-sensord/policies/ && sudo systemctl reload aa-sensord{then}\n"
    )
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn agents() -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::write(at("claude-2.1"), b"\x7fELF and more").unwrap();
        symlink(at("claude-2.1"), at("claude")).unwrap();
        fs::write(at("gemini"), "#!/usr/bin/env node\n").unwrap();
        fs::write(at("other"), b"\x7fELF").unwrap();
        folder
    }

    #[test]
    fn agents_are_found_behind_links_and_scripts_are_told_apart() {
        let folder = agents();
        let found = look(&[PathBuf::from("/nowhere"), folder.path().to_owned()]);
        let program = fs::canonicalize(folder.path().join("claude-2.1")).unwrap();
        let expected = [
            ("claude".to_owned(), Found::Program(program)),
            ("gemini".to_owned(), Found::Script),
        ];
        assert_eq!(found, BTreeMap::from(expected));
        let text = told("agents.yaml", &found, false);
        assert!(
            text.contains("claude-2.1 is governed") && text.contains("-- gemini\n"),
            "{text}"
        );
    }

    #[test]
    fn every_pack_can_be_written_and_is_a_policy() {
        let odd = Path::new("/opt/it's [new]/agent*");
        for (name, pack) in packs() {
            for enforce in [false, true] {
                let text = write_policy(pack, "mine", &[odd, Path::new("/usr/bin/claude")], enforce);
                let policy =
                    parse_policy(&text, name, &crate::policy::here()).unwrap_or_else(|errors| panic!("{errors}"));
                assert_eq!(policy.name(), "mine");
                let lowered = policy.lower(&aa_policy::Limits::default()).unwrap();
                let paths = lowered.selectors.iter().filter_map(|selector| match selector {
                    aa_policy::LoweredSelector::Exec { path, .. } => path.clone(),
                    _ => None,
                });
                assert_eq!(
                    paths.collect::<Vec<_>>(),
                    [odd.to_string_lossy().as_bytes(), b"/usr/bin/claude"]
                );
                assert!(enforce || policy.mode() == aa_policy::Mode::Observe, "{name}");
            }
        }
    }

    #[test]
    fn a_file_that_is_there_stays_as_it_is() {
        let folder = agents();
        let output = folder.path().join("first.yaml");
        let arguments = InitArgs {
            pack: "coding-agent".into(),
            programs: vec![folder.path().join("claude")],
            enforce: false,
            output: output.clone(),
        };
        assert!(init(&arguments).is_ok());
        let text = fs::read_to_string(&output).unwrap();
        assert!(
            text.contains("policy: first\n") && text.contains("claude-2.1'\n"),
            "{text}"
        );
        fs::write(&output, "mine").unwrap();
        assert!(init(&arguments).is_err());
        assert_eq!(fs::read_to_string(&output).unwrap(), "mine");
        assert_eq!(name(Path::new("/x/Not a name.yaml")), "agents");
    }
}
