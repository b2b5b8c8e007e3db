//! What names, headers, URLs and armour say, whoever issued it.

use crate::detector::Assigned::{Key, Password};
use crate::detector::Class::{ConnectionString, PrivateKey, Secret};
use crate::detector::Detector;
use crate::detector::Risk::{Critical, Medium};
use crate::verify::{auth, call, command, jwt, key, pem, url};

#[rustfmt::skip]
pub(super) static ROWS: &[Detector] = &[
    Detector::special("private-key", PrivateKey, &["-----BEGIN"], pem::verify, pem::sample, "https://www.rfc-editor.org/rfc/rfc7468").risk_is(Critical),
    Detector::special("putty-key", PrivateKey, &["PuTTY-User-Key-File-"], key::putty, key::sample_putty, "https://tartarus.org/~simon/putty-snapshots/htmldoc/AppendixC.html").risk_is(Critical),
    Detector::special("jwk", PrivateKey, &["\"d\":\"", "\"d\": \"", "\"k\":\"", "\"p\":\"", "\"q\":\"", "\"dp\":\"", "\"dq\":\"", "\"qi\":\""], key::jwk, key::sample_jwk, "https://www.rfc-editor.org/rfc/rfc7518#section-6.3.2").risk_is(Critical),
    Detector::special("jwt", Secret, &["eyJ", "eyJhbGci", "eyJ0eXAi", "eyJraWQi"], jwt::verify, jwt::sample, "https://www.rfc-editor.org/rfc/rfc7519"),
    Detector::special("url-credentials", ConnectionString, &["://"], url::verify, url::sample, "https://www.rfc-editor.org/rfc/rfc3986#section-3.2.1"),
    Detector::special("bearer-token", Secret, &["bearer "], auth::scheme, auth::sample_bearer, "https://www.rfc-editor.org/rfc/rfc6750").any_case(),
    Detector::special("basic-credentials", Secret, &["basic "], auth::scheme, auth::sample_basic, "https://www.rfc-editor.org/rfc/rfc7617").any_case(),
    Detector::special("authorization-token", Secret, &["authorization: token ", "authorization: apikey ", "authorization: ssws ", "authorization\": \"token ", "authorization\":\"token "], auth::scheme, auth::sample_token, "https://www.rfc-editor.org/rfc/rfc9110#section-11.6.2").any_case(),
    Detector::special("session-cookie", Secret, &["sessionid=", "session=", "connect.sid=", "phpsessid=", "jsessionid=", "_session=", "auth_token=", "__host-session="], auth::cookie, auth::sample_cookie, "https://www.rfc-editor.org/rfc/rfc6265").any_case().after(&["cookie"]).risk_is(Medium),
    Detector::assigned("docker-registry-auth", &["auth"], Key, "https://docs.docker.com/reference/cli/docker/login/#credential-stores").after(&["auths", "docker", "registry", "ghcr.io", "quay.io", "gcr.io", "azurecr.io", ".dkr.ecr."]),
    Detector::special("netrc-password", Secret, &["login "], auth::netrc, auth::sample_netrc, "https://www.gnu.org/software/inetutils/manual/html_node/The-_002enetrc-file.html").after(&["machine"]),
    Detector::special("config-password", Secret, &["requirepass ", "masterauth ", "bindpw ", "rootpw ", "sshpass -p ", "passin pass:", "passout pass:"], command::directive, command::sample_directive, "https://redis.io/docs/latest/operate/oss_and_stack/management/security/"),
    Detector::special("command-line-password", Secret, &["-u ", "--user "], command::login, command::sample_login, "https://curl.se/docs/manpage.html#-u").after(&["curl", "http"]),
    Detector::special("option-password", Secret, &["mysql ", "mysqldump ", "mysqladmin ", "mariadb ", "docker login ", "podman login ", "mongosh ", "az login ", "redis-cli ", "sqlcmd ", "ldapsearch "], call::option, call::sample_option, "https://dev.mysql.com/doc/refman/8.4/en/connecting.html"),
    Detector::special("argument-password", Secret, &["getConnection(", "new PDO(", "NetworkCredential(", "smtp.login(", "ftp.login("], call::last_argument, call::sample_call, "https://docs.oracle.com/en/java/javase/21/docs/api/java.sql/java/sql/DriverManager.html"),
    Detector::special("pgpass-password", Secret, &[":5432:"], call::pgpass, call::sample_pgpass, "https://www.postgresql.org/docs/current/libpq-pgpass.html"),
    Detector::special("said-password", Secret, &["password is ", "passphrase is ", "with password ", "identified by ", "passwort ist ", "passwort lautet ", "mot de passe est "], command::said, command::sample_said, "https://cwe.mitre.org/data/definitions/798.html").any_case(),
    Detector::assigned("password", &["password", "passwd", "passphrase", "passwort", "pwd", "_pass", "-pass", "dbpass", "contrasena", "motdepasse", "psk"], Password, "https://cwe.mitre.org/data/definitions/798.html"),
    Detector::assigned("secret", &["secret", "secret_key", "secret_key_base", "SecretKey", "secret-key"], Key, "https://cwe.mitre.org/data/definitions/798.html"),
    Detector::assigned("api-key", &["api_key", "ApiKey", "api-key", "access_key", "AccessKey", "access-key", "auth_key", "AuthKey", "encryption_key", "signing_key", "master_key", "account_key", "service_key", "subscription_key", "subscription-key", "license_key", "private_key", "PrivateKey", "AppKey", "app_key"], Key, "https://cwe.mitre.org/data/definitions/798.html"),
    Detector::assigned("token", &["token", "credential", "credentials", "_auth", "ApiToken"], Key, "https://cwe.mitre.org/data/definitions/798.html"),
];
