//! Ungoverned ends of connections, in this process, that count who reaches them.

use std::io::{IoSlice, Read};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr as UnixAddress, UnixDatagram, UnixListener, UnixStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use nix::sys::socket::{ControlMessage, MsgFlags, sendmsg};

/// Counts who came. Its thread lives as long as the tests.
#[derive(Clone, Debug, Default)]
pub(crate) struct Count(Arc<AtomicUsize>);

impl Count {
    fn one(&self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }

    /// How many came so far.
    pub(crate) fn now(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }

    /// How many came, once those under way have arrived: none came for a while, also where the host is busy with other things.
    pub(crate) fn settled(&self) -> usize {
        let mut last = self.0.load(Ordering::SeqCst);
        let mut still = 0;
        while still < 4 {
            thread::sleep(Duration::from_millis(50));
            let now = self.0.load(Ordering::SeqCst);
            still = if now == last { still + 1 } else { 0 };
            last = now;
        }
        last
    }
}

/// TCP and UDP on one port of one address.
#[derive(Debug)]
pub(crate) struct Host {
    pub(crate) address: IpAddr,
    pub(crate) port: u16,
    pub(crate) tcp: Count,
    pub(crate) udp: Count,
}

impl Host {
    /// The address and port as two words.
    pub(crate) fn words(&self) -> String {
        format!("{} {}", self.address, self.port)
    }
}

/// Hosts at these addresses, all on one port that is free on all of them.
pub(crate) fn hosts<const N: usize>(addresses: [&str; N]) -> [Host; N] {
    let addresses: [IpAddr; N] = addresses.map(|address| address.parse().unwrap());
    for _ in 0..100 {
        let first = TcpListener::bind((addresses[0], 0)).unwrap();
        let port = first.local_addr().unwrap().port();
        drop(first);
        let bound: Vec<_> = addresses
            .iter()
            .map_while(|address| {
                let at = SocketAddr::new(*address, port);
                Some((TcpListener::bind(at).ok()?, UdpSocket::bind(at).ok()?))
            })
            .collect();
        if let Ok(bound) = <[_; N]>::try_from(bound) {
            let mut bound = bound.into_iter();
            return addresses.map(|address| {
                let (tcp, udp) = bound.next().unwrap();
                Host {
                    address,
                    port,
                    tcp: count_connections(tcp),
                    udp: count_datagrams(udp),
                }
            });
        }
    }
    panic!("no port is free on all addresses")
}

pub(crate) fn count_connections(listener: TcpListener) -> Count {
    let count = Count::default();
    let counting = count.clone();
    thread::spawn(move || {
        let mut kept: Vec<TcpStream> = Vec::new();
        while let Ok((stream, _)) = listener.accept() {
            counting.one();
            kept.push(stream);
        }
    });
    count
}

fn count_datagrams(socket: UdpSocket) -> Count {
    let count = Count::default();
    let counting = count.clone();
    thread::spawn(move || {
        let mut bytes = [0; 64];
        while socket.recv(&mut bytes).is_ok() {
            counting.one();
        }
    });
    count
}

/// A unix socket's address: a path, or an abstract name after `@`.
fn unix_address(name: &str) -> UnixAddress {
    match name.strip_prefix('@') {
        Some(name) => UnixAddress::from_abstract_name(name.as_bytes()).unwrap(),
        None => UnixAddress::from_pathname(name).unwrap(),
    }
}

/// A unix stream socket that accepts.
pub(crate) fn unix_stream(name: &str) -> Count {
    let listener = UnixListener::bind_addr(&unix_address(name)).unwrap();
    let count = Count::default();
    let counting = count.clone();
    thread::spawn(move || {
        while let Ok((mut stream, _)) = listener.accept() {
            counting.one();
            thread::spawn(move || stream.read(&mut [0; 16]));
        }
    });
    count
}

/// A unix datagram socket that receives.
pub(crate) fn unix_datagram(name: &str) -> Count {
    let socket = UnixDatagram::bind_addr(&unix_address(name)).unwrap();
    let count = Count::default();
    let counting = count.clone();
    thread::spawn(move || {
        while socket.recv(&mut [0; 64]).is_ok() {
            counting.one();
        }
    });
    count
}

/// A unix socket whose server passes a descriptor to everybody who connects.
pub(crate) fn passing(name: &str, passed: impl Into<OwnedFd>) {
    let listener = UnixListener::bind_addr(&unix_address(name)).unwrap();
    let passed: OwnedFd = passed.into();
    thread::spawn(move || {
        while let Ok((stream, _)) = listener.accept() {
            pass(&stream, passed.as_raw_fd());
        }
    });
}

/// Passes a descriptor to who is connected.
pub(crate) fn pass(stream: &UnixStream, descriptor: RawFd) {
    let descriptors = [descriptor];
    let control = [ControlMessage::ScmRights(&descriptors)];
    // Whoever connected may have gone; the test sees that it got nothing.
    let _ = sendmsg::<()>(
        stream.as_raw_fd(),
        &[IoSlice::new(b"x")],
        &control,
        MsgFlags::empty(),
        None,
    );
}
