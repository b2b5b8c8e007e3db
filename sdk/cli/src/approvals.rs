//! `aasm approvals`: what waits for an answer, and the answers.

use std::path::Path;

use aa_sdk::{Client, Streamed};
use aa_wire::api::{ApprovalRow, EventFilter, EventsQuery};
use aa_wire::event::{Effect, Event, Kind};
use aa_wire::text::escape;
use aa_wire::{SessionId, Timestamp, WireError};

use crate::cli::ApprovalsCommand;
use crate::exit::Failure;
use crate::table::{pairs, table};
use crate::{print, print_json};

pub(crate) fn approvals(socket: &Path, command: ApprovalsCommand) -> Result<(), Failure> {
    match command {
        ApprovalsCommand::List(output) => {
            let rows = Client::connect(socket)?.approvals()?;
            if output.json {
                return print_json(&rows);
            }
            print(&list(&rows, Timestamp::now()));
        }
        ApprovalsCommand::Show { id, output } => {
            let row = find(socket, id)?.ok_or_else(|| nothing_waits(id))?;
            if output.json {
                return print_json(&row);
            }
            print(&show(&row, Timestamp::now()));
        }
        ApprovalsCommand::Approve { id } => {
            let row = Client::connect(socket)?.answer(id, true)?;
            print(&approved(&row));
        }
        ApprovalsCommand::Deny { id } => {
            let row = Client::connect(socket)?.answer(id, false)?;
            print(&format!("denied: {}\n", line(&row)));
        }
        ApprovalsCommand::Watch(output) => watch(socket, output.json)?,
    }
    Ok(())
}

fn approved(row: &ApprovalRow) -> String {
    match row.approved_by {
        Some(user) if row.second_person => format!(
            "approved by user {user}, and waits for a second person: {}\n  another user: aasm approvals approve {}\n",
            line(row),
            row.id
        ),
        _ => format!("approved: {}\n", line(row)),
    }
}

fn find(socket: &Path, id: u64) -> Result<Option<ApprovalRow>, Failure> {
    Ok(Client::connect(socket)?
        .approvals()?
        .into_iter()
        .find(|row| row.id == id))
}

fn nothing_waits(id: u64) -> WireError {
    WireError::new("no-such-approval", format!("nothing waits under the number {id}")).hint("aasm approvals list")
}

/// What is told of asks.
pub(crate) enum Told<'a> {
    /// It waits.
    Ask(&'a ApprovalRow),
    /// What came of one.
    Outcome(&'a Event),
    /// Of so many events we do not know.
    Skipped(u64),
}

/// What waits now, what is asked from now on, and what came of it; of one session or of all. Ends with the daemon.
pub(crate) fn follow(
    socket: &Path,
    session: Option<SessionId>,
    mut tell: impl FnMut(Told<'_>) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let query = EventsQuery {
        follow: true,
        since: None,
        after: None,
        limit: Some(0),
        filter: EventFilter {
            session,
            approvals: true,
            ..EventFilter::default()
        },
    };
    // Following begins before the list is read: nothing is missed in between, and what is in both is told once.
    let events = Client::connect(socket)?.events(query)?;
    let mut told = Vec::new();
    for row in Client::connect(socket)?.approvals()? {
        if session.is_none_or(|session| session == row.session) {
            tell(Told::Ask(&row))?;
            told.push(row.id);
        }
    }
    for streamed in events {
        match streamed? {
            Streamed::Event(event) if event.kind == Kind::Approval => tell(Told::Outcome(&event))?,
            Streamed::Event(event) if event.effect == Effect::Held && !told.contains(&event.id) => {
                // The event has no arguments; an ask that was made again is no new one, and one that is over is none.
                if let Some(row) = find(socket, event.id)? {
                    tell(Told::Ask(&row))?;
                }
            }
            Streamed::Event(_) => {}
            Streamed::Skipped(count) => tell(Told::Skipped(count))?,
        }
    }
    Ok(())
}

fn watch(socket: &Path, json: bool) -> Result<(), Failure> {
    follow(socket, None, |told| {
        match told {
            Told::Ask(row) if json => print_json(row)?,
            Told::Outcome(event) if json => print_json(event)?,
            Told::Ask(row) => print(&format!("{}\n", line(row))),
            Told::Outcome(event) => {
                let detail = event.detail.as_deref().unwrap_or_default();
                let id = event.about.unwrap_or(event.id);
                print(&format!("{id}: {}\n", escape(detail.as_bytes())));
            }
            Told::Skipped(count) => eprintln!("aasm: too slow for {count} events; see `aasm approvals list`"),
        }
        Ok(())
    })
}

/// For the person at whose terminal the program now stands still.
pub(crate) fn notice(row: &ApprovalRow, now: Timestamp) -> String {
    format!(
        "aasm: stopped until somebody answers: {} {} ({})\n      aasm approvals approve {id}, or deny {id}; in {} {}",
        row.action,
        row.object,
        cited(row),
        left(row, now),
        row.otherwise,
        id = row.id,
    )
}

fn line(row: &ApprovalRow) -> String {
    format!(
        "{}  {}[{}]  {} {}  ({})",
        row.id,
        row.agent,
        row.pid,
        row.action,
        row.object,
        cited(row)
    )
}

fn list(rows: &[ApprovalRow], now: Timestamp) -> String {
    if rows.is_empty() {
        return "nothing waits for an answer\n".to_owned();
    }
    let rows: Vec<Vec<String>> = rows
        .iter()
        .map(|row| {
            vec![
                row.id.to_string(),
                row.agent.clone(),
                row.pid.to_string(),
                left(row, now),
                row.action.clone(),
                row.object.clone(),
                rule(row),
            ]
        })
        .collect();
    table(&["ID", "AGENT", "PID", "LEFT", "ACTION", "OBJECT", "RULE"], &rows)
}

fn show(row: &ApprovalRow, now: Timestamp) -> String {
    let who = if row.approvers.is_empty() {
        "whoever may control aa-sensord".to_owned()
    } else {
        row.approvers.join(", ")
    };
    let approvers = match (row.second_person, row.approved_by) {
        (false, _) => who,
        (true, None) => format!("{who}; two people have to say yes"),
        (true, Some(user)) => format!("{who}; two people have to say yes, and user {user} has"),
    };
    pairs(&[
        ("id", row.id.to_string()),
        ("agent", format!("{} (session {})", row.agent, row.session)),
        (
            "process",
            format!("{} (pid {}, user {})", row.executable, row.pid, row.uid),
        ),
        ("wants to", format!("{} {}", row.action, row.object)),
        ("rule", rule(row)),
        ("policy", row.policy.clone().unwrap_or_else(|| "-".to_owned())),
        ("asked at", row.asked_at.to_string()),
        (
            "deadline",
            format!("{} ({}), then {}", row.deadline, left(row, now), row.otherwise),
        ),
        ("may answer", approvers),
    ])
}

/// The rule that asks, and how grave it says that is.
fn rule(row: &ApprovalRow) -> String {
    let rule = row.rule.as_deref().unwrap_or("-");
    match &row.risk {
        Some(risk) => format!("{rule}, {risk} risk"),
        None => rule.to_owned(),
    }
}

/// The same in a sentence.
fn cited(row: &ApprovalRow) -> String {
    let rule = row.rule.as_deref().unwrap_or("-");
    let risk = row.risk.as_ref().map(|risk| format!(", {risk} risk"));
    format!("rule `{rule}`{}", risk.unwrap_or_default())
}

/// How long it still waits.
fn left(row: &ApprovalRow, now: Timestamp) -> String {
    let seconds = row.deadline.unix_ns.saturating_sub(now.unix_ns) / 1_000_000_000;
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3600 => format!("{}m{:02}s", seconds / 60, seconds % 60),
        _ => format!("{}h{:02}m", seconds / 3600, seconds % 3600 / 60),
    }
}

#[cfg(test)]
mod tests {
    use aa_wire::Pid;

    use super::*;

    fn row() -> ApprovalRow {
        ApprovalRow {
            id: 17,
            agent: "claude".into(),
            session: SessionId(2),
            pid: Pid(100),
            uid: 1000,
            executable: "/usr/bin/git".into(),
            action: "exec".into(),
            object: "/usr/bin/git push".into(),
            rule: Some("ask: git push ...".into()),
            risk: None,
            policy: Some("coding-agent".into()),
            asked_at: Timestamp::default(),
            deadline: Timestamp {
                unix_ns: 600_000_000_000,
            },
            otherwise: "deny".into(),
            approvers: vec!["user:alice".into()],
            second_person: false,
            approved_by: None,
        }
    }

    #[test]
    fn what_waits_is_a_line_with_what_answers_it() {
        let expected = "\
ID  AGENT   PID  LEFT    ACTION  OBJECT             RULE
17  claude  100  10m00s  exec    /usr/bin/git push  ask: git push ...
";
        assert_eq!(list(&[row()], Timestamp::default()), expected);
        assert_eq!(list(&[], Timestamp::default()), "nothing waits for an answer\n");
    }

    #[test]
    fn one_ask_tells_who_may_answer_and_what_comes_otherwise() {
        let text = show(&row(), Timestamp::default());
        for wanted in ["git push", "user:alice", "(10m00s), then deny", "1970-01-01T00:10:00"] {
            assert!(text.contains(wanted), "{wanted}: {text}");
        }
    }

    #[test]
    fn a_stopped_program_says_what_lets_it_go_on() {
        assert_eq!(
            notice(&row(), Timestamp::default()),
            "aasm: stopped until somebody answers: exec /usr/bin/git push (rule `ask: git push ...`)\n      \
             aasm approvals approve 17, or deny 17; in 10m00s deny"
        );
    }

    #[test]
    fn for_programs_it_is_an_array_with_the_promised_names() {
        let text = serde_json::to_value([row()]).unwrap();
        for name in ["id", "agent", "action", "object", "rule", "deadline"] {
            assert!(!text[0][name].is_null(), "{name}");
        }
    }
}
