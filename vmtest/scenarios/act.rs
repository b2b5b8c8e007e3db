//! A process that does what it is told, governed or not.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};
use std::time::Duration;

use aa_wire::api::AgentRow;

use crate::guest::{ACT, eventually, succeed, unique};

/// `act batch`, asked line by line.
#[derive(Debug)]
pub(crate) struct Act {
    child: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
    errors: PathBuf,
    /// What it does now.
    told: String,
    /// The agent's name in records; unique for each.
    pub(crate) agent: String,
}

/// Writes a policy with a name of its own; the file.
pub(crate) fn policy_file(name: &str, body: &str) -> PathBuf {
    let directory = Path::new("/run/aa-guest-test");
    fs::create_dir_all(directory).unwrap();
    let path = directory.join(format!("{name}-{}.yaml", unique()));
    fs::write(&path, format!("policy: {name}\nversion: 3\n{body}")).unwrap();
    path
}

impl Act {
    /// Nobody governs it.
    pub(crate) fn ungoverned() -> Self {
        Self::spawn(Command::new(ACT), String::new(), &["batch"])
    }

    /// Nobody governs it, and it runs a program of its own name.
    pub(crate) fn ungoverned_as(program: &str) -> Self {
        Self::spawn(Command::new(program), String::new(), &["batch"])
    }

    /// Under a policy with this name and body.
    pub(crate) fn governed(name: &str, body: &str) -> Self {
        Self::under(&policy_file(name, body))
    }

    /// Under the policy in this file.
    pub(crate) fn under(policy: &Path) -> Self {
        Self::run_by(Command::new("aasm"), policy)
    }

    /// The program under the policy in this file, which takes its lines as act does.
    pub(crate) fn running(program: &str, policy: &Path) -> Self {
        Self::run_program_by(Command::new("aasm"), policy, program)
    }

    /// Under a policy that was applied.
    pub(crate) fn under_applied(name: &str) -> Self {
        Self::run_by(Command::new("aasm"), Path::new(name))
    }

    /// Under the policy in this file, in a network namespace of its own.
    pub(crate) fn in_network_namespace(policy: &Path) -> Self {
        let mut command = Command::new("unshare");
        command.args(["--net", "aasm"]);
        Self::run_by(command, policy)
    }

    /// Under the policy in this file, in a mount namespace of its own that root has prepared with `setup`, a shell's words.
    pub(crate) fn in_mount_namespace(setup: &str, policy: &Path) -> Self {
        let mut command = Command::new("unshare");
        command.args(["--mount", "sh", "-c", &format!("{setup} && exec aasm \"$@\""), "sh"]);
        Self::run_by(command, policy)
    }

    /// `command` is aasm, or what becomes it.
    fn run_by(command: Command, policy: &Path) -> Self {
        Self::run_program_by(command, policy, ACT)
    }

    fn run_program_by(mut command: Command, policy: &Path, program: &str) -> Self {
        let name = policy.file_stem().unwrap().to_string_lossy().into_owned();
        let agent = format!("{name}-{}", unique());
        command
            .args(["run", "--name", &agent, "--work", "/srv/work", "--policy"])
            .arg(policy);
        Self::spawn(command, agent, &["--", program, "batch"])
    }

    fn spawn(mut command: Command, agent: String, arguments: &[&str]) -> Self {
        fs::create_dir_all("/run/aa-guest-test").unwrap();
        fs::create_dir_all("/srv/work").unwrap();
        let errors = PathBuf::from(format!("/run/aa-guest-test/stderr-{}", unique()));
        let mut child = command
            .args(arguments)
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(fs::File::create(&errors).unwrap())
            .spawn()
            .unwrap();
        let (input, output) = (child.stdin.take(), BufReader::new(child.stdout.take().unwrap()));
        Self {
            child,
            input,
            output,
            errors,
            told: String::new(),
            agent,
        }
    }

    /// Does one action; the answer.
    pub(crate) fn ask(&mut self, line: &str) -> String {
        self.tell(line);
        self.answer()
    }

    /// Begins an action, which may take its time.
    pub(crate) fn tell(&mut self, line: &str) {
        line.clone_into(&mut self.told);
        if writeln!(self.input.as_mut().unwrap(), "{line}").is_err() {
            self.ended();
        }
    }

    /// The answer to what was told it.
    pub(crate) fn answer(&mut self) -> String {
        let mut answer = String::new();
        if self.output.read_line(&mut answer).unwrap() == 0 {
            self.ended();
        }
        answer.trim_end_matches('\n').to_owned()
    }

    fn ended(&mut self) -> ! {
        let errors = self.errors();
        let status = self.child.wait();
        panic!("`{}` to {}: it has ended ({status:?}): {errors}", self.told, self.agent);
    }

    /// The process that was started: `aasm`, or act where nobody governs it.
    pub(crate) fn started_pid(&self) -> u32 {
        self.child.id()
    }

    /// The agent's number in the kernel. Waits until `aasm run` has registered it.
    pub(crate) fn number(&self) -> u32 {
        let mut number = None;
        let found = eventually(Duration::from_secs(30), || {
            let rows: Vec<AgentRow> = serde_json::from_str(&succeed("aasm", &["agents", "--json"])).unwrap();
            let row = rows.into_iter().find(|row| row.name.as_ref() == Some(&self.agent));
            number = row.map(|row| row.id.0);
            number.is_some()
        });
        assert!(found, "{} is not among the agents", self.agent);
        number.unwrap()
    }

    /// What it wrote to standard error.
    pub(crate) fn errors(&self) -> String {
        fs::read_to_string(&self.errors).unwrap_or_default()
    }

    /// No more actions; how it ended.
    pub(crate) fn end(mut self) -> ExitStatus {
        drop(self.input.take());
        self.child.wait().unwrap()
    }
}

impl Drop for Act {
    fn drop(&mut self) {
        drop(self.input.take());
        // It ends at the end of its input; whatever hangs is killed, and the test has failed for other reasons.
        for _ in 0..50 {
            if matches!(self.child.try_wait(), Ok(Some(_)) | Err(_)) {
                return;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A path as a word of an action: what act would take for something else is escaped.
pub(crate) fn word(bytes: &[u8]) -> String {
    if bytes.is_empty() {
        return "%-".to_owned();
    }
    bytes
        .iter()
        .map(|byte| match byte {
            b'!'..=b'~' if *byte != b'%' => char::from(*byte).to_string(),
            _ => format!("%{byte:02x}"),
        })
        .collect()
}
