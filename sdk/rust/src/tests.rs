use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixListener;
use std::path::Path;

use aa_wire::WireError;
use tempfile::TempDir;

use super::*;

/// A daemon that answers the first line with these lines and closes; what it was asked.
fn daemon(answers: &[&str]) -> (TempDir, PathBuf, std::thread::JoinHandle<String>) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("control.sock");
    let listener = UnixListener::bind(&path).unwrap();
    let answers: Vec<String> = answers.iter().map(|line| format!("{line}\n")).collect();
    let thread = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut asked = String::new();
        BufReader::new(stream.try_clone().unwrap())
            .read_line(&mut asked)
            .unwrap();
        stream.write_all(answers.concat().as_bytes()).unwrap();
        asked
    });
    (directory, path, thread)
}

#[test]
fn a_request_is_a_line_and_so_is_its_answer() {
    let (_directory, path, thread) = daemon(&[r#"{"v":1,"ok":{"killed":{"agents":[1],"processes":3,"took_us":9}}}"#]);
    assert_eq!(Client::connect(&path).unwrap().kill(KillTarget::All).unwrap(), 3);
    assert_eq!(thread.join().unwrap(), "{\"v\":1,\"request\":{\"kill\":\"all\"}}\n");
}

#[test]
fn a_refusal_comes_with_its_code_and_hint() {
    let (_directory, path, _thread) =
        daemon(&[r#"{"v":1,"error":{"code":"no-such-event","message":"no","cause":null,"hint":"aasm events"}}"#]);
    let error = Client::connect(&path).unwrap().why(7).unwrap_err();
    assert_eq!(
        error.to_wire(),
        WireError::new("no-such-event", "no").hint("aasm events")
    );
}

#[test]
fn events_stream_until_the_end() {
    let event = r#"{"v":1,"ok":{"event":{"id":4,"time":"1970-01-01T00:00:00Z","kind":"lifecycle","effect":"allowed","action":"start"}}}"#;
    let (_directory, path, _thread) = daemon(&[
        event,
        r#"{"v":1,"ok":{"skipped":{"events":2}}}"#,
        r#"{"v":1,"ok":"end"}"#,
    ]);
    let events = Client::connect(&path).unwrap().events(EventsQuery::default()).unwrap();
    let streamed: Vec<_> = events.map(Result::unwrap).collect();
    assert!(matches!(&streamed[..], [Streamed::Event(event), Streamed::Skipped(2)] if event.id == 4));
}

#[test]
fn a_stream_that_breaks_off_is_an_error_not_an_end() {
    let (_directory, path, _thread) = daemon(&[]);
    let mut events = Client::connect(&path).unwrap().events(EventsQuery::default()).unwrap();
    assert!(matches!(events.next(), Some(Err(SdkError::Closed { .. }))));
    assert!(events.next().is_none());
}

#[test]
fn without_a_daemon_the_hint_is_to_start_it() {
    let error = Client::connect(Path::new("/nonexistent/control.sock"))
        .unwrap_err()
        .to_wire();
    assert_eq!(
        (error.code.as_str(), error.hint.as_deref()),
        ("daemon-unreachable", Some("systemctl start aa-sensord"))
    );
}

#[test]
fn an_answer_of_another_version_or_form_is_not_believed() {
    for (line, code) in [(r#"{"v":2,"ok":"end"}"#, "bad-version"), ("hello", "bad-version")] {
        let (_directory, path, _thread) = daemon(&[line]);
        assert_eq!(
            Client::connect(&path).unwrap().status().unwrap_err().to_wire().code,
            code
        );
    }
}
