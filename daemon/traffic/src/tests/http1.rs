use super::*;
use crate::{Doubt, Opaque};

fn doubts(heard: &Heard) -> Vec<&'static str> {
    heard.only().doubts.iter().map(Doubt::code).collect()
}

#[test]
fn pipelined_requests_get_their_answers_in_order() {
    let heard = hear(&vec![
        sent("GET /a?key=secret HTTP/1.1\r\nHost: x\r\n\r\nHEAD /b HTTP/1.1\r\nHost: x\r\n\r\n"),
        received("HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"),
        received("HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n"),
        sent("PUT /c HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n"),
        received("HTTP/1.1 100 Continue\r\n\r\n"),
        sent("abc"),
        received("HTTP/1.1 204 No Content\r\n\r\n"),
    ]);
    let of = |done: &Done| {
        (
            done.0.method.clone(),
            done.0.path.clone(),
            done.0.status,
            done.0.doubts.is_empty(),
        )
    };
    let all: Vec<_> = heard.done.iter().map(of).collect();
    let expected = |method: &str, path: &str, status| (method.to_owned(), path.to_owned(), Some(status), true);
    assert_eq!(
        all,
        [
            expected("GET", "/a", 200),
            expected("HEAD", "/b", 200),
            expected("PUT", "/c", 204)
        ]
    );
    assert!(heard.told.contains(&"  :path=/a?key=secret".to_owned()));
}

#[test]
fn chunks_have_extensions_and_trailers() {
    let heard = hear(&vec![
        sent("GET / HTTP/1.1\r\n\r\n"),
        received(
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3;x=y\r\nabc\r\n02\r\nde\r\n0\r\nX-T: secret\r\n\r\n",
        ),
    ]);
    assert_eq!(heard.body(Direction::Received), "abcde");
    assert!(heard.told.contains(&"  x-t=secret".to_owned()));
    assert_eq!(doubts(&heard), [] as [&str; 0]);
}

#[test]
fn a_body_without_length_ends_with_the_connection() {
    let heard = hear(&vec![
        sent("GET / HTTP/1.0\r\n\r\n"),
        received("HTTP/1.0 200 OK\r\n\r\nall of it"),
    ]);
    assert_eq!(
        (heard.body(Direction::Received).as_str(), doubts(&heard).len()),
        ("all of it", 0)
    );
}

#[test]
fn what_two_readers_may_read_differently_is_doubted() {
    for head in [
        "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n",
        "Content-Length: 3\r\nContent-Length: 4\r\n",
        "Content-Length: +3\r\n",
        "X: a\r\n b\r\n",
        "X : a\r\n",
        "X: a\n",
        "Transfer-Encoding: chunked, gzip\r\n",
        "Host: a\r\nHost: b\r\n",
    ] {
        let heard = hear(&vec![sent(format!("POST / HTTP/1.1\r\n{head}\r\n"))]);
        assert!(doubts(&heard).contains(&"ambiguous"), "{head}");
    }
}

#[test]
fn what_is_not_http_is_opaque() {
    for trace in [
        vec![received("220 mail ESMTP\r\n"), sent("EHLO me\r\n")],
        vec![sent([0, 0, 0, 8, 4, 0xd2, 0x16, 0x2f, 0])],
        vec![sent([b'x'; 20_000])],
    ] {
        let heard = hear(&trace);
        assert_eq!(heard.told, [format!("{:?}", Told::Opaque(Opaque::NotHttp))]);
    }
}

#[test]
fn what_comes_through_a_tunnel_is_looked_at_anew() {
    let heard = hear(&vec![
        sent("CONNECT api.test:443 HTTP/1.1\r\nHost: api.test:443\r\n\r\nGET /in HTTP/1.1\r\nHost: inner\r\n\r\n"),
        received("HTTP/1.1 200 Connected\r\n\r\n"),
        received("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"),
    ]);
    let hosts: Vec<&str> = heard.done.iter().map(|done| done.0.host.as_str()).collect();
    assert_eq!(hosts, ["api.test:443", "inner"]);
}

#[test]
fn a_refused_upgrade_is_none() {
    let heard = hear(&vec![
        sent("GET /a HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: foo\r\n\r\nGET /b HTTP/1.1\r\n\r\n"),
        received("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\nHTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n"),
    ]);
    let all: Vec<_> = heard
        .done
        .iter()
        .map(|done| (done.0.path.as_str(), done.0.status))
        .collect();
    assert_eq!(all, [("/a", Some(200)), ("/b", Some(404))]);
}

#[test]
fn the_governed_process_may_be_the_server() {
    let heard = hear(&vec![
        received("POST /mcp HTTP/1.1\r\nHost: me\r\nContent-Length: 2\r\n\r\n{}"),
        sent("HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n"),
    ]);
    assert_eq!(
        (heard.only().asked, heard.only().status),
        (Direction::Received, Some(202))
    );
}

#[test]
fn no_debug_shows_a_value() {
    let heard = hear(&vec![
        post("x", "/?key=sk-secret", "sk-secret"),
        received("HTTP/1.1 200 OK\r\n\r\nsk-secret"),
    ]);
    let shown: Vec<&String> = heard.told.iter().filter(|line| !line.starts_with("  ")).collect();
    assert!(!format!("{shown:?}").contains("sk-secret"), "{shown:#?}");
}

#[test]
fn tunnels_in_tunnels_are_followed_so_far() {
    let heard = hear(&vec![
        sent("CONNECT a HTTP/1.1\r\n\r\n".repeat(100)),
        received("HTTP/1.1 200 OK\r\n\r\n".repeat(1000)),
    ]);
    assert_eq!(
        heard.told.last().unwrap(),
        &format!("{:?}", Told::Opaque(Opaque::Tunnel))
    );
}

#[test]
fn a_message_is_found_behind_a_body_that_nobody_could_follow() {
    let heard = hear(&vec![sent(
        "POST /a HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nwhat is this\r\n{\"no\":\"end\"}PUT /b HTTP/1.1\r\nContent-Length: 1\r\n\r\nx",
    )]);
    let all: Vec<_> = heard
        .done
        .iter()
        .map(|done| (done.0.path.as_str(), done.0.doubts.contains(Doubt::Gap)))
        .collect();
    assert_eq!(all, [("/a", false), ("/b", true)]);
}

#[test]
fn answers_that_nobody_asked_for_do_not_hide_what_is_still_asked() {
    for head in ["", "Connection: upgrade\r\nUpgrade: x\r\n"] {
        let heard = hear(&vec![
            sent(format!(
                "POST /a HTTP/1.1\r\nContent-Length: 40\r\n{head}\r\nthe first half, {{"
            )),
            received("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n".repeat(3)),
            sent("GET /no HTTP/1.1\r\n\r\n012"),
            sent("GET /b HTTP/1.1\r\n\r\n"),
            received("HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n"),
        ]);
        assert_eq!(
            heard.body(Direction::Sent),
            "the first half, {GET /no HTTP/1.1\r\n\r\n012"
        );
        let last = &heard.done.last().unwrap().0;
        assert_eq!((last.path.as_str(), last.status), ("/b", Some(404)));
    }
}

#[test]
fn what_cannot_be_read_is_still_told() {
    let junk =
        "GET / HTTP/1.1\r\nContent-Length: 0\r\n\r\nsk-one is no request\r\nsk-two neither\nGET /b HTTP/1.1\r\n\r\n";
    let heard = hear(&vec![sent(junk)]);
    let unread: Vec<_> = heard.bodies.iter().filter(|body| body.0 == 0).collect();
    let text = String::from_utf8_lossy(&unread[0].2);
    assert_eq!(text, "sk-one is no request\r\nsk-two neither\nGET /b HTTP/1.1\r\n");
    assert_eq!(heard.done.last().unwrap().0.path, "/b");
}
