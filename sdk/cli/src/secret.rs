//! `aasm secret`: values go in by standard input and never come out.

use std::io::{IsTerminal, Read, Write};
use std::os::fd::AsFd;

use aa_sdk::Client;
use aa_wire::vault::{SecretRow, SecretUser, Terms, VaultReply, VaultRequest};
use aa_wire::{SecretBytes, Timestamp, WireError};
use nix::sys::termios::{LocalFlags, SetArg, tcgetattr, tcsetattr};
use zeroize::Zeroizing;

use crate::cli::secret::{SecretCommand, TermArgs, ValueArgs};
use crate::exit::Failure;
use crate::table::table;
use crate::{print, print_json};

/// Bytes of standard input that are taken: a file of many secrets.
const INPUT_LIMIT: usize = 1 << 20;

pub(crate) fn secret(client: &mut Client, command: SecretCommand) -> Result<(), Failure> {
    // What is read here is in no core file.
    nix::sys::prctl::set_dumpable(false)
        .map_err(|error| WireError::new("internal", "this process would leave core files").because(error))?;
    match command {
        SecretCommand::Set(arguments) => set(client, arguments, false),
        SecretCommand::Rotate(arguments) => set(client, arguments, true),
        SecretCommand::List { all, output } => list(client, all, output.json),
        SecretCommand::Revoke { name, version } => revoke(client, name, version),
        SecretCommand::Import { replace, terms } => import(client, replace, terms),
        SecretCommand::Who { name, output } => who(client, name, output.json),
        SecretCommand::Unlock => unlock(client),
    }
}

fn set(client: &mut Client, arguments: ValueArgs, rotate: bool) -> Result<(), Failure> {
    let terms = terms(arguments.terms, Timestamp::now())?;
    let mut value = read_input(&format!("value of {}", arguments.name))?;
    if !arguments.exact {
        strip_line_end(&mut value);
    }
    let request = VaultRequest::Set {
        name: arguments.name,
        value: SecretBytes::from(value),
        rotate,
        terms,
    };
    let VaultReply::Kept(rows) = client.vault(request)? else {
        return Err(aa_sdk::SdkError::Unexpected.into());
    };
    print(&kept(&rows));
    Ok(())
}

fn import(client: &mut Client, replace: bool, arguments: TermArgs) -> Result<(), Failure> {
    let terms = terms(arguments, Timestamp::now())?;
    let text = SecretBytes::from(read_input("NAME=value lines, then Ctrl-D")?);
    let VaultReply::Kept(rows) = client.vault(VaultRequest::Import { text, replace, terms })? else {
        return Err(aa_sdk::SdkError::Unexpected.into());
    };
    print(&kept(&rows));
    Ok(())
}

fn kept(rows: &[SecretRow]) -> String {
    let mut text = String::new();
    for row in rows {
        let line = format!("{} version {} is kept\n", row.name, row.version);
        text.push_str(&line);
    }
    let hidden: Vec<&str> = rows
        .iter()
        .filter(|row| !row.looked_for)
        .map(|row| row.name.as_str())
        .collect();
    if !hidden.is_empty() {
        let line = format!(
            "not looked for in what agents say, being too short, too long, or a word or number: {}\n",
            hidden.join(", ")
        );
        text.push_str(&line);
    }
    if rows.iter().any(|row| row.agents.is_empty() || row.hosts.is_empty()) {
        text.push_str("nobody may use it before --agent and --host say who, and where\n");
    }
    text
}

fn list(client: &mut Client, all: bool, json: bool) -> Result<(), Failure> {
    let VaultReply::Secrets(rows) = client.vault(VaultRequest::List)? else {
        return Err(aa_sdk::SdkError::Unexpected.into());
    };
    if json {
        return print_json(&rows);
    }
    print(&render(&rows, all));
    Ok(())
}

fn render(rows: &[SecretRow], all: bool) -> String {
    let shown = |row: &&SecretRow| all || matches!(row.state.as_str(), "current" | "expired");
    let shown: Vec<Vec<String>> = rows.iter().filter(shown).map(cells).collect();
    if shown.is_empty() {
        return "the vault holds no secrets\n".to_owned();
    }
    table(
        &["NAME", "VERSION", "STATE", "SINCE", "BY", "EXPIRES", "AGENTS", "HOSTS"],
        &shown,
    )
}

fn cells(row: &SecretRow) -> Vec<String> {
    let list = |list: &[String]| {
        if list.is_empty() {
            "nobody".to_owned()
        } else {
            list.join(",")
        }
    };
    let hosts = if row.hosts.is_empty() {
        "nowhere".to_owned()
    } else {
        row.hosts.join(",")
    };
    vec![
        row.name.clone(),
        row.version.to_string(),
        row.state.clone(),
        seconds(row.made),
        row.by.to_string(),
        row.expires.map_or_else(|| "-".to_owned(), seconds),
        list(&row.agents),
        hosts,
    ]
}

/// To the second: 2026-11-21T01:58:55Z
pub(crate) fn seconds(time: Timestamp) -> String {
    let text: String = time.to_string().chars().take(19).collect();
    text + "Z"
}

fn revoke(client: &mut Client, name: String, version: Option<u32>) -> Result<(), Failure> {
    let VaultReply::Revoked(rows) = client.vault(VaultRequest::Revoke { name, version })? else {
        return Err(aa_sdk::SdkError::Unexpected.into());
    };
    for row in rows {
        print(&format!(
            "{} version {} is revoked, its value destroyed\n",
            row.name, row.version
        ));
    }
    Ok(())
}

fn who(client: &mut Client, name: String, json: bool) -> Result<(), Failure> {
    let reply = client.vault(VaultRequest::Who { name })?;
    let VaultReply::Who { versions, users } = &reply else {
        return Err(aa_sdk::SdkError::Unexpected.into());
    };
    if json {
        return print_json(&reply);
    }
    print(&render(versions, true));
    print(&render_users(users));
    Ok(())
}

fn render_users(users: &[SecretUser]) -> String {
    if users.is_empty() {
        return "nobody used it since the daemon started\n".to_owned();
    }
    let named = |text: &String| {
        if text.is_empty() {
            "others".to_owned()
        } else {
            text.clone()
        }
    };
    let row = |user: &SecretUser| {
        vec![
            named(&user.agent),
            named(&user.policy),
            named(&user.host),
            user.count.to_string(),
            seconds(user.last),
        ]
    };
    let rows: Vec<_> = users.iter().map(row).collect();
    table(&["AGENT", "POLICY", "HOST", "USED", "LAST"], &rows)
}

fn unlock(client: &mut Client) -> Result<(), Failure> {
    let passphrase = SecretBytes::from(read_input("passphrase")?);
    let VaultReply::Unlocked { secrets } = client.vault(VaultRequest::Unlock { passphrase })? else {
        return Err(aa_sdk::SdkError::Unexpected.into());
    };
    print(&format!("the vault is open; it holds {secrets} secrets\n"));
    Ok(())
}

fn terms(arguments: TermArgs, now: Timestamp) -> Result<Terms, WireError> {
    Ok(Terms {
        agents: arguments.agent,
        hosts: arguments.host,
        expires: arguments.expires.map(|text| parse_until(&text, now)).transpose()?,
    })
}

/// `12h`, `90d` from now, or a time; it has not come yet.
fn parse_until(text: &str, now: Timestamp) -> Result<Timestamp, WireError> {
    let usage = || {
        WireError::new("usage", format!("`{text}` is not a time to come"))
            .hint("write 12h, 90d or 2026-11-21T00:00:00Z")
    };
    let units = [("m", 60), ("h", 3600), ("d", 86_400_u64)];
    for (unit, seconds) in units {
        if let Some(count) = text.strip_suffix(unit).and_then(|count| count.parse::<u64>().ok()) {
            let later = count.checked_mul(seconds * 1_000_000_000);
            let end = later
                .and_then(|later| now.unix_ns.checked_add(later))
                .ok_or_else(usage)?;
            return if count > 0 {
                Ok(Timestamp { unix_ns: end })
            } else {
                Err(usage())
            };
        }
    }
    let end: Timestamp = text.parse().map_err(|_| usage())?;
    if end > now { Ok(end) } else { Err(usage()) }
}

fn strip_line_end(value: &mut Vec<u8>) {
    if value.last() == Some(&b'\n') {
        value.pop();
        if value.last() == Some(&b'\r') {
            value.pop();
        }
    }
}

/// Standard input to its end, at a terminal without showing it, and there to the end of the line unless it is a file's text.
fn read_input(what: &str) -> Result<Zeroizing<Vec<u8>>, WireError> {
    let failed = |error: std::io::Error| WireError::new("usage", "standard input cannot be read").because(error);
    let input = std::io::stdin();
    let whole = !input.is_terminal();
    let quiet = if whole { None } else { Some(Quiet::ask(what)?) };
    let mut read = Zeroizing::new(Vec::with_capacity(INPUT_LIMIT + 1));
    let mut bytes = Zeroizing::new([0; 4096]);
    let mut lock = input.lock();
    loop {
        let count = lock.read(&mut *bytes).map_err(failed)?;
        let new = bytes.get(..count).unwrap_or_default();
        read.extend_from_slice(new);
        let line = !whole && !what.ends_with("Ctrl-D") && new.contains(&b'\n');
        if count == 0 || line || read.len() > INPUT_LIMIT {
            break;
        }
    }
    drop(quiet);
    if read.len() > INPUT_LIMIT {
        return Err(WireError::new(
            "usage",
            format!("standard input has more than {INPUT_LIMIT} bytes"),
        ));
    }
    Ok(read)
}

/// A terminal that does not show what is typed, until this is dropped.
struct Quiet(nix::sys::termios::Termios);

impl Quiet {
    fn ask(what: &str) -> Result<Self, WireError> {
        let failed =
            |error| WireError::new("usage", "the terminal cannot be kept from showing what is typed").because(error);
        let input = std::io::stdin();
        let before = tcgetattr(input.as_fd()).map_err(failed)?;
        let mut quiet = before.clone();
        quiet.local_flags.remove(LocalFlags::ECHO);
        tcsetattr(input.as_fd(), SetArg::TCSAFLUSH, &quiet).map_err(failed)?;
        let mut output = std::io::stderr().lock();
        // Who does not see the question may still answer it.
        let _ = write!(output, "{what} (not shown): ");
        let _ = output.flush();
        Ok(Self(before))
    }
}

impl Drop for Quiet {
    fn drop(&mut self) {
        // There is nothing else to be tried.
        let _ = tcsetattr(std::io::stdin().as_fd(), SetArg::TCSAFLUSH, &self.0);
        eprintln!();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(name: &str, version: u32, state: &str) -> SecretRow {
        SecretRow {
            name: name.to_owned(),
            version,
            state: state.to_owned(),
            made: Timestamp::default(),
            by: 0,
            expires: None,
            revoked: None,
            agents: vec!["claude".to_owned(), "policy:ci".to_owned()],
            hosts: Vec::new(),
            looked_for: true,
        }
    }

    #[test]
    fn a_list_shows_what_is_given_out_and_with_all_the_rest() {
        let rows = [
            row("A", 1, "superseded"),
            row("A", 2, "current"),
            row("B", 1, "revoked"),
        ];
        let expected = "\
NAME  VERSION  STATE    SINCE                 BY  EXPIRES  AGENTS            HOSTS
A     2        current  1970-01-01T00:00:00Z  0   -        claude,policy:ci  nowhere
";
        assert_eq!(render(&rows, false), expected);
        assert_eq!(render(&rows, true).lines().count(), 4);
        assert_eq!(render(&[], false), "the vault holds no secrets\n");
    }

    #[test]
    fn who_keeps_a_secret_is_told_what_it_is_not_good_for() {
        let one = row("A", 1, "current");
        let hosts = vec!["*".to_owned()];
        let short = SecretRow {
            looked_for: false,
            hosts: hosts.clone(),
            ..row("B", 2, "current")
        };
        let fine = SecretRow { hosts, ..one.clone() };
        assert_eq!(kept(&[fine]), "A version 1 is kept\n");
        assert!(kept(&[one]).ends_with("nobody may use it before --agent and --host say who, and where\n"));
        assert!(kept(&[short]).ends_with("or a word or number: B\n"));
    }

    #[test]
    fn a_time_to_come_is_counted_from_now() {
        let now = Timestamp { unix_ns: 5_000_000_000 };
        assert_eq!(parse_until("1h", now).unwrap().unix_ns, 3_605_000_000_000);
        assert_eq!(parse_until("1970-01-01T00:00:06Z", now).unwrap().unix_ns, 6_000_000_000);
        for text in ["", "0d", "1970-01-01T00:00:05Z", "tomorrow", "99999999999999999d", "5"] {
            assert_eq!(parse_until(text, now).unwrap_err().code, "usage", "{text}");
        }
    }

    #[test]
    fn one_line_end_does_not_belong_to_a_value() {
        for (read, value) in [
            ("a\n", "a"),
            ("a\r\n", "a"),
            ("a\n\n", "a\n"),
            ("a", "a"),
            ("a ", "a "),
            ("", ""),
        ] {
            let mut bytes = read.as_bytes().to_vec();
            strip_line_end(&mut bytes);
            assert_eq!(bytes, value.as_bytes(), "{read:?}");
        }
    }
}
