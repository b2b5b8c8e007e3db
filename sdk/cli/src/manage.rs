//! `aasm agents`, `kill`, `suspend`, `resume`, `policy apply`.

use std::path::Path;

use aa_sdk::Client;
use aa_wire::SessionId;
use aa_wire::api::{AgentRow, KillTarget, Reply, Request};

use crate::exit::Failure;
use crate::policy::read_policy;
use crate::table::table;
use crate::{print, print_json};

pub(crate) fn agents(client: &mut Client, json: bool) -> Result<(), Failure> {
    let agents = client.agents()?;
    if json {
        return print_json(&agents);
    }
    print(&render(&agents));
    Ok(())
}

fn render(agents: &[AgentRow]) -> String {
    if agents.is_empty() {
        return "nobody is governed\n".to_owned();
    }
    let mut rows = Vec::new();
    for agent in agents {
        let sessions: Vec<_> = agent.sessions.iter().map(ToString::to_string).collect();
        for (index, process) in agent.processes.iter().enumerate() {
            let first = |text: String| if index == 0 { text } else { String::new() };
            rows.push(vec![
                first(agent.id.to_string()),
                first(agent.name.clone().unwrap_or_else(|| "-".to_owned())),
                first(agent.policy.clone().unwrap_or_else(|| "-".to_owned())),
                first(agent.state.to_string()),
                first(sessions.join(",")),
                process.pid.to_string(),
                process.uid.to_string(),
                process.command.to_string(),
            ]);
        }
    }
    table(
        &["ID", "AGENT", "POLICY", "STATE", "SESSION", "PID", "USER", "COMMAND"],
        &rows,
    )
}

pub(crate) fn kill(client: &mut Client, target: &str) -> Result<(), Failure> {
    let processes = client.kill(parse_target(target))?;
    let until = if target == "all" {
        "; nobody is governed anew until `aasm resume all`"
    } else {
        ""
    };
    print(&format!("{processes} processes killed{until}\n"));
    Ok(())
}

pub(crate) fn suspend(client: &mut Client, target: &str) -> Result<(), Failure> {
    let processes = client.suspend(parse_target(target))?;
    print(&format!(
        "{processes} processes suspended; `aasm resume {target}` has them go on\n"
    ));
    Ok(())
}

pub(crate) fn resume(client: &mut Client, target: &str) -> Result<(), Failure> {
    let processes = client.resume(parse_target(target))?;
    print(&format!("{processes} processes go on\n"));
    Ok(())
}

/// `all`, a session (16 hexadecimal digits), or an agent.
fn parse_target(text: &str) -> KillTarget {
    match (text, text.parse::<SessionId>()) {
        ("all", _) => KillTarget::All,
        (_, Ok(session)) if text.len() == 16 => KillTarget::Session(session),
        _ => KillTarget::Agent(text.to_owned()),
    }
}

pub(crate) fn apply(client: &mut Client, file: &Path, json: bool) -> Result<(), Failure> {
    let text = read_policy(file)?;
    let reply = client.request(Request::Apply {
        text,
        file_name: file.display().to_string(),
    })?;
    if json {
        return print_json(&reply);
    }
    let Reply::Applied {
        policy,
        warnings,
        loaded,
    } = reply
    else {
        return Err(aa_sdk::SdkError::Unexpected.into());
    };
    for warning in warnings {
        eprintln!("{warning}");
    }
    match loaded.as_slice() {
        [] => print(&format!("{policy} is kept; nobody is governed by it yet\n")),
        rows => {
            let places = if rows.len() == 1 { "place" } else { "places" };
            print(&format!("{policy} is in force in {} {places}\n", rows.len()));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use aa_wire::api::ProcessRow;
    use aa_wire::sensor::Switch;
    use aa_wire::{AgentId, Pid, Timestamp};

    use super::*;

    #[test]
    fn a_target_is_all_a_session_or_an_agent() {
        assert_eq!(parse_target("all"), KillTarget::All);
        assert_eq!(parse_target("00000000000000ff"), KillTarget::Session(SessionId(255)));
        for agent in ["claude", "7", "ff"] {
            assert_eq!(parse_target(agent), KillTarget::Agent(agent.into()));
        }
    }

    #[test]
    fn an_agents_processes_stand_below_one_another() {
        let process = |pid, command: &str| ProcessRow {
            pid: Pid(pid),
            parent_pid: Pid(1),
            threads: 1,
            uid: 1000,
            start: Timestamp::default(),
            command: command.into(),
        };
        let agent = AgentRow {
            id: AgentId(1),
            name: Some("claude".into()),
            policy: Some("coding-agent".into()),
            state: Switch::Running,
            sessions: vec![SessionId(1)],
            processes: vec![process(10, "node"), process(11, "git\n")],
        };
        let expected = "\
ID  AGENT   POLICY        STATE    SESSION           PID  USER  COMMAND
1   claude  coding-agent  running  0000000000000001  10   1000  node
                                                     11   1000  git\\x0a
";
        assert_eq!(render(&[agent]), expected);
        assert_eq!(render(&[]), "nobody is governed\n");
    }
}
