//! `aa-resolver`: the DNS server of governed agents, a service of its own and nobody's root.
//!
//! Life: refuse to be root, give up what is left, listen at the loopback addresses, then stay connected to the sensor, which says who
//! asks and by which policy. [`service`] lists tasks, channels and state; what is answered is decided in the library.

mod service;

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::unix::fs::MetadataExt;
use std::process::ExitCode;

use aa_resolver::{Limits, Listener, Server};
use aa_wire::WireError;
use anyhow::{Context, Result};
use clap::Parser;

use crate::service::link::{self, Place};
use crate::service::privileges;
use crate::service::resolv_conf::{RESOLV_CONF, Servers};
use crate::service::settings::{Flags, Settings};
use crate::service::world::{World, now};

fn main() -> ExitCode {
    let flags = Flags::parse();
    let filter = tracing_subscriber::EnvFilter::try_from_env("AA_LOG").unwrap_or_else(|_| "info".into());
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        .with_ansi(false)
        .init();
    match live(&flags.into()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let told = match error.downcast::<WireError>() {
                Ok(told) => told,
                Err(error) => WireError::from_error("resolver-failed", error.as_ref()),
            };
            eprintln!("{told}");
            ExitCode::FAILURE
        }
    }
}

fn live(settings: &Settings) -> Result<()> {
    privileges::refuse_root()?;
    privileges::drop_all()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(serve(settings))
}

async fn serve(settings: &Settings) -> Result<()> {
    let listeners = listen().await.context("cannot listen at the loopback address")?;
    let own = listeners
        .iter()
        .map(Listener::address)
        .collect::<io::Result<Vec<_>>>()?;
    let place = place_of(&own).context("cannot tell the network namespace")?;
    let servers = if settings.upstream.is_empty() {
        Servers::from_file(RESOLV_CONF.into(), own, now())
    } else {
        Servers::given(&settings.upstream, own)
    };
    let world = World::new(servers);
    let server = Server::new(listeners, Limits::default(), world.clone());
    tokio::select! {
        ended = server.run() => ended.context("a socket failed"),
        ended = link::keep(&settings.socket, &world, place) => match ended {
            Ok(never) => match never {},
            Err(error) => Err(error).context("this resolver and the sensor are not of the same build"),
        },
    }
}

/// Listens at 127.0.0.1, and at ::1 where that is there.
async fn listen() -> io::Result<Vec<Listener>> {
    let mut listeners = vec![Listener::bind((Ipv4Addr::LOCALHOST, 0).into()).await?];
    match Listener::bind((Ipv6Addr::LOCALHOST, 0).into()).await {
        Ok(listener) => listeners.push(listener),
        Err(error) => tracing::info!(%error, "no ::1, so it is served at 127.0.0.1 alone"),
    }
    Ok(listeners)
}

fn place_of(addresses: &[SocketAddr]) -> Result<Place> {
    let network = std::fs::metadata("/proc/self/ns/net")?.ino();
    let port = |ip: IpAddr| addresses.iter().find(|address| address.ip() == ip);
    Ok(Place {
        port4: port(Ipv4Addr::LOCALHOST.into()).map_or(0, SocketAddr::port),
        port6: port(Ipv6Addr::LOCALHOST.into()).map_or(0, SocketAddr::port),
        network: network.try_into()?,
    })
}
