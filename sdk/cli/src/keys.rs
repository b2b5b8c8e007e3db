//! `aasm keys`: the daemon's keys by purpose and age, and their replacement.

use aa_sdk::Client;
use aa_wire::Timestamp;
use aa_wire::vault::KeyRow;

use crate::cli::secret::{KeysArgs, KeysCommand};
use crate::exit::Failure;
use crate::secret::seconds;
use crate::table::table;
use crate::{print, print_json};

const NS_PER_DAY: u64 = 86_400_000_000_000;

pub(crate) fn keys(client: &mut Client, arguments: KeysArgs) -> Result<(), Failure> {
    if let Some(KeysCommand::Rotate { purpose, output }) = arguments.command {
        let rotated = client.rotate_key(purpose)?;
        if output.json {
            return print_json(&rotated);
        }
        let wrapped = match rotated.rewrapped {
            0 => String::new(),
            count => format!("; {count} data keys are wrapped with it"),
        };
        let took = rotated.took_us / 1000;
        print(&format!("{} is new{wrapped}, {took} ms\n", rotated.purpose));
        return Ok(());
    }
    let rows = client.keys()?;
    if arguments.output.json {
        return print_json(&rows);
    }
    print(&render(&rows, Timestamp::now()));
    Ok(())
}

fn render(rows: &[KeyRow], now: Timestamp) -> String {
    let dash = || "-".to_owned();
    let row = |row: &KeyRow| {
        let age = row
            .since
            .map(|since| now.unix_ns.saturating_sub(since.unix_ns) / NS_PER_DAY);
        let due = row.since.zip(row.cadence_days);
        let due = due.map(|(since, days)| since.unix_ns.saturating_add(u64::from(days) * NS_PER_DAY));
        let next = due.map(|due| {
            let day: String = seconds(Timestamp { unix_ns: due }).chars().take(10).collect();
            if due <= now.unix_ns {
                format!("{day} OVERDUE")
            } else {
                day
            }
        });
        vec![
            row.purpose.clone(),
            row.algorithm.clone(),
            age.map_or_else(dash, |days| format!("{days} d")),
            row.cadence_days.map_or_else(dash, |days| format!("{days} d")),
            next.unwrap_or_else(dash),
            if row.by_command { "yes" } else { "no" }.to_owned(),
            row.note.clone(),
        ]
    };
    let rows: Vec<_> = rows.iter().map(row).collect();
    table(
        &["PURPOSE", "ALGORITHM", "AGE", "CADENCE", "NEXT", "ROTATE", "NOTE"],
        &rows,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_that_is_too_old_is_overdue() {
        let key = |since: u64| KeyRow {
            purpose: "vault-master".to_owned(),
            algorithm: "AES-256-GCM".to_owned(),
            since: Some(Timestamp {
                unix_ns: since * NS_PER_DAY,
            }),
            cadence_days: Some(365),
            by_command: true,
            note: "wraps data keys".to_owned(),
        };
        let unknown = KeyRow {
            since: None,
            by_command: false,
            ..key(0)
        };
        let now = Timestamp {
            unix_ns: 400 * NS_PER_DAY,
        };
        let expected = "\
PURPOSE       ALGORITHM    AGE    CADENCE  NEXT                ROTATE  NOTE
vault-master  AES-256-GCM  399 d  365 d    1971-01-02 OVERDUE  yes     wraps data keys
vault-master  AES-256-GCM  2 d    365 d    1972-02-03          yes     wraps data keys
vault-master  AES-256-GCM  -      365 d    -                   no      wraps data keys
";
        assert_eq!(render(&[key(1), key(398), unknown], now), expected);
    }
}
