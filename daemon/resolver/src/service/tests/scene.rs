//! The service in a thread of its own; everybody else with plain blocking sockets.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{ErrorKind, IoSlice, Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream, UdpSocket};
use std::os::fd::AsRawFd;
use std::os::unix::fs::FileExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use aa_bpf::abi::{AA_ABI_VERSION, AA_ASKERS_TCP4, AA_ASKERS_UDP4, AA_MAX_ASKERS};
use aa_policy::{Environment, HostName, HostTable, parse_policy};
use aa_wire::frame::{Decoder, encode};
use aa_wire::resolver::{FromResolver, Hello, PROTOCOL_VERSION, SOCKET_NAME, ToResolver};
use aa_wire::{AgentId, Generation, Slot};
use hickory_proto::op::{Message, Query, ResponseCode};
use hickory_proto::rr::rdata::A;
use hickory_proto::rr::{Name, RData, Record, RecordType};
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::socket::{ControlMessage, MsgFlags, sendmsg};
use nix::time::{ClockId, clock_gettime};
use tempfile::TempDir;

use crate::service::link::Place;
use crate::service::settings::Settings;

pub(super) const AGENT: AgentId = AgentId(3);
pub(super) const SLOT: Slot = Slot(2);
const PATIENCE: Duration = Duration::from_secs(10);
const SHORT: Duration = Duration::from_millis(400);
const NAMES: [(&str, [u8; 4]); 3] = [
    ("api.test", [140, 82, 112, 3]),
    ("other.test", [140, 82, 112, 4]),
    ("free.test", [140, 82, 112, 5]),
];

pub(super) fn address(name: &str) -> IpAddr {
    let found = NAMES.iter().find(|(known, _)| *known == name).unwrap();
    Ipv4Addr::from(found.1).into()
}

fn table(net: &str) -> HostTable {
    let text = format!("policy: p\nversion: 1\nnet: {net}\n");
    let policy = parse_policy(&text, "p.yaml", &Environment::default()).unwrap_or_else(|errors| panic!("{errors}"));
    policy.lower(&aa_policy::Limits::default()).unwrap().hosts.unwrap()
}

pub(super) fn class(net: &str, name: &str) -> u16 {
    table(net).find(&HostName::parse(name).unwrap()).class.0
}

fn question(name: &str) -> Vec<u8> {
    let mut message = Message::query();
    message.metadata.recursion_desired = true;
    message.add_query(Query::query(
        Name::from_ascii(format!("{name}.")).unwrap(),
        RecordType::A,
    ));
    message.to_vec().unwrap()
}

/// Answers for ever; counts what it is asked.
fn start_upstream(asked: Arc<AtomicUsize>) -> SocketAddr {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    std::thread::spawn(move || {
        let mut buffer = [0; 4_096];
        while let Ok((length, from)) = socket.recv_from(&mut buffer) {
            asked.fetch_add(1, Ordering::SeqCst);
            let question = Message::from_vec(&buffer[..length]).unwrap();
            let mut answer = Message::response(question.metadata.id, question.metadata.op_code);
            answer.queries.clone_from(&question.queries);
            let name = question.queries[0].name().clone();
            let text = name.to_ascii();
            match NAMES.iter().find(|(known, _)| *known == text.trim_end_matches('.')) {
                Some((_, octets)) => {
                    let data = RData::A(A(Ipv4Addr::from(*octets)));
                    answer.add_answer(Record::from_rdata(name, 120, data));
                }
                None => answer.metadata.response_code = ResponseCode::NXDomain,
            }
            socket.send_to(&answer.to_vec().unwrap(), from).unwrap();
        }
    });
    address
}

pub(super) struct Scene {
    _folder: TempDir,
    listener: UnixListener,
    asked: Arc<AtomicUsize>,
    end: mpsc::Receiver<anyhow::Result<()>>,
}

impl Scene {
    /// Starts the service; `begin` runs in its thread before.
    pub(super) fn new(begin: impl FnOnce() + Send + 'static) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join(SOCKET_NAME);
        let asked = Arc::<AtomicUsize>::default();
        let settings = Settings {
            socket: socket.clone(),
            upstream: vec![start_upstream(Arc::clone(&asked))],
        };
        let (ended, end) = mpsc::channel();
        std::thread::spawn(move || {
            begin();
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            let _ = ended.send(runtime.unwrap().block_on(crate::serve(&settings)));
        });
        // The service looks for the sensor before there is one.
        std::thread::sleep(Duration::from_millis(50));
        let listener = UnixListener::bind(socket).unwrap();
        listener.set_nonblocking(true).unwrap();
        Self {
            _folder: folder,
            listener,
            asked,
            end,
        }
    }

    /// How many questions came upstream.
    pub(super) fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }

    fn accept(&self) -> UnixStream {
        let until = Instant::now() + PATIENCE;
        loop {
            match self.listener.accept() {
                Ok((stream, _)) => {
                    stream.set_nonblocking(false).unwrap();
                    return stream;
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock && Instant::now() < until => {
                    std::thread::sleep(Duration::from_millis(5));
                }
                Err(error) => panic!("the service does not connect: {error}"),
            }
        }
    }

    fn greet(&self, hello: Hello) -> (UnixStream, File) {
        let stream = self.accept();
        let askers = memfd_create("askers", MFdFlags::empty()).unwrap();
        let file = File::from(askers);
        file.set_len(u64::from(AA_MAX_ASKERS) * 8).unwrap();
        let frame = encode(&ToResolver::Hello(hello)).unwrap();
        let descriptors = [file.as_raw_fd()];
        let control = [ControlMessage::ScmRights(&descriptors)];
        let bytes = [IoSlice::new(&frame)];
        sendmsg::<()>(stream.as_raw_fd(), &bytes, &control, MsgFlags::empty(), None).unwrap();
        (stream, file)
    }

    /// A sensor with versions so much higher than ours.
    pub(super) fn greet_with(&self, protocol: u16, abi: u32) {
        self.greet(Hello {
            protocol_version: PROTOCOL_VERSION + protocol,
            abi_version: AA_ABI_VERSION + abi,
        });
    }

    /// A sensor that the service has connected to and is ready for.
    pub(super) fn sensor(&self) -> Sensor {
        let (stream, askers) = self.greet(Hello {
            protocol_version: PROTOCOL_VERSION,
            abi_version: AA_ABI_VERSION,
        });
        let mut sensor = Sensor {
            stream,
            askers,
            decoder: Decoder::new(),
            before: VecDeque::new(),
            ports: Place {
                port4: 0,
                port6: 0,
                network: 0,
            },
        };
        match sensor.hears() {
            FromResolver::Ready { port4, port6, network } => sensor.ports = Place { port4, port6, network },
            other => panic!("{other:?}"),
        }
        sensor
    }

    /// What the service ended with.
    pub(super) fn ended(&self, within: Duration) -> anyhow::Result<()> {
        self.end.recv_timeout(within).unwrap()
    }
}

pub(super) struct Sensor {
    stream: UnixStream,
    askers: File,
    decoder: Decoder,
    /// Heard while something else was waited for.
    before: VecDeque<FromResolver>,
    pub(super) ports: Place,
}

impl Sensor {
    pub(super) fn write(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).unwrap();
    }

    pub(super) fn say(&mut self, message: &ToResolver) {
        self.write(&encode(message).unwrap());
    }

    pub(super) fn policy(&mut self, net: &str, generation: u32, observes: bool) {
        self.say(&ToResolver::Policy {
            slot: SLOT,
            generation: Generation(generation),
            observes,
            hosts: postcard::to_stdvec(&table(net)).unwrap(),
        });
        // What is bound again is heard before.
        let mut before = VecDeque::new();
        loop {
            match self.hears() {
                FromResolver::PolicyTaken {
                    slot,
                    generation: taken,
                } => {
                    assert_eq!((slot, taken), (SLOT, Generation(generation)));
                    break self.before = before;
                }
                other => before.push_back(other),
            }
        }
    }

    /// `AGENT` by a policy.
    pub(super) fn govern(&mut self, net: &str, generation: u32, observes: bool) {
        self.say(&ToResolver::Agent {
            agent: AGENT,
            slot: SLOT,
        });
        self.policy(net, generation, observes);
    }

    /// Gives the service time to take in what was said: questions come another way.
    pub(super) fn settle(&self) {
        std::thread::sleep(Duration::from_millis(50));
        assert!(self.stream.peer_addr().is_ok());
    }

    fn next(&mut self, within: Duration) -> Option<FromResolver> {
        self.stream.set_read_timeout(Some(within)).unwrap();
        let mut buffer = [0; 4_096];
        if let Some(message) = self.before.pop_front() {
            return Some(message);
        }
        loop {
            if let Some(message) = self.decoder.next_message().unwrap() {
                return Some(message);
            }
            match self.stream.read(&mut buffer) {
                Ok(0) => panic!("the service closed the connection"),
                Ok(count) => self.decoder.push(&buffer[..count]),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return None,
                Err(error) => panic!("{error}"),
            }
        }
    }

    pub(super) fn hears(&mut self) -> FromResolver {
        self.next(PATIENCE).unwrap()
    }

    pub(super) fn hears_nothing(&mut self) -> bool {
        self.next(SHORT).is_none()
    }

    fn note(&self, table: u32, from: SocketAddr, agent: AgentId) {
        let place = u64::from(table + u32::from(from.port())) * 8;
        let now = clock_gettime(ClockId::CLOCK_BOOTTIME).unwrap().tv_sec();
        let word = (u64::from(agent.0) | u64::try_from(now).unwrap() << 32).to_ne_bytes();
        self.askers.write_all_at(&word, place).unwrap();
    }

    /// Somebody whom the kernel knows nothing of.
    pub(super) fn stranger(&self) -> Client {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.connect(("127.0.0.1", self.ports.port4)).unwrap();
        socket.set_read_timeout(Some(SHORT)).unwrap();
        Client(socket)
    }

    pub(super) fn client(&self, agent: AgentId) -> Client {
        let client = self.stranger();
        self.note(AA_ASKERS_UDP4, client.0.local_addr().unwrap(), agent);
        client
    }

    pub(super) fn connection(&self, agent: AgentId) -> Connection {
        let stream = TcpStream::connect(("127.0.0.1", self.ports.port4)).unwrap();
        self.note(AA_ASKERS_TCP4, stream.local_addr().unwrap(), agent);
        Connection(stream)
    }
}

/// A process that asks by datagrams.
pub(super) struct Client(UdpSocket);

impl Client {
    pub(super) fn ask(&self, name: &str) {
        self.0.send(&question(name)).unwrap();
    }

    pub(super) fn reply(&self) -> Option<Message> {
        let mut buffer = [0; 4_096];
        let length = self.0.recv(&mut buffer).ok()?;
        Some(Message::from_vec(&buffer[..length]).unwrap())
    }
}

/// A process that asks over a connection.
pub(super) struct Connection(TcpStream);

impl Connection {
    pub(super) fn ask(&mut self, name: &str) {
        let question = question(name);
        let length = u16::try_from(question.len()).unwrap().to_be_bytes();
        self.0.write_all(&[&length, question.as_slice()].concat()).unwrap();
    }

    pub(super) fn reply(&mut self) -> Message {
        let mut length = [0; 2];
        self.0.read_exact(&mut length).unwrap();
        let mut bytes = vec![0; usize::from(u16::from_be_bytes(length))];
        self.0.read_exact(&mut bytes).unwrap();
        Message::from_vec(&bytes).unwrap()
    }
}
