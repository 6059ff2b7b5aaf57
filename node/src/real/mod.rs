//! The operating system as a node's environment: sockets of TCP and UDP, files, a
//! tokio runtime.
//!
//! The only place of the crate that starts threads, spawns tasks on tokio, or
//! touches `std::fs`. No policy of the node lives here.

mod control;
mod disk;
mod executor;
mod key_log;
mod lock;
mod mdns;
mod names;
mod open_files;
mod own_ports;
mod quic;
mod storage;

use std::io;
use std::path::Path;
use std::sync::Arc;

use libp2p::{Transport, dns, tcp};

use crate::config::{Mdns, Quic};
use crate::environment::{ByteStream, Environment, Executor, Observer, Wire};

use names::NoNames;
use own_ports::OwnPorts;

pub use control::{ControlError, ControlSocket, SOCKET_NAME, ask};
pub use disk::FolderDisk;
pub use executor::TokioExecutor;
pub use key_log::{FileKeyLog, KeyLogError};
pub use lock::{FolderLock, LockError};
pub use mdns::SystemLan;
pub use open_files::{TooFewFiles, allow_open_files};
pub use quic::SystemUdp;
pub use storage::StorageThread;

/// The outside world for a node whose data live in `folder`, on the tokio
/// runtime of the caller, with QUIC as `quic` has it and local discovery as `mdns`. If
/// `SSLKEYLOGFILE` is set, the secrets of QUIC connections are written to that file.
///
/// # Errors
/// When the folder cannot be made.
pub fn environment(
    folder: &Path,
    quic: &Quic,
    mdns: &Mdns,
    observer: Arc<dyn Observer>,
) -> io::Result<Environment> {
    let disk = FolderDisk::create(folder)?;
    let executor: Arc<dyn Executor> = Arc::new(TokioExecutor::current());
    Ok(Environment {
        // TCP takes every address, to resolve the names in it: it comes last.
        wires: vec![quic::wire(quic, Arc::clone(&executor)), tcp_wire()],
        executor,
        storage: Arc::new(StorageThread::start(Arc::new(disk))?),
        local: Some(mdns::local(mdns)),
        upnp: true,
        observer,
    })
}

/// TCP, with names resolved as the system is set up to. A system that is not set up for it only
/// keeps addresses with names from being dialled.
fn tcp_wire() -> Wire {
    let tcp = || OwnPorts::new(tcp::Config::default().nodelay(true));
    Wire::Stream(match dns::tokio::Transport::system(tcp()) {
        Ok(named) => named
            .map(|stream, _| -> ByteStream { Box::pin(stream) })
            .boxed(),
        Err(error) => {
            tracing::warn!(%error, "names in addresses cannot be resolved");
            let tcp = tcp().map(|stream, _| -> ByteStream { Box::pin(stream) });
            tcp.or_transport(NoNames::<ByteStream>::new(&error))
                .map(|stream, _| stream.into_inner())
                .boxed()
        }
    })
}
