//! `aasm budget`: how much of the limits of policies is used.

use aa_policy::SpendUnit;
use aa_sdk::Client;
use aa_wire::api::BudgetRow;

use crate::exit::Failure;
use crate::table::table;
use crate::{print, print_json};

pub(crate) fn budget(client: &mut Client, json: bool) -> Result<(), Failure> {
    let rows = client.budgets()?;
    if json {
        return print_json(&rows);
    }
    print(&render(&rows));
    Ok(())
}

fn render(rows: &[BudgetRow]) -> String {
    if rows.is_empty() {
        return "no policy in force has a limit: write `spend: {day: $20}` in one\n".to_owned();
    }
    let row = |row: &BudgetRow| {
        let unit = SpendUnit::ALL.into_iter().find(|unit| unit.code() == row.unit);
        let show = |count: u64| unit.map_or_else(|| count.to_string(), |unit| unit.show(count));
        let used = row.spent.zip(row.reserved);
        let cells = used.map(|(spent, reserved)| {
            let left = row.most.saturating_sub(spent.saturating_add(reserved));
            [spent, reserved, left].map(show)
        });
        // Each session's own.
        let [spent, reserved, left] = cells.unwrap_or_else(|| ["-"; 3].map(str::to_owned));
        let renewed = row
            .renewed
            .map_or_else(|| "-".to_owned(), |at| at.to_string().replace(".000000000", ""));
        vec![
            row.policy.clone(),
            row.limit.clone(),
            spent,
            reserved,
            left,
            renewed,
            row.then.clone(),
        ]
    };
    let rows: Vec<_> = rows.iter().map(row).collect();
    table(
        &["POLICY", "LIMIT", "SPENT", "RESERVED", "LEFT", "RENEWED", "THEN"],
        &rows,
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use aa_wire::Timestamp;

    #[test]
    fn what_is_left_is_shown_in_its_unit() {
        let day = BudgetRow {
            policy: "coding-agent".to_owned(),
            limit: "$20.00 a day".to_owned(),
            unit: "micro-dollars".to_owned(),
            most: 20_000_000,
            spent: Some(1_500_000),
            reserved: Some(500_000),
            renewed: Some(Timestamp { unix_ns: 0 }),
            then: "suspend".to_owned(),
        };
        let session = BudgetRow {
            limit: "100 calls a session".to_owned(),
            unit: "calls".to_owned(),
            spent: None,
            reserved: None,
            renewed: None,
            ..day.clone()
        };
        let text = render(&[day, session]);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(
            lines[1].split_whitespace().collect::<Vec<_>>()[4..7],
            ["$1.50", "$0.50", "$18.00"]
        );
        assert!(lines[2].contains("100 calls a session  -"), "{text}");
        assert!(render(&[]).starts_with("no policy in force has a limit"));
    }
}
