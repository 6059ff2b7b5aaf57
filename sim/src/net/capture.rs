//! Captures: what each host sent and received, as files for Wireshark.
//!
//! Owns the files and decides when to write; the format is [`super::pcapng`]. A
//! packet that a host sent is in its capture even if it is lost later, one that it
//! received only once it was delivered. Secrets that the host's programs tell
//! ([`log_key`]) are in its capture before the packets that they open, and beside it in a
//! file of their own. Capturing observes: it draws nothing and
//! schedules nothing, so that a run with captures has the same hash as one without.

use std::collections::BTreeSet;
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use super::packet::Packet;
use super::pcapng::{self, Direction};
use super::{address, wire};
use crate::kernel::{self, HostId};
use crate::time::SimTime;

/// Bytes of one host that are collected before they are written. At one instant it may be
/// twice as much.
const HOST_BYTES_MAX: usize = 64 << 10;

/// Bytes of all hosts together that are collected before they are written.
const TOTAL_BYTES_MAX: usize = 16 << 20;

/// The captures of a simulation.
pub(crate) struct Capture {
    folder: PathBuf,
    hosts: Vec<HostFile>,
    /// Names of files that are taken.
    names: BTreeSet<String>,
    waiting_bytes: usize,
    /// The first error; nothing is written after it.
    error: Option<CaptureError>,
    /// The packet at hand as bytes; kept to allocate once.
    scratch: Vec<u8>,
}

/// A capture that could not be written.
#[derive(Debug, thiserror::Error)]
#[error("cannot write the capture {path}: {source}")]
pub struct CaptureError {
    /// The file or folder.
    pub path: PathBuf,
    /// What the system said.
    pub source: io::Error,
}

struct HostFile {
    name: String,
    packets: Output,
    keys: Output,
    /// The instant of the latest packet, and where in what waits its first packet is.
    latest: (SimTime, usize),
}

/// A file that is written bit by bit.
struct Output {
    path: PathBuf,
    begun: bool,
    waiting: Vec<u8>,
}

/// Whether packets of this thread's simulation are captured.
///
/// # Panics
/// Outside a simulation.
pub fn is_on() -> bool {
    super::with(|net| net.capture.is_some())
}

/// Takes down a secret of a connection of `host` if its packets are captured: a line of a TLS
/// key log, without an end of line.
///
/// # Panics
/// Outside a simulation.
pub fn log_key(host: HostId, line: &str) {
    super::with(|net| {
        if let Some(capture) = &mut net.capture {
            capture.key(kernel::now(), host, line);
        }
    });
}

impl Capture {
    /// Captures to `folder/capture-<host>.pcapng`, with secrets in `folder/keys-<host>.log` also.
    ///
    /// # Errors
    /// If the folder cannot be made.
    pub(crate) fn create(folder: &Path) -> Result<Self, CaptureError> {
        fs::create_dir_all(folder).map_err(|source| CaptureError {
            path: folder.to_owned(),
            source,
        })?;
        Ok(Self {
            folder: folder.to_owned(),
            hosts: Vec::new(),
            names: BTreeSet::new(),
            waiting_bytes: 0,
            error: None,
            scratch: Vec::new(),
        })
    }

    /// Begins the capture of the next host. Hosts come in the order of their numbers.
    pub(crate) fn add_host(&mut self, host: HostId, name: &str, ips: [IpAddr; 2]) {
        debug_assert_eq!(host.index(), self.hosts.len());
        let mut plain = plain_name(name);
        // Names that differ only in what files cannot be called.
        if !self.names.insert(plain.clone()) {
            plain = plain_name(&format!("{name}-{host}"));
            self.names.insert(plain.clone());
        }
        let output = |file: String| Output {
            path: self.folder.join(file),
            begun: false,
            waiting: Vec::new(),
        };
        let mut packets = output(format!("capture-{plain}.pcapng"));
        let keys = output(format!("keys-{plain}.log"));
        pcapng::begin(&mut packets.waiting, name, &describe(host, name, ips));
        let begun = packets.waiting.len();
        self.waiting_bytes += begun;
        self.hosts.push(HostFile {
            name: name.to_owned(),
            packets,
            keys,
            latest: (SimTime::ZERO, begun),
        });
    }

    /// Takes down a packet that `host` sends or receives at `now`.
    pub(crate) fn packet(
        &mut self,
        now: SimTime,
        host: HostId,
        direction: Direction,
        packet: &Packet,
    ) {
        if self.error.is_some() {
            return;
        }
        self.scratch.clear();
        wire::encode_into(packet, &mut self.scratch);
        let comment = format!("{} → {}", self.name(packet, true), self.name(packet, false));
        let multicast = packet.dst.ip().is_multicast();
        let file = &mut self.hosts[host.index()];
        if file.latest.0 != now {
            if file.packets.waiting.len() >= HOST_BYTES_MAX {
                self.flush(host.index());
            }
            let file = &mut self.hosts[host.index()];
            file.latest = (now, file.packets.waiting.len());
        }
        let waiting = &mut self.hosts[host.index()].packets.waiting;
        let before = waiting.len();
        pcapng::packet(waiting, now, &self.scratch, direction, multicast, &comment);
        self.waiting_bytes += waiting.len() - before;
        self.keep_bounds(host);
    }

    /// Takes down a secret that a program of `host` tells at `now`. Programs compute in no
    /// time: the packet that told it came at this instant, and may need the secret to be read.
    fn key(&mut self, now: SimTime, host: HostId, line: &str) {
        if self.error.is_some() {
            return;
        }
        let line = format!("{line}\n");
        let mut block = Vec::new();
        pcapng::secrets(&mut block, &line);
        self.waiting_bytes += block.len() + line.len();
        let file = &mut self.hosts[host.index()];
        file.keys.waiting.extend_from_slice(line.as_bytes());
        let waiting = &mut file.packets.waiting;
        if file.latest.0 == now {
            let at = file.latest.1;
            waiting.splice(at..at, block.iter().copied());
            file.latest.1 += block.len();
        } else {
            waiting.extend_from_slice(&block);
        }
        self.keep_bounds(host);
    }

    /// Writes what is too much to wait. What came at this instant waits a little longer.
    fn keep_bounds(&mut self, host: HostId) {
        let file = &self.hosts[host.index()];
        let most = file.packets.waiting.len().max(file.keys.waiting.len());
        if most >= 2 * HOST_BYTES_MAX {
            self.flush(host.index());
        }
        if self.waiting_bytes >= TOTAL_BYTES_MAX {
            self.flush_all();
        }
        if let Some(error) = &self.error {
            // What follows would be missing from the captures: the run is worthless.
            kernel::fail(error.to_string());
        }
    }

    /// Writes what is collected.
    ///
    /// # Errors
    /// The first error of writing any file.
    pub(crate) fn finish(mut self) -> Result<(), CaptureError> {
        self.flush_all();
        self.error.map_or(Ok(()), Err)
    }

    /// The name of the sender or receiver; of those that are no host, the address.
    fn name(&self, packet: &Packet, sender: bool) -> String {
        let end = if sender { packet.src } else { packet.dst };
        address::host(end.ip())
            .and_then(|host| self.hosts.get(host.index()))
            .map_or_else(|| end.ip().to_string(), |host| host.name.clone())
    }

    fn flush_all(&mut self) {
        for place in 0..self.hosts.len() {
            self.flush(place);
        }
    }

    /// Files are opened for each write: a world may have more hosts than the
    /// system allows open files.
    fn flush(&mut self, place: usize) {
        let file = &mut self.hosts[place];
        file.latest.1 = 0;
        for output in [&mut file.packets, &mut file.keys] {
            self.waiting_bytes -= output.waiting.len();
            if self.error.is_none() {
                self.error = output.write().err();
            }
            output.waiting = Vec::new();
        }
    }
}

impl Output {
    /// Appends what waits. A file of an earlier run is replaced.
    fn write(&mut self) -> Result<(), CaptureError> {
        if self.waiting.is_empty() {
            return Ok(());
        }
        let written = OpenOptions::new()
            .create(true)
            .write(true)
            .truncate(!self.begun)
            .append(self.begun)
            .open(&self.path)
            .and_then(|mut open| open.write_all(&self.waiting));
        self.begun = true;
        written.map_err(|source| CaptureError {
            path: self.path.clone(),
            source,
        })
    }
}

/// What the interface of a host is called, for people.
fn describe(host: HostId, name: &str, [v4, v6]: [IpAddr; 2]) -> String {
    format!(
        "{name}, host {} of a simulation ({v4}, {v6}); times are simulated",
        host.0
    )
}

/// A host's name without characters that file systems treat specially.
fn plain_name(name: &str) -> String {
    let plain = |c: char| {
        if c.is_ascii_alphanumeric() || "-_.[]".contains(c) {
            c
        } else {
            '_'
        }
    };
    name.chars().map(plain).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(name: &str) -> PathBuf {
        std::env::temp_dir().join(format!("orrery-capture-{name}-{}", std::process::id()))
    }

    fn ips(host: u32) -> [IpAddr; 2] {
        let host = HostId(host);
        [address::v4(host).into(), address::v6(host).into()]
    }

    #[test]
    fn hosts_never_share_a_file() {
        let folder = folder("names");
        let mut capture = Capture::create(&folder).expect("the temporary folder is writable");
        for (number, name) in (0..).zip(["a[1]", "a b", "a/b", "a/b-h2"]) {
            capture.add_host(HostId(number), name, ips(number));
        }
        capture.finish().expect("the temporary folder is writable");
        let mut names: Vec<_> = fs::read_dir(&folder)
            .expect("it was made")
            .map(|entry| entry.expect("it can be read").file_name())
            .collect();
        names.sort();
        let expected = [
            "capture-a[1].pcapng",
            "capture-a_b-h2-h3.pcapng",
            "capture-a_b-h2.pcapng",
            "capture-a_b.pcapng",
        ];
        assert_eq!(names, expected);
        fs::remove_dir_all(&folder).expect("we made it");
    }

    #[test]
    fn what_waits_is_bounded() {
        let folder = folder("bounded");
        let mut capture = Capture::create(&folder).expect("the temporary folder is writable");
        let hosts: u32 = 400;
        for host in 0..hosts {
            capture.add_host(HostId(host), &host.to_string(), ips(host));
        }
        let payload = bytes::Bytes::from(vec![0; 1_400]);
        let at = |host| std::net::SocketAddr::new(address::v4(HostId(host)).into(), 1);
        let mut most = 0;
        // 24 MB in all, and 60 kB a host: more than all may hold, less than one may.
        for round in 0..40 {
            for host in 0..hosts {
                let packet = Packet::udp(at(host), at(0), payload.clone());
                let now = SimTime::from_millis(round);
                capture.packet(now, HostId(host), Direction::Outbound, &packet);
                most = most.max(capture.waiting_bytes);
            }
        }
        assert!(most > TOTAL_BYTES_MAX / 2, "{most}");
        assert!(most < TOTAL_BYTES_MAX, "{most}");
        capture.finish().expect("the temporary folder is writable");
        let length = fs::metadata(folder.join("capture-399.pcapng")).map(|file| file.len());
        assert!(length.expect("it was written") > 40 * 1_400);
        fs::remove_dir_all(&folder).expect("we made it");
    }
}
