//! Sockets whose owners do for whoever asks what that one may not do itself: start containers or units, sign, type into other terminals.
//!
//! No policy lets an agent reach one by a wildcard; a rule that names it does. What an agent listens on itself is no deputy of anybody.

use crate::glob::{PathPattern, Piece};
use crate::rule::{Pattern, Rule, RuleKind, Section};
use crate::verdict::Verdict;

/// Where deputies listen by default, as their own documentation has it.
const DEPUTIES: [&str; 44] = [
    // Containers and machines.
    "/run/docker.sock",
    "/run/user/*/docker.sock",
    "/home/*/.docker/run/docker.sock",
    "/run/containerd/**",
    "/run/k3s/containerd/**",
    "@/containerd-shim/**",
    "/run/crio/crio.sock",
    "/run/podman/podman.sock",
    "/run/user/*/podman/podman.sock",
    "/run/buildkit/buildkitd.sock",
    "/var/lib/{lxd,incus}/unix.socket",
    "/var/snap/lxd/common/lxd/unix.socket",
    "/run/libvirt/**",
    "/run/user/*/libvirt/**",
    "/run/WSL/**",
    // Services of the system and of the session.
    "/run/dbus/system_bus_socket",
    "/run/user/*/bus",
    "{@,}/tmp/dbus-*",
    "/run/systemd/private",
    "/run/user/*/systemd/private",
    "{/run,/run/user/*}/systemd/io.systemd.*",
    "/run/udev/control",
    "/run/{snapd,snapd-snap}.socket",
    "/run/NetworkManager/private*",
    // Keys.
    "/tmp/ssh-*/agent.*",
    "/home/*/.ssh/agent/**",
    "/run/user/*/{ssh-agent,openssh_agent}*",
    "/run/user/*/keyring/**",
    "/run/user/*/{gnupg,gcr}/**",
    "/home/*/.gnupg/S.gpg-agent*",
    "/home/*/.1password/agent.sock",
    "/run/pcscd/pcscd.comm",
    // Terminals, screens and editors.
    "/tmp/tmux-*/**",
    "/run/screen/**",
    "/run/user/*/zellij/**",
    "{@,}/tmp/.X11-unix/**",
    "/run/user/*/wayland-*",
    "/run/user/*/at-spi/**",
    "/run/user/*/emacs/**",
    "/tmp/emacs*/server",
    "/run/user/*/nvim.*",
    "/tmp/nvim.*/**",
    "/run/user/*/vscode-*.sock",
    "/tmp/vscode-*.sock",
];

/// The rules that close them, of every policy.
pub(crate) fn rules() -> impl Iterator<Item = Rule> {
    DEPUTIES.iter().filter_map(|text| {
        let pattern = Pattern::Unix(PathPattern::socket(text).ok()?);
        Some(Rule::new(
            RuleKind::Deputy,
            Section::Net,
            Verdict::Deny,
            format!("unix:{text}"),
            pattern,
        ))
    })
}

/// Whether a pattern names a socket: its last component is written out, or it is what a deputy is known by here.
pub(crate) fn names(pattern: &PathPattern) -> bool {
    let written_out = |pieces: &Vec<Piece>| {
        let last = pieces
            .rsplit(|piece| matches!(piece, Piece::Byte(b'/') | Piece::Deep))
            .next()
            .unwrap_or_default();
        !last.is_empty() && last.iter().all(|piece| matches!(piece, Piece::Byte(_)))
    };
    DEPUTIES.contains(&pattern.text.as_str()) || pattern.alternatives.iter().all(written_out)
}
