use super::*;

/// Everything, addresses of machines too.
fn all() -> Arc<Engine> {
    let options = Options {
        detectors: detectors().copied().collect(),
        ..Options::default()
    };
    Arc::new(Engine::new(&options).unwrap())
}

#[test]
fn people_s_numbers_are_hidden_as_they_write_them() {
    for (text, expected) in [
        ("mail anna.adler@post.example.org now", "mail [REDACTED:email] now"),
        (
            r#"{"to":"Anna <anna@example.org>\n"}"#,
            r#"{"to":"Anna <[REDACTED:email]>\n"}"#,
        ),
        (r"line\nanna@example.org\n", r"line\n[REDACTED:email]\n"),
        ("q=anna%40example.org&x=1", "q=[REDACTED:email]&x=1"),
        ("card 4000 0566 5566 5556, ok", "card [REDACTED:payment-card], ok"),
        (
            "\"number\":\"4000056655665556\"",
            "\"number\":\"[REDACTED:payment-card]\"",
        ),
        ("{\"number\": 4000056655665556}", "{\"number\": 1000000000000000}"),
        ("[1.5, 4000056655665556]", "[1.5, 1000000000000000]"),
        ("visa 4000-0566-5566-5557", "visa [REDACTED:payment-card]"),
        ("call +49 (30) 1234-5678 today", "call [REDACTED:phone] today"),
        ("(415) 555-2671", "[REDACTED:phone]"),
        ("+1 (415) 555-2671.", "[REDACTED:phone]."),
        ("phone: 030 123456", "phone: [REDACTED:phone]"),
        (r#"{"mobile":"01701234567"}"#, r#"{"mobile":"[REDACTED:phone]"}"#),
        ("DE75 5121 0800 1245 1261 99 please", "[REDACTED:iban] please"),
        ("GB33BUKB20201555555555", "[REDACTED:iban]"),
        ("GB33 BUKB 2020 1555 5555 55", "[REDACTED:iban]"),
        ("ssn 219-09-9998;", "ssn [REDACTED:us-ssn];"),
        ("CPF 529.982.247-25", "CPF [REDACTED:br-cpf]"),
        ("NINO AB123456C.", "NINO [REDACTED:uk-nino]."),
    ] {
        assert_eq!(shown(text), expected);
    }
}

#[test]
fn numbers_of_other_things_stay() {
    for text in [
        "0.744443, 12.3456789, -0.0123456",
        "1760000000000 1760000000 20261121 2026-11-21T10:11:12.123Z",
        "4f1c2d3e-5a6b-4c7d-8e9f-0a1b2c3d4e5f",
        "commit 4111111111111111aa, trace 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        "version 1.2.345, pip install x==12.34.567, node_modules/@types/node@20.1.2",
        "git@github.com:org/repo.git and user@host and a@b.c1 and icon@2x.png",
        "1234567890123456 (no card's range), 4111111111111112 (wrong sum)",
        "@@ -10,7 +10,9 @@ +0200 (123) 45",
        "isbn 978-3-16-148410-0, order 123-456-789, 555-1234",
        "q=0.0134%2C+12345.678901%2C+0.7",
        "and the phone\n1760000000 1760000000123",
        "https://example.org/x/status/1789012345678901234?n=4000056655665556a",
        "{\"id\":219099998,\"count\":123456789012,\"port\":5432}",
        "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    ] {
        assert_eq!(shown(text), text);
    }
}

#[test]
fn addresses_of_machines_are_hidden_where_a_policy_asks() {
    let text = "from 10.1.2.3:8080 and [2001:db8::7] by 52:54:00:12:34:56, v1.2.3.4.5, 12:30:45, ::";
    assert_eq!(shown(text), text);
    let (output, findings) = cut(&all(), &[text.as_bytes()]);
    assert_eq!(
        String::from_utf8(output).unwrap(),
        "from [REDACTED:ip-address]:8080 and [[REDACTED:ip-address]] by [REDACTED:mac-address], v1.2.3.4.5, 12:30:45, ::"
    );
    assert_eq!(findings.len(), 3);
}

#[test]
fn pieces_of_any_size_give_the_same_with_every_detector() {
    let engine = all();
    let mut seed = Seed::new(41);
    let rows: Vec<_> = detectors().filter(|row| row.class().is_personal()).collect();
    for round in 0..40 {
        let text: String = (0..8)
            .map(|_| seed.pick(&rows).unwrap().sample(&mut seed.clone()) + [" ", ", ", "\\n", "\"", " 12 "][round % 5])
            .collect();
        let expected = cut(&engine, &[text.as_bytes()]);
        for size in [1, 2, 3, 5, 17, 64] {
            let pieces: Vec<&[u8]> = text.as_bytes().chunks(size).collect();
            assert_eq!(cut(&engine, &pieces), expected, "{size}: {text}");
        }
    }
}
