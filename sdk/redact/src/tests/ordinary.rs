//! Ordinary agent traffic passes untouched.

use super::*;

/// Lines that look as if they held secrets: `‹set:count›` is so many characters of a set.
const LINES: &[&str] = &[
    "commit ‹0-9a-f:40›, index ‹0-9a-f:7›..‹0-9a-f:7› 100644",
    "request=‹0-9a-f:8›-‹0-9a-f:4›-4‹0-9a-f:3›-a‹0-9a-f:3›-‹0-9a-f:12› [api_key] status=200 took=12.5ms",
    "traceparent: 00-‹0-9a-f:32›-‹0-9a-f:16›-01; ETag: W/\"‹0-9a-f:40›\"",
    "FROM rust:1.95@sha256:‹0-9a-f:64›",
    "[[package]]\nname = \"token\"\nversion = \"1.2.3\"\nchecksum = \"‹0-9a-f:64›\"",
    "\"node_modules/secret\": {\"version\": \"2.0.1\", \"integrity\": \"sha512-‹A-Za-z0-9+/:86›==\"}",
    "  resolution: {integrity: sha1-‹A-Za-z0-9+/:27›=}",
    "github.com/acme/token v1.4.0 h1:‹A-Za-z0-9+/:43›=",
    "<script src=\"https://cdn.test/a.js\" integrity=\"sha384-‹A-Za-z0-9+/:64›\"></script>",
    "![plot](data:image/png;base64,iVBORw0KGgo‹A-Za-z0-9+/:400›)",
    "{\"id\":\"chatcmpl-‹A-Za-z0-9:29›\",\"system_fingerprint\":\"fp_‹0-9a-f:10›\",\"usage\":{\"total_tokens\":2045}}",
    "{\"id\":\"toolu_01‹A-Za-z0-9:22›\",\"type\":\"tool_use\",\"name\":\"get_password_policy\"}",
    "\"embedding\":[0.0‹1-9:7›,-0.0‹1-9:7›,0.‹1-9:9›],\"model\":\"text-embedding-3\"",
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI‹A-Za-z0-9+/:43› me@laptop",
    "-----BEGIN CERTIFICATE-----\nMII‹A-Za-z0-9+/:61›\n-----END CERTIFICATE-----",
    "/nix/store/‹a-z0-9:32›-glibc-2.40/lib/libc.so.6",
    "export OPENAI_API_KEY=sk-...   # put yours here",
    "password: ${{ secrets.DB_PASSWORD }}, token = os.environ[\"SERVICE_TOKEN\"]",
    "let token = parse_token(&input)?; let secret_key = config.secret_key.clone();",
    "if (password !== confirmPassword) { errors.password = t(\"passwords do not match\"); }",
    "client = Client(api_key=\"YOUR_API_KEY\", password=\"<your-password>\", token=\"xxxxxxxxxxxxxxxx\")",
    "DB_PASSWORD=changeme SECRET_KEY=example API_TOKEN=********",
];

fn made(seed: &mut Seed, text: &str) -> String {
    let mut output = String::new();
    let mut rest = text;
    while let Some((before, (made, behind))) = rest
        .split_once('‹')
        .and_then(|(before, rest)| Some((before, rest.split_once('›')?)))
    {
        let (set, count) = made.rsplit_once(':').unwrap();
        let set: &'static Charset = Box::leak(Box::new(Charset::of(set)));
        output.push_str(before);
        output.push_str(&seed.text(set, count.parse().unwrap()));
        rest = behind;
    }
    output + rest
}

#[test]
fn hashes_ids_lock_files_images_and_code_pass_untouched() {
    let mut seed = Seed::new(81);
    let mut hidden = Vec::new();
    for line in LINES {
        for _ in 0..20 {
            let text = made(&mut seed, line);
            let once = String::from_utf8(encodings::quoted(text.as_bytes())).unwrap();
            let twice = String::from_utf8(encodings::quoted(once.as_bytes())).unwrap();
            hidden.extend([text, once, twice].into_iter().filter(|text| {
                let (output, findings) = whole(text);
                output != text.as_bytes() || !findings.is_empty()
            }));
        }
    }
    // What is random may look like anything once in a long while.
    assert!(hidden.len() <= 2, "{} {hidden:#?}", hidden.len());
}

#[test]
fn what_providers_print_in_their_documentation_is_told_as_an_example_and_stays() {
    // In two parts, so that this source sets off nobody's scanner.
    let documented = ["AKIAIOSF", "ODNN7EXAMPLE"].concat();
    let text = format!("aws_access_key_id = {documented}\n");
    let (output, findings) = whole(&text);
    assert_eq!(output, text.as_bytes());
    assert!(findings.len() == 1 && findings[0].example, "{findings:?}");
    let (output, findings) = whole(format!("aws_access_key_id = {documented}X\n"));
    assert_eq!(output, b"aws_access_key_id = [REDACTED:aws-access-key-id]\n");
    assert!(!findings[0].example);
}
