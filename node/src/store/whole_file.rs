//! Small files of the store, read whole: one that is longer or shorter than it may be is damaged, as
//! one of another content is.

use std::io;
use std::sync::Arc;

use super::StoreError;
use crate::environment::Disk;
use crate::files;

/// The content of the file at `path`, which has at most `bytes_max`; `None` if there is no such file.
///
/// # Errors
/// `Damaged` if it is longer, or cannot be read to its end; `Disk`.
pub(super) fn read(
    disk: &Arc<dyn Disk>,
    path: &str,
    bytes_max: u64,
) -> Result<Option<Vec<u8>>, StoreError> {
    files::read(disk, path, bytes_max).map_err(|error| match error.kind() {
        io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof => StoreError::Damaged {
            path: path.to_owned(),
            reason: error.to_string(),
        },
        _ => error.into(),
    })
}
