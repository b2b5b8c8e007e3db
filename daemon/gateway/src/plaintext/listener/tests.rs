use aa_bpf::abi;
use aa_bpf::record::plaintext::Socket;
use aa_wire::AgentId;

mod known;
mod requests;
mod spending;

use super::super::judge::testing;
use super::*;
use crate::vault::known::SharedEngine;

const KEY: &str = "AKIAQ3EGRIJ2XKF7ZB5D";
const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

fn request() -> Vec<u8> {
    let body = format!("{{\"key\": \"{KEY}\"}}");
    let head = "POST /v1/x?token=1 HTTP/1.1\r\nHost: example.com";
    format!("{head}\r\nContent-Length: {}\r\n\r\n{body}", body.len()).into_bytes()
}

/// Of process 100, which started at 4 s, at 5 s of boot time.
fn piece(object: u64, received: bool, offset: u64, bytes: &[u8]) -> Piece<'_> {
    Piece {
        speaker: Speaker {
            agent: 2,
            session: 3,
            cgroup: 4,
            tid: 101,
            parent_pid: 99,
            uid: 1000,
        },
        connection: ConnectionId {
            pid: 100,
            start_ns: 4_000_000_000,
            object,
            born_ns: 4_500_000_000,
        },
        ktime_ns: 5_000_000_000,
        received,
        offset,
        step: Step::Goes,
        half: false,
        socket: None,
        file: 1,
        question: None,
        bytes,
    }
}

fn hear(listener: &mut Listener, pieces: &[Piece<'_>]) -> Vec<Spoken> {
    let mut told = Vec::new();
    for piece in pieces {
        listener.hear(piece, &mut |spoken| told.push(spoken));
    }
    told
}

fn teller() -> Arc<Teller> {
    teller_of(&testing::judge("").0)
}

/// One that charges what this judge takes room for.
fn teller_of(judge: &Judge) -> Arc<Teller> {
    Teller::new(SharedEngine::new([7; 32]).unwrap(), &judge.shared)
}

fn listener() -> Listener {
    let (judge, _) = testing::judge("");
    Listener::new(teller(), judge)
}

#[test]
fn an_exchange_is_told_with_kinds_of_secrets_and_without_them() {
    let request = request();
    let told = hear(
        &mut listener(),
        &[piece(7, false, 0, &request), piece(7, true, 0, ANSWER)],
    );
    let [spoken] = told.as_slice() else { panic!("{told:?}") };
    let exchange = &spoken.exchange;
    assert_eq!(
        (exchange.host.as_str(), exchange.path.as_str()),
        ("example.com", "/v1/x")
    );
    assert_eq!((exchange.status, exchange.answer_bytes), (Some(200), 2));
    assert_eq!((exchange.secrets.len(), exchange.secrets[0].count), (1, 1));
    assert!(
        exchange.doubts.is_empty() && !format!("{told:?}").contains(KEY),
        "{told:?}"
    );
}

#[test]
fn what_the_ring_lost_is_a_gap_of_its_connection_alone() {
    let request = request();
    let (first, second) = request.split_at(request.len() - 9);
    let lost = piece(7, false, first.len() as u64 + 4, &second[4..]);
    let other = [piece(8, false, 0, &request), piece(8, true, 0, ANSWER)];
    let mut listener = listener();
    let told = hear(
        &mut listener,
        &[piece(7, false, 0, first), lost, piece(7, true, 0, ANSWER)],
    );
    assert_eq!(told[0].exchange.doubts, ["gap"]);
    assert!(hear(&mut listener, &other)[0].exchange.doubts.is_empty());
}

#[test]
fn what_two_keys_say_over_one_socket_belongs_together_also_before_it_was_known() {
    let request = request();
    let to = "192.0.2.1:443".parse().unwrap();
    let socket = Some(Socket { cookie: 55, to });
    let half = |object, received, bytes| Piece {
        half: true,
        ..piece(object, received, 0, bytes)
    };
    let sent = half(7, false, request.as_slice());
    let bound = Piece {
        step: Step::Binds,
        socket,
        bytes: &[],
        ..sent
    };
    let received = Piece {
        socket,
        ..half(9, true, ANSWER)
    };
    let told = hear(&mut listener(), &[sent, bound, received]);
    assert_eq!(told.len(), 1);
    assert_eq!((told[0].exchange.status, told[0].to), (Some(200), Some(to)));
    assert!(told[0].exchange.doubts.is_empty());
}

#[test]
fn a_call_is_told_with_what_it_costs_where_the_provider_counted() {
    let costs = |path: &str, asked: &str, answer: &str| {
        let body = |text: &str| format!("Content-Length: {}\r\n\r\n{text}", text.len());
        let request = format!("POST {path} HTTP/1.1\r\nHost: h\r\n{}", body(asked));
        let answer = format!("HTTP/1.1 200 OK\r\n{}", body(answer));
        let pieces = [
            piece(7, false, 0, request.as_bytes()),
            piece(7, true, 0, answer.as_bytes()),
        ];
        let told = hear(&mut listener(), &pieces);
        let call = told[0].exchange.call.clone().unwrap();
        call.cost.map(|cost| (cost.micro_dollars, cost.listed))
    };
    let asks = |model: &str| format!("{{\"model\":\"{model}\",\"messages\":[]}}");
    // Anthropic's cache is beside the input, OpenAI's in it.
    let answer = r#"{"usage":{"input_tokens":100,"cache_read_input_tokens":1000,"output_tokens":10}}"#;
    let cost = costs("/v1/messages", &asks("claude-sonnet-4-5"), answer);
    assert_eq!(cost, Some((300 + 300 + 150, true)));
    let answer =
        r#"{"usage":{"prompt_tokens":1000,"completion_tokens":10,"prompt_tokens_details":{"cached_tokens":800}}}"#;
    let cost = costs("/v1/chat/completions", &asks("gpt-5"), answer);
    assert_eq!(cost, Some((250 + 100 + 100, true)));
    let cost = costs("/v1/chat/completions", &asks("unheard-of"), answer);
    assert!(
        cost.is_some_and(|(dollars, listed)| dollars > 10_000 && !listed),
        "{cost:?}"
    );
    assert_eq!(costs("/v1/messages", &asks("claude-sonnet-4-5"), "{}"), None);
}

/// Asks of these bytes, in as many pieces; what was answered.
fn ask(listener: &mut Listener, answers: &testing::Given, number: u64, base: Piece<'_>, pieces: &[&[u8]]) -> u32 {
    let mut offset = base.offset;
    for (index, bytes) in pieces.iter().enumerate() {
        let question = Question {
            number,
            first: index == 0,
            last: index + 1 == pieces.len(),
            generation: testing::GENERATION,
        };
        let piece = Piece {
            offset,
            bytes,
            question: Some(question),
            ..base
        };
        listener.hear(&piece, &mut |_| {});
        offset += bytes.len() as u64;
    }
    answers.decision(number)
}

#[test]
fn what_is_blocked_is_denied_by_its_rule_and_what_is_clean_is_not() {
    let (judge, answers) = testing::judge("data: {block: [secret]}\n");
    let denied = judge.shared.denied.clone();
    let mut listener = Listener::new(teller(), judge);
    let clean = b"POST /v1 HTTP/1.1\r\nHost: example.com\r\nContent-Length: 2\r\n\r\nok";
    let dirty = request();
    let (one, other) = dirty.split_at(dirty.len() - 9);
    let base = |object| piece(object, false, 0, &[]);
    assert_eq!(ask(&mut listener, &answers, 1, base(7), &[clean]), abi::AA_ALLOW);
    let after = Piece {
        offset: clean.len() as u64,
        ..base(7)
    };
    let decision = ask(&mut listener, &answers, 2, after, &[one, other]);
    assert_eq!(
        decision & (abi::AA_DECISION_VERDICT | abi::AA_DECISION_EXPLICIT),
        abi::AA_DENY | abi::AA_DECISION_EXPLICIT
    );
    let found = denied.take(2).unwrap().exchange;
    assert_eq!(
        (found.host.as_str(), found.secrets[0].kind.as_str()),
        ("example.com", "aws-access-key-id")
    );
    assert!(denied.take(1).is_none() && !format!("{found:?}").contains(KEY));
    // Of no protocol, and of a key whose socket is not known.
    assert_ne!(
        ask(&mut listener, &answers, 3, base(8), &[KEY.as_bytes()]),
        abi::AA_ALLOW
    );
    let half = |object| Piece {
        half: true,
        ..base(object)
    };
    assert_ne!(ask(&mut listener, &answers, 4, half(9), &[&dirty]), abi::AA_ALLOW);
    assert_eq!(ask(&mut listener, &answers, 5, half(10), &[clean]), abi::AA_ALLOW);
}

#[test]
fn a_model_that_is_not_allowed_is_not_called_and_what_is_no_call_is_sent() {
    let (judge, answers) = testing::judge("model: {allow: [\"claude-*\"], deny: [\"*-preview\"]}\n");
    let denied = judge.shared.denied.clone();
    let mut listener = Listener::new(teller(), judge);
    let call = |body: &str| {
        let head = "POST /v1/messages HTTP/1.1\r\nHost: api.anthropic.com";
        format!("{head}\r\nContent-Length: {}\r\n\r\n{body}", body.len())
    };
    let mut number = 0;
    let mut goes = |text: &str| {
        number += 1;
        let (one, other) = text.split_at(text.len() / 2);
        let base = piece(100 + number, false, 0, &[]);
        let decision = ask(
            &mut listener,
            &answers,
            number,
            base,
            &[one.as_bytes(), other.as_bytes()],
        );
        let told = denied.take(number);
        assert_eq!(told.is_some(), decision != abi::AA_ALLOW);
        told.map(|told| told.exchange.call.map(|call| call.model.as_str().to_owned()))
    };
    assert_eq!(goes(&call(r#"{"messages":[],"model":"claude-sonnet-5"}"#)), None);
    assert_eq!(goes("GET /v1/models HTTP/1.1\r\nHost: api.anthropic.com\r\n\r\n"), None);
    let unlisted = call(r#"{"messages":[],"model":"opus"}"#);
    assert_eq!(goes(&unlisted), Some(Some("opus".to_owned())));
    let preview = call(r#"{"messages":[],"model":"claude-9-preview"}"#);
    assert_eq!(goes(&preview), Some(Some("claude-9-preview".to_owned())));
    let twice = call(r#"{"model":"opus","messages":[],"model":"claude-sonnet-5"}"#);
    assert_eq!(goes(&twice), Some(Some("claude-sonnet-5".to_owned())));
    assert_eq!(goes(&call(r#"{"messages":[]}"#)), Some(None));
    // Only what is not all there can still become anything.
    assert_eq!(goes(unlisted.strip_suffix('}').unwrap()), None);
}

#[test]
fn a_model_is_judged_where_the_rest_of_its_request_is_sent() {
    let (judge, answers) = testing::judge("model: {deny: [opus]}\n");
    let mut listener = Listener::new(teller(), judge);
    let body = r#"{"model":"opus","messages":[]}"#;
    let head = format!(
        "POST /v1/messages HTTP/1.1\r\nHost: h\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    let base = piece(7, false, 0, &[]);
    assert_eq!(ask(&mut listener, &answers, 1, base, &[head.as_bytes()]), abi::AA_ALLOW);
    let rest = Piece {
        offset: head.len() as u64,
        ..base
    };
    assert_ne!(ask(&mut listener, &answers, 2, rest, &[body.as_bytes()]), abi::AA_ALLOW);
}

#[test]
fn a_tool_is_judged_by_name_and_arguments_and_a_person_is_told_of_it_without_secrets() {
    let (judge, answers) = testing::judge(
        "tool: {allow: [search], ask: [{name: 'db.*', when: 'args.rows > 5'}], deny: [{name: 'fs.*', when: 'args.path != \"/srv\"'}]}\n",
    );
    let denied = judge.shared.denied.clone();
    let mut listener = Listener::new(teller(), judge);
    let call = |name: &str, arguments: &str| {
        let body = format!(
            r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":"{name}","arguments":{arguments}}}}}"#
        );
        let head = "POST /mcp HTTP/1.1\r\nHost: h\r\nContent-Type: application/json";
        format!("{head}\r\nContent-Length: {}\r\n\r\n{body}", body.len())
    };
    let mut number = 0;
    let mut told = |text: &str| {
        number += 1;
        let base = piece(300 + number, false, 0, &[]);
        let decision = aa_policy::Decision(ask(&mut listener, &answers, number, base, &[text.as_bytes()]));
        (decision.verdict(), denied.take(number))
    };
    assert_eq!(told(&call("search", "{}")).0, aa_policy::Verdict::Allow);
    assert_eq!(
        told("POST /x HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\n{}").0,
        aa_policy::Verdict::Allow
    );
    let (verdict, denial) = told(&call("fs.read", r#"{"path":"/etc"}"#));
    assert_eq!(verdict, aa_policy::Verdict::Deny);
    let mcp = denial.unwrap().exchange.mcp;
    assert_eq!(mcp.last().map(|message| message.name.as_str()), Some("fs.read"));
    let (verdict, denial) = told(&call("db.query", &format!(r#"{{"rows":6,"key":"{KEY}"}}"#)));
    assert_eq!(verdict, aa_policy::Verdict::Ask);
    let words = denial.unwrap().words.unwrap();
    assert_eq!(words, "db.query {\"key\":\"[REDACTED:aws-access-key-id]\",\"rows\":6}");
    assert_eq!(
        told(&call("db.query", r#"{"rows":5}"#)).0,
        aa_policy::Verdict::Deny,
        "no rule allows it"
    );
    // Readers could differ on it: it may be any tool.
    let (verdict, denial) = told(&call("search", "{}").replace("\"name\"", "\"NAME\""));
    assert_eq!(verdict, aa_policy::Verdict::Deny);
    assert!(denial.unwrap().detail.unwrap().contains("cannot be told"));
    let cut = call("search", "{}").replace("}}", "  ");
    assert_eq!(told(&cut).0, aa_policy::Verdict::Deny);
}

#[test]
fn a_host_is_a_fact_only_where_the_resolver_led_there() {
    let (judge, answers) = testing::judge("tool: {allow: [{name: x, when: 'http.host == \"mcp.example\"'}]}\n");
    let lookups = judge.shared.lookups.clone();
    let mut listener = Listener::new(teller(), judge);
    let body = r#"{"method":"tools/call","params":{"name":"x"}}"#;
    let text = format!(
        "POST /mcp HTTP/1.1\r\nHost: MCP.example:443\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let address: SocketAddr = "192.0.2.9:443".parse().unwrap();
    let mut verdict = |number: u64| {
        let socket = Some(Socket {
            cookie: number,
            to: address,
        });
        let base = Piece {
            socket,
            ..piece(400 + number, false, 0, &[])
        };
        aa_policy::Decision(ask(&mut listener, &answers, number, base, &[text.as_bytes()])).verdict()
    };
    assert_eq!(verdict(1), aa_policy::Verdict::Deny);
    lookups.lock().note(AgentId(2), &"mcp.example".into(), &[address.ip()]);
    assert_eq!(verdict(2), aa_policy::Verdict::Allow);
}

#[test]
fn what_would_be_replaced_is_denied_by_its_own_rule() {
    let (judge, answers) = testing::judge("data: {block: [secret], redact: [pii.email]}\n");
    let mut listener = Listener::new(teller(), judge);
    let mut rule = |number: u64, text: &str| {
        let base = piece(200 + number, false, 0, &[]);
        aa_policy::Decision(ask(&mut listener, &answers, number, base, &[text.as_bytes()])).rule()
    };
    let body = |text: &str| {
        let length = text.len();
        format!("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: {length}\r\n\r\n{text}")
    };
    let (secret, email) = (rule(1, &body(KEY)), rule(2, &body("to someone@corp.test now")));
    assert!(secret.is_some() && email.is_some() && secret != email);
    assert_eq!(rule(3, &body("to nobody")), None);
}

#[test]
fn what_was_not_heard_as_it_is_sent_is_denied_by_no_rule() {
    let (judge, answers) = testing::judge("data: {block: [secret]}\n");
    let mut listener = Listener::new(teller(), judge);
    let base = |object| piece(object, false, 0, &[]);
    let mut ask = |number, base, pieces: &[&[u8]]| ask(&mut listener, &answers, number, base, pieces);
    // Not taken, and said again.
    assert_eq!(ask(1, base(7), &[b"GET / HTTP/1.1\r\n"]), abi::AA_ALLOW);
    assert_eq!(ask(2, base(7), &[b"GET / HTTP/1.1\r\n"]), abi::AA_ALLOW);
    assert_eq!(ask(3, base(7), &[b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"]), abi::AA_ALLOW);
    // Said otherwise.
    assert_eq!(ask(4, base(7), &[b"GET /other HTTP/1.1\r\n"]), abi::AA_DENY);
    // Under a policy that nobody knows.
    let unknown = Question {
        number: 5,
        first: true,
        last: true,
        generation: testing::GENERATION + 1,
    };
    let piece = Piece {
        question: Some(unknown),
        bytes: b"ok",
        ..base(8)
    };
    listener.hear(&piece, &mut |_| {});
    assert_eq!(answers.decision(5), abi::AA_DENY);
    // Its beginning was lost.
    let unknown = Question {
        number: 6,
        first: false,
        generation: testing::GENERATION,
        ..unknown
    };
    let piece = Piece {
        question: Some(unknown),
        ..piece
    };
    listener.hear(&piece, &mut |_| {});
    assert_eq!(answers.decision(6), abi::AA_DENY);
}

#[test]
fn an_agents_own_key_goes_home_as_a_credential_and_nowhere_else() {
    let (judge, answers) = testing::judge("data: {block: [secret]}\n");
    let home: SocketAddr = "192.0.2.1:443".parse().unwrap();
    judge
        .shared
        .lookups
        .lock()
        .note(AgentId(2), &"api.anthropic.com".into(), &[home.ip()]);
    let mut listener = Listener::new(teller(), judge);
    let key = format!("sk-ant-api03-{}", "aB3dE6gH9j".repeat(9));
    let head = format!("POST /v1 HTTP/1.1\r\nHost: api.anthropic.com\r\nx-api-key: {key}\r\n");
    let credential = format!("{head}Content-Length: 2\r\n\r\nok");
    let body = format!("{head}Content-Length: {}\r\n\r\n{key}", key.len());
    let other = "192.0.2.2:443".parse().unwrap();
    for (number, (to, text, goes)) in [
        (home, &credential, true),
        (home, &body, false),
        (other, &credential, false),
    ]
    .into_iter()
    .enumerate()
    {
        let number = number as u64 + 1;
        let socket = Some(Socket { cookie: number, to });
        let base = Piece {
            socket,
            ..piece(20 + number, false, 0, &[])
        };
        let decision = ask(&mut listener, &answers, number, base, &[text.as_bytes()]);
        assert_eq!(decision == abi::AA_ALLOW, goes, "{to} {number}");
    }
}

#[test]
fn a_program_that_ends_ends_what_it_said_and_not_what_its_successor_says() {
    let request = request();
    let mut listener = listener();
    let sent = piece(7, false, 0, &request);
    assert!(hear(&mut listener, &[sent]).is_empty());
    let mut told = Vec::new();
    for ktime_ns in [4_900_000_000, 5_100_000_000] {
        let end = Ended {
            pid: 100,
            start_ns: 4_000_000_000,
            ktime_ns,
        };
        listener.end_process(&end, &mut |spoken| told.push((ktime_ns, spoken)));
    }
    assert_eq!(told.len(), 1);
    assert_eq!((told[0].0, told[0].1.exchange.status), (5_100_000_000, None));
}
