//! The state of the daemon as Prometheus reads it (text format 0.0.4), for node_exporter's textfile collector: nothing listens.

use std::fmt::Write;

use aa_wire::alerts::AlertRow;
use aa_wire::status::{ProtectionState, Status};

/// Values by label.
type Rows = Vec<(String, u64)>;
/// Name, type, help and values.
type Family = (&'static str, &'static str, &'static str, Rows);

pub(crate) fn metrics(status: &Status) -> String {
    let mut text = String::new();
    for (name, kind, help, rows) in of_daemon(status).into_iter().chain(of_alerts(status)) {
        if rows.is_empty() {
            continue;
        }
        // Writing to a String does not fail.
        let _ = write!(text, "# HELP aa_{name} {help}\n# TYPE aa_{name} {kind}\n");
        for (labels, value) in rows {
            let _ = writeln!(text, "aa_{name}{labels} {value}");
        }
    }
    text
}

fn of_daemon(status: &Status) -> Vec<Family> {
    let gateway = &status.gateway;
    let one = |value: u64| vec![(String::new(), value)];
    let version = vec![(label(&[("version", &gateway.version)]), 1)];
    let rings = [
        ("decisions", gateway.rings.decisions),
        ("activity", gateway.rings.activity),
    ];
    let rings = rings.map(|(ring, count)| (label(&[("ring", ring)]), count)).into();
    let (bad, failing) = (gateway.bad_policies.len() as u64, status.audit.failing.is_some());
    vec![
        ("build_info", "gauge", "Version of the daemon.", version),
        (
            "healthy",
            "gauge",
            "Whether nothing needs attention.",
            one(status.healthy.into()),
        ),
        (
            "protection_enforced",
            "gauge",
            "Whether it is enforced and proven.",
            protections(status),
        ),
        ("agents", "gauge", "Agents with a process.", one(gateway.agents)),
        ("policies_bad", "gauge", "Policy files that cannot be used.", one(bad)),
        (
            "kernel_records_total",
            "counter",
            "Records taken from the kernel.",
            rings,
        ),
        ("events_lost_total", "counter", "Events lost, by cause.", losses(status)),
        (
            "audit_records_total",
            "counter",
            "The audit log's last record.",
            one(status.audit.sequence),
        ),
        (
            "audit_failing",
            "gauge",
            "Whether records cannot be written.",
            one(failing.into()),
        ),
    ]
}

fn of_alerts(status: &Status) -> Vec<Family> {
    let rules = |of: fn(&AlertRow) -> u64| -> Rows {
        let labels = |rule: &AlertRow| label(&[("alert", &rule.name), ("kind", &rule.kind)]);
        status
            .alerts
            .iter()
            .flatten()
            .map(|rule| (labels(rule), of(rule)))
            .collect()
    };
    let failing = rules(|rule| rule.failing.is_some().into());
    vec![
        (
            "alert_records_total",
            "counter",
            "Records that were received.",
            rules(|rule| rule.delivered),
        ),
        (
            "alert_dead_total",
            "counter",
            "Records that were given up.",
            rules(|rule| rule.dead),
        ),
        (
            "alert_lost_total",
            "counter",
            "Records gone before they were looked at.",
            rules(|rule| rule.lost),
        ),
        ("alert_failing", "gauge", "Whether nothing is received now.", failing),
    ]
}

fn protections(status: &Status) -> Rows {
    let all = status.sensor.iter().flat_map(|sensor| &sensor.protections);
    let row = |protection: &aa_wire::status::Protection| {
        let enforced = matches!(protection.state, ProtectionState::Enforced { .. }) && protection.proven;
        (label(&[("protection", &protection.name)]), u64::from(enforced))
    };
    all.map(row).collect()
}

fn losses(status: &Status) -> Rows {
    let of_sensor = status
        .sensor
        .iter()
        .flat_map(|sensor| &sensor.losses)
        .map(|loss| ("sensor", loss));
    let all = of_sensor.chain(status.gateway.losses.iter().map(|loss| ("gateway", loss)));
    let row =
        |(by, loss): (&str, &aa_wire::sensor::LossCount)| (label(&[("by", by), ("cause", &loss.cause)]), loss.count);
    all.map(row).collect()
}

fn label(pairs: &[(&str, &str)]) -> String {
    let escape = |text: &str| text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
    let pairs: Vec<String> = pairs
        .iter()
        .map(|(name, value)| format!("{name}=\"{}\"", escape(value)))
        .collect();
    format!("{{{}}}", pairs.join(","))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_is_a_metric_with_its_kind_before_it() {
        let mut status = crate::status::tests::sample();
        status.alerts = Some(vec![AlertRow {
            name: "soc".into(),
            kind: "webhook".into(),
            delivered: 7,
            ..AlertRow::default()
        }]);
        let text = metrics(&status);
        assert!(text.contains(
            "# TYPE aa_alert_records_total counter\naa_alert_records_total{alert=\"soc\",kind=\"webhook\"} 7\n"
        ));
        assert!(
            text.contains(
                "aa_protection_enforced{protection=\"exec\"} 1\naa_protection_enforced{protection=\"net\"} 0\n"
            )
        );
        assert!(text.contains("\naa_healthy 0\n") && text.contains("aa_kernel_records_total{ring=\"decisions\"} 3\n"));
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            let (name, value) = line.rsplit_once(' ').unwrap();
            let name = name.split('{').next().unwrap();
            assert!(
                text.contains(&format!("# TYPE {name} ")) && value.parse::<u64>().is_ok(),
                "{line}"
            );
        }
        assert_eq!(label(&[("a", "x\"y\\z\n")]), "{a=\"x\\\"y\\\\z\\n\"}");
    }
}
