//! The state of the daemon: the sensor's and the gateway's, and what of it is not as it should be.

use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use aa_wire::Timestamp;
use aa_wire::sensor::{Reply, Request};
use aa_wire::status::{AuditStatus, BadPolicy, GatewayStatus, ProtectionState, RingStatus, SensorStatus, Status};

use crate::gateway::Gateway;

/// How long the sensor may take; then the status comes without its part.
const SENSOR_PATIENCE: Duration = Duration::from_secs(3);

impl Gateway {
    pub(crate) async fn status(&self) -> Status {
        let sensor = match tokio::time::timeout(SENSOR_PATIENCE, self.sensor.request(Request::Status)).await {
            Ok(Ok(Reply::Status(status))) => Some(*status),
            _ => None,
        };
        let agents = self.processes().await.map_or(0, |mut processes| {
            processes.sort_by_key(|process| process.agent);
            processes.dedup_by_key(|process| process.agent);
            processes.len() as u64
        });
        let gateway = GatewayStatus {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            started: self.started,
            rings: RingStatus {
                decisions: self.rings.decisions.load(Relaxed),
                activity: self.rings.activity.load(Relaxed),
                undecodable: self.rings.undecodable.load(Relaxed),
                missing: self.missing.get(),
            },
            queue_depth: self.rings.under_way.load(Relaxed),
            losses: self.own_losses(),
            policies: self.book.borrow().rows(),
            bad_policies: self.book.borrow().bad(),
            agents,
            followers: self.followers.receiver_count() as u64,
        };
        let audit = AuditStatus {
            directory: self.audit.directory().display().to_string(),
            sequence: self.audit.last().0,
            failing: self.audit.failing(),
        };
        let alerts = self.alerts().map(|report| report.rules);
        let mut complaints = complaints(sensor.as_ref(), &gateway, audit.failing.as_deref());
        complaints.extend(self.retention.complaint());
        complaints.extend(crate::courier::complaints(
            alerts.as_deref(),
            self.settings.alerts,
            Timestamp::now(),
        ));
        Status {
            healthy: complaints.is_empty(),
            complaints,
            sensor,
            gateway,
            audit,
            alerts,
        }
    }
}

impl Gateway {
    /// Has the service manager show which policies there are. The daemon is started when that was done once: those that select their
    /// agents are in force then.
    pub(crate) async fn show_standing(&self) {
        let text = {
            let book = self.book.borrow();
            standing(book.count(), &book.bad())
        };
        if let Err(problem) = self.sensor.request(Request::Standing { text }).await {
            tracing::warn!(code = problem.code, "the sensor does not take what is to be shown");
        }
    }

    /// Each file that cannot be used, with every mistake in it, for the journal.
    pub(crate) fn tell_bad_policies(&self) {
        for bad in self.book.borrow().bad() {
            let file = &bad.file;
            let stays = if bad.kept.is_some() {
                "; what was in force of it stays"
            } else {
                ""
            };
            tracing::error!(
                "{file} is not in force{stays}: mend it, `aasm policy check {file}`, `systemctl reload aa-sensord`"
            );
            for line in bad.diagnostics.lines() {
                tracing::error!("  {line}");
            }
        }
    }
}

/// In one line: how many policies there are, and which files are none.
fn standing(policies: usize, bad: &[BadPolicy]) -> String {
    let mut text = match policies {
        0 => "no policy file, so only what `aasm run` starts is governed".to_owned(),
        1 => "1 policy file".to_owned(),
        count => format!("{count} policy files"),
    };
    if !bad.is_empty() {
        let files: Vec<&str> = bad.iter().map(|bad| bad.file.as_str()).collect();
        text = format!("NOT IN FORCE, as `aasm status` explains: {}; {text}", files.join(", "));
    }
    text
}

/// One line for each thing that is not as it should be.
fn complaints(sensor: Option<&SensorStatus>, gateway: &GatewayStatus, audit_failing: Option<&str>) -> Vec<String> {
    let mut lines = Vec::new();
    match sensor {
        None => lines.push("the sensor does not answer".to_owned()),
        Some(sensor) => {
            for protection in &sensor.protections {
                match &protection.state {
                    ProtectionState::Optional { .. } => {}
                    ProtectionState::Enforced { .. } if protection.proven => {}
                    ProtectionState::Enforced { via } => {
                        lines.push(format!(
                            "{} is enforced via {via}, but its probes did not prove it",
                            protection.name
                        ));
                    }
                    ProtectionState::Observed { missing, .. } => {
                        lines.push(format!("{} is only observed, missing {missing}", protection.name));
                    }
                    ProtectionState::Refused { missing } => {
                        lines.push(format!("{} is refused, missing {missing}", protection.name));
                    }
                }
            }
            let failed = sensor.self_test.iter().filter(|row| !row.passed);
            lines.extend(failed.map(|row| {
                format!(
                    "self-test of {}: {} was {}, not {}",
                    row.hook, row.probe, row.got, row.expected
                )
            }));
        }
    }
    if let Some(failing) = audit_failing {
        lines.push(format!("audit records cannot be written: {failing}"));
    }
    lines.extend(
        gateway
            .bad_policies
            .iter()
            .map(|bad| format!("the policy {} cannot be used", bad.file)),
    );
    let lost = gateway.losses.iter().filter(|loss| loss.count > 0);
    lines.extend(lost.map(|loss| format!("{} events lost: {}", loss.count, loss.cause)));
    if gateway.rings.missing > 0 {
        lines.push(format!("{} kernel records never arrived", gateway.rings.missing));
    }
    lines
}

#[cfg(test)]
mod tests {
    use aa_wire::sensor::LossCount;
    use aa_wire::status::{BadPolicy, Protection, SelfTestRow};

    use super::*;

    fn gateway() -> GatewayStatus {
        GatewayStatus {
            version: String::new(),
            started: Timestamp::default(),
            rings: RingStatus::default(),
            queue_depth: 0,
            losses: vec![],
            policies: vec![],
            bad_policies: vec![],
            agents: 0,
            followers: 0,
        }
    }

    #[test]
    fn nothing_is_complained_about_when_all_is_proven() {
        let enforced = ProtectionState::Enforced { via: "bpf-lsm".into() };
        let protection = Protection {
            name: "exec".into(),
            state: enforced,
            proven: true,
        };
        let optional = Protection {
            name: "content".into(),
            state: ProtectionState::Optional { missing: "IMA".into() },
            proven: false,
        };
        let sensor = SensorStatus {
            protections: vec![protection, optional],
            ..SensorStatus::default()
        };
        assert_eq!(complaints(Some(&sensor), &gateway(), None), Vec::<String>::new());
    }

    #[test]
    fn what_is_shown_counts_policies_and_names_files_that_are_none() {
        assert_eq!(
            standing(0, &[]),
            "no policy file, so only what `aasm run` starts is governed"
        );
        assert_eq!(standing(2, &[]), "2 policy files");
        let bad = BadPolicy {
            file: "/etc/x.yaml".into(),
            diagnostics: String::new(),
            kept: None,
        };
        let shown = standing(1, &[bad]);
        assert!(shown.starts_with("NOT IN FORCE") && shown.contains("/etc/x.yaml") && shown.ends_with("1 policy file"));
    }

    #[test]
    fn everything_that_is_not_as_it_should_be_is_named() {
        let protection = |state, proven| Protection {
            name: "p".into(),
            state,
            proven,
        };
        let sensor = SensorStatus {
            protections: vec![
                protection(ProtectionState::Enforced { via: "x".into() }, false),
                protection(
                    ProtectionState::Observed {
                        via: "x".into(),
                        missing: "bpf in lsm=".into(),
                    },
                    true,
                ),
                protection(ProtectionState::Refused { missing: "BTF".into() }, false),
            ],
            self_test: vec![SelfTestRow {
                hook: "h".into(),
                probe: "open".into(),
                expected: "EPERM".into(),
                got: "ok".into(),
                passed: false,
            }],
            ..SensorStatus::default()
        };
        let mut gateway = gateway();
        gateway.bad_policies.push(BadPolicy {
            file: "f".into(),
            diagnostics: String::new(),
            kept: None,
        });
        gateway.losses.push(LossCount {
            cause: "undecodable".into(),
            count: 2,
        });
        gateway.rings.missing = 1;
        assert_eq!(complaints(Some(&sensor), &gateway, Some("full")).len(), 8);
        assert_eq!(complaints(None, &gateway, None)[0], "the sensor does not answer");
    }
}
