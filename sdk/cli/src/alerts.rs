//! `aasm alerts`: what of the audit log goes out of the machine, and whether it arrives.

use aa_sdk::Client;
use aa_wire::WireError;
use aa_wire::alerts::{AlertRow, CourierReport};

use crate::cli::audit::AlertsCommand;
use crate::exit::Failure;
use crate::secret::seconds;
use crate::table::table;
use crate::{print, print_json};

pub(crate) fn alerts(client: &mut Client, command: AlertsCommand) -> Result<(), Failure> {
    match command {
        AlertsCommand::List(output) => {
            let report = report(client)?;
            if output.json {
                return print_json(&report.rules);
            }
            print(&list(&report.rules));
        }
        AlertsCommand::Test { name } => match client.alert_test(name.clone())? {
            None => print(&format!("{name}: the test was received\n")),
            Some(why) => {
                let failed = WireError::new("alert-failed", format!("{name}: the test was not received")).because(why);
                return Err(failed.into());
            }
        },
        AlertsCommand::Dead(output) => {
            let report = report(client)?;
            if output.json {
                let letters: Vec<_> = report.rules.iter().map(|rule| (&rule.name, &rule.letters)).collect();
                return print_json(&letters);
            }
            print(&dead(&report.rules));
        }
    }
    Ok(())
}

fn report(client: &mut Client) -> Result<CourierReport, Failure> {
    let silent = || {
        let silent = WireError::new(
            "no-courier",
            "nothing goes out: there are no alerts, or aa-courier does not run",
        );
        silent.hint("[[alerts]] in /etc/aa-sensord/config.toml, then: systemctl restart aa-courier")
    };
    Ok(client.alerts()?.ok_or_else(silent)?)
}

fn list(rules: &[AlertRow]) -> String {
    let row = |rule: &AlertRow| {
        let state = rule.failing.as_ref().map_or_else(
            || "fine".to_owned(),
            |failing| {
                format!(
                    "NOT RECEIVED since {}, {} times: {}",
                    seconds(failing.since),
                    failing.attempts,
                    failing.why
                )
            },
        );
        vec![
            rule.name.clone(),
            rule.kind.clone(),
            rule.to.clone(),
            rule.after.to_string(),
            rule.delivered.to_string(),
            rule.dead.to_string(),
            rule.lost.to_string(),
            state,
        ]
    };
    let rows: Vec<_> = rules.iter().map(row).collect();
    table(
        &["NAME", "KIND", "TO", "RECORD", "RECEIVED", "GIVEN UP", "LOST", "STATE"],
        &rows,
    )
}

fn dead(rules: &[AlertRow]) -> String {
    let mut rows = Vec::new();
    for rule in rules {
        rows.extend(rule.letters.iter().map(|letter| {
            vec![
                rule.name.clone(),
                letter.record.to_string(),
                letter.count.to_string(),
                seconds(letter.time),
                letter.attempts.to_string(),
                letter.why.clone(),
            ]
        }));
    }
    if rows.is_empty() {
        return "nothing was given up\n".to_owned();
    }
    let heading = ["NAME", "RECORD", "RECORDS", "GIVEN UP", "TRIED", "WHY"];
    table(&heading, &rows) + "what was in them: aasm audit show RECORD\n"
}

/// In a line of `aasm status`.
pub(crate) fn short(rules: Option<&[AlertRow]>) -> String {
    let Some(rules) = rules else {
        return "none go out".to_owned();
    };
    let sum = |of: fn(&AlertRow) -> u64| rules.iter().map(of).sum::<u64>();
    let waiting = rules.iter().filter(|rule| rule.failing.is_some()).count();
    let waiting = match waiting {
        0 => String::new(),
        count => format!(", {count} not received now"),
    };
    format!(
        "{} rules: {} records received, {} given up, {} lost{waiting}",
        rules.len(),
        sum(|rule| rule.delivered),
        sum(|rule| rule.dead),
        sum(|rule| rule.lost)
    )
}

#[cfg(test)]
mod tests {
    use aa_wire::Timestamp;
    use aa_wire::alerts::{DeadLetter, Failing};

    use super::*;

    #[test]
    fn what_is_not_received_and_what_was_given_up_is_shown_with_its_reason() {
        let fine = AlertRow {
            name: "siem".into(),
            kind: "syslog".into(),
            to: "siem.example.com:6514".into(),
            after: 9,
            delivered: 7,
            ..AlertRow::default()
        };
        let time = Timestamp { unix_ns: 5_000_000_000 };
        let failing = AlertRow {
            name: "soc".into(),
            kind: "webhook".into(),
            to: "soc.example.com:443".into(),
            dead: 1,
            lost: 2,
            failing: Some(Failing {
                since: time,
                attempts: 3,
                why: "it answered 503".into(),
            }),
            letters: vec![DeadLetter {
                record: 8,
                count: 1,
                time,
                attempts: 10,
                why: "it answered 500".into(),
            }],
            ..fine.clone()
        };
        let rules = [fine, failing];
        assert_eq!(
            list(&rules),
            "\
NAME  KIND     TO                     RECORD  RECEIVED  GIVEN UP  LOST  STATE
siem  syslog   siem.example.com:6514  9       7         0         0     fine
soc   webhook  soc.example.com:443    9       7         1         2     NOT RECEIVED since 1970-01-01T00:00:05Z, 3 times: it answered 503
"
        );
        assert_eq!(
            dead(&rules),
            "\
NAME  RECORD  RECORDS  GIVEN UP              TRIED  WHY
soc   8       1        1970-01-01T00:00:05Z  10     it answered 500
what was in them: aasm audit show RECORD
"
        );
        assert_eq!(
            short(Some(&rules)),
            "2 rules: 14 records received, 1 given up, 2 lost, 1 not received now"
        );
        assert_eq!(
            (short(None).as_str(), dead(&[]).as_str()),
            ("none go out", "nothing was given up\n")
        );
    }
}
