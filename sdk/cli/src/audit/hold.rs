//! `aasm audit hold`: what has the log keep everything.

use aa_sdk::{Client, SdkError};
use aa_wire::api::{HoldRow, Reply, Request};

use crate::cli::audit::HoldCommand;
use crate::exit::Failure;
use crate::secret::seconds;
use crate::table::table;
use crate::{print, print_json};

pub(super) fn hold(client: &mut Client, command: HoldCommand) -> Result<(), Failure> {
    let (request, json) = match command {
        HoldCommand::Set { name, why } => (Request::Hold { name, why }, false),
        HoldCommand::Release { name } => (Request::ReleaseHold { name }, false),
        HoldCommand::List(output) => (Request::Holds, output.json),
    };
    let Reply::Holds(holds) = client.request(request)? else {
        return Err(SdkError::Unexpected.into());
    };
    if json {
        return print_json(&holds);
    }
    print(&render(&holds));
    Ok(())
}

fn render(holds: &[HoldRow]) -> String {
    if holds.is_empty() {
        return "no hold: what is older than the configuration says is removed\n".to_owned();
    }
    let row = |hold: &HoldRow| {
        vec![
            hold.name.clone(),
            seconds(hold.since),
            hold.by.to_string(),
            hold.why.clone(),
        ]
    };
    let rows: Vec<_> = holds.iter().map(row).collect();
    table(&["HOLD", "SINCE", "BY", "WHY"], &rows)
}

#[cfg(test)]
mod tests {
    use aa_wire::Timestamp;

    use super::*;

    #[test]
    fn a_hold_is_shown_with_who_and_why() {
        let hold = HoldRow {
            name: "case-7".into(),
            since: Timestamp { unix_ns: 5_000_000_000 },
            by: 1000,
            why: "court order".into(),
        };
        let expected = "HOLD    SINCE                 BY    WHY\ncase-7  1970-01-01T00:00:05Z  1000  court order\n";
        assert_eq!(render(&[hold]), expected);
        assert!(render(&[]).starts_with("no hold"));
    }
}
