//! What the outside world gives a node: wires, tasks, disks, and somebody to tell.
//!
//! Everything that is not computed by the node itself enters through an
//! [`Environment`]: the program `orrery-node` fills it with the operating
//! system's sockets and files, a test with whatever it likes. Time and entropy
//! are read from the standard library. This module owns no behaviour.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex};

use futures::future::BoxFuture;
use futures::{AsyncRead, AsyncWrite};
use libp2p::PeerId;
use libp2p::core::muxing::StreamMuxerBox;
use libp2p::core::transport::Boxed;
use libp2p::identity::Keypair;

use crate::api::Event;
use crate::discovery::local::LocalDiscovery;
use crate::entry::Acquaintances;

/// The outside world of one node.
pub struct Environment {
    /// Ways to reach other nodes, tried in order for each address.
    pub wires: Vec<Wire>,
    /// Runs the node's tasks. A node spawns nowhere else.
    pub executor: Arc<dyn Executor>,
    /// Runs the node's storage jobs. A node touches files nowhere else.
    pub storage: Arc<dyn Storage>,
    /// How nodes on the local network are found, if they can be.
    pub local: Option<LocalDiscovery>,
    /// Whether a router may be asked by UPnP to map ports. libp2p does that over sockets
    /// of the operating system, on the tokio runtime of whoever starts the node.
    pub upnp: bool,
    /// Told of every event, in order, at the moment it happens.
    pub observer: Arc<dyn Observer>,
}

/// One way to reach other nodes.
pub enum Wire {
    /// An ordered byte stream, such as TCP. The node adds Noise and Yamux.
    Stream(Boxed<ByteStream>),
    /// A transport that authenticates and multiplexes by itself, such as QUIC
    /// ([`crate::quic::wire`]). It is made for the transport key of the node that is
    /// started. Its connections are to end in a few seconds whether their peers read or not.
    Muxed(MuxedWire),
}

/// Makes an authenticated, multiplexed transport for a transport key. What a connection may hold
/// that its peer sent and nobody has read depends on how well the peer is known.
pub type MuxedWire =
    Box<dyn FnOnce(&Keypair, &Acquaintances) -> Boxed<(PeerId, StreamMuxerBox)> + Send>;

/// A connected byte stream.
pub type ByteStream = Pin<Box<dyn ReadWrite + Send>>;

/// Both directions of a byte stream.
pub trait ReadWrite: AsyncRead + AsyncWrite {}
impl<T: AsyncRead + AsyncWrite> ReadWrite for T {}

/// Runs tasks until they end or the node is taken down.
pub trait Executor: Send + Sync {
    /// Starts `task`. `name` says what it is for, in logs and panics.
    fn spawn(&self, name: &'static str, task: BoxFuture<'static, ()>);

    /// Ends when a task has panicked, with which the node ends: what it had to do for others is not
    /// done any more. Never ends where panics are not the node's to bear.
    fn panicked(&self) -> BoxFuture<'static, ()> {
        Box::pin(std::future::pending())
    }
}

/// Is told what a node does. Called on the node's own tasks: it must not block.
pub trait Observer: Send + Sync {
    /// Takes note of `event`.
    fn event(&self, event: &Event);
}

/// A unit of storage work. It runs to its end without waiting for anything but
/// the disk, so no transaction ever crosses an `await`.
pub type Job = Box<dyn FnOnce(&Arc<dyn Disk>) + Send>;

/// For whom a storage job is. Jobs of an earlier lane go before waiting ones of a later.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Lane {
    /// The owner's commands.
    #[default]
    Owner,
    /// What the node's own pulls bring.
    Intake,
    /// What others ask for.
    Serve,
}

impl Lane {
    /// All of them, the first to go first.
    pub const ALL: [Self; 3] = [Self::Owner, Self::Intake, Self::Serve];
}

/// Runs storage jobs, one after the other; those of one lane in the order they were given.
pub trait Storage: Send + Sync {
    /// Runs `job`; the future ends when the job's disk time has passed.
    ///
    /// # Errors
    /// [`StorageClosed`] when the disk's worker is gone; the job may not have run.
    fn execute(&self, job: Job) -> BoxFuture<'_, Result<(), StorageClosed>>;

    /// As [`Storage::execute`], in the place that `lane` gives among the jobs that wait. A
    /// storage on which none waits for another need not tell lanes apart.
    ///
    /// # Errors
    /// As [`Storage::execute`].
    fn execute_in(&self, lane: Lane, job: Job) -> BoxFuture<'_, Result<(), StorageClosed>> {
        let _ = lane;
        self.execute(job)
    }

    /// Whether the disk is known, without any work on it, to hold nothing but the node's keys. A node
    /// that keeps no feed opens no store then.
    fn is_blank(&self) -> bool {
        false
    }
}

/// The storage worker has ended, so no job can run any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the storage worker has ended")]
pub struct StorageClosed;

/// Why a job has no result.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum JobLost {
    /// It could not run.
    #[error(transparent)]
    Closed(#[from] StorageClosed),
    /// It did not come to its end. Others can run.
    #[error("a storage job panicked; the log of the node says where")]
    Panicked,
}

impl dyn Storage {
    /// Runs `work` as a [`Job`] of the owner's and returns its result.
    ///
    /// # Errors
    /// [`JobLost`].
    pub async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Arc<dyn Disk>) -> T + Send + 'static,
    ) -> Result<T, JobLost> {
        self.run_in(Lane::Owner, work).await
    }

    /// Runs `work` as a [`Job`] of `lane` and returns its result.
    ///
    /// # Errors
    /// [`JobLost`].
    pub async fn run_in<T: Send + 'static>(
        &self,
        lane: Lane,
        work: impl FnOnce(&Arc<dyn Disk>) -> T + Send + 'static,
    ) -> Result<T, JobLost> {
        let slot = Arc::new(Mutex::new(None));
        let result = Arc::clone(&slot);
        let job: Job = Box::new(move |disk| {
            let value = work(disk);
            if let Ok(mut slot) = slot.lock() {
                *slot = Some(value);
            }
        });
        self.execute_in(lane, job).await?;
        result
            .lock()
            .ok()
            .and_then(|mut slot| slot.take())
            .ok_or(JobLost::Panicked)
    }
}

/// A node's disk: a tree of files below one root, addressed by relative paths
/// with `/` between the parts; the root itself is the empty path. What is not synced may vanish in a power cut;
/// a created, renamed or removed name is durable after [`Disk::sync_dir`] of
/// its folder.
pub trait Disk: Send + Sync {
    /// Opens the file at `path` for reading and writing, creating it if `create`.
    ///
    /// # Errors
    /// `NotFound` without `create`; whatever the disk reports.
    fn open(&self, path: &str, create: bool) -> io::Result<Box<dyn DiskFile>>;
    /// Makes the folder `path` and those above it; it may exist already.
    ///
    /// # Errors
    /// Whatever the disk reports.
    fn create_dir_all(&self, path: &str) -> io::Result<()>;
    /// Names in the folder `path`, sorted. Empty if there is no such folder.
    ///
    /// # Errors
    /// Whatever the disk reports.
    fn list(&self, path: &str) -> io::Result<Vec<String>>;
    /// Renames a file, replacing the target.
    ///
    /// # Errors
    /// `NotFound`; whatever the disk reports.
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;
    /// Removes a file.
    ///
    /// # Errors
    /// `NotFound`; whatever the disk reports.
    fn remove(&self, path: &str) -> io::Result<()>;
    /// Makes the names in the folder `path` durable.
    ///
    /// # Errors
    /// Whatever the disk reports.
    fn sync_dir(&self, path: &str) -> io::Result<()>;
}

/// An open file of a [`Disk`].
#[expect(
    clippy::len_without_is_empty,
    reason = "a file is no collection, and asking its length can fail"
)]
pub trait DiskFile: Send + Sync {
    /// Length in bytes.
    ///
    /// # Errors
    /// Whatever the disk reports.
    fn len(&self) -> io::Result<u64>;
    /// Fills `buffer` from `offset`.
    ///
    /// # Errors
    /// `UnexpectedEof` beyond the end; whatever the disk reports.
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()>;
    /// Writes all of `data` at `offset`, growing the file as needed.
    ///
    /// # Errors
    /// Whatever the disk reports.
    fn write_at(&self, offset: u64, data: &[u8]) -> io::Result<()>;
    /// Cuts or grows (with zeroes) the file to `len` bytes.
    ///
    /// # Errors
    /// Whatever the disk reports.
    fn set_len(&self, len: u64) -> io::Result<()>;
    /// Makes content and length durable.
    ///
    /// # Errors
    /// Whatever the disk reports; after an error, what was pending may be lost.
    fn sync(&self) -> io::Result<()>;
}
