//! What attacks are made on: two directories, two sets of listeners, somebody else's process.

use std::fmt::Write as _;
use std::fs;
use std::io::Read;
use std::net::{SocketAddr, SocketAddrV6, TcpListener};
use std::os::fd::AsRawFd;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::os::unix::net::{SocketAddr as UnixAddress, UnixListener};
use std::path::Path;
use std::thread;
use std::time::Duration;

use super::{Attack, Leaves, Outcome, Victim};
use crate::act::Act;
use crate::guest::{file_at, script_at, succeed, write_program};
use crate::listeners::{Count, count_connections, hosts, pass, passing, unix_datagram, unix_stream};

const ROOT: &str = "/srv/attack";
const RAN: &str = "/srv/attack/ran";
const RAN_PROGRAM: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/ran"));
const PRELOAD: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/preload.so"));
/// `mov $42, %eax; ret`
const CODE: &[u8] = &[0xb8, 42, 0, 0, 0, 0xc3];

pub(super) struct World {
    port: u16,
    denied_port: u16,
    /// Who listens on the denied side, and on the allowed one.
    listeners: [Vec<Count>; 2],
    victim: Victim,
}

impl World {
    pub(super) fn new(class: &str, catalogue: &[Attack]) -> Self {
        // Whatever another class left.
        let _ = fs::remove_dir_all(ROOT);
        for attack in catalogue {
            for side in ["deny", "allow"] {
                file_at(format!("{ROOT}/mark/{}-{side}", attack.name), "");
            }
        }
        for side in ["deny", "allow"] {
            lay_out(side);
        }
        fs::create_dir(format!("{ROOT}/own")).unwrap();
        program_at(format!("{ROOT}/allowed-not/prog"));
        let mut world = Self {
            port: 0,
            denied_port: 0,
            listeners: [Vec::new(), Vec::new()],
            victim: Victim::start(),
        };
        if class == "control" {
            thread::spawn(obey);
        }
        if ["net", "dns", "race", "resource"].contains(&class) {
            world.listen(class);
        }
        for side in ["deny", "allow"] {
            for (what, how) in [
                ("opens", Opened::Kept),
                ("file", Opened::ToRead),
                ("writable", Opened::ToWrite),
            ] {
                opening(
                    &format!("attack-{class}-{what}-{side}"),
                    format!("{ROOT}/{side}/secret"),
                    how,
                );
            }
        }
        world
    }

    /// A policy with what only the world knows: the port denied on the allowed address, and `rules` more rules.
    pub(super) fn complete(&self, policy: &str, rules: usize) -> String {
        let mut more = String::new();
        for rule in 0..rules {
            // Writing to a string does not fail.
            let _ = writeln!(more, "      - /srv/none/{rule}/**");
        }
        policy
            .replace("DENIED_PORT", &self.denied_port.to_string())
            .replace("# Where it says so, ten thousand more stand here.\n", &more)
    }

    /// TCP and UDP on each address of a side, unix sockets of each kind.
    fn listen(&mut self, class: &str) {
        if class == "dns" {
            self.listen_to_names();
            return;
        }
        // Where nothing like udev makes it.
        if !Path::new("/dev/net/tun").exists() {
            fs::create_dir_all("/dev/net").unwrap();
            succeed("mknod", &["-m", "600", "/dev/net/tun", "c", "10", "200"]);
        }
        for address in ["64:ff9b::7f00:1/128", "64:ff9b::7f00:2/128", "fe80::1/64", "fe80::2/64"] {
            succeed("ip", &["-6", "addr", "replace", address, "dev", "lo", "nodad"]);
        }
        let all = hosts([
            "127.0.0.2",
            "fd00::2",
            "64:ff9b::7f00:2",
            "127.0.0.1",
            "fd00::1",
            "64:ff9b::7f00:1",
        ]);
        self.port = all[0].port;
        for (place, host) in all.iter().enumerate() {
            self.listeners[place / 3].extend([host.tcp.clone(), host.udp.clone()]);
        }
        for (side, address) in ["fe80::2", "fe80::1"].iter().enumerate() {
            let at = SocketAddrV6::new(address.parse().unwrap(), self.port, 0, 1);
            self.listeners[side].push(count_connections(TcpListener::bind(SocketAddr::V6(at)).unwrap()));
        }
        let denied = TcpListener::bind("127.0.0.1:0").unwrap();
        self.denied_port = denied.local_addr().unwrap().port();
        self.listeners[0].push(count_connections(denied));
        for (place, side) in ["deny", "allow"].iter().enumerate() {
            let sockets = format!("{ROOT}/sockets-{side}");
            fs::create_dir_all(&sockets).unwrap();
            self.listeners[place].extend([
                unix_stream(&format!("{sockets}/stream")),
                unix_datagram(&format!("{sockets}/dgram")),
                unix_stream(&format!("@attack-{class}-stream-{side}")),
            ]);
            let host = all[place * 3].address;
            let connected = std::net::TcpStream::connect((host, self.port)).unwrap();
            passing(&format!("@attack-{class}-connected-{side}"), connected);
        }
    }

    /// Where names lead, and the sockets of those who look names up for others.
    fn listen_to_names(&mut self) {
        let [listed, unlisted] = crate::names::two_servers();
        self.port = listed.port;
        self.listeners[0].extend([unlisted.tcp, unlisted.udp]);
        self.listeners[1].extend([listed.tcp, listed.udp]);
        for (place, name) in [
            (0, "/run/systemd/resolve/io.systemd.Resolve"),
            (0, "/run/nscd/socket"),
            (1, "/run/attack/stream"),
        ] {
            fs::create_dir_all(Path::new(name).parent().unwrap()).unwrap();
            // One that is there is not ours to replace: nobody may reach it either.
            if !Path::new(name).exists() {
                let heard = unix_stream(name);
                // Every program that looks a user up knocks at nscd's.
                if name != "/run/nscd/socket" {
                    self.listeners[place].push(heard);
                }
            }
        }
    }

    /// Runs an attack on one side; what came of it, by its own word and by what others see.
    pub(super) fn run(&mut self, attack: &Attack, side: &str, act: &mut Act) -> Outcome {
        let place = usize::from(side == "allow");
        let tree = format!("{ROOT}/{side}");
        let _ = fs::remove_file(RAN);
        let own = format!("{ROOT}/own");
        fs::remove_dir_all(&own).unwrap();
        fs::create_dir(&own).unwrap();
        let (files, heard) = (snapshot(Path::new(&tree)), self.heard(place));
        let condition = self.victim.condition();
        let answer = act.ask(&format!(
            "{}/{} {side} {} {} {} {}",
            attack.class,
            attack.name,
            self.port,
            self.denied_port,
            self.victim.child.id(),
            self.victim.word
        ));
        let (code, said) = answer.split_once(' ').unwrap_or((&answer, ""));
        let changed = snapshot(Path::new(&tree)) != files;
        let harmed = self.victim.condition() != condition;
        let reached = self.hears_more(place, heard, place == 1 && attack.leaves == Leaves::Reaches);
        let happenings = [
            (Leaves::Reads, said.contains(&format!("secret-of-{side}"))),
            (Leaves::Changes, changed),
            (Leaves::Runs, Path::new(RAN).exists()),
            (Leaves::Reaches, reached),
            (Leaves::Harms, harmed),
        ];
        // On the denied side nothing at all may have happened.
        let seen = happenings
            .iter()
            .any(|(leaves, happened)| *happened && (place == 0 || *leaves == attack.leaves));
        let outcome = Outcome {
            code: code.to_owned(),
            said: said.to_owned(),
            seen,
        };
        if changed {
            lay_out(side);
        }
        if harmed {
            self.victim = Victim::start();
        }
        outcome
    }

    /// What was sent may be on its way.
    fn hears_more(&self, place: usize, before: usize, expected: bool) -> bool {
        if self.listeners[place].is_empty() {
            return false;
        }
        for _ in 0..if expected { 200 } else { 2 } {
            if self.heard(place) != before {
                return true;
            }
            thread::sleep(Duration::from_millis(10));
        }
        self.heard(place) != before
    }

    fn heard(&self, place: usize) -> usize {
        self.listeners[place].iter().map(Count::now).sum()
    }
}

/// What somebody else opens the file for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Opened {
    /// Itself.
    Kept,
    /// To pass it on.
    ToRead,
    ToWrite,
}

/// Somebody who opens the file whenever one connects.
fn opening(name: &str, path: String, how: Opened) {
    let listener = UnixListener::bind_addr(&UnixAddress::from_abstract_name(name).unwrap()).unwrap();
    thread::spawn(move || {
        while let Ok((mut stream, _)) = listener.accept() {
            let to_write = how == Opened::ToWrite;
            // It may be gone just now.
            let Ok(file) = fs::File::options().read(!to_write).write(to_write).open(&path) else {
                continue;
            };
            if how == Opened::Kept {
                let _ = stream.read(&mut [0]);
            } else {
                pass(&stream, file.as_raw_fd());
            }
        }
    });
}

/// Somebody who reads the files that a request in shared memory names: a flag, a path, room for the answer.
fn obey() {
    loop {
        thread::sleep(Duration::from_millis(20));
        let Ok(memory) = fs::File::options()
            .read(true)
            .write(true)
            .open(format!("{ROOT}/own/shared"))
        else {
            continue;
        };
        let mut request = [0; 1024];
        // It may be empty still.
        let length = memory.read_at(&mut request, 0).unwrap_or(0);
        let path = request[..length].split(|byte| *byte == 0).next().unwrap_or_default();
        if let [1, path @ ..] = path {
            let answer = fs::read(std::ffi::OsStr::from_bytes(path)).unwrap_or_default();
            memory.write_all_at(&answer, 2048).unwrap();
            memory.write_all_at(&[2], 0).unwrap();
        }
    }
}

fn program_at(path: impl AsRef<Path>) {
    let path = path.as_ref();
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    write_program(path, RAN_PROGRAM).unwrap();
}

/// The directory of one side as it is before each attack.
fn lay_out(side: &str) {
    let tree = format!("{ROOT}/{side}");
    // Whatever an attack left. Immutable files it may have made are not removed: the next line says so.
    let _ = fs::remove_dir_all(&tree);
    let at = |name: &str| format!("{tree}/{name}");
    let secret = format!("secret-of-{side}");
    for name in ["secret", "dir/inner", "new\nline", "empty/keep"] {
        file_at(at(name), &secret);
    }
    let invalid = Path::new(&tree).join(std::ffi::OsStr::from_bytes(b"\xff\xfe"));
    fs::write(invalid, &secret).unwrap();
    fs::create_dir(at("hollow")).unwrap();
    program_at(at("prog"));
    program_at(at("tool"));
    fs::copy("/usr/bin/touch", at("dynamic")).unwrap();
    fs::write(at("preload.so"), PRELOAD).unwrap();
    let mut page = CODE.to_vec();
    page.resize(4096, 0);
    fs::write(at("code"), page).unwrap();
    script_at(at("script"), &format!("#!{ROOT}/allow/prog\n"));
    file_at(at("commands"), &format!(": >{RAN}\n"));
}

/// All that a change of a tree changes, but for when it was read.
fn snapshot(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let mut waiting = vec![folder.to_owned()];
    while let Some(path) = waiting.pop() {
        let Ok(about) = fs::symlink_metadata(&path) else {
            continue;
        };
        let content = if about.is_file() && about.len() < 100 {
            fs::read(&path).unwrap_or_default()
        } else {
            Vec::new()
        };
        if about.is_dir() {
            waiting.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
        }
        let (mode, links, changed) = (about.mode(), about.nlink(), (about.ctime(), about.ctime_nsec()));
        found.push(format!(
            "{} {mode:o} {links} {changed:?} {} {content:?}",
            path.display(),
            about.len()
        ));
    }
    found.sort();
    found
}
