//! Logs of programs: one file a host, stamped with simulated time.
//!
//! Logging observes: it draws no entropy and schedules nothing, so that a run
//! with logs has the same hash as one without.

use std::collections::BTreeMap;
use std::fmt;
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tracing_subscriber::filter::{ParseError, Targets};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::FormatTime;
use tracing_subscriber::{Layer, Registry};

use crate::kernel::{self, HostId};

/// Bytes of a host's log that are collected before they are written.
const FLUSH_BYTES: usize = 64 << 10;

/// What to log, and where.
#[derive(Debug, Clone)]
pub struct LogSpec {
    filter: Targets,
    folder: PathBuf,
}

impl LogSpec {
    /// Logs what `filter` lets through, such as `info,libp2p_swarm=debug`, to
    /// `folder/<host>.log`.
    ///
    /// # Errors
    /// If the filter cannot be understood.
    pub fn new(filter: &str, folder: &Path) -> Result<Self, ParseError> {
        Ok(Self {
            filter: filter.parse()?,
            folder: folder.to_owned(),
        })
    }

    /// What a simulation's thread logs through, and what keeps its files.
    ///
    /// # Errors
    /// If the folder cannot be made.
    pub(crate) fn open(
        &self,
    ) -> io::Result<(impl Layer<Registry> + Send + Sync + use<>, LogFiles)> {
        fs::create_dir_all(&self.folder)?;
        let files = LogFiles(Arc::new(Mutex::new(Files {
            folder: self.folder.clone(),
            ..Files::default()
        })));
        let layer = tracing_subscriber::fmt::layer()
            .with_ansi(false)
            .with_timer(SimulatedTime)
            .with_writer(files.clone())
            .with_filter(self.filter.clone());
        Ok((layer, files))
    }
}

/// The log files of a simulation.
#[derive(Clone)]
pub(crate) struct LogFiles(Arc<Mutex<Files>>);

#[derive(Default)]
struct Files {
    folder: PathBuf,
    waiting: BTreeMap<HostId, Vec<u8>>,
    begun: BTreeMap<HostId, PathBuf>,
    error: Option<io::Error>,
}

impl LogFiles {
    /// Writes what is collected.
    ///
    /// # Errors
    /// The first error of writing any file.
    pub(crate) fn finish(&self) -> io::Result<()> {
        let mut files = self.lock();
        for (host, lines) in std::mem::take(&mut files.waiting) {
            files.append(host, &lines);
        }
        files.error.take().map_or(Ok(()), Err)
    }

    fn lock(&self) -> MutexGuard<'_, Files> {
        // Appending to vectors and files leaves nothing half-done for others.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Files {
    fn append(&mut self, host: HostId, lines: &[u8]) {
        let first = !self.begun.contains_key(&host);
        let folder = &self.folder;
        let path = self
            .begun
            .entry(host)
            .or_insert_with(|| folder.join(file_name(host)));
        let written = OpenOptions::new()
            .create(true)
            .write(true)
            .truncate(first)
            .append(!first)
            .open(path)
            .and_then(|mut file| file.write_all(lines));
        if let Err(error) = written {
            self.error.get_or_insert(error);
        }
    }
}

/// `<host name>.log`, without characters that file systems treat specially.
fn file_name(host: HostId) -> String {
    let name = if kernel::is_running() {
        kernel::with(|kernel| kernel.host_name(host).to_owned())
    } else {
        host.to_string()
    };
    let plain = |c: char| {
        if c.is_ascii_alphanumeric() || "-_.[]".contains(c) {
            c
        } else {
            '_'
        }
    };
    format!("{}.log", name.chars().map(plain).collect::<String>())
}

impl<'a> MakeWriter<'a> for LogFiles {
    type Writer = HostLog;

    fn make_writer(&'a self) -> HostLog {
        HostLog {
            files: self.clone(),
            host: kernel::running_host(),
        }
    }
}

/// Appends to the log of the host that was running when it was made.
pub(crate) struct HostLog {
    files: LogFiles,
    host: HostId,
}

impl Write for HostLog {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let mut files = self.files.lock();
        let waiting = files.waiting.entry(self.host).or_default();
        waiting.extend_from_slice(line);
        if waiting.len() >= FLUSH_BYTES {
            let lines = std::mem::take(waiting);
            files.append(self.host, &lines);
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

struct SimulatedTime;

impl FormatTime for SimulatedTime {
    fn format_time(&self, writer: &mut Writer<'_>) -> fmt::Result {
        write!(writer, "{}", kernel::now())
    }
}
