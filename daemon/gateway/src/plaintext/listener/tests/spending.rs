//! `spend`: room is taken before a call is sent, and given back when it is over.

use super::*;

/// $3 and $15 for a million tokens.
const MODEL: &str = "claude-sonnet-4-5";

/// What is heard of calls, one after another, each over a connection of its own.
struct Calls {
    listener: Listener,
    answers: testing::Given,
    denied: super::super::super::judge::Denied,
    treasury: crate::spending::Treasury,
    number: u64,
}

impl Calls {
    fn under(spend: &str) -> Self {
        let (judge, answers) = testing::judge(spend);
        let (denied, treasury) = (judge.shared.denied.clone(), judge.shared.treasury.clone());
        Self {
            listener: Listener::new(teller_of(&judge), judge),
            answers,
            denied,
            treasury,
            number: 0,
        }
    }

    /// Asks for at most so many tokens; `None` if it is sent, else why not.
    fn asks(&mut self, most_output: &str) -> Option<(u32, String)> {
        self.number += 1;
        let text = request(most_output);
        let base = piece(100 + self.number, false, 0, &[]);
        let decision = ask(&mut self.listener, &self.answers, self.number, base, &[text.as_bytes()]);
        let denial = self.denied.take(self.number);
        assert_eq!(denial.is_some(), decision != abi::AA_ALLOW);
        denial.map(|denial| (decision & abi::AA_DECISION_VERDICT, denial.detail.unwrap_or_default()))
    }

    /// The last call is answered.
    fn answered(&mut self, status: &str, body: &str) {
        let head = format!("HTTP/1.1 {status}\r\nContent-Type: application/json");
        let text = format!("{head}\r\nContent-Length: {}\r\n\r\n{body}", body.len());
        let answer = piece(100 + self.number, true, 0, text.as_bytes());
        hear(&mut self.listener, &[answer]);
    }

    fn ends(&mut self) {
        for received in [false, true] {
            let offset = if received { 0 } else { request("1").len() as u64 };
            let end = Piece {
                step: Step::Ends,
                ..piece(100 + self.number, received, offset, &[])
            };
            hear(&mut self.listener, &[end]);
        }
    }

    fn notices(&self) -> Vec<String> {
        let notices = self.treasury.take_notices();
        notices.into_iter().filter_map(|event| event.detail).collect()
    }
}

/// Some 76 bytes, so 38 tokens of input; at $3.75 for a million where they go to a cache.
fn request(most_output: &str) -> String {
    let body = format!("{{\"model\":\"{MODEL}\",\"messages\":[],\"max_tokens\":{most_output},\"stream\":false}}");
    let head = "POST /v1/messages HTTP/1.1\r\nHost: api.anthropic.com";
    format!("{head}\r\nContent-Length: {}\r\n\r\n{body}", body.len())
}

fn usage(input: u64, output: u64) -> String {
    format!("{{\"usage\":{{\"input_tokens\":{input},\"output_tokens\":{output}}},\"stop_reason\":\"end_turn\"}}")
}

#[test]
fn a_call_that_may_exceed_a_limit_is_not_sent_and_says_why() {
    // A thousand tokens of output are 15,000 millionths.
    let mut calls = Calls::under("spend: {day: $0.02}\n");
    let (verdict, why) = calls.asks("2000").unwrap();
    assert_eq!(verdict, abi::AA_DENY);
    let said = "$0.02 a day: $0.00 spent, $0.00 reserved by calls under way; this one may take $0.03";
    assert!(why.starts_with(said) && why.ends_with("tokens in, 2000 out)"), "{why}");
    assert_eq!(calls.asks("1000"), None);
    // While that one is under way there is no room for another.
    let (_, why) = calls.asks("1000").unwrap();
    assert!(
        why.contains("$0.00 spent, $0.0151") && why.contains("reserved"),
        "{why}"
    );
    // It took less than it might have.
    calls.number = 2;
    calls.answered("200 OK", &usage(100, 10));
    calls.number = 3;
    assert_eq!(calls.asks("1000"), None);
    let (_, why) = calls.asks("1000").unwrap();
    assert!(why.contains("$0.00045 spent"), "{why}");
}

#[test]
fn a_request_without_a_limit_of_its_own_may_take_the_most_there_is() {
    let mut calls = Calls::under("spend: {tokens: {hour: 128k}, then: suspend}\n");
    let (verdict, why) = calls.asks("null").unwrap();
    assert_eq!(verdict, abi::AA_SUSPEND);
    assert!(why.ends_with("128000 out, since the request names no limit)"), "{why}");
    assert_eq!(calls.asks("1000"), None);
}

#[test]
fn what_was_refused_costs_nothing_and_what_was_not_told_is_charged_as_reserved() {
    let mut calls = Calls::under("spend: {tokens: {day: 1000}, calls: {day: 3}}\n");
    for _ in 0..2 {
        assert_eq!(calls.asks("800"), None);
        calls.answered("529 Overloaded", "{}");
    }
    // A third call, of which the answer does not come.
    assert_eq!(calls.asks("800"), None);
    calls.ends();
    let (_, why) = calls.asks("1").unwrap();
    assert!(why.starts_with("3 calls a day: 3 calls spent"), "{why}");
    let mut calls = Calls::under("spend: {tokens: {day: 1000}}\n");
    assert_eq!(calls.asks("800"), None);
    calls.answered("200 OK", "{}");
    let (_, why) = calls.asks("200").unwrap();
    assert!(why.starts_with("1000 tokens a day: 838 tokens spent"), "{why}");
}

#[test]
fn what_is_denied_for_another_reason_takes_no_room() {
    let mut calls = Calls::under("model: {deny: [\"*sonnet*\"]}\nspend: {calls: {day: 1}}\n");
    for _ in 0..3 {
        assert_eq!(calls.asks("10").unwrap().1, "");
    }
}

#[test]
fn under_a_policy_that_observes_what_is_beyond_the_limit_is_told_and_charged() {
    let mut calls = Calls::under("mode: observe\nspend: {calls: {day: 1}}\n");
    assert_eq!(calls.asks("10"), None);
    calls.answered("200 OK", &usage(1, 1));
    for spent in ["1 calls spent", "2 calls spent"] {
        let (_, why) = calls.asks("10").unwrap();
        assert!(why.contains(spent), "{why}");
        calls.answered("200 OK", &usage(1, 1));
    }
}

#[test]
fn marks_are_told_once_when_they_are_passed() {
    let mut calls = Calls::under("spend: {calls: {day: 10}, warn: [50%, 80%]}\n");
    let mut told = Vec::new();
    for _ in 0..10 {
        assert_eq!(calls.asks("10"), None);
        calls.answered("200 OK", &usage(1, 1));
        told.extend(calls.notices());
    }
    let expected = [
        "judged has spent 50% of 10 calls a day: 5 calls",
        "judged has spent 80% of 10 calls a day: 8 calls",
    ];
    assert_eq!(told, expected);
}
