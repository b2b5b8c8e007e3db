//! `aasm`: the command line of aa-sensord.

mod alerts;
mod approvals;
mod audit;
mod boot;
mod budget;
mod cli;
mod compare;
mod confine;
mod doctor;
mod events;
mod execute;
mod exit;
mod floor;
mod init;
mod keys;
mod learn;
mod manage;
mod metrics;
mod policy;
mod redact;
mod replay;
mod run;
mod secret;
mod status;
mod table;
mod watch;
mod why;

use std::path::Path;
use std::process::ExitCode;

use aa_sdk::Client;
use clap::Parser;

use cli::{Cli, Command, PolicyCommand};
use exit::{Failure, USAGE};

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            let asked_for = !error.use_stderr();
            // Where this goes may be closed; there is nobody else to tell.
            let _ = error.print();
            return if asked_for {
                ExitCode::SUCCESS
            } else {
                ExitCode::from(USAGE)
            };
        }
    };
    let result = match cli.command {
        // These decide their exit code themselves.
        Command::Run(arguments) => return run::run(&cli.socket, &arguments, None).unwrap_or_else(Failure::tell),
        Command::Watch(arguments) => return watch::watch(&cli.socket, arguments).unwrap_or_else(Failure::tell),
        Command::Exec(arguments) => return execute::execute(&cli.socket, arguments),
        other => other_command(&cli.socket, other),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.tell(),
    }
}

fn other_command(socket: &Path, command: Command) -> Result<(), Failure> {
    let client = || Client::connect(socket);
    match command {
        Command::Run(_) | Command::Watch(_) | Command::Exec(_) => Ok(()),
        Command::Status { metrics: true, .. } => status::metrics(&mut client()?),
        Command::Status { tls, output, .. } => status::status(&mut client()?, tls, output.json),
        Command::Doctor { fix, output } => doctor::doctor(socket, output.json, fix),
        Command::Init(arguments) => init::init(&arguments),
        Command::Events(arguments) => events::events(client()?, &arguments),
        Command::Why { id, output } => why::why(&mut client()?, id, output.json),
        Command::Redact(arguments) => redact::redact(&arguments),
        Command::Agents(output) => manage::agents(&mut client()?, output.json),
        Command::Kill { target } => manage::kill(&mut client()?, &target),
        Command::Suspend { target } => manage::suspend(&mut client()?, &target),
        Command::Resume { target } => manage::resume(&mut client()?, &target),
        Command::Policy(PolicyCommand::Check { file, output }) => policy::check(&file, output.json),
        Command::Policy(PolicyCommand::Explain { policy, action, output }) => {
            policy::explain(&policy, &action, output.json)
        }
        Command::Policy(PolicyCommand::Diff { before, after, output }) => {
            compare::compare(&before, &after, output.json)
        }
        Command::Policy(PolicyCommand::Schema) => print_json(&aa_policy::schema()),
        Command::Policy(PolicyCommand::Test(arguments)) => replay::test(&arguments),
        Command::Policy(PolicyCommand::Learn(arguments)) => learn::learn(&arguments),
        Command::Policy(PolicyCommand::Apply { file, output }) => manage::apply(&mut client()?, &file, output.json),
        Command::Budget(output) => budget::budget(&mut client()?, output.json),
        Command::Secret(command) => secret::secret(&mut client()?, command),
        Command::Keys(arguments) => keys::keys(&mut client()?, arguments),
        Command::Approvals(command) => approvals::approvals(socket, command),
        Command::Alerts(command) => alerts::alerts(&mut client()?, command),
        Command::Audit(command) => audit::audit(socket, command),
    }
}

/// Prints to standard output; that nobody reads any more is no failure.
pub(crate) fn print(text: &str) {
    use std::io::Write;
    let mut output = std::io::stdout().lock();
    // `aasm events | head` ends like this.
    let _ = output.write_all(text.as_bytes()).and_then(|()| output.flush());
}

/// Prints a value as one line of JSON.
pub(crate) fn print_json(value: &impl serde::Serialize) -> Result<(), Failure> {
    let mut text = serde_json::to_string(value)
        .map_err(|error| aa_wire::WireError::new("internal", "this cannot be told as JSON").because(error))?;
    text.push('\n');
    print(&text);
    Ok(())
}
