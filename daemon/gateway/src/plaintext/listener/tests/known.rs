//! Values of the vault in what is sent.

use std::time::SystemTime;

use aa_vault::{Doer, Mode, NewSecret, SecretId, Unlock, Value, Vault};

use super::*;

#[test]
fn a_value_of_the_vault_is_denied_by_its_name_in_every_encoding() {
    let folder = tempfile::tempdir().unwrap();
    let (unlock, _) = Unlock::new_key().unwrap();
    let at = SystemTime::now();
    let vault = Vault::open(folder.path(), &unlock, at).unwrap();
    let id = SecretId::new("default", "BOTTLES").unwrap();
    let new = NewSecret {
        id: &id,
        value: Value(b"twelve green bottles"),
        scope: None,
        expires: None,
    };
    vault.set(&[new], Mode::New, Doer { user: 0, at }).unwrap();

    let (judge, answers) = testing::judge("data: {block: [secret]}\n");
    let denied = judge.shared.denied.clone();
    let engine = SharedEngine::new([7; 32]).unwrap();
    let teller = Teller::new(engine.clone(), &judge.shared);
    let mut listener = Listener::new(teller, judge);
    let mut number = 0;
    let mut send = |kind: &str, text: &str| {
        number += 1;
        let head = format!(
            "POST /v1 HTTP/1.1\r\nHost: example.com\r\nContent-Type: {kind}\r\nContent-Length: {}\r\n\r\n",
            text.len()
        );
        let request = head + text;
        let base = piece(number, false, 0, &[]);
        let decision = ask(&mut listener, &answers, number, base, &[request.as_bytes()]);
        let kinds = denied.take(number).map(|denial| denial.exchange.secrets);
        let kinds = kinds
            .into_iter()
            .flatten()
            .map(|secret| secret.kind)
            .collect::<Vec<_>>();
        (decision == abi::AA_ALLOW, kinds)
    };
    let form = "application/x-www-form-urlencoded";
    assert_eq!(
        send(form, "mark twelve green bottles"),
        (true, Vec::new()),
        "not known yet"
    );
    engine.learn(&vault).unwrap();
    for kind in [form, "application/json", "text/plain"] {
        for text in [
            "mark twelve green bottles",
            "mark dHdlbHZlIGdyZWVuIGJvdHRsZXM=",
            "mark dHdlbHZlIGdyZWVuIGJvdHRsZXM= and more",
            "mark 7477656c766520677265656e20626f74746c6573",
            "mark=twelve+green+bottles",
        ] {
            assert_eq!(
                send(kind, text),
                (false, vec!["vault/BOTTLES".to_owned()]),
                "{kind}: {text}"
            );
        }
        assert_eq!(send(kind, "mark eleven green bottles"), (true, Vec::new()));
    }
}

#[test]
fn a_key_that_is_in_the_vault_too_goes_home_as_any_other() {
    let folder = tempfile::tempdir().unwrap();
    let (unlock, _) = Unlock::new_key().unwrap();
    let at = SystemTime::now();
    let vault = Vault::open(folder.path(), &unlock, at).unwrap();
    let key = format!("sk-ant-api03-{}", "aB3dE6gH9j".repeat(9));
    for (name, value) in [("AGENTS", key.as_str()), ("DOOR", "open-sesame-and-shut")] {
        let id = SecretId::new("default", name).unwrap();
        let new = NewSecret {
            id: &id,
            value: Value(value.as_bytes()),
            scope: None,
            expires: None,
        };
        vault.set(&[new], Mode::New, Doer { user: 0, at }).unwrap();
    }
    let engine = SharedEngine::new([7; 32]).unwrap();
    engine.learn(&vault).unwrap();
    let home: SocketAddr = "192.0.2.1:443".parse().unwrap();
    let other = "192.0.2.2:443".parse().unwrap();
    let secrets = "data: {block: [secret]}\n";
    for (number, (policy, to, value, goes)) in (1..).zip([
        (secrets, home, key.as_str(), true),
        (secrets, other, &key, false),
        (secrets, home, "open-sesame-and-shut", false),
        ("data: {block: [private-key]}\n", other, &key, true),
        // Whoever names the vault wants nothing of it sent, wherever.
        ("data: {block: [secret, 'vault/AG*']}\n", home, &key, false),
        ("data: {block: ['vault/AG*']}\n", home, "open-sesame-and-shut", true),
        ("data: {redact: ['vault/*']}\n", home, "open-sesame-and-shut", false),
    ]) {
        let (judge, answers) = testing::judge(policy);
        let lookups = judge.shared.lookups.clone();
        lookups
            .lock()
            .note(AgentId(2), &"api.anthropic.com".into(), &[home.ip()]);
        let teller = Teller::new(engine.clone(), &judge.shared);
        let mut listener = Listener::new(teller, judge);
        let request = format!("GET /v1 HTTP/1.1\r\nHost: api.anthropic.com\r\nx-api-key: {value}\r\n\r\n");
        let socket = Some(Socket { cookie: number, to });
        let base = Piece {
            socket,
            ..piece(20 + number, false, 0, &[])
        };
        let decision = ask(&mut listener, &answers, number, base, &[request.as_bytes()]);
        assert_eq!(decision == abi::AA_ALLOW, goes, "{policy} {to} {value}");
    }
}
