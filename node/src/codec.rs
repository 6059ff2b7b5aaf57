//! Bounded CBOR: how the node's own formats are written and read.
//!
//! Every format is an array of fixed length and order. Reading never allocates
//! more than the input holds and never panics; what is not exactly the
//! expected shape is a [`DecodeError`]. Knows no format itself.

use minicbor::{Decoder, Encoder};

/// Why bytes or text of others could not be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// Not the expected CBOR shape.
    #[error("{what}: malformed at byte {position}")]
    Malformed {
        /// Which format.
        what: &'static str,
        /// Offset of the first byte that does not fit.
        position: usize,
    },
    /// More bytes or entries than allowed.
    #[error("{what}: {len} is more than the {max} allowed")]
    TooLong {
        /// Which format or field.
        what: &'static str,
        /// How many were announced.
        len: u64,
        /// How many are allowed.
        max: u64,
    },
    /// A version that this program does not know.
    #[error("{what}: version {found} is not read here; ask for a new one")]
    Version {
        /// Which format.
        what: &'static str,
        /// The version found.
        found: u64,
    },
    /// Bytes follow where the format ends.
    #[error("{what}: {len} bytes too many")]
    Trailing {
        /// Which format.
        what: &'static str,
        /// How many.
        len: usize,
    },
    /// A field holds a value that has no meaning.
    #[error("{what}: {reason}")]
    Invalid {
        /// Which format or field.
        what: &'static str,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// A signature does not belong to the signed bytes and key.
    #[error("{what}: the signature is not by the stated key")]
    Signature {
        /// Which format.
        what: &'static str,
    },
}

/// Reads one format.
pub(crate) struct Reader<'a> {
    what: &'static str,
    cbor: Decoder<'a>,
}

impl<'a> Reader<'a> {
    /// Starts at the first of `bytes`; `what` names the format in errors.
    pub(crate) fn new(what: &'static str, bytes: &'a [u8]) -> Self {
        let cbor = Decoder::new(bytes);
        Self { what, cbor }
    }

    fn malformed(&self) -> DecodeError {
        DecodeError::Malformed {
            what: self.what,
            position: self.cbor.position(),
        }
    }

    /// An array of exactly `len` entries.
    pub(crate) fn array(&mut self, len: u64) -> Result<(), DecodeError> {
        match self.cbor.array() {
            Ok(Some(found)) if found == len => Ok(()),
            _ => Err(self.malformed()),
        }
    }

    /// An array of at most `max` entries; their number.
    pub(crate) fn list(&mut self, max: usize) -> Result<usize, DecodeError> {
        match self.cbor.array() {
            Ok(Some(len)) if len <= max as u64 => Ok(len as usize),
            Ok(Some(len)) => Err(DecodeError::TooLong {
                what: self.what,
                len,
                max: max as u64,
            }),
            _ => Err(self.malformed()),
        }
    }

    /// An array of exactly `len` entries, the first of which is the version, that must be
    /// `known`. Another version may have another length, so it is told first.
    pub(crate) fn versioned(&mut self, len: u64, known: u64) -> Result<(), DecodeError> {
        let found = match self.cbor.array() {
            Ok(Some(found)) if found > 0 => found,
            _ => return Err(self.malformed()),
        };
        self.version(known)?;
        if found == len {
            Ok(())
        } else {
            Err(self.malformed())
        }
    }

    /// The version, which must be `known`.
    pub(crate) fn version(&mut self, known: u64) -> Result<(), DecodeError> {
        match self.u64()? {
            found if found == known => Ok(()),
            found => Err(DecodeError::Version {
                what: self.what,
                found,
            }),
        }
    }

    /// An unsigned number.
    pub(crate) fn u64(&mut self) -> Result<u64, DecodeError> {
        self.cbor.u64().map_err(|_| self.malformed())
    }

    /// An unsigned number of 32 bits.
    pub(crate) fn u32(&mut self) -> Result<u32, DecodeError> {
        self.cbor.u32().map_err(|_| self.malformed())
    }

    /// True or false.
    pub(crate) fn bool(&mut self) -> Result<bool, DecodeError> {
        self.cbor.bool().map_err(|_| self.malformed())
    }

    /// Exactly `N` bytes.
    pub(crate) fn fixed<const N: usize>(&mut self) -> Result<[u8; N], DecodeError> {
        let bytes = self.cbor.bytes().map_err(|_| self.malformed())?;
        bytes.try_into().map_err(|_| self.malformed())
    }

    /// At most `max` bytes.
    pub(crate) fn bytes(&mut self, max: usize) -> Result<&'a [u8], DecodeError> {
        let bytes = self.cbor.bytes().map_err(|_| self.malformed())?;
        self.bounded(bytes.len(), max)?;
        Ok(bytes)
    }

    /// Text of at most `max` bytes.
    pub(crate) fn text(&mut self, max: usize) -> Result<&'a str, DecodeError> {
        let text = self.cbor.str().map_err(|_| self.malformed())?;
        self.bounded(text.len(), max)?;
        Ok(text)
    }

    /// Null, or what `read` reads.
    pub(crate) fn option<T>(
        &mut self,
        read: impl FnOnce(&mut Self) -> Result<T, DecodeError>,
    ) -> Result<Option<T>, DecodeError> {
        match self.cbor.datatype() {
            Ok(minicbor::data::Type::Null) => {
                self.cbor.null().map_err(|_| self.malformed())?;
                Ok(None)
            }
            Ok(_) => read(self).map(Some),
            Err(_) => Err(self.malformed()),
        }
    }

    /// The format ends here, and so must the bytes.
    pub(crate) fn end(self) -> Result<(), DecodeError> {
        match self.cbor.input().len() - self.cbor.position() {
            0 => Ok(()),
            len => Err(DecodeError::Trailing {
                what: self.what,
                len,
            }),
        }
    }

    fn bounded(&self, len: usize, max: usize) -> Result<(), DecodeError> {
        if len <= max {
            return Ok(());
        }
        Err(DecodeError::TooLong {
            what: self.what,
            len: len as u64,
            max: max as u64,
        })
    }
}

/// Writes one format into memory, which cannot fail.
#[derive(Default)]
pub(crate) struct Writer {
    bytes: Vec<u8>,
}

impl Writer {
    fn cbor(&mut self, write: impl FnOnce(&mut Encoder<&mut Vec<u8>>) -> WriteResult) -> &mut Self {
        write(&mut Encoder::new(&mut self.bytes)).expect("writing to memory cannot fail");
        self
    }

    /// Opens an array of `len` entries.
    pub(crate) fn array(&mut self, len: usize) -> &mut Self {
        self.cbor(|cbor| cbor.array(len as u64)?.ok())
    }

    /// An unsigned number.
    pub(crate) fn u64(&mut self, value: u64) -> &mut Self {
        self.cbor(|cbor| cbor.u64(value)?.ok())
    }

    /// True or false.
    pub(crate) fn bool(&mut self, value: bool) -> &mut Self {
        self.cbor(|cbor| cbor.bool(value)?.ok())
    }

    /// A byte string.
    pub(crate) fn bytes(&mut self, value: &[u8]) -> &mut Self {
        self.cbor(|cbor| cbor.bytes(value)?.ok())
    }

    /// A text string.
    pub(crate) fn text(&mut self, value: &str) -> &mut Self {
        self.cbor(|cbor| cbor.str(value)?.ok())
    }

    /// Null, or what `write` writes.
    pub(crate) fn option<T>(
        &mut self,
        value: Option<T>,
        write: impl FnOnce(&mut Self, T),
    ) -> &mut Self {
        match value {
            None => self.cbor(|cbor| cbor.null()?.ok()),
            Some(value) => {
                write(self, value);
                self
            }
        }
    }

    /// What was written.
    pub(crate) fn finish(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.bytes)
    }
}

type WriteResult = Result<(), minicbor::encode::Error<std::convert::Infallible>>;
