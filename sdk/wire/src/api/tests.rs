use proptest::prelude::*;

use super::*;
use crate::event::AgentRef;

fn line(request: Request) -> String {
    serde_json::to_string(&Ask::new(request)).unwrap()
}

#[test]
fn requests_look_as_documented() {
    assert_eq!(line(Request::Status), r#"{"v":1,"request":"status"}"#);
    assert_eq!(line(Request::Why { id: 17 }), r#"{"v":1,"request":{"why":{"id":17}}}"#);
    assert_eq!(
        line(Request::Kill(KillTarget::All)),
        r#"{"v":1,"request":{"kill":"all"}}"#
    );
    assert_eq!(
        line(Request::Kill(KillTarget::Session(SessionId(255)))),
        r#"{"v":1,"request":{"kill":{"session":"00000000000000ff"}}}"#
    );
}

#[test]
fn what_is_left_out_of_a_query_has_its_default() {
    let ask: Ask = serde_json::from_str(r#"{"v":1,"request":{"events":{"follow":true}}}"#).unwrap();
    assert_eq!(
        ask.request,
        Request::Events(EventsQuery {
            follow: true,
            ..EventsQuery::default()
        })
    );
}

#[test]
fn unknown_fields_are_refused() {
    assert!(serde_json::from_str::<Ask>(r#"{"v":1,"request":{"events":{"folow":true}}}"#).is_err());
    assert!(serde_json::from_str::<Ask>(r#"{"v":1,"request":"status","as":"root"}"#).is_err());
}

#[test]
fn answers_look_as_documented_and_come_back() {
    let done = Answer::new(Ok(Reply::Denials { count: 0, first: None }));
    let failed = Answer::new(Err(WireError::new("not-found", "no event 17")));
    for (answer, text) in [
        (done, r#"{"v":1,"ok":{"denials":{"count":0,"first":null}}}"#),
        (
            failed,
            r#"{"v":1,"error":{"code":"not-found","message":"no event 17","cause":null,"hint":null}}"#,
        ),
        (Answer::new(Ok(Reply::End)), r#"{"v":1,"ok":"end"}"#),
    ] {
        assert_eq!(serde_json::to_string(&answer).unwrap(), text);
        assert_eq!(serde_json::from_str::<Answer>(text).unwrap(), answer);
    }
}

#[test]
fn a_filter_lets_through_only_what_meets_every_condition() {
    let mut event = Event::bare(Timestamp::default(), Kind::Decision, Effect::Denied, "exec");
    let filter = EventFilter {
        agent: Some("claude".into()),
        session: Some(SessionId(3)),
        denied: true,
        kind: Some(Kind::Decision),
        approvals: false,
    };
    assert!(EventFilter::default().matches(&event));
    assert!(!filter.matches(&event));
    event.agent = Some(AgentRef {
        id: AgentId(1),
        name: Some("claude".into()),
        session: SessionId(3),
    });
    assert!(filter.matches(&event));
    event.effect = Effect::Allowed;
    assert!(!filter.matches(&event));
    let asks = EventFilter {
        approvals: true,
        ..EventFilter::default()
    };
    assert!(!asks.matches(&event));
    event.effect = Effect::Held;
    assert!(asks.matches(&event));
    let answer = Event::bare(Timestamp::default(), Kind::Approval, Effect::Allowed, "exec");
    assert!(asks.matches(&answer));
}

proptest! {
    #[test]
    fn any_line_is_a_request_or_refused(line in "\\PC{0,200}") {
        let _ = serde_json::from_str::<Ask>(&line);
    }
}
