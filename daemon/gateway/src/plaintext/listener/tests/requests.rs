//! Requests, and what may hide some.

use super::*;

const POLICY: &str = r#"net:
  blind: deny
  allow: [{name: "192.0.2.1:443", when: 'http.method == "GET"'}, "192.0.2.2:443"]
"#;

/// Sends this over connections of their own, all at once; what is said of each.
fn sent(to: &str, texts: &[&str]) -> Vec<u32> {
    let (judge, answers) = testing::judge(POLICY);
    let mut listener = Listener::new(teller(), judge);
    let socket = (!to.is_empty()).then(|| Socket {
        cookie: 55,
        to: to.parse().unwrap(),
    });
    let mut offset = 0;
    let mut said = Vec::new();
    for (number, text) in (1..).zip(texts) {
        let base = Piece {
            socket,
            ..piece(7, false, offset, &[])
        };
        said.push(ask(&mut listener, &answers, number, base, &[text.as_bytes()]) & abi::AA_DECISION_VERDICT);
        offset += text.len() as u64;
    }
    said
}

const GET: &str = "GET /a HTTP/1.1\r\nHost: x\r\n\r\n";
const POST: &str = "POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\n";
const HERE: &str = "192.0.2.1:443";

#[test]
fn each_request_of_a_connection_is_judged_once_its_head_is_there() {
    assert_eq!(sent(HERE, &[GET, GET]), [abi::AA_ALLOW, abi::AA_ALLOW]);
    assert_eq!(sent(HERE, &[GET, POST]), [abi::AA_ALLOW, abi::AA_DENY]);
    assert_eq!(
        sent(HERE, &["PO", "ST /a HTTP/1.1\r\nHost: x\r\n", "\r\n"]),
        [abi::AA_ALLOW, abi::AA_ALLOW, abi::AA_DENY]
    );
    assert_eq!(sent(HERE, &[&format!("{GET}{POST}body")]), [abi::AA_DENY]);
    let with_a_body = GET.replace("Host: x", "Host: x\r\nContent-Length: 4");
    assert_eq!(sent(HERE, &[&with_a_body, "PO", "ST", GET]), [abi::AA_ALLOW; 4]);
}

#[test]
fn elsewhere_no_request_is_judged_and_where_it_is_not_known_all_are() {
    assert_eq!(sent("192.0.2.2:443", &[POST, "body"]), [abi::AA_ALLOW; 2]);
    assert_eq!(sent("192.0.2.1:8443", &[POST]), [abi::AA_ALLOW]);
    assert_eq!(sent("", &[GET]), [abi::AA_ALLOW]);
    assert_eq!(sent("", &[POST]), [abi::AA_DENY]);
}

#[test]
fn what_may_be_read_as_another_request_is_none_that_is_allowed() {
    let with = |field: &str| GET.replace("Host: x", &format!("Host: x\r\n{field}"));
    for field in [
        "X-HTTP-Method-Override: DELETE",
        "Content-Length: 4\r\nTransfer-Encoding: chunked",
        "Content-Length: 4\r\nContent-Length: 5",
        "Host: y",
        " folded",
    ] {
        assert_eq!(sent(HERE, &[&with(field)]), [abi::AA_DENY], "{field}");
    }
    assert_eq!(sent(HERE, &[&GET.replace("\r\n", "\n")]), [abi::AA_DENY]);
    // Bytes of no request.
    assert_eq!(
        sent(HERE, &[GET, "not a request at all\r\n"]),
        [abi::AA_ALLOW, abi::AA_DENY]
    );
    assert_eq!(sent(HERE, &["SSH-2.0-client\r\n"]), [abi::AA_DENY]);
}
