//! `aasm policy check` and `explain`: offline, by the same code that lowers policies for the kernel.

use std::io::Read;
use std::path::Path;

use aa_policy::{Environment, Limits, Policy, parse_action, parse_policy};
use aa_wire::WireError;
use aa_wire::api::POLICY_TEXT_LIMIT;

use crate::exit::{BAD_POLICY, Failure};
use crate::table::table;
use crate::{print, print_json};

pub(crate) fn check(file: &Path, json: bool) -> Result<(), Failure> {
    let text = read_policy(file)?;
    let name = file.display().to_string();
    match parse_policy(&text, &name, &here()) {
        Ok(policy) => {
            let refused = refused(&policy);
            if json {
                print_json(&policy.warnings())?;
            } else {
                print(&summary(&policy, refused.as_deref()));
            }
            refused.map_or(Ok(()), |_| Err(Failure::Code(BAD_POLICY)))
        }
        Err(diagnostics) => {
            if json {
                print_json(&diagnostics)?;
            } else {
                eprint!("{diagnostics}");
            }
            Err(Failure::Code(BAD_POLICY))
        }
    }
}

/// The code with which the daemon would refuse to load it. The reason is among the warnings.
fn refused(policy: &Policy) -> Option<String> {
    match policy.lower(&Limits::default()) {
        Ok(lowered) => {
            policy.warnings_from(&lowered);
            None
        }
        Err(error) => Some(error.code.to_owned()),
    }
}

fn summary(policy: &Policy, refused: Option<&str>) -> String {
    let warnings: Vec<String> = policy.warnings().iter().map(|warning| format!("{warning}\n")).collect();
    let written = policy.rules().iter().filter(|rule| rule.line > 0).count();
    let verdict = refused.map_or_else(|| "ok".to_owned(), |code| format!("not loaded ({code}, see above)"));
    format!(
        "{}{verdict}: {} version {}, {written} rules\n",
        warnings.concat(),
        policy.name(),
        policy.version()
    )
}

pub(crate) fn explain(named: &str, action: &[String], json: bool) -> Result<(), Failure> {
    let (policy, file_name) = find(named, &here(), false)?;
    if action.is_empty() {
        print(&rules(&policy));
        return Ok(());
    }
    let action = parse_action(&action.join(" "), &policy, &here()).map_err(|diagnostics| {
        WireError::new("usage", "this is no action").because(diagnostics.to_string().trim_end())
    })?;
    let explanation = policy.explain(&action);
    if json {
        return print_json(&explanation);
    }
    let place = explanation
        .line
        .map_or_else(String::new, |line| format!("  rule at {file_name}:{line}\n"));
    print(&format!("{explanation}\n{place}"));
    Ok(())
}

/// The policy of a file or that ships, and the name of its file. What is wrong with it is told as `check` does.
pub(crate) fn find(named: &str, environment: &Environment, json: bool) -> Result<(Policy, String), Failure> {
    let (text, file_name) = find_policy(named)?;
    match parse_policy(&text, &file_name, environment) {
        Ok(policy) => Ok((policy, file_name)),
        Err(diagnostics) => {
            if json {
                print_json(&diagnostics)?;
            } else {
                eprint!("{diagnostics}");
            }
            Err(Failure::Code(BAD_POLICY))
        }
    }
}

fn rules(policy: &Policy) -> String {
    let row = |rule: &aa_policy::Rule| {
        let line = if rule.line > 0 {
            rule.line.to_string()
        } else {
            "built in".to_owned()
        };
        vec![
            rule.section.to_string(),
            rule.verdict.to_string(),
            line,
            rule.text.clone(),
        ]
    };
    table(
        &["SECTION", "VERDICT", "LINE", "RULE"],
        &policy.rules().iter().map(row).collect::<Vec<_>>(),
    )
}

/// What `$home`, `$run` and `$work` are for who runs this here.
pub(crate) fn here() -> Environment {
    let text = |variable: &str| std::env::var(variable).ok().filter(|path| path.starts_with('/'));
    let work = std::env::current_dir()
        .ok()
        .and_then(|path| path.to_str().map(str::to_owned));
    Environment {
        home: Some(text("HOME").unwrap_or_else(|| "/root".to_owned())),
        run: Some(text("XDG_RUNTIME_DIR").unwrap_or_else(|| format!("/run/user/{}", nix::unistd::getuid()))),
        lets: work.map(|work| ("work".to_owned(), work)).into_iter().collect(),
    }
}

/// Whether this names a file rather than a policy the daemon has.
pub(crate) fn is_file(named: &str) -> bool {
    let extension = Path::new(named).extension();
    named.contains('/') || extension.is_some_and(|extension| extension == "yaml" || extension == "yml")
}

fn find_policy(named: &str) -> Result<(String, String), WireError> {
    if is_file(named) {
        return Ok((read_policy(Path::new(named))?, named.to_owned()));
    }
    let text = aa_policy::pack(named).ok_or_else(|| {
        let packs: Vec<_> = aa_policy::packs().map(|(name, _)| name).collect();
        WireError::new("unknown-policy", format!("no policy `{named}` ships"))
            .hint(format!("give a file (./{named}.yaml), or one of: {}", packs.join(", ")))
    })?;
    Ok((text.to_owned(), format!("{named}.yaml")))
}

/// A policy's text, at most a mebibyte.
pub(crate) fn read_policy(file: &Path) -> Result<String, WireError> {
    let limit = POLICY_TEXT_LIMIT as u64;
    let mut text = String::new();
    let read = std::fs::File::open(file).and_then(|file| file.take(limit + 1).read_to_string(&mut text));
    match read {
        Ok(count) if count as u64 > limit => Err(WireError::new(
            "policy-too-large",
            format!("{} is larger than {limit} bytes", file.display()),
        )
        .hint("split it by scope (org, team, agent), or say it with fewer, wider patterns")),
        Ok(_) => Ok(text),
        Err(error) => Err(WireError::new("bad-policy", format!("cannot read {}", file.display())).because(error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_or_a_yaml_name_is_a_file_and_all_else_a_name() {
        for file in ["./p", "a/b", "p.yaml", "p.yml", "/p"] {
            assert!(is_file(file), "{file}");
        }
        assert!(!is_file("coding-agent"));
    }

    #[test]
    fn what_does_not_ship_is_answered_with_what_does() {
        let problem = find_policy("nonsense").unwrap_err();
        assert_eq!(problem.code, "unknown-policy");
        assert!(problem.hint.unwrap().contains("./nonsense.yaml"));
    }

    #[test]
    fn a_policy_that_would_not_be_loaded_is_told_with_its_code_and_what_to_write() {
        let ports: Vec<String> = (1..140).step_by(2).map(|port| format!("192.0.2.1:{port}")).collect();
        let text = format!(
            "policy: p\nversion: 1\nnet: {{allow: [\"{}\"]}}\n",
            ports.join("\", \"")
        );
        let checked = |text: &str| {
            let policy = parse_policy(text, "p.yaml", &Environment::default()).unwrap();
            summary(&policy, refused(&policy).as_deref())
        };
        let told = checked(&text);
        let refused = "not loaded (policy-too-large, see above): p version 1, 70 rules\n";
        assert!(told.ends_with(refused), "{told}");
        let told = checked("policy: p\nversion: 1\ndata: {redact: [secret]}\n");
        assert!(told.contains("p.yaml:3:17"), "{told}");
        assert!(told.ends_with("ok: p version 1, 1 rules\n"), "{told}");
    }

    #[test]
    fn rules_are_listed_with_their_lines() {
        let text = "policy: p\nversion: 1\nexec:\n  allow: [/usr/bin/**]\n  deny: [sudo]\n";
        let policy = parse_policy(text, "p.yaml", &Environment::default()).unwrap();
        let listed = rules(&policy);
        assert!(listed.starts_with("SECTION  VERDICT  LINE"), "{listed}");
        assert!(listed.contains("exec     deny     5         sudo"), "{listed}");
    }
}
