use proptest::prelude::*;

use super::*;

/// Texts with something of everything, among them what the other tests use.
fn fixtures() -> Vec<Vec<u8>> {
    let mut seed = Seed::new(11);
    let mut texts: Vec<Vec<u8>> = Vec::new();
    let rows = Options::default().detectors;
    for group in rows.chunks(3) {
        let mut text = String::from("{\"role\":\"user\",\"content\":\"");
        for row in group {
            text.push_str("well \\n");
            text.push_str(&row.sample(&mut seed).replace('"', "\\\"").replace('\n', "\\n"));
            text.push_str(" and so on, ");
        }
        text.push_str("\"}\n");
        texts.push(text.into_bytes());
    }
    let mixed = rows
        .iter()
        .step_by(61)
        .map(|row| row.sample(&mut seed))
        .collect::<Vec<_>>()
        .join("\n");
    for form in encodings::forms() {
        texts.push(form(mixed.as_bytes()));
    }
    for text in [
        "variable \"db_password\" {\n  type = string\n  default = \"q8Zk2mPw\"\n}\n- name: DB_PASSWORD\n  value: q8Zk2mPw\n",
        "a=x%0ADB_PASSWORD+%3D+%27q8Zk%212mPw%27%0A%3Cpassword%3Eq8Zk2mPw%3C%2Fpassword%3E%0ABearer+aB3dE5fG7hJ9kL2m%0Ay",
    ] {
        texts.push(text.into());
    }
    texts
}

#[test]
fn one_byte_at_a_time_gives_what_the_whole_gives() {
    for text in fixtures() {
        let pieces: Vec<&[u8]> = text.chunks(1).collect();
        assert_same(&text, &pieces);
    }
}

#[test]
fn every_split_in_two_gives_what_the_whole_gives() {
    for text in fixtures() {
        for at in 0..=text.len() {
            let (head, tail) = text.split_at(at);
            assert_same(&text, &[head, tail]);
        }
    }
}

#[test]
fn what_is_longer_than_every_bound_gives_the_same_however_it_is_cut() {
    let mut seed = Seed::new(12);
    let run = mixed(&mut seed, 40_000);
    for text in [
        format!("a ghs_{run} b password=x9y8z7w6"),
        format!("-----BEGIN PRIVATE KEY-----\n{run}\n-----END PRIVATE KEY----- b"),
        format!("{{\"password\":\"{run}\",\"b\":1}}"),
        format!("https://u:{run}@h/ x"),
        run,
    ] {
        for size in [1, 7, 100, 1400, 4096, 16384] {
            let pieces: Vec<&[u8]> = text.as_bytes().chunks(size).collect();
            assert_same(text.as_bytes(), &pieces);
        }
    }
}

fn mixed(seed: &mut Seed, count: usize) -> String {
    sample::mixed(seed, count)
}

#[track_caller]
fn assert_same(text: &[u8], pieces: &[&[u8]]) {
    let engine = engine();
    let expected = cut(&engine, &[text]);
    let got = cut(&engine, pieces);
    let sizes: Vec<usize> = pieces.iter().map(|piece| piece.len()).take(5).collect();
    let show = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert_eq!(show(&expected.0), show(&got.0), "pieces of {sizes:?}");
    assert_eq!(expected.1, got.1);
}

/// Text from which verifiers are likely to be started, right and wrong.
fn soup() -> impl Strategy<Value = Vec<u8>> {
    let mut seed = Seed::new(13);
    let mut words: Vec<String> = [
        "\"",
        "\\\"",
        "\\\\\\\"",
        "\\",
        "\\n",
        "\\u0",
        "\\u0067",
        "%",
        "%67",
        "%3D",
        "&",
        "&quot;",
        "&#x67;",
        "=",
        ":",
        " ",
        "\n",
        ",",
        "{",
        "}",
        "<",
        ">",
        "@",
        ".",
        "://",
        "password",
        "\"password\":\"",
        "api_key=",
        "Bearer ",
        "datadog",
        "-----BEGIN ",
        "PRIVATE KEY-----",
        "-----END ",
        "ghp_",
        "sk-",
        "eyJ",
        "aB3dE5fG7h",
        "0123456789",
        "deadbeef",
        "Z2hwX",
        "67687",
        "g\0h\0p\0_\0a\0",
        "\u{4e2d}",
        "--token ",
        "+",
        "%0A",
        "password+%3D+",
        "%3Cpassword%3E",
        "Bearer+",
        "-----BEGIN+",
        "PRIVATE+KEY-----",
        "variable \"password\" {",
        "default = ",
        "name: password",
        "\n  value: ",
        "\"auths\":{\"auth\":\"",
        "name",
        "value",
        ";",
        "4111 1111 1111 1111",
        "me@example.org",
        "+49 30 123",
    ]
    .map(String::from)
    .to_vec();
    words.extend(detectors().step_by(23).map(|row| row.sample(&mut seed)));
    prop::collection::vec(prop::sample::select(words), 0..60).prop_map(|words| words.concat().into_bytes())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]
    #[test]
    fn any_text_in_any_pieces_gives_what_the_whole_gives(text in soup(), sizes in prop::collection::vec(1_usize..60, 1..20)) {
        let mut pieces = Vec::new();
        let mut rest = text.as_slice();
        for size in sizes.iter().cycle() {
            if rest.is_empty() { break; }
            let (piece, tail) = rest.split_at((*size).min(rest.len()));
            pieces.push(piece);
            rest = tail;
        }
        assert_same(&text, &pieces);
    }

    #[test]
    fn any_bytes_in_any_pieces_give_what_the_whole_gives(text in prop::collection::vec(any::<u8>(), 0..400), size in 1_usize..50) {
        let pieces: Vec<&[u8]> = text.chunks(size).collect();
        assert_same(&text, &pieces);
    }
}
