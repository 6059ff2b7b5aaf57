//! The node's environment, filled with a simulated host.
//!
//! Each type here turns one thing of the simulator into the node's trait for it
//! and adds nothing of its own.

use std::io;
use std::sync::Arc;

use futures::FutureExt;
use futures::future::BoxFuture;
use futures_timer::Delay;
use libp2p::core::Transport as _;
use orrery_node::config::Config;
use orrery_node::discovery::local::LocalDiscovery;
use orrery_node::environment::{
    ByteStream, Disk, DiskFile, Environment, Job, Observer, Storage, StorageClosed, Wire,
};
use orrery_node::keys::KEYS_DIR;
use orrery_node::quic::Settings;
use orrery_sim::disk::{SimDisk, SimFile};
use orrery_sim::transport::SimTcp;
use orrery_sim::{HostId, host, kernel, muxed};

use super::executor::HostExecutor;
use super::lan::HostLan;
use super::quic;
use crate::format::scenario::network::Fidelity;
use crate::testbed::HostDisk;

/// The environment of a node that starts now on `host` with `config`.
pub fn environment(
    host: HostId,
    fidelity: Fidelity,
    config: &Config,
    observer: Arc<dyn Observer>,
) -> Environment {
    Environment {
        wires: wires(host, fidelity, config.quic.settings()),
        executor: Arc::new(HostExecutor::of(host)),
        storage: Arc::new(HostStorage::of(host)),
        local: Some(LocalDiscovery::Own(Arc::new(HostLan(host)))),
        upnp: false,
        observer,
    }
}

/// What a program on `host` speaks over: TCP, then QUIC.
pub fn wires(host: HostId, fidelity: Fidelity, quic: Settings) -> Vec<Wire> {
    vec![wire(host, fidelity), quic::wire(host, quic)]
}

/// The host's TCP: to which the node adds Noise and Yamux, or which stands in for them.
fn wire(host: HostId, fidelity: Fidelity) -> Wire {
    match fidelity {
        Fidelity::Wire => {
            let tcp = SimTcp::new(host).map(|stream, _| -> ByteStream { Box::pin(stream) });
            Wire::Stream(tcp.boxed())
        }
        Fidelity::Flow => Wire::Muxed(Box::new(move |keys, _| {
            muxed::transport(host, &keys.public(), muxed::Shape::default())
        })),
    }
}

/// Runs jobs on the host's disk at once, and lets their disk time pass
/// before it acknowledges them.
pub struct HostStorage {
    disk: SimDisk,
    files: Arc<dyn Disk>,
}

impl HostStorage {
    /// The storage of one life of `host`.
    pub fn of(host: HostId) -> Self {
        Self::on(host::disk(host))
    }

    /// Storage on `disk`.
    pub fn on(disk: SimDisk) -> Self {
        let files: Arc<dyn Disk> = Arc::new(Files(disk.clone()));
        Self { disk, files }
    }
}

impl HostDisk for HostStorage {
    fn files(&self) -> &Arc<dyn Disk> {
        &self.files
    }
}

impl Storage for HostStorage {
    fn execute(&self, job: Job) -> BoxFuture<'_, Result<(), StorageClosed>> {
        async move {
            self.disk.begin(kernel::now());
            job(&self.files);
            Delay::new(self.disk.end()).await;
            Ok(())
        }
        .boxed()
    }

    fn is_blank(&self) -> bool {
        self.disk.names().iter().all(|name| name == KEYS_DIR)
    }
}

struct Files(SimDisk);

impl Disk for Files {
    fn open(&self, path: &str, create: bool) -> io::Result<Box<dyn DiskFile>> {
        Ok(Box::new(OpenFile(self.0.open(path, create)?)))
    }
    fn create_dir_all(&self, path: &str) -> io::Result<()> {
        self.0.create_dir_all(path)
    }
    fn list(&self, path: &str) -> io::Result<Vec<String>> {
        self.0.list(path)
    }
    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.0.rename(from, to)
    }
    fn remove(&self, path: &str) -> io::Result<()> {
        self.0.remove(path)
    }
    fn sync_dir(&self, path: &str) -> io::Result<()> {
        self.0.sync_dir(path)
    }
}

struct OpenFile(SimFile);

impl DiskFile for OpenFile {
    fn len(&self) -> io::Result<u64> {
        self.0.len()
    }
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        self.0.read_at(offset, buffer)
    }
    fn write_at(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.0.write_at(offset, data)
    }
    fn set_len(&self, len: u64) -> io::Result<()> {
        self.0.set_len(len)
    }
    fn sync(&self) -> io::Result<()> {
        self.0.sync()
    }
}

#[cfg(test)]
mod tests {
    use orrery_sim::disk::DiskConfig;

    use super::*;

    /// Nodes that keep no feed are many in some worlds, and each would open a store.
    #[test]
    fn a_disk_with_keys_alone_is_blank_and_with_a_store_is_not() {
        let disk = SimDisk::new(DiskConfig::default());
        let storage = HostStorage::on(disk.clone());
        assert!(storage.is_blank());
        disk.create_dir_all(KEYS_DIR).expect("a folder");
        assert!(storage.is_blank());
        disk.open("index.redb", true).expect("a file");
        assert!(!storage.is_blank());
    }
}
