//! Writes what packages ship beside the programs, from the command lines' own definitions: man pages and shell completions.
//!
//! `cargo run -p aasm --example pages DIR` makes `DIR/man/man{1,8}/*` and `DIR/completions/{aasm,_aasm,aasm.fish}`.

#[path = "../src/cli.rs"]
mod cli;
#[path = "../../../daemon/sensord/src/cli.rs"]
mod sensord;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use clap::{Command, CommandFactory};
use clap_complete::Shell;
use clap_mangen::Man;

fn main() -> Result<()> {
    let to: PathBuf = std::env::args_os().nth(1).context("usage: pages DIR")?.into();
    page(cli::Cli::command(), "1", &to.join("man/man1"))?;
    page(sensord::Arguments::command(), "8", &to.join("man/man8"))?;
    let completions = to.join("completions");
    fs::create_dir_all(&completions)?;
    for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
        clap_complete::generate_to(shell, &mut offered(&cli::Cli::command()), "aasm", &completions)?;
    }
    Ok(())
}

/// The page of a program and one for each of its commands, as `git` has them.
fn page(mut command: Command, section: &str, to: &Path) -> Result<()> {
    fs::create_dir_all(to)?;
    command = command.disable_help_subcommand(true);
    command.build();
    write(&command, section, to)
}

fn write(command: &Command, section: &str, to: &Path) -> Result<()> {
    let name = command.get_display_name().unwrap_or_else(|| command.get_name());
    let title = name.to_uppercase();
    let man = Man::new(command.clone())
        .title(title)
        .section(section)
        .source(concat!("aa-sensord ", env!("CARGO_PKG_VERSION")))
        .manual("aa-sensord");
    let mut text = Vec::new();
    man.render(&mut text)?;
    fs::write(to.join(format!("{name}.{section}")), text)?;
    let mut for_people = command.get_subcommands().filter(|command| !command.is_hide_set());
    for_people.try_for_each(|command| write(command, section, to))
}

/// Without the commands that are not for people: completions would offer them.
fn offered(command: &Command) -> Command {
    let for_people = command.get_subcommands().filter(|command| !command.is_hide_set());
    Command::new("aasm")
        .args(command.get_arguments())
        .subcommands(for_people)
}
