use super::*;

fn note(tid: u32, digest: u64) -> Note {
    Note {
        cpu: 0,
        sequence: 1,
        asker: Asker {
            agent: AgentId(1),
            pid: Pid(100),
            tid,
            start_ns: 5,
        },
        digest: [digest, 1],
        generation: 1,
        held: true,
        reads: None,
        action: None,
        object: "/etc/shadow".into(),
    }
}

fn ticket(id: u64, note: &Note, now: Instant) -> Ticket {
    let mut event = Event::bare(Timestamp::default(), Kind::Decision, Effect::Held, "open-read");
    event.id = id;
    let asking = Asking {
        within: Duration::from_secs(60),
        approvers: vec![Approver::User("alice".into())],
        ..Asking::default()
    };
    Ticket::new(&event, note, &asking, None, now)
}

#[test]
fn asking_the_same_again_changes_nothing_and_something_else_withdraws_it() {
    let now = Instant::now();
    let mut approvals = Approvals::default();
    assert!(matches!(
        approvals.ask(ticket(1, &note(7, 1), now)),
        Asked::Waits { withdrawn: None }
    ));
    let later = now + Duration::from_secs(30);
    assert!(matches!(approvals.ask(ticket(2, &note(7, 1), later)), Asked::Again));
    assert_eq!(approvals.overdue(now + Duration::from_secs(60)), [1]);
    assert!(matches!(
        approvals.ask(ticket(3, &note(7, 2), later)),
        Asked::Waits { withdrawn: Some(old) } if old.row.id == 1
    ));
    // Another thread asks for itself.
    assert!(matches!(
        approvals.ask(ticket(4, &note(8, 2), later)),
        Asked::Waits { withdrawn: None }
    ));
    let ids: Vec<u64> = approvals.rows().iter().map(|row| row.id).collect();
    assert_eq!(ids, [3, 4]);
}

#[test]
fn only_one_answer_is_taken_and_only_from_an_approver() {
    let now = Instant::now();
    let mut approvals = Approvals::default();
    approvals.ask(ticket(1, &note(7, 1), now));
    assert_eq!(approvals.begin(2, None, |_| true).unwrap_err().code, "no-such-approval");
    assert_eq!(approvals.begin(1, None, |_| false).unwrap_err().code, "not-permitted");
    assert_eq!(approvals.begin(1, None, |_| true).unwrap().row.object, "/etc/shadow");
    assert_eq!(approvals.begin(1, None, |_| true).unwrap_err().code, "answered");
    approvals.revert(1);
    assert!(approvals.begin(1, None, |_| true).is_ok());
}

#[test]
fn a_process_is_told_again_until_its_answer_is_taken_or_old() {
    let now = Instant::now();
    let mut approvals = Approvals::default();
    approvals.ask(ticket(1, &note(7, 1), now));
    approvals.begin(1, None, |_| true).unwrap();
    approvals.answered(1, now);
    assert!(approvals.overdue(now + Duration::from_secs(61)).is_empty());
    assert!(approvals.tell_again(now).0.is_empty());
    assert_eq!(approvals.tell_again(now + TELL_AGAIN).0.len(), 1);
    assert!(approvals.tell_again(now + TELL_AGAIN * 2).0.is_empty());
    let (askers, late) = approvals.tell_again(now + GRANT_TIME);
    assert_eq!((askers.len(), late.len()), (1, 1));
    assert!(approvals.is_empty());
}

#[test]
fn what_the_kernel_settled_is_gone_and_another_digest_is_not() {
    let now = Instant::now();
    let mut approvals = Approvals::default();
    let asked = note(7, 1);
    approvals.ask(ticket(1, &asked, now));
    approvals.settle(&asked.asker, [2, 2]);
    assert!(!approvals.is_empty());
    approvals.settle(&asked.asker, asked.digest);
    assert!(approvals.is_empty());
}

#[test]
fn an_agent_cannot_fill_the_list() {
    let now = Instant::now();
    let mut approvals = Approvals::default();
    for tid in 0..64 {
        approvals.ask(ticket(u64::from(tid), &note(tid, 1), now));
    }
    assert!(matches!(approvals.ask(ticket(99, &note(99, 1), now)), Asked::Full));
    assert_eq!(approvals.bury(|asker| asker.tid != 3).len(), 1);
    assert!(matches!(
        approvals.ask(ticket(99, &note(99, 1), now)),
        Asked::Waits { .. }
    ));
}

#[test]
fn what_is_grave_enough_takes_two_people() {
    let (mut approvals, now) = (Approvals::default(), Instant::now());
    let asking = Asking {
        second_person: Some(Risk::High),
        ..Asking::default()
    };
    let mut event = Event::bare(Timestamp::default(), Kind::Decision, Effect::Held, "exec");
    for (id, risk, two) in [
        (1, None, false),
        (2, Some(Risk::Medium), false),
        (3, Some(Risk::High), true),
        (4, Some(Risk::Critical), true),
    ] {
        event.id = id;
        let tid = u32::try_from(id).unwrap();
        let ticket = Ticket::new(&event, &note(tid, id), &asking, risk, now);
        assert_eq!(ticket.row.second_person, two, "{risk:?}");
        approvals.ask(ticket);
    }
    approvals.begin(3, Some(1000), |_| true).unwrap();
    let row = approvals.half(3, 1000).unwrap();
    assert_eq!(row.approved_by, Some(1000));
    assert_eq!(
        approvals.begin(3, Some(1000), |_| true).unwrap_err().code,
        "second-person"
    );
    // Who said yes may still say no.
    approvals.begin(3, None, |_| true).unwrap();
    approvals.revert(3);
    assert!(approvals.begin(3, Some(1001), |_| true).is_ok());
}
