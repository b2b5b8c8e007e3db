//! The resolver's place in the sensor: its socket, what it is told, and the one thing it may have done: a binding.
//!
//! The resolver parses what agents and name servers write; nothing of that comes here but addresses and numbers, and the names
//! themselves as text that is only handed on.

use std::collections::VecDeque;
use std::fs::{self, Permissions};
use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::time::{Duration, Instant};

use aa_bpf::abi;
use aa_bpf::names::{Class, NameError, Place};
use aa_policy::HostTable;
use aa_wire::frame::{self, Decoder, FrameError};
use aa_wire::resolver::{
    ADDRESS_LIMIT, Bind, FromResolver, Hello, Named, PROTOCOL_VERSION, SOCKET_NAME, TTL_LIMIT, ToResolver,
};
use aa_wire::sensor::FromSensor;
use aa_wire::{AgentId, Generation, Slot};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::unistd::{Uid, User};
use serde::{Deserialize, Serialize};

use crate::link::send_all;
use crate::sensor::Sensor;

/// The resolver's account; nobody else may be it.
const ACCOUNT: &str = "aa-resolver";
/// A resolver that does not read for so long is not one.
const SEND_TIMEOUT: Duration = Duration::from_secs(2);
/// How long a policy waits for the resolver to bind again what names led to.
const TAKING_TIME: Duration = Duration::from_secs(5);
/// What the gateway is to hear waits for one, this much at most.
const NEWS_LIMIT: usize = 4096;

/// What a policy in force says of hosts.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Hosts {
    pub(crate) observes: bool,
    pub(crate) table: HostTable,
}

/// Why the resolver is not there.
#[derive(Debug, thiserror::Error)]
enum LinkError {
    #[error("it closed the connection")]
    Closed,
    #[error("cannot exchange messages with it")]
    Io(#[from] io::Error),
    #[error("it sent what is no message")]
    Frame(#[from] FrameError),
    #[error("a policy's hosts cannot be written")]
    Encode(#[from] postcard::Error),
}

/// Why an answer may not be given.
#[derive(Debug, thiserror::Error)]
enum BindError {
    #[error("there is no such agent")]
    Agent,
    #[error("its policy is not of this generation")]
    Generation,
    #[error("its policy has no such class of hosts")]
    Class,
    #[error("too many addresses, or for too long")]
    Limit,
    #[error(transparent)]
    Kernel(#[from] NameError),
}

#[derive(Debug)]
struct Link {
    socket: UnixStream,
    decoder: Decoder,
}

/// The resolver, if one is connected.
#[derive(Debug)]
pub(crate) struct Resolver {
    listener: UnixListener,
    account: Option<Uid>,
    link: Option<Link>,
    ready: bool,
    /// A policy about to take force: its slot, generation and number of classes. The resolver may bind under it already.
    coming: Option<(u32, u32, usize)>,
    /// For the gateway.
    news: VecDeque<FromSensor>,
    /// What of it was not handed on for want of room.
    pub(crate) untold: u64,
    /// What the resolver is told once the gateway was.
    bound: Vec<ToResolver>,
}

impl Resolver {
    /// Listens where only the resolver's account may connect. Needs privilege.
    pub(crate) fn listen(run_dir: &Path) -> io::Result<Self> {
        let path = run_dir.join(SOCKET_NAME);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let account = User::from_name(ACCOUNT)?.map(|user| user.uid);
        if account.is_none() {
            tracing::warn!(
                "there is no user `{ACCOUNT}`: names will not be looked up; systemd-sysusers aa-sensord.conf"
            );
        }
        let listener = UnixListener::bind(&path)?;
        fs::set_permissions(&path, Permissions::from_mode(0o600))?;
        nix::unistd::chown(&path, account, None)?;
        listener.set_nonblocking(true)?;
        Ok(Self {
            listener,
            account,
            link: None,
            ready: false,
            coming: None,
            news: VecDeque::new(),
            untold: 0,
            bound: Vec::new(),
        })
    }

    /// What to wait for.
    pub(crate) fn descriptors(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        [self.listener.as_fd()]
            .into_iter()
            .chain(self.link.as_ref().map(|link| link.socket.as_fd()))
    }

    /// Whether lookups are answered.
    pub(crate) fn is_ready(&self) -> bool {
        self.ready
    }

    /// What the gateway is to be told since the last call.
    pub(crate) fn take_news(&mut self) -> VecDeque<FromSensor> {
        std::mem::take(&mut self.news)
    }

    /// Puts back what could not be handed on.
    pub(crate) fn keep_news(&mut self, news: impl Iterator<Item = FromSensor>) {
        for one in news {
            if self.news.len() < NEWS_LIMIT {
                self.news.push_back(one);
            } else {
                self.untold += 1;
            }
        }
    }

    /// A new connection, if it is the resolver's.
    fn accept(&mut self) -> io::Result<Option<UnixStream>> {
        let socket = match self.listener.accept() {
            Ok((socket, _)) => socket,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(None),
            Err(error) => return Err(error),
        };
        let peer = nix::sys::socket::getsockopt(&socket, nix::sys::socket::sockopt::PeerCredentials)?;
        if Some(Uid::from_raw(peer.uid())) != self.account {
            tracing::warn!(
                uid = peer.uid(),
                pid = peer.pid(),
                "not the resolver: connection refused"
            );
            return Ok(None);
        }
        socket.set_nonblocking(false)?;
        socket.set_write_timeout(Some(SEND_TIMEOUT))?;
        Ok(Some(socket))
    }

    fn send(&mut self, message: &ToResolver, descriptors: &[BorrowedFd<'_>]) -> Result<(), LinkError> {
        let Some(link) = &mut self.link else { return Ok(()) };
        let bytes = frame::encode(message)?;
        Ok(send_all(&mut link.socket, &bytes, descriptors)?)
    }

    /// Waits so long for it to say something.
    fn has_spoken(&self, how_long: Duration) -> bool {
        let Some(link) = &self.link else { return false };
        let timeout = PollTimeout::try_from(how_long.as_millis() + 1).unwrap_or(PollTimeout::ZERO);
        let mut waiting = [PollFd::new(link.socket.as_fd(), PollFlags::POLLIN)];
        poll(&mut waiting, timeout).is_ok_and(|count| count > 0)
    }

    fn receive(&mut self) -> Result<Vec<FromResolver>, LinkError> {
        let Some(link) = &mut self.link else {
            return Ok(Vec::new());
        };
        let mut buffer = vec![0; 64 << 10];
        let read = link.socket.read(&mut buffer)?;
        if read == 0 {
            return Err(LinkError::Closed);
        }
        link.decoder.push(buffer.get(..read).unwrap_or_default());
        let mut messages = Vec::new();
        while let Some(message) = link.decoder.next_message()? {
            messages.push(message);
        }
        Ok(messages)
    }
}

impl Sensor {
    /// Takes a resolver that connects, and tells it all it needs. An earlier one is not heard any more.
    pub(crate) fn accept_resolver(&mut self) {
        let socket = match self.resolver.accept() {
            Ok(Some(socket)) => socket,
            Ok(None) => return,
            Err(error) => return tracing::warn!(%error, "cannot take the resolver's connection"),
        };
        self.drop_resolver("another one connects");
        self.resolver.link = Some(Link {
            socket,
            decoder: Decoder::new(),
        });
        if let Err(error) = self.greet_resolver() {
            self.drop_resolver(&error.to_string());
        }
    }

    fn greet_resolver(&mut self) -> Result<(), LinkError> {
        let hello = ToResolver::Hello(Hello {
            protocol_version: PROTOCOL_VERSION,
            abi_version: abi::AA_ABI_VERSION,
        });
        let askers = self.names.askers().try_clone_to_owned()?;
        self.resolver.send(&hello, &[askers.as_fd()])?;
        let policies = self
            .registry
            .slots()
            .filter_map(|(slot, entry)| Some((slot, entry.generation, entry.hosts.as_ref()?)))
            .map(|(slot, generation, hosts)| policy(slot, generation, hosts))
            .collect::<Result<Vec<_>, _>>()?;
        let agents = self.registry.agents().map(|(agent, entry)| ToResolver::Agent {
            agent: AgentId(agent),
            slot: Slot(entry.slot),
        });
        let agents: Vec<ToResolver> = agents.collect();
        for message in policies.iter().chain(&agents) {
            self.resolver.send(message, &[])?;
        }
        Ok(())
    }

    fn drop_resolver(&mut self, why: &str) {
        if self.resolver.link.take().is_none() {
            return;
        }
        self.resolver.ready = false;
        self.resolver.bound.clear();
        tracing::warn!(why, "the resolver is gone; lookups are refused until one is back");
        if let Err(error) = self.names.set_resolver(Place::default()) {
            tracing::error!(%error, "lookups are still sent to where the resolver was");
        }
    }

    fn tell_resolver(&mut self, message: &ToResolver) {
        if let Err(error) = self.resolver.send(message, &[]) {
            self.drop_resolver(&error.to_string());
        }
    }

    /// Has the resolver bind again, under a policy that is about to take force, what names led to under the one before: then
    /// they lead there still when it does. A resolver that does not answer in time is not waited for.
    pub(crate) fn prepare_hosts(&mut self, slot: u32, generation: u32, hosts: &Hosts) {
        if !self.resolver.ready {
            return;
        }
        match policy(slot, generation, hosts) {
            Ok(message) => self.tell_resolver(&message),
            Err(error) => return self.drop_resolver(&error.to_string()),
        }
        self.resolver.coming = Some((slot, generation, hosts.table.classes.len()));
        let deadline = Instant::now() + TAKING_TIME;
        while self.resolver.ready && self.resolver.coming.is_some() {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() || !self.resolver.has_spoken(left) {
                tracing::warn!(slot, generation, "the resolver has not taken the policy in time");
                break;
            }
            self.hear_resolver();
        }
        self.resolver.coming = None;
    }

    /// Tells what a slot's policy says of hosts, now that it is in force.
    pub(crate) fn tell_hosts(&mut self, slot: u32) {
        let entry = self.registry.slot(slot);
        let told = match entry.and_then(|entry| Some((entry.generation, entry.hosts.as_ref()?))) {
            Some((generation, hosts)) => policy(slot, generation, hosts),
            None => Ok(ToResolver::NoPolicy { slot: Slot(slot) }),
        };
        match told {
            Ok(message) => self.tell_resolver(&message),
            Err(error) => self.drop_resolver(&error.to_string()),
        }
    }

    pub(crate) fn tell_agent(&mut self, agent: u32, slot: u32) {
        self.tell_resolver(&ToResolver::Agent {
            agent: AgentId(agent),
            slot: Slot(slot),
        });
    }

    /// An agent is gone: its addresses are nobody's before its number is another's.
    pub(crate) fn forget_names(&mut self, agent: u32) {
        self.tell_resolver(&ToResolver::AgentEnded { agent: AgentId(agent) });
        if let Err(error) = self.names.sweep(|other| other != agent) {
            tracing::error!(%error, agent, "the addresses of an ended agent are not forgotten");
        }
    }

    /// Does what the resolver says; call when its socket is readable.
    pub(crate) fn hear_resolver(&mut self) {
        let messages = match self.resolver.receive() {
            Ok(messages) => messages,
            Err(error) => return self.drop_resolver(&error.to_string()),
        };
        for message in messages {
            match message {
                FromResolver::Ready { port4, port6, network } => self.use_resolver(Place { port4, port6, network }),
                FromResolver::Bind(bind) => self.answer_bind(bind),
                FromResolver::Looked(looked) => self.resolver.keep_news([FromSensor::Looked(looked)].into_iter()),
                FromResolver::PolicyTaken { slot, generation } => {
                    let coming = |(one, other, _): &(u32, u32, usize)| (*one, *other) == (slot.0, generation.0);
                    self.resolver.coming.take_if(|policy| coming(policy));
                }
            }
        }
    }

    /// Binds now; the resolver hears of it after the gateway has heard what was bound.
    fn answer_bind(&mut self, bind: Bind) {
        let done = self.bind_names(&bind);
        if let Err(error) = &done {
            tracing::warn!(agent = %bind.agent, %error, "an answer is withheld");
        }
        self.resolver.bound.push(ToResolver::Bound {
            id: bind.id,
            bound: done.is_ok(),
        });
        if done.is_ok() {
            let named = Named {
                agent: bind.agent,
                name: bind.name,
                addresses: bind.addresses,
            };
            self.resolver.keep_news([FromSensor::Named(named)].into_iter());
        }
    }

    /// Answers what was bound. Call when the gateway was told.
    pub(crate) fn answer_resolver(&mut self) {
        for message in std::mem::take(&mut self.resolver.bound) {
            self.tell_resolver(&message);
        }
    }

    fn use_resolver(&mut self, place: Place) {
        match self.names.set_resolver(place) {
            Ok(()) => {
                self.resolver.ready = true;
                tracing::info!(port4 = place.port4, port6 = place.port6, "resolver ready");
            }
            Err(error) => tracing::error!(%error, "lookups are refused"),
        }
    }

    fn bind_names(&self, bind: &Bind) -> Result<(), BindError> {
        let agent = self.registry.agent(bind.agent.0).ok_or(BindError::Agent)?;
        let coming = self.resolver.coming.filter(|(slot, ..)| *slot == agent.slot);
        let in_force = self.registry.slot(agent.slot).map(|entry| {
            let classes = entry.hosts.as_ref().map_or(0, |hosts| hosts.table.classes.len());
            (agent.slot, entry.generation, classes)
        });
        let mut policies = coming.into_iter().chain(in_force);
        let of_generation = policies.find(|(_, generation, _)| Generation(*generation) == bind.generation);
        let (_, generation, classes) = of_generation.ok_or(BindError::Generation)?;
        if usize::from(bind.class) >= classes {
            return Err(BindError::Class);
        }
        if bind.addresses.len() > ADDRESS_LIMIT || bind.ttl_s > TTL_LIMIT {
            return Err(BindError::Limit);
        }
        let class = Class {
            number: bind.class,
            generation,
        };
        let lasts = Duration::from_secs(bind.ttl_s.into());
        for address in &bind.addresses {
            self.names.bind(bind.agent.0, *address, class, lasts)?;
        }
        Ok(())
    }
}

fn policy(slot: u32, generation: u32, hosts: &Hosts) -> Result<ToResolver, postcard::Error> {
    Ok(ToResolver::Policy {
        slot: Slot(slot),
        generation: Generation(generation),
        observes: hosts.observes,
        hosts: postcard::to_stdvec(&hosts.table)?,
    })
}
