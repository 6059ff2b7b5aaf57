//! The bytes of protocol buffers, as far as libp2p's protocols that are spoken here by ourselves need them.
//!
//! Owns how fields are written and read. Which fields a message has is not known here.
//! <https://protobuf.dev/programming-guides/encoding/>

use crate::codec::DecodeError;

/// What is wrong with bytes that hold no fields.
const MALFORMED: DecodeError = DecodeError::Invalid {
    what: "message",
    reason: "its fields cannot be read",
};
/// What is wrong where a field is missing, or holds something of another kind.
const MISFIT: DecodeError = DecodeError::Invalid {
    what: "message",
    reason: "a field is missing, or of another kind",
};

/// Adds a field with a message, or with text.
pub fn bytes(out: &mut Vec<u8>, field: u64, value: &[u8]) {
    varint(out, field << 3 | 2);
    varint(out, value.len() as u64);
    out.extend_from_slice(value);
}

/// Adds a field with a number.
pub fn number(out: &mut Vec<u8>, field: u64, value: u64) {
    varint(out, field << 3);
    varint(out, value);
}

/// Adds a number without a field.
pub fn varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// The fields of a message that have not been read.
#[derive(Debug, Clone)]
pub struct Fields<'a>(pub &'a [u8]);

/// What a field holds.
#[derive(Debug, Clone, Copy)]
pub enum Value<'a> {
    /// A number.
    Number(u64),
    /// A message, or text.
    Bytes(&'a [u8]),
    /// Four or eight bytes, of which no message here makes use.
    Fixed,
}

impl<'a> Fields<'a> {
    /// The number in a field, if it is there; of several the last counts.
    ///
    /// # Errors
    /// [`DecodeError`] if the field holds something else, or the message is none.
    pub fn number(&self, field: u64) -> Result<Option<u64>, DecodeError> {
        self.last(field, |value| match value {
            Value::Number(number) => Some(number),
            Value::Bytes(_) | Value::Fixed => None,
        })
    }

    /// The number in a field that must be there.
    ///
    /// # Errors
    /// The same, and if it is not there.
    pub fn number_in(&self, field: u64) -> Result<u64, DecodeError> {
        self.number(field)?.ok_or(MISFIT)
    }

    /// The bytes in a field, if it is there; of several the last counts.
    ///
    /// # Errors
    /// As of [`number`](Self::number).
    pub fn bytes(&self, field: u64) -> Result<Option<&'a [u8]>, DecodeError> {
        self.last(field, |value| match value {
            Value::Bytes(bytes) => Some(bytes),
            Value::Number(_) | Value::Fixed => None,
        })
    }

    /// The bytes in a field that must be there.
    ///
    /// # Errors
    /// The same, and if it is not there.
    pub fn bytes_in(&self, field: u64) -> Result<&'a [u8], DecodeError> {
        self.bytes(field)?.ok_or(MISFIT)
    }

    fn last<T>(
        &self,
        field: u64,
        read: impl Fn(Value<'a>) -> Option<T>,
    ) -> Result<Option<T>, DecodeError> {
        let mut found = None;
        for one in self.clone() {
            let (place, value) = one?;
            if place == field {
                found = Some(read(value).ok_or(MISFIT)?);
            }
        }
        Ok(found)
    }

    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    fn varint(&mut self) -> Option<u64> {
        let mut value = 0_u64;
        for shift in (0..64).step_by(7) {
            let byte = self.take(1)?[0];
            let part = u64::from(byte & 0x7f);
            if part << shift >> shift != part {
                return None;
            }
            value |= part << shift;
            if byte & 0x80 == 0 {
                return Some(value);
            }
        }
        None
    }

    fn field(&mut self) -> Option<(u64, Value<'a>)> {
        let tag = self.varint()?;
        let value = match tag & 7 {
            0 => Value::Number(self.varint()?),
            1 => self.take(8).map(|_| Value::Fixed)?,
            2 => {
                let length = usize::try_from(self.varint()?).ok()?;
                Value::Bytes(self.take(length)?)
            }
            5 => self.take(4).map(|_| Value::Fixed)?,
            _ => return None,
        };
        Some((tag >> 3, value))
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = Result<(u64, Value<'a>), DecodeError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let field = self.field();
        if field.is_none() {
            self.0 = &[];
        }
        Some(field.ok_or(MALFORMED))
    }
}
