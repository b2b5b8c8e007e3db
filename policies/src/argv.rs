//! Patterns over a program's name and arguments, token by token, and what is known of common tools' options.

use crate::diagnostic::{Code, Complaint};
use crate::verdict::Verdict;

/// One word of a pattern; `*` is any bytes, `?` one byte.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Word(pub(crate) Vec<WordPiece>);

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum WordPiece {
    Byte(u8),
    AnyByte,
    Star,
}

impl Word {
    pub(crate) fn parse(text: &str) -> Self {
        let mut pieces = Vec::new();
        let mut bytes = text.bytes();
        while let Some(byte) = bytes.next() {
            pieces.push(match byte {
                b'*' => WordPiece::Star,
                b'?' => WordPiece::AnyByte,
                b'\\' => WordPiece::Byte(bytes.next().unwrap_or(b'\\')),
                byte => WordPiece::Byte(byte),
            });
        }
        pieces.dedup_by(|a, b| *a == WordPiece::Star && *b == WordPiece::Star);
        Self(pieces)
    }

    /// In time of at most the product of both lengths: the input is an agent's.
    pub(crate) fn matches(&self, input: &[u8]) -> bool {
        let (mut piece, mut byte) = (0, 0);
        // Where the last star stands, and how far the input goes that it covers.
        let mut star: Option<(usize, usize)> = None;
        while let Some(given) = input.get(byte) {
            match self.0.get(piece) {
                Some(WordPiece::Star) => {
                    star = Some((piece, byte));
                    piece += 1;
                    continue;
                }
                Some(WordPiece::AnyByte) => {}
                Some(WordPiece::Byte(want)) if want == given => {}
                _ => {
                    let Some((at, covered)) = &mut star else {
                        return false;
                    };
                    *covered += 1;
                    (piece, byte) = (*at + 1, *covered);
                    continue;
                }
            }
            piece += 1;
            byte += 1;
        }
        let rest = self.0.get(piece..).unwrap_or_default();
        rest.iter().all(|piece| *piece == WordPiece::Star)
    }
}

/// `prog word ...`
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ArgvPattern {
    /// The program and the other names it goes by.
    pub(crate) programs: Vec<Word>,
    pub(crate) words: Vec<Word>,
    /// Whether it ends with `...`.
    pub(crate) open: bool,
    pub(crate) tool: Option<&'static Tool>,
}

impl ArgvPattern {
    /// Reads `prog word ...`.
    pub(crate) fn parse(text: &str) -> Result<Self, Complaint> {
        let mut parts: Vec<&str> = text.split_whitespace().collect();
        let open = parts.last() == Some(&"...");
        if open {
            parts.pop();
        }
        let complain = |message: &str| Complaint::new(Code::Exec, format!("`{text}`: {message}"));
        if parts.contains(&"...") {
            return Err(complain("`...` stands at the end only").hint("a `*` stands for one word"));
        }
        let Some((program, words)) = parts.split_first() else {
            return Err(complain("no program is named").hint("write `git push ...`, or a path such as `/usr/bin/**`"));
        };
        if program.contains('/') {
            return Err(complain("the program of an argument pattern is a name, not a path")
                .hint(format!("write `{}`", text.rsplit('/').next().unwrap_or(text))));
        }
        Ok(Self::new(program, words, open))
    }

    /// A bare name with whatever arguments.
    pub(crate) fn any_arguments(program: &str) -> Self {
        Self::new(program, &[], true)
    }

    fn new(program: &str, words: &[&str], open: bool) -> Self {
        Self {
            programs: names_of(program).into_iter().map(Word::parse).collect(),
            words: words.iter().map(|word| Word::parse(word)).collect(),
            open,
            tool: Tool::find(program),
        }
    }

    /// Whether a rule of this verdict matches the program's name and its arguments after `argv[0]`.
    pub(crate) fn matches(&self, verdict: Verdict, name: &[u8], arguments: &[Vec<u8>]) -> bool {
        self.programs.iter().any(|program| program.matches(name)) && self.matches_arguments(verdict, arguments)
    }

    /// Follows all ways to read the arguments at once, one argument after the other: an option that may or may not take a
    /// value doubles the ways, and an agent can give hundreds.
    fn matches_arguments(&self, verdict: Verdict, arguments: &[Vec<u8>]) -> bool {
        let end = self.words.len();
        let mut here = vec![false; end + 1];
        let mut next = here.clone();
        here.iter_mut().take(1).for_each(|start| *start = true);
        for argument in arguments {
            let mut after_next = vec![false; end + 1];
            for (at, word) in self.words.iter().enumerate() {
                if here.get(at) != Some(&true) {
                    continue;
                }
                let skip = Skip::of(self.tool, at == 0, verdict, argument);
                mark(&mut next, at + 1, word.matches(argument));
                mark(&mut next, at, skip.one);
                mark(&mut after_next, at, skip.two);
            }
            // All words are found: `...` covers the rest.
            mark(&mut next, end, self.open && here.last() == Some(&true));
            here = std::mem::replace(&mut next, after_next);
        }
        here.last() == Some(&true)
    }
}

fn mark(places: &mut [bool], at: usize, reached: bool) {
    if let Some(place) = places.get_mut(at) {
        *place |= reached;
    }
}

/// Whether a token between the words of a pattern may be passed over: alone, or with the token after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Skip {
    one: bool,
    two: bool,
}

impl Skip {
    fn of(tool: Option<&Tool>, first_gap: bool, verdict: Verdict, token: &[u8]) -> Self {
        let option = token.len() > 1 && token.starts_with(b"-");
        let Some(tool) = tool else {
            return Self {
                one: option && verdict >= Verdict::Ask,
                two: false,
            };
        };
        if first_gap && tool.plus && token.len() > 1 && token.starts_with(b"+") {
            return Self { one: true, two: false };
        }
        if verdict < Verdict::Ask {
            let with_value = |name: &&str| {
                name.starts_with("--")
                    && token
                        .strip_prefix(name.as_bytes())
                        .is_some_and(|rest| rest.starts_with(b"="))
            };
            let exact = tool.harmless.iter().any(|name| name.as_bytes() == token);
            return Self {
                one: tool.harmless.iter().any(with_value),
                two: exact,
            };
        }
        if tool.valued().any(|name| name.as_bytes() == token) {
            return Self {
                one: !first_gap,
                two: true,
            };
        }
        Self {
            one: option || first_gap && tool.assignments && is_assignment(token),
            two: false,
        }
    }
}

fn is_assignment(token: &[u8]) -> bool {
    let mut parts = token.splitn(2, |byte| *byte == b'=');
    let name = parts.next().unwrap_or_default();
    parts.next().is_some()
        && name
            .first()
            .is_some_and(|byte| byte.is_ascii_alphabetic() || *byte == b'_')
        && name.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'_')
}

/// What is known of a tool's options before its subcommand.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Tool {
    /// The names these options belong to.
    names: &'static [&'static str],
    /// Whether the names are one program's, so that a pattern for one of them is a pattern for all.
    same: bool,
    /// Options that take the next token as their value; an allow rule passes over these.
    pub(crate) harmless: &'static [&'static str],
    /// The same, but their value can run code, so an allow rule does not pass over them.
    risky: &'static [&'static str],
    /// Whether `+toolchain` may come first.
    pub(crate) plus: bool,
    /// Whether `NAME=value` may come first.
    pub(crate) assignments: bool,
}

impl Tool {
    fn find(program: &str) -> Option<&'static Self> {
        TOOLS.iter().find(|tool| tool.names.contains(&program))
    }

    /// All options that take a value.
    pub(crate) fn valued(&self) -> impl Iterator<Item = &'static str> + use<> {
        self.harmless.iter().chain(self.risky).copied()
    }
}

/// The names a program goes by.
pub(crate) fn names_of(program: &str) -> Vec<&str> {
    Tool::find(program)
        .filter(|tool| tool.same)
        .map_or_else(|| vec![program], |tool| tool.names.to_vec())
}

/// A random tool's value options, for generated actions.
#[cfg(any(test, feature = "generate"))]
pub(crate) fn options_of(program: &str) -> Vec<&'static str> {
    Tool::find(program)
        .map(|tool| tool.valued().collect())
        .unwrap_or_default()
}

const fn tool(
    names: &'static [&'static str],
    harmless: &'static [&'static str],
    risky: &'static [&'static str],
) -> Tool {
    Tool {
        names,
        same: true,
        harmless,
        risky,
        plus: false,
        assignments: false,
    }
}

static TOOLS: &[Tool] = &[
    tool(
        &["git"],
        &[
            "-C",
            "--git-dir",
            "--work-tree",
            "--namespace",
            "--super-prefix",
            "--attr-source",
        ],
        &["-c", "--config-env", "--exec-path"],
    ),
    tool(
        &["npm", "npm-cli.js"],
        &[
            "--prefix",
            "-C",
            "--workspace",
            "-w",
            "--registry",
            "--loglevel",
            "--cache",
            "--tag",
            "--otp",
        ],
        &["--userconfig", "--globalconfig", "--script-shell", "--node-options"],
    ),
    tool(
        &["npx", "npx-cli.js"],
        &["--package", "-p", "--workspace", "-w"],
        &["--call", "-c"],
    ),
    tool(
        &["pnpm", "pnpm.cjs"],
        &["--dir", "-C", "--filter", "-F", "--reporter", "--loglevel"],
        &[],
    ),
    tool(
        &["yarn", "yarn.js"],
        &["--cwd", "--cache-folder", "--registry"],
        &["--use-yarnrc"],
    ),
    Tool {
        same: false,
        ..tool(
            &["docker", "podman"],
            &[
                "--config",
                "-c",
                "--context",
                "-H",
                "--host",
                "-l",
                "--log-level",
                "--tlscacert",
                "--tlscert",
                "--tlskey",
            ],
            &[
                "--root",
                "--runroot",
                "--runtime",
                "--conmon",
                "--hooks-dir",
                "--storage-driver",
                "--url",
                "--connection",
            ],
        )
    },
    tool(
        &["kubectl"],
        &[
            "-n",
            "--namespace",
            "--context",
            "--cluster",
            "--user",
            "--kubeconfig",
            "-s",
            "--server",
            "--token",
            "--as",
            "--as-group",
            "--as-uid",
            "--cache-dir",
            "--certificate-authority",
            "--client-certificate",
            "--client-key",
            "--request-timeout",
            "--tls-server-name",
            "-v",
            "--v",
        ],
        &[],
    ),
    tool(
        &["helm"],
        &[
            "-n",
            "--namespace",
            "--kube-context",
            "--kubeconfig",
            "--registry-config",
        ],
        &["--post-renderer"],
    ),
    Tool {
        plus: true,
        ..tool(&["cargo"], &["-C", "--color", "--manifest-path"], &["--config", "-Z"])
    },
    Tool {
        plus: true,
        ..tool(&["rustup"], &[], &[])
    },
    tool(&["gh"], &["-R", "--repo", "--hostname"], &[]),
    tool(
        &["aws"],
        &[
            "--profile",
            "--region",
            "--output",
            "--query",
            "--endpoint-url",
            "--color",
            "--ca-bundle",
            "--cli-read-timeout",
            "--cli-connect-timeout",
            "--cli-binary-format",
        ],
        &[],
    ),
    tool(
        &["gcloud", "gcloud.py"],
        &[
            "--project",
            "--account",
            "--configuration",
            "--format",
            "--verbosity",
            "--billing-project",
            "--flags-file",
            "--impersonate-service-account",
            "--access-token-file",
            "--trace-token",
        ],
        &[],
    ),
    tool(&["az"], &["--subscription", "--output", "-o", "--query"], &[]),
    Tool {
        same: false,
        ..tool(&["terraform", "tofu"], &["-chdir"], &[])
    },
    tool(
        &["systemctl"],
        &[
            "-H",
            "--host",
            "-M",
            "--machine",
            "-t",
            "--type",
            "-p",
            "--property",
            "-P",
            "--state",
            "-s",
            "--signal",
            "--kill-whom",
            "--root",
            "--image",
            "-n",
            "--lines",
            "-o",
            "--output",
            "--job-mode",
            "--what",
            "--check-inhibitors",
        ],
        &[],
    ),
    tool(
        &["pip", "pip3"],
        &[
            "--proxy",
            "--retries",
            "--timeout",
            "--exists-action",
            "--trusted-host",
            "--cert",
            "--client-cert",
            "--cache-dir",
            "--log",
        ],
        &["--python"],
    ),
    tool(
        &["uv"],
        &[
            "--directory",
            "--project",
            "--cache-dir",
            "--color",
            "--config-file",
            "--allow-insecure-host",
        ],
        &["--python"],
    ),
    tool(&["go"], &["-C"], &[]),
    tool(
        &["make", "gmake"],
        &["-C", "--directory", "-j", "--jobs", "-l", "--load-average", "-W", "-o"],
        &["-f", "--file", "--makefile", "-I", "--include-dir", "--eval"],
    ),
    Tool {
        same: false,
        assignments: true,
        ..tool(
            &["sudo", "doas"],
            &[],
            &[
                "-u",
                "--user",
                "-g",
                "--group",
                "-h",
                "--host",
                "-p",
                "--prompt",
                "-C",
                "--close-from",
                "-r",
                "--role",
                "-t",
                "--type",
                "-T",
                "--command-timeout",
                "-U",
                "--other-user",
                "-D",
                "--chdir",
                "-R",
                "--chroot",
                "-a",
            ],
        )
    },
    Tool {
        assignments: true,
        ..tool(
            &["env"],
            &[],
            &["-u", "--unset", "-C", "--chdir", "-S", "--split-string"],
        )
    },
    Tool {
        same: false,
        ..tool(
            &["apt", "apt-get"],
            &[],
            &["-o", "--option", "-c", "--config-file", "-t", "--target-release", "-a"],
        )
    },
    tool(&["brew"], &[], &[]),
    tool(
        &["mvn"],
        &[],
        &["-f", "--file", "-s", "--settings", "-gs", "-P", "-pl", "--projects"],
    ),
    tool(
        &["ssh"],
        &[],
        &[
            "-i", "-p", "-o", "-l", "-F", "-J", "-L", "-R", "-D", "-b", "-c", "-e", "-m", "-w", "-W", "-S", "-E", "-I",
            "-Q", "-O",
        ],
    ),
    tool(
        &["node", "nodejs"],
        &[],
        &[
            "-r",
            "--require",
            "-e",
            "--eval",
            "-p",
            "--print",
            "--import",
            "--loader",
            "-C",
            "--conditions",
        ],
    ),
];
