//! A server between a client and an upstream on 127.0.0.1: the world of the tests in `serving`.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aa_bpf::askers::Transport;
use aa_policy::{HostName, HostTable};
use aa_wire::{AgentId, Generation};
use hickory_proto::op::{Message, ResponseCode};
use hickory_proto::rr::{Record, RecordType};
use tokio::net::{TcpListener, UdpSocket};
use tokio::time::timeout;

use super::{POLICY, a, cname, message, name, table};
use crate::decide::Refusal;
use crate::server::Server;
use crate::surroundings::{Asker, BindError, Bindings, Limits, Surroundings};
use crate::upstream::{read_framed, write_framed};

pub(super) const AGENT: AgentId = AgentId(3);
pub(super) const LOCAL: &str = "127.0.0.1:0";
pub(super) const SHORT: Duration = Duration::from_millis(300);

pub(super) type Bound = (AgentId, Vec<IpAddr>, String, Duration);

/// What happened, in order.
#[derive(Debug, Default)]
pub(super) struct Seen {
    pub(super) bound: Mutex<Vec<Bound>>,
    pub(super) refused: Mutex<Vec<String>>,
    pub(super) told: Mutex<Vec<(String, Vec<IpAddr>)>>,
    pub(super) transports: Mutex<Vec<Transport>>,
    /// What upstream was asked, as it came.
    pub(super) asked: Mutex<Vec<Message>>,
}

#[derive(Debug, Clone)]
pub(super) struct World {
    pub(super) seen: Arc<Seen>,
    pub(super) hosts: Arc<HostTable>,
    pub(super) agent: Option<AgentId>,
    pub(super) observes: bool,
    pub(super) binding_fails: bool,
    pub(super) upstream: Arc<[SocketAddr]>,
}

impl Bindings for World {
    async fn bind(&self, asker: &Asker, addresses: &[IpAddr], name: &HostName, ttl: Duration) -> Result<(), BindError> {
        if self.binding_fails {
            return Err(BindError("the table is full".into()));
        }
        self.seen
            .bound
            .lock()
            .unwrap()
            .push((asker.agent, addresses.to_vec(), name.to_string(), ttl));
        Ok(())
    }
}

impl Surroundings for World {
    fn asker(&self, _: SocketAddr, transport: Transport) -> Option<Asker> {
        self.seen.transports.lock().unwrap().push(transport);
        self.agent.map(|agent| Asker {
            agent,
            term: 1,
            hosts: Arc::clone(&self.hosts),
            generation: Generation(1),
            observes: self.observes,
        })
    }

    fn looked(&self, _: &Asker, name: &HostName, addresses: &[IpAddr], refusal: Option<&Refusal>) {
        match refusal {
            Some(refusal) => self.seen.refused.lock().unwrap().push(format!("{name}: {refusal}")),
            None => self
                .seen
                .told
                .lock()
                .unwrap()
                .push((name.to_string(), addresses.to_vec())),
        }
    }

    fn upstream(&self) -> Arc<[SocketAddr]> {
        Arc::clone(&self.upstream)
    }
}

/// How the upstream of a test behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Upstream {
    Honest,
    Silent,
    /// Forged answers before the true one: another id, another question, not even a message.
    Attacked,
    /// Cut datagrams; the answer is to be had by TCP.
    Cut,
    /// Only ever the wrong question.
    Lying,
}

fn zone() -> HashMap<&'static str, Vec<Record>> {
    let many = (1..80)
        .map(|last| a("many.wild.test", 60, &format!("140.82.113.{last}")))
        .collect();
    HashMap::from([
        ("api.test.", vec![a("api.test", 120, "140.82.112.3")]),
        (
            "asked.test.",
            vec![cname("asked.test", 90, "end.test"), a("end.test", 30, "140.82.112.9")],
        ),
        (
            "leads.wild.test.",
            vec![
                cname("leads.wild.test", 90, "a.evil.test"),
                a("a.evil.test", 30, "140.82.112.7"),
            ],
        ),
        ("end.test.", vec![a("end.test", 30, "140.82.112.9")]),
        ("rebound.wild.test.", vec![a("rebound.wild.test", 1, "169.254.169.254")]),
        ("many.wild.test.", many),
    ])
}

fn answered(question: &Message) -> Message {
    let mut answer = Message::response(question.metadata.id, question.metadata.op_code);
    answer.queries.clone_from(&question.queries);
    match zone().get(question.queries[0].name().to_ascii().as_str()) {
        Some(records) => answer.answers.clone_from(records),
        None => answer.metadata.response_code = ResponseCode::NXDomain,
    }
    answer
}

async fn start_upstream(kind: Upstream, seen: Arc<Seen>) -> SocketAddr {
    let tcp = TcpListener::bind(LOCAL).await.unwrap();
    let udp = UdpSocket::bind(tcp.local_addr().unwrap()).await.unwrap();
    let address = udp.local_addr().unwrap();
    let by_tcp = Arc::clone(&seen);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = tcp.accept().await {
            let bytes = read_framed(&mut stream, 4_096).await.unwrap().unwrap();
            let question = Message::from_vec(&bytes).unwrap();
            by_tcp.asked.lock().unwrap().push(question.clone());
            write_framed(&mut stream, &answered(&question).to_vec().unwrap())
                .await
                .unwrap();
        }
    });
    tokio::spawn(async move {
        let mut buffer = [0; 4_096];
        while let Ok((length, from)) = udp.recv_from(&mut buffer).await {
            let question = Message::from_vec(&buffer[..length]).unwrap();
            seen.asked.lock().unwrap().push(question.clone());
            let answer = answered(&question);
            let mut other_id = answer.clone();
            other_id.metadata.id ^= 1;
            other_id.answers = vec![a("api.test", 1, "6.6.6.6")];
            let mut other_question = answer.clone();
            other_question.queries[0].set_name(name("elsewhere.test"));
            other_question.answers = vec![a("api.test", 1, "6.6.6.6")];
            let sent = match kind {
                Upstream::Honest => vec![answer.to_vec().unwrap()],
                Upstream::Silent => Vec::new(),
                Upstream::Lying => vec![other_question.to_vec().unwrap()],
                Upstream::Cut => vec![answer.truncate().to_vec().unwrap()],
                Upstream::Attacked => vec![
                    other_id.to_vec().unwrap(),
                    other_question.to_vec().unwrap(),
                    b"\0\0".to_vec(),
                    question.to_vec().unwrap(),
                    answer.to_vec().unwrap(),
                ],
            };
            for bytes in sent {
                udp.send_to(&bytes, from).await.unwrap();
            }
        }
    });
    address
}

pub(super) struct Scene {
    pub(super) server: SocketAddr,
    /// The same server at a second address.
    pub(super) other: SocketAddr,
    pub(super) seen: Arc<Seen>,
}

impl Scene {
    pub(super) async fn new(upstream: Upstream, change: impl FnOnce(&mut World, &mut Limits)) -> Self {
        let seen = Arc::<Seen>::default();
        let mut world = World {
            seen: Arc::clone(&seen),
            hosts: table(POLICY),
            agent: Some(AGENT),
            observes: false,
            binding_fails: false,
            upstream: Arc::new([]),
        };
        let mut limits = Limits {
            upstream_timeout: SHORT,
            upstream_tries: 1,
            idle_timeout: SHORT,
            ..Limits::default()
        };
        change(&mut world, &mut limits);
        world.upstream = Arc::new([start_upstream(upstream, Arc::clone(&seen)).await]);
        let addresses = [LOCAL.parse().unwrap(), LOCAL.parse().unwrap()];
        let server = Server::bind(&addresses, limits, world).await.unwrap();
        let addresses = server.addresses().unwrap();
        tokio::spawn(server.run());
        Self {
            server: addresses[0],
            other: addresses[1],
            seen,
        }
    }

    pub(super) async fn send(&self, bytes: &[u8]) -> Option<Message> {
        let socket = UdpSocket::bind(LOCAL).await.unwrap();
        socket.send_to(bytes, self.server).await.unwrap();
        let mut buffer = [0; 4_096];
        let length = timeout(SHORT * 4, socket.recv(&mut buffer)).await.ok()?.unwrap();
        Some(Message::from_vec(&buffer[..length]).unwrap())
    }

    pub(super) async fn ask(&self, text: &str, kind: RecordType) -> Option<Message> {
        let question = message(text, kind);
        let reply = self.send(&question.to_vec().unwrap()).await?;
        assert_eq!(reply.metadata.id, question.metadata.id);
        assert!(reply.queries[0].name().eq_case(question.queries[0].name()));
        Some(reply)
    }

    pub(super) fn bound(&self) -> Vec<Bound> {
        self.seen.bound.lock().unwrap().clone()
    }

    pub(super) fn refused(&self) -> Vec<String> {
        self.seen.refused.lock().unwrap().clone()
    }
}

pub(super) fn unchanged(_: &mut World, _: &mut Limits) {}

/// What RFC 8914 says beside the code.
pub(super) fn reason(reply: &Message) -> String {
    let options = reply.edns.as_ref().unwrap().options();
    let bytes: Vec<u8> = options
        .options
        .iter()
        .find(|(code, _)| u16::from(*code) == 15)
        .map(|(_, option)| Vec::try_from(option).unwrap())
        .unwrap();
    assert_eq!(bytes[..2], [0, 15]);
    String::from_utf8(bytes[2..].to_vec()).unwrap()
}
