//! The running hash of everything delivered, and the record of it on request.
//!
//! Two runs of one seed must have equal hashes. Where they do not, their records
//! tell the first event that differs. Recording changes nothing in the hash.

use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::path::Path;

use crate::kernel::order::{Class, HostId};
use crate::time::SimTime;

/// Bytes of one record: time u64, host u32, class u8, 3 zero bytes, digest 16;
/// little-endian.
pub const RECORD_LEN: usize = 32;

/// Bytes that are hashed at once: BLAKE3 takes 16 chunks of 1 KiB side by side, where a
/// processor can. More would only drive the programs out of its nearest cache.
const BATCH_BYTES: usize = 1 << 14;

/// What an event carried, as bytes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Encoding(Vec<u8>);

impl Encoding {
    /// Appends `bytes`.
    pub fn update(&mut self, bytes: &[u8]) -> &mut Self {
        self.0.extend_from_slice(bytes);
        self
    }
}

/// The running hash of a simulation.
pub struct Trace {
    hasher: blake3::Hasher,
    /// What is still to be hashed.
    batch: Encoding,
    events: u64,
    sink: Option<BufWriter<File>>,
    sink_error: Option<io::Error>,
}

impl Trace {
    /// An empty trace without a record.
    pub fn new() -> Self {
        Self {
            hasher: blake3::Hasher::new(),
            batch: Encoding(Vec::with_capacity(BATCH_BYTES)),
            events: 0,
            sink: None,
            sink_error: None,
        }
    }

    /// An empty trace that writes a record of every event to `path`.
    ///
    /// # Errors
    /// If the file cannot be created.
    pub fn recording(path: &Path) -> io::Result<Self> {
        let sink = BufWriter::with_capacity(1 << 18, File::create(path)?);
        Ok(Self {
            sink: Some(sink),
            ..Self::new()
        })
    }

    /// Takes note of a delivered event; `carried` appends what it carried, in an
    /// encoding that is unambiguous for its class.
    pub fn record(
        &mut self,
        at: SimTime,
        class: Class,
        host: HostId,
        carried: impl FnOnce(&mut Encoding),
    ) {
        self.events += 1;
        let mut head = [0; 16];
        head[..8].copy_from_slice(&at.as_nanos().to_le_bytes());
        head[8..12].copy_from_slice(&host.0.to_le_bytes());
        head[12] = class as u8;
        self.batch.update(&head);
        let start = self.batch.0.len();
        carried(&mut self.batch);
        if let Some(sink) = &mut self.sink {
            let digest = blake3::hash(&self.batch.0[start..]);
            let written = sink
                .write_all(&head)
                .and_then(|()| sink.write_all(&digest.as_bytes()[..16]));
            if let Err(error) = written {
                self.sink_error = Some(error);
                self.sink = None;
            }
        }
        // Whole batches, so that they begin where BLAKE3's subtrees do.
        while self.batch.0.len() >= BATCH_BYTES {
            self.hasher.update(&self.batch.0[..BATCH_BYTES]);
            self.batch.0.drain(..BATCH_BYTES);
        }
    }

    /// Events so far.
    pub fn events(&self) -> u64 {
        self.events
    }

    /// The hash so far, 64 hexadecimal digits.
    pub fn hash(&self) -> String {
        let mut hasher = self.hasher.clone();
        hasher.update(&self.batch.0);
        hasher.finalize().to_hex().to_string()
    }

    /// Completes the record on disk.
    ///
    /// # Errors
    /// The first error of writing it.
    pub fn finish(mut self) -> io::Result<()> {
        if let Some(error) = self.sink_error {
            return Err(error);
        }
        self.sink.as_mut().map_or(Ok(()), Write::flush)
    }
}

impl Default for Trace {
    fn default() -> Self {
        Self::new()
    }
}

/// One event of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TraceEvent {
    /// When it was delivered.
    pub at: SimTime,
    /// Where.
    pub host: HostId,
    /// Its [`Class`] as a number.
    pub class: u8,
    /// The first 16 bytes of the BLAKE3 hash of what it carried.
    pub digest: [u8; 16],
}

impl TraceEvent {
    fn decode(record: &[u8; RECORD_LEN]) -> Self {
        let mut time = [0; 8];
        time.copy_from_slice(&record[..8]);
        let mut host = [0; 4];
        host.copy_from_slice(&record[8..12]);
        let mut digest = [0; 16];
        digest.copy_from_slice(&record[16..]);
        Self {
            at: SimTime::from_nanos(u64::from_le_bytes(time)),
            host: HostId(u32::from_le_bytes(host)),
            class: record[12],
            digest,
        }
    }
}

impl std::fmt::Display for TraceEvent {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let class = Class::from_number(self.class).map_or("?", Class::name);
        write!(f, "{} {} {class} ", self.at, self.host)?;
        self.digest
            .iter()
            .try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// Where two records part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Divergence {
    /// Place in the record, from 0.
    pub index: u64,
    /// The event in the first record; absent if it ends there.
    pub first: Option<TraceEvent>,
    /// The event in the second record; absent if it ends there.
    pub second: Option<TraceEvent>,
}

/// Compares two records. `None` if they are equal.
///
/// # Errors
/// If a file cannot be read or ends within an event.
pub fn first_difference(a: &Path, b: &Path) -> io::Result<Option<Divergence>> {
    let mut a = BufReader::with_capacity(1 << 18, File::open(a)?);
    let mut b = BufReader::with_capacity(1 << 18, File::open(b)?);
    for index in 0.. {
        let (first, second) = (next(&mut a)?, next(&mut b)?);
        if first != second {
            return Ok(Some(Divergence {
                index,
                first,
                second,
            }));
        }
        if first.is_none() {
            break;
        }
    }
    Ok(None)
}

fn next(file: &mut impl Read) -> io::Result<Option<TraceEvent>> {
    let mut record = [0; RECORD_LEN];
    let mut filled = 0;
    while filled < RECORD_LEN {
        match file.read(&mut record[filled..])? {
            0 if filled == 0 => return Ok(None),
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            read => filled += read,
        }
    }
    Ok(Some(TraceEvent::decode(&record)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(path: &Path, bodies: &[&[u8]]) -> String {
        let mut trace = Trace::recording(path).expect("the temporary folder is writable");
        for (i, body) in bodies.iter().enumerate() {
            trace.record(
                SimTime::from_nanos(i as u64),
                Class::Packet,
                HostId(1),
                |encoding| {
                    encoding.update(body);
                },
            );
        }
        let hash = trace.hash();
        trace.finish().expect("the temporary folder is writable");
        hash
    }

    #[test]
    fn records_tell_the_first_event_that_differs() {
        let folder = std::env::temp_dir().join(format!("orrery-trace-{}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("the temporary folder is writable");
        let (a, b) = (folder.join("a"), folder.join("b"));
        let same = record(&a, &[b"one", b"two"]);
        assert_eq!(record(&b, &[b"one", b"two"]), same);
        assert_eq!(first_difference(&a, &b).expect("both exist"), None);
        assert_ne!(record(&b, &[b"one", b"2", b"three"]), same);
        let divergence = first_difference(&a, &b)
            .expect("both exist")
            .expect("they differ");
        assert_eq!(divergence.index, 1);
        assert_ne!(divergence.first, divergence.second);
        record(&b, &[b"one"]);
        let divergence = first_difference(&a, &b)
            .expect("both exist")
            .expect("they differ");
        assert_eq!((divergence.index, divergence.second), (1, None));
        std::fs::remove_dir_all(&folder).expect("we made it");
    }

    #[test]
    fn the_hash_does_not_depend_on_recording() {
        let mut plain = Trace::new();
        plain.record(
            SimTime::from_nanos(0),
            Class::Packet,
            HostId(1),
            |encoding| {
                encoding.update(b"one");
            },
        );
        let path = std::env::temp_dir().join(format!("orrery-hash-{}", std::process::id()));
        assert_eq!(record(&path, &[b"one"]), plain.hash());
        std::fs::remove_file(&path).expect("we made it");
    }
}
