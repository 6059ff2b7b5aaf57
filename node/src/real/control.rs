//! The control socket: by it, other programs of the same user drive a node.
//!
//! A Unix socket in the node's folder. A client writes one command as a line
//! of JSON and reads one line, `{"Ok": reply}` or `{"Err": error}`; then it may
//! go on. Lines, clients and waiting are bounded.

use std::fs::{self, Permissions};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, Interest};
use tokio::net::unix::OwnedWriteHalf;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::api::{Command, Reply};
use crate::core::CommandError;
use crate::node::NodeHandle;

/// Name of the socket in the node's folder.
pub const SOCKET_NAME: &str = "control.sock";
/// Longest command line, in bytes, besides the message in it.
const COMMAND_BYTES_MAX: u64 = 1024 * 1024;
/// Longest reply line, in bytes: a timeline is the longest.
const REPLY_BYTES_MAX: u64 = 256 * 1024 * 1024;
/// Clients served at once; others are told that the node is busy.
const CLIENTS_MAX: usize = 16;
/// Clients being told so at once; others wait.
const REFUSED_MAX: usize = 16;
/// What a client that is refused gets to ask and to hear it.
const REFUSAL_TIME: Duration = Duration::from_secs(1);
/// A client that asks nothing, or does not take its answer, for so long is let go.
const IDLE_TIME: Duration = Duration::from_mins(10);
/// How often it is looked whether a client that waits has left.
const LEFT_EVERY: Duration = Duration::from_secs(1);
/// What the node gets to answer, and to answer what may take long.
const ANSWER_TIME: Duration = Duration::from_mins(1);
const LONG_ANSWER_TIME: Duration = Duration::from_hours(1);
/// Longest path of a Unix socket, in bytes.
const SOCKET_PATH_MAX: usize = 107;

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
    /// The node does not answer.
    #[error(
        "the node has not answered within {} s: was it stopped, or is it very busy?",
        .0.as_secs()
    )]
    Silent(Duration),
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
            let listener = UnixListener::bind(SocketPath::of(folder)?.path)?;
            fs::set_permissions(&path, Permissions::from_mode(0o600))?;
            // Made by this process: whose it is is who we are.
            let me = fs::metadata(&path)?.uid();
            Ok((listener, me))
        };
        let (listener, me) = bind().map_err(|error| ControlError::Socket {
            path: path.clone(),
            error,
        })?;
        let mut tasks = JoinSet::new();
        tasks.spawn(serve(listener, me, handle));
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

/// The path by which a folder's socket is bound and connected to.
struct SocketPath {
    path: PathBuf,
    /// Keeps a path through a handle good.
    _folder: Option<fs::File>,
}

impl SocketPath {
    /// The path itself, or, if it is longer than those of sockets may be, one through a handle of
    /// the folder.
    fn of(folder: &Path) -> io::Result<Self> {
        let path = folder.join(SOCKET_NAME);
        if path.as_os_str().len() <= SOCKET_PATH_MAX {
            return Ok(Self {
                path,
                _folder: None,
            });
        }
        let handle = fs::File::open(folder)?;
        let handles = Path::new("/proc/self/fd");
        if !handles.exists() {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                format!(
                    "a socket's path has {SOCKET_PATH_MAX} bytes at most; name a shorter --dir"
                ),
            ));
        }
        Ok(Self {
            path: handles
                .join(handle.as_raw_fd().to_string())
                .join(SOCKET_NAME),
            _folder: Some(handle),
        })
    }
}

/// Whether who is at the other end of `stream` is the user `owner`, or the machine's.
fn is_of(stream: &UnixStream, owner: u32) -> bool {
    let other = stream.peer_cred();
    other.is_ok_and(|other| may_drive(other.uid(), owner))
}

/// Whether the user `other` may drive a node of `owner`, or answer for it.
fn may_drive(other: u32, owner: u32) -> bool {
    other == owner || other == 0
}

async fn serve(listener: UnixListener, me: u32, handle: NodeHandle) {
    let places = Arc::new(Semaphore::new(CLIENTS_MAX));
    let refusals = Arc::new(Semaphore::new(REFUSED_MAX));
    let mut clients = JoinSet::new();
    // Whether the last client could not be taken.
    let mut failing = false;
    loop {
        let accepted = listener.accept().await;
        while clients.try_join_next().is_some() {}
        let stream = match accepted {
            // The mode keeps others out, but for the moment after it was bound.
            Ok((stream, _)) if !is_of(&stream, me) => {
                tracing::warn!("turned away a control client of another user");
                continue;
            }
            Ok((stream, _)) => {
                failing = false;
                stream
            }
            // Such as too many open files: it passes, and who waits is served then.
            Err(error) => {
                if !failing {
                    tracing::error!(%error, "the control socket cannot take a client; trying again");
                }
                failing = true;
                handle.count(ACCEPT_FAILED);
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        if let Ok(place) = Arc::clone(&places).try_acquire_owned() {
            let handle = handle.clone();
            clients.spawn(async move {
                if let Err(error) = serve_client(stream, &handle).await {
                    tracing::debug!(%error, "a control client went away");
                }
                drop(place);
            });
        } else if let Ok(turn) = Arc::clone(&refusals).acquire_owned().await {
            tracing::warn!("more than {CLIENTS_MAX} control clients at once; one is refused");
            clients.spawn(async move {
                // Who does not listen to the refusal has lost nothing by it.
                let _ = timeout(REFUSAL_TIME, refuse_client(stream)).await;
                drop(turn);
            });
        }
    }
}

/// Reads what a client asks, and says that the node is busy.
async fn refuse_client(stream: UnixStream) -> io::Result<()> {
    let (reader, mut writer) = stream.into_split();
    read_line(&mut BufReader::new(reader), COMMAND_BYTES_MAX).await?;
    let refusal: Result<Reply, CommandError> = Err(CommandError::Busy);
    let mut answer = serde_json::to_vec(&refusal).map_err(io::Error::other)?;
    answer.push(b'\n');
    writer.write_all(&answer).await
}

async fn serve_client(stream: UnixStream, handle: &NodeHandle) -> io::Result<()> {
    let (reader, mut writer) = stream.into_split();
    let mut reader = BufReader::new(reader);
    // A message takes four characters for three bytes.
    let message_bytes_max = u64::from(handle.message_bytes_max()).div_ceil(3) * 4;
    loop {
        let bytes_max = COMMAND_BYTES_MAX + message_bytes_max;
        let Some(line) = timeout(IDLE_TIME, read_line(&mut reader, bytes_max)).await?? else {
            return Ok(());
        };
        let result = match serde_json::from_slice::<Command>(&line) {
            Ok(command) => {
                tokio::select! {
                    result = handle.command(command) => result,
                    // What was begun goes on; its answer has nobody to hear it.
                    () = leaves(&writer) => return Ok(()),
                }
            }
            Err(error) => Err(CommandError::Invalid {
                reason: format!("not a command: {error}"),
            }),
        };
        let mut answer = serde_json::to_vec(&result).map_err(io::Error::other)?;
        answer.push(b'\n');
        timeout(IDLE_TIME, writer.write_all(&answer)).await??;
    }
}

/// Ends when the client has closed the socket: a place is not held for one that has left. One that
/// only has no more to ask still waits for its answer.
async fn leaves(writer: &OwnedWriteHalf) {
    loop {
        tokio::time::sleep(LEFT_EVERY).await;
        match writer.ready(Interest::WRITABLE).await {
            Ok(ready) if !ready.is_write_closed() => {}
            // It is closed, or has failed: nothing can be answered by it.
            Ok(_) | Err(_) => return,
        }
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

/// What the node gets to answer `command`.
fn patience(command: &Command) -> Duration {
    match command {
        // These wait for peers, or read the whole store.
        Command::Pull { .. }
        | Command::Dial { .. }
        | Command::Follow { .. }
        | Command::Lookup { .. }
        | Command::Reach { .. }
        | Command::Reindex
        | Command::Timeline { .. } => LONG_ANSWER_TIME,
        Command::Post { .. }
        | Command::ChatSend { .. }
        | Command::ChatRead { .. }
        | Command::ChatShow { .. }
        | Command::ChatList
        | Command::Name { .. }
        | Command::Contacts
        | Command::Unfollow { .. }
        | Command::Block { .. }
        | Command::Unblock { .. }
        | Command::Grant { .. }
        | Command::BeginLogs
        | Command::Card
        | Command::Status
        | Command::DialPeer { .. }
        | Command::Closest { .. }
        | Command::Provide { .. }
        | Command::Providers { .. }
        | Command::Join { .. }
        | Command::Leave { .. }
        | Command::Publish { .. } => ANSWER_TIME,
    }
}

/// Asks the node that runs in `folder`; nothing if none runs there.
///
/// # Errors
/// [`ControlError`] when the socket fails, or the answer is none or does not come.
pub async fn ask(
    folder: &Path,
    command: &Command,
) -> Result<Option<Result<Reply, CommandError>>, ControlError> {
    ask_within(folder, command, patience(command)).await
}

async fn ask_within(
    folder: &Path,
    command: &Command,
    patience: Duration,
) -> Result<Option<Result<Reply, CommandError>>, ControlError> {
    let asked = timeout(patience, converse(folder, command)).await;
    asked.unwrap_or(Err(ControlError::Silent(patience)))
}

async fn converse(
    folder: &Path,
    command: &Command,
) -> Result<Option<Result<Reply, CommandError>>, ControlError> {
    let path = folder.join(SOCKET_NAME);
    let socket = |error| ControlError::Socket {
        path: path.clone(),
        error,
    };
    let place = match SocketPath::of(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        other => other.map_err(socket)?,
    };
    let stream = match UnixStream::connect(&place.path).await {
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
    let owner = fs::metadata(folder).map_err(socket)?.uid();
    if !is_of(&stream, owner) {
        let why = "another user than the folder's owner answers there; nothing was told to it";
        return Err(socket(io::Error::new(io::ErrorKind::PermissionDenied, why)));
    }
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::net::UnixListener as SilentListener;

    fn runtime() -> tokio::runtime::Runtime {
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime")
    }

    #[test]
    fn a_node_that_does_not_answer_is_not_waited_for_for_ever() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let _silent = SilentListener::bind(folder.path().join(SOCKET_NAME)).expect("binds");
        let patience = Duration::from_millis(50);
        let asked = runtime().block_on(ask_within(folder.path(), &Command::Status, patience));
        assert!(matches!(asked, Err(ControlError::Silent(_))), "{asked:?}");
    }

    #[test]
    fn other_users_neither_drive_a_node_nor_answer_for_it() {
        for (other, owner, expected) in [
            (1_000, 1_000, true),
            (0, 1_000, true),
            (1_001, 1_000, false),
            (1_000, 0, false),
        ] {
            assert_eq!(may_drive(other, owner), expected, "{other} {owner}");
        }
        runtime().block_on(async {
            let (ours, _theirs) = UnixStream::pair().expect("a pair");
            let me = ours.peer_cred().expect("known").uid();
            assert!(is_of(&ours, me));
            // The machine's user may do anything.
            assert_eq!(is_of(&ours, me + 1), me == 0);
        });
    }

    #[test]
    fn a_folder_far_down_has_a_socket() {
        let root = tempfile::tempdir().expect("a temporary folder");
        let folder = root.path().join("x".repeat(100)).join("y".repeat(100));
        fs::create_dir_all(&folder).expect("made");
        let none = runtime().block_on(ask(&folder, &Command::Status));
        assert!(matches!(none, Ok(None)), "{none:?}");
        let _silent = SilentListener::bind(SocketPath::of(&folder).expect("is there").path);
        assert!(folder.join(SOCKET_NAME).exists());
        let patience = Duration::from_millis(50);
        let asked = runtime().block_on(ask_within(&folder, &Command::Status, patience));
        assert!(matches!(asked, Err(ControlError::Silent(_))), "{asked:?}");
    }
}
