//! The control socket: by it, other programs of the same user drive a node.
//!
//! A Unix socket in the node's folder. A client writes one command as a line
//! of JSON and reads one line, `{"Ok": reply}` or `{"Err": error}`; then it may
//! go on. Lines, clients and waiting are bounded.

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::api::{Command, Reply};
use crate::node::{CommandError, NodeHandle};

/// Name of the socket in the node's folder.
pub const SOCKET_NAME: &str = "control.sock";
/// Longest command line, in bytes, besides the message in it.
const COMMAND_BYTES_MAX: u64 = 1024 * 1024;
/// Longest reply line, in bytes: a timeline is the longest.
const REPLY_BYTES_MAX: u64 = 256 * 1024 * 1024;
/// Clients served at once; others wait.
const CLIENTS_MAX: usize = 16;

/// Pause after a client could not be taken.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// The counter of such failures.
const ACCEPT_FAILED: &str = "control-accept-failed";

/// Why a node could not be asked.
#[derive(Debug, thiserror::Error)]
pub enum ControlError {
    /// The socket cannot be used.
    #[error("cannot use the control socket `{path}`: {error}")]
    Socket {
        /// Which.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// The node's answer is none.
    #[error("the node's answer cannot be read: {0}")]
    Answer(String),
}

/// Serves commands until dropped.
pub struct ControlSocket {
    path: PathBuf,
    _tasks: JoinSet<()>,
}

impl ControlSocket {
    /// Serves the node behind `handle` in `folder`, which this process must
    /// have [locked](super::FolderLock): a socket left there by a process that
    /// died is replaced.
    ///
    /// # Errors
    /// [`ControlError::Socket`].
    pub fn open(folder: &Path, handle: NodeHandle) -> Result<Self, ControlError> {
        let path = folder.join(SOCKET_NAME);
        let bind = || {
            match fs::remove_file(&path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
            let listener = UnixListener::bind(&path)?;
            fs::set_permissions(&path, Permissions::from_mode(0o600))?;
            Ok(listener)
        };
        let listener = bind().map_err(|error| ControlError::Socket {
            path: path.clone(),
            error,
        })?;
        let mut tasks = JoinSet::new();
        tasks.spawn(serve(listener, handle));
        Ok(Self {
            path,
            _tasks: tasks,
        })
    }
}

impl Drop for ControlSocket {
    fn drop(&mut self) {
        // A socket that stays is replaced at the next start.
        let _ = fs::remove_file(&self.path);
    }
}

async fn serve(listener: UnixListener, handle: NodeHandle) {
    let places = Arc::new(Semaphore::new(CLIENTS_MAX));
    let mut clients = JoinSet::new();
    // Whether the last client could not be taken.
    let mut failing = false;
    loop {
        let Ok(place) = Arc::clone(&places).acquire_owned().await else {
            return;
        };
        while clients.try_join_next().is_some() {}
        match listener.accept().await {
            Ok((stream, _)) => {
                failing = false;
                let handle = handle.clone();
                clients.spawn(async move {
                    if let Err(error) = serve_client(stream, &handle).await {
                        tracing::debug!(%error, "a control client went away");
                    }
                    drop(place);
                });
            }
            // Such as too many open files: it passes, and who waits is served then.
            Err(error) => {
                if !failing {
                    tracing::error!(%error, "the control socket cannot take a client; trying again");
                }
                failing = true;
                handle.count(ACCEPT_FAILED);
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

async fn serve_client(stream: UnixStream, handle: &NodeHandle) -> io::Result<()> {
    let (reader, mut writer) = stream.into_split();
    let mut reader = BufReader::new(reader);
    // A message takes four characters for three bytes.
    let message_bytes_max = u64::from(handle.message_bytes_max()).div_ceil(3) * 4;
    loop {
        let bytes_max = COMMAND_BYTES_MAX + message_bytes_max;
        let Some(line) = read_line(&mut reader, bytes_max).await? else {
            return Ok(());
        };
        let result = match serde_json::from_slice::<Command>(&line) {
            Ok(command) => handle.command(command).await,
            Err(error) => Err(CommandError::Invalid {
                reason: format!("not a command: {error}"),
            }),
        };
        let mut answer = serde_json::to_vec(&result).map_err(io::Error::other)?;
        answer.push(b'\n');
        writer.write_all(&answer).await?;
    }
}

/// One line without its end; nothing at the end of the stream.
async fn read_line(
    reader: &mut (impl AsyncBufReadExt + Unpin),
    max: u64,
) -> io::Result<Option<Vec<u8>>> {
    let mut line = Vec::new();
    reader.take(max).read_until(b'\n', &mut line).await?;
    if line.pop() == Some(b'\n') {
        return Ok(Some(line));
    }
    if line.is_empty() {
        return Ok(None);
    }
    Err(io::Error::new(
        io::ErrorKind::InvalidData,
        format!("a line is longer than {max} bytes, or has no end"),
    ))
}

/// Asks the node that runs in `folder`; nothing if none runs there.
///
/// # Errors
/// [`ControlError`] when the socket fails or the answer is none.
pub async fn ask(
    folder: &Path,
    command: &Command,
) -> Result<Option<Result<Reply, CommandError>>, ControlError> {
    let path = folder.join(SOCKET_NAME);
    let socket = |error| ControlError::Socket {
        path: path.clone(),
        error,
    };
    let stream = match UnixStream::connect(&path).await {
        Ok(stream) => stream,
        Err(error)
            if matches!(
                error.kind(),
                io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused
            ) =>
        {
            return Ok(None);
        }
        Err(error) => return Err(socket(error)),
    };
    let (reader, mut writer) = stream.into_split();
    let mut line =
        serde_json::to_vec(command).map_err(|error| ControlError::Answer(error.to_string()))?;
    line.push(b'\n');
    writer.write_all(&line).await.map_err(socket)?;
    let answer = read_line(&mut BufReader::new(reader), REPLY_BYTES_MAX)
        .await
        .map_err(socket)?
        .ok_or_else(|| ControlError::Answer("the node closed the socket".to_owned()))?;
    serde_json::from_slice(&answer)
        .map(Some)
        .map_err(|error| ControlError::Answer(error.to_string()))
}
