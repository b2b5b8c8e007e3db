mod bodies;
mod chunks;
mod encodings;
mod events;
mod faults;
mod frames;
mod known;
mod leaks;
mod ordinary;
mod people;

use std::sync::Arc;

use super::*;

fn engine() -> Arc<Engine> {
    static ENGINE: std::sync::OnceLock<Arc<Engine>> = std::sync::OnceLock::new();
    Arc::clone(ENGINE.get_or_init(|| Arc::new(Engine::new(&Options::default()).unwrap())))
}

fn whole(text: impl AsRef<[u8]>) -> (Vec<u8>, Vec<Finding>) {
    cut(&engine(), &[text.as_ref()])
}

fn cut(engine: &Arc<Engine>, pieces: &[&[u8]]) -> (Vec<u8>, Vec<Finding>) {
    let mut stream = Redactor::new(engine);
    let mut output = Vec::new();
    for piece in pieces {
        output.extend_from_slice(stream.push(piece));
    }
    output.extend_from_slice(stream.finish());
    (output, stream.take_findings())
}

/// What is left of a text; if it is short, cut at each place it gives the same.
fn shown(text: &str) -> String {
    let (output, findings) = whole(text);
    if text.len() < 500 {
        let expected = (output.clone(), findings);
        for at in 0..text.len() {
            let (head, tail) = text.as_bytes().split_at(at);
            assert!(cut(&engine(), &[head, tail]) == expected, "{text:?} cut at {at}");
        }
        let bytes: Vec<&[u8]> = text.as_bytes().chunks(1).collect();
        assert!(cut(&engine(), &bytes) == expected, "{text:?} in single bytes");
    }
    String::from_utf8_lossy(&output).into_owned()
}

/// A token of the row, without what stands around it.
fn token(name: &str, seed: &mut Seed) -> String {
    detectors().find(|row| row.name() == name).unwrap().sample(seed)
}

#[test]
fn every_row_hides_its_examples() {
    let mut seed = Seed::new(1);
    let mut missed = Vec::new();
    for detector in Options::default().detectors {
        for _ in 0..20 {
            let sample = detector.sample(&mut seed);
            let (_, findings) = whole(&sample);
            if !findings.iter().any(|finding| !finding.example) {
                missed.push((detector.name(), sample));
            }
        }
    }
    assert!(missed.is_empty(), "{} {missed:#?}", missed.len());
}

#[test]
fn names_are_unique_and_every_row_has_a_source() {
    let mut names: Vec<_> = detectors().map(Detector::name).collect();
    assert!(names.len() >= 250, "{}", names.len());
    names.sort_unstable();
    assert!(names.windows(2).all(|pair| pair[0] != pair[1]));
    assert!(detectors().all(|row| row.source().starts_with("https://")));
}

const TOKENS: [&str; 8] = [
    "github-token",
    "anthropic-api-key",
    "gitlab-pat",
    "stripe-secret-key",
    "aws-access-key-id",
    "slack-bot-token",
    "sendgrid-key",
    "openai-api-key",
];

/// Peers lose tokens to what stands around them (notes, context matrix): `\b` before, a list of terminators behind.
#[test]
fn tokens_are_found_whole_whatever_stands_around_them() {
    let mut seed = Seed::new(2);
    let contexts = [
        ("", ""),
        (r"\n", r"\n"),
        (r"\\n", r"\\n"),
        (r"\t", ""),
        ("", ", then"),
        ("(", ")"),
        ("", "."),
        ("?a=", "&b=2"),
        (r#"\""#, r#"\""#),
        (r#"\\\""#, r#"\\\""#),
        ("'", "';"),
        ("<b>", "</b>"),
        (r"\u003e", r"\u003c"),
        ("&gt;", "&lt;"),
        ("%3D", "%26"),
        ("\x1b[31m", "\x1b[0m"),
        (r"\u001b[31m", r"\u001b[0m"),
        ("TOKEN_", " x"),
        ("/", "/"),
        ("\u{4e2d}", "\u{4e2d}"),
        (r"\u4e2d", r"\u4e2d"),
        ("`", "`"),
        ("|", "|"),
        ("[", "]"),
    ];
    for name in TOKENS {
        for (before, behind) in contexts {
            let value = token(name, &mut seed);
            let text = format!("some text {before}{value}{behind}\nmore text");
            let expected = format!("some text {before}[REDACTED:{name}]{behind}\nmore text");
            assert_eq!(shown(&text), expected);
        }
    }
}

/// What stands there, and what is left of it.
const ASSIGNED: &[(&str, &str)] = &[
    (
        r#"{"password": "hunter2x", "a": 1}"#,
        r#"{"password": "[REDACTED:password]", "a": 1}"#,
    ),
    (
        r#"{\"password\":\"a\\\"b9c\",\"a\":1}"#,
        r#"{\"password\":\"[REDACTED:password]\",\"a\":1}"#,
    ),
    ("DB_PASSWORD=s3cr3tPa55\nX=1", "DB_PASSWORD=[REDACTED:password]\nX=1"),
    (
        "Server=db;Database=x;User Id=sa;Password=Tr0ub4dor&3;",
        "Server=db;Database=x;User Id=sa;Password=[REDACTED:password];",
    ),
    (
        "sh -c 'PASSWORD=q8Zk2mPw& x'",
        "sh -c 'PASSWORD=[REDACTED:password]& x'",
    ),
    ("?password=letters&verbose", "?password=letters&verbose"),
    (
        r#"["mysql","--password","q8Zk2mPw","-h"]"#,
        r#"["mysql","--password","[REDACTED:password]","-h"]"#,
    ),
    (r#"["x","--password","--stdin9"]"#, r#"["x","--password","--stdin9"]"#),
    (
        r#"{"a":"machine h login me password q8Zk2mPw"}"#,
        r#"{"a":"machine h login me password [REDACTED:netrc-password]"}"#,
    ),
    (
        "jdbc:mysql://h/db?user=x&password=q8Zk2mPw&ssl=true",
        "jdbc:mysql://h/db?user=x&password=[REDACTED:password]&ssl=true",
    ),
    (
        "mysql --password q8Zk2mPw -h db",
        "mysql --password [REDACTED:password] -h db",
    ),
    (
        "<password>q8Zk2mPw</password>",
        "<password>[REDACTED:password]</password>",
    ),
    (
        r#"{"name":"DB_PASSWORD","value":"q8Zk2mPw"}"#,
        r#"{"name":"DB_PASSWORD","value":"[REDACTED:password]"}"#,
    ),
    (r#"{"password": 483920, "a": 1}"#, r#"{"password": 100000, "a": 1}"#),
    (
        r#"<add key="DbPassword" value="q8Zk2mPw" />"#,
        r#"<add key="DbPassword" value="[REDACTED:password]" />"#,
    ),
    ("password%3A+q8Zk2mPw%0Aa", "password%3A+[REDACTED:password]%0Aa"),
    ("password%3Dq8Zk2mPw%26a%3D1", "password%3D[REDACTED:password]%26a%3D1"),
    (
        "requirepass q8Zk2mPw\nport 1",
        "requirepass [REDACTED:config-password]\nport 1",
    ),
    (
        "curl -u me:q8Zk2mPw https://h/",
        "curl -u me:[REDACTED:command-line-password] https://h/",
    ),
    (r"curl -u me:\ninput", r"curl -u me:\ninput"),
    (
        "the password is aB3dE5fG7hJ9kL2m.",
        "the password is [REDACTED:said-password].",
    ),
    (
        "the password is lEaVGYrfoDFvbxn5.",
        "the password is [REDACTED:said-password].",
    ),
    ("the password is passwordNotSet2.", "the password is passwordNotSet2."),
    (
        "the password is getJWTFromHTTPRequest2.",
        "the password is getJWTFromHTTPRequest2.",
    ),
    (
        "the passphrase is documented in AES256.",
        "the passphrase is documented in AES256.",
    ),
    ("the password is by\\nrequest_id=4", "the password is by\\nrequest_id=4"),
    (
        "define( 'DB_PASSWORD', 'q8Zk2mPw' );",
        "define( 'DB_PASSWORD', '[REDACTED:password]' );",
    ),
    (
        "DB_PASSWORD+%3D+%27q8Zk%212mPw%27%0Aa",
        "DB_PASSWORD+%3D+%27[REDACTED:password]%27%0Aa",
    ),
    (
        "%3Cpassword%3Eq8Zk2mPw%3C%2Fpassword%3E",
        "%3Cpassword%3E[REDACTED:password]%3C%2Fpassword%3E",
    ),
    (
        r"\u003cpassword\u003eq8Zk2mPw\u003c/password\u003e",
        r"\u003cpassword\u003e[REDACTED:password]\u003c/password\u003e",
    ),
    (
        "&lt;password&gt;q8Zk2mPw&lt;/password&gt;",
        "&lt;password&gt;[REDACTED:password]&lt;/password&gt;",
    ),
    (
        "variable \"db_password\" {\n  type = string\n  default = \"q8Zk2mPw\"\n}",
        "variable \"db_password\" {\n  type = string\n  default = \"[REDACTED:password]\"\n}",
    ),
    (
        "variable \"db_password\" {\n  type = string\n}\nvariable \"size\" {\n  default = \"q8Zk2mPw\"\n}",
        "variable \"db_password\" {\n  type = string\n}\nvariable \"size\" {\n  default = \"q8Zk2mPw\"\n}",
    ),
    (
        "- name: DB_PASSWORD\n  value: q8Zk2mPw\n- name: SIZE\n  value: q8Zk2mPw\n",
        "- name: DB_PASSWORD\n  value: [REDACTED:password]\n- name: SIZE\n  value: q8Zk2mPw\n",
    ),
    (
        r#"{"auths":{"r.example":{"auth":"bWU6cThaazJtUHc3eA=="}}}"#,
        r#"{"auths":{"r.example":{"auth":"[REDACTED:docker-registry-auth]"}}}"#,
    ),
    (
        r#"{"max_tokens": 4096, "token": null}"#,
        r#"{"max_tokens": 4096, "token": null}"#,
    ),
    ("password = get_password()", "password = get_password()"),
    ("the password: please enter it", "the password: please enter it"),
    (
        r#"{"password": "must be at least 8 characters long"}"#,
        r#"{"password": "must be at least 8 characters long"}"#,
    ),
    ("api_key=YOUR_API_KEY_HERE1", "api_key=YOUR_API_KEY_HERE1"),
    ("password=${DB_PASSWORD}", "password=${DB_PASSWORD}"),
    ("token: string;", "token: string;"),
    ("if password == stored9password {", "if password == stored9password {"),
];

#[test]
fn assigned_values_are_hidden_where_the_name_says_so_and_left_where_they_are_words() {
    for (text, expected) in ASSIGNED {
        assert_eq!(shown(text), *expected);
    }
}

#[test]
fn credentials_in_urls_are_hidden_and_the_rest_of_the_url_stays() {
    for (text, expected) in [
        (
            "postgres://app:s3cr3t@db:5432/x",
            "postgres://app:[REDACTED:url-credentials]@db:5432/x",
        ),
        (
            "redis://:p4ss%40word@cache",
            "redis://:[REDACTED:url-credentials]@cache",
        ),
        (
            r"mysql:\/\/root:pa9@h\/x",
            r"mysql:\/\/root:[REDACTED:url-credentials]@h\/x",
        ),
        ("amqp%3A%2F%2Fu:pw9x@h", "amqp%3A%2F%2Fu:[REDACTED:url-credentials]@h"),
        (
            "redis%3A%2F%2Fu%3Apw9x%40h%2F0+and+more",
            "redis%3A%2F%2Fu%3A[REDACTED:url-credentials]%40h%2F0+and+more",
        ),
        ("https://example.org/a@b:c", "https://example.org/a@b:c"),
        ("http://user:${PASS}@host/", "http://user:${PASS}@host/"),
        (
            "see http://localhost:3000, mail a@b",
            "see http://localhost:3000, mail a@b",
        ),
    ] {
        assert_eq!(shown(text), expected);
    }
}

#[test]
fn a_key_in_armour_is_hidden_from_its_first_hyphen_to_its_last() {
    let mut seed = Seed::new(3);
    let key = token("private-key", &mut seed);
    assert_eq!(shown(&format!("a\n{key}\nb")), "a\n[REDACTED:private-key]\nb");
    let escaped = key.replace('\n', "\\n");
    assert_eq!(
        shown(&format!(r#"{{"k":"{escaped}\n"}}"#)),
        r#"{"k":"[REDACTED:private-key]\n"}"#
    );
    let cut = key.get(..300).unwrap();
    assert_eq!(shown(&format!("{cut}\"; x")), "[REDACTED:private-key]\"; x");
    let public = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----";
    assert_eq!(shown(public), public);
}

#[test]
fn a_token_longer_than_any_bound_is_hidden_to_its_end() {
    let long = format!("ghs_{}", sample::mixed(&mut Seed::new(4), 20_000));
    assert_eq!(shown(&format!("x {long} y")), "x [REDACTED:github-app-token] y");
}

/// The first takes the beginning of the second for its own end: so all of the run is hidden.
#[test]
fn tokens_without_anything_between_them_are_hidden_as_one() {
    let mut seed = Seed::new(7);
    for first in TOKENS {
        for second in TOKENS {
            let glued = [token(first, &mut seed), token(second, &mut seed)].concat();
            let (_, findings) = whole(format!("use {glued}. Then {glued}\n"));
            let (length, found) = (
                glued.len() as u64,
                findings.iter().map(|finding| (finding.start, finding.end)),
            );
            let expected = [(4, 4 + length), (11 + length, 11 + 2 * length)];
            assert!(found.eq(expected), "{first} {second} {findings:?}");
        }
    }
}

#[test]
fn prompts_articles_dumps_and_users_of_hosts_stay() {
    for text in [
        "password = getpass.getpass('Password: ')\n\"integrity\": \"sha512\"",
        r#"{"a":"ask(\"Password: \"), \"b\": \"c4pqrs8t\""}"#,
        "getpass%28%27Password%3A+%27%29%0Aa%3D%27b9",
        "ISBN 978-1-9242-8713-9, EAN 4567420150439",
        "https%3A%2F%2Fuser%40acme.com%2F",
        "095f dfa5 905e c68a 6924 5510 2300 8cae",
    ] {
        assert_eq!(shown(text), text);
    }
}

#[test]
fn what_its_place_alone_tells_is_hidden_and_what_stands_elsewhere_stays() {
    for (text, expected) in [
        (
            "DriverManager.getConnection(url, \"shop\", \"q8Zk2mPw\");",
            "DriverManager.getConnection(url, \"shop\", \"[REDACTED:argument-password]\");",
        ),
        (
            r#"{"code":"smtp.login('me@acme.test', 'q8Zk2mPw')\n"}"#,
            r#"{"code":"smtp.login('[REDACTED:email]', '[REDACTED:argument-password]')\n"}"#,
        ),
        ("new PDO($dsn, $user, $password9)", "new PDO($dsn, $user, $password9)"),
        ("smtp.login('q8Zk2mPw')", "smtp.login('q8Zk2mPw')"),
        (
            "mysql -u root -pq8Zk2mPw shop < x",
            "mysql -u root -p[REDACTED:option-password] shop < x",
        ),
        ("mysql -u root -p shop2026; ls", "mysql -u root -p shop2026; ls"),
        (
            "docker login -u ci -p 'q8Zk2mPw' r.test",
            "docker login -u ci -p '[REDACTED:option-password]' r.test",
        ),
        ("docker login | sed -p s3d9x8", "docker login | sed -p s3d9x8"),
        (
            "redis-cli -h cache -a q8Zk2mPw ping",
            "redis-cli -h cache -a [REDACTED:option-password] ping",
        ),
        (
            "db.test:5432:shop:me:q8Zk2mPw\n*:*:*:me:x",
            "db.test:5432:shop:me:[REDACTED:pgpass-password]\n*:*:*:me:x",
        ),
        (
            "localhost:5432: connection refused",
            "localhost:5432: connection refused",
        ),
    ] {
        assert_eq!(shown(text), expected);
    }
    let mut seed = Seed::new(5);
    let (key, part) = (token("putty-key", &mut seed), sample::mixed(&mut seed, 86));
    assert_eq!(shown(&format!("a\n{key}\nb")), "a\n[REDACTED:putty-key]\nb");
    let escaped = key.replace('\n', "\\n");
    assert_eq!(shown(&format!("\"{escaped}\\n\"")), "\"[REDACTED:putty-key]\\n\"");
    assert_eq!(
        shown(&format!(
            "{{\"kty\":\"RSA\",\"n\":\"{part}\",\"e\":\"AQAB\",\"d\":\"{part}\",\"p\":\"{part}\"}}"
        )),
        format!(
            "{{\"kty\":\"RSA\",\"n\":\"{part}\",\"e\":\"AQAB\",\"d\":\"[REDACTED:jwk]\",\"p\":\"[REDACTED:jwk]\"}}"
        )
    );
    let short = part.get(..43).unwrap();
    assert_eq!(
        shown(&format!("{{\"d\":\"{short}\"}}")),
        format!("{{\"d\":\"{short}\"}}")
    );
}

#[test]
fn a_token_is_hidden_with_what_stands_before_the_mark_in_it() {
    let mut seed = Seed::new(6);
    for name in ["azure-ad-client-secret", "terraform-cloud-token", "maxmind-license-key"] {
        let value = token(name, &mut seed);
        assert_eq!(shown(&format!("KEY={value} x")), format!("KEY=[REDACTED:{name}] x"));
    }
}

#[test]
fn passwords_of_databases_keys_and_sentences_are_hidden() {
    for (text, expected) in [
        (
            "CREATE USER shop WITH PASSWORD 'q8Zk2mPwT4xR';",
            "CREATE USER shop WITH PASSWORD '[REDACTED:said-password]';",
        ),
        (
            "ALTER USER root IDENTIFIED BY 'q8Zk2mPwT4xR';",
            "ALTER USER root IDENTIFIED BY '[REDACTED:said-password]';",
        ),
        (
            "openssl rsa -in k.pem -passin pass:harbour-Orchid-64",
            "openssl rsa -in k.pem -passin pass:[REDACTED:config-password]",
        ),
        (
            "Mein Passwort lautet q8Zk2mPwT4xR.",
            "Mein Passwort lautet [REDACTED:said-password].",
        ),
        (
            "r(\"password: \\\"hunter2x\\\"\")",
            "r(\"password: \\\"[REDACTED:password]\\\"\")",
        ),
    ] {
        assert_eq!(shown(text), expected);
    }
}
