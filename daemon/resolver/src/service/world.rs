//! The world around the server, as the sensor tells it.

use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use aa_bpf::askers::Transport;
use aa_policy::HostName;
use aa_resolver::{Asker, BindError, Bindings, Refusal, Surroundings};
use aa_wire::resolver::FromResolver;
use nix::time::{ClockId, clock_gettime};
use tokio::time::timeout;

use super::book::{Begun, Book, NotBound};
use super::resolv_conf::Servers;

/// How long an answer is held back for its binding.
const BIND_TIMEOUT: Duration = Duration::from_secs(2);

/// A handle to it.
#[derive(Debug, Clone)]
pub(crate) struct World(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    book: Mutex<Book>,
    servers: Mutex<Servers>,
}

impl World {
    /// Nothing is told yet.
    pub(crate) fn new(servers: Servers) -> Self {
        Self(Arc::new(Inner {
            book: Mutex::default(),
            servers: Mutex::new(servers),
        }))
    }

    /// What the sensor told.
    pub(crate) fn book(&self) -> MutexGuard<'_, Book> {
        self.0.book.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Since the machine began, its sleep included: bindings expire by this clock in the kernel too.
pub(crate) fn now() -> Duration {
    // This clock is always there.
    clock_gettime(ClockId::CLOCK_BOOTTIME).map_or(Duration::ZERO, Duration::from)
}

impl Bindings for World {
    async fn bind(&self, asker: &Asker, addresses: &[IpAddr], name: &HostName, ttl: Duration) -> Result<(), BindError> {
        let begun = self.book().begin(asker, addresses, name, ttl, now());
        let Begun { bind, outgoing, answer } = begun.map_err(|error| BindError(error.into()))?;
        let id = bind.id;
        let exchange = async {
            let sent = outgoing.send(FromResolver::Bind(bind)).await;
            sent.map_err(|_| NotBound::Gone)?;
            match answer.await {
                Ok(true) => Ok(()),
                Ok(false) => Err(NotBound::Refused),
                Err(_) => Err(NotBound::Gone),
            }
        };
        let outcome = timeout(BIND_TIMEOUT, exchange).await.unwrap_or(Err(NotBound::Timeout));
        if outcome.is_err() {
            self.book().give_up(asker.agent, id);
        }
        outcome.map_err(|error| BindError(error.into()))
    }
}

impl Surroundings for World {
    fn asker(&self, from: SocketAddr, transport: Transport) -> Option<Asker> {
        self.book().asker(from, transport)
    }

    fn looked(&self, asker: &Asker, name: &HostName, addresses: &[IpAddr], refusal: Option<&Refusal>) {
        self.book().looked(asker, name, addresses, refusal, now());
    }

    fn upstream(&self) -> Arc<[SocketAddr]> {
        let mut servers = self.0.servers.lock().unwrap_or_else(PoisonError::into_inner);
        servers.current(now())
    }
}
