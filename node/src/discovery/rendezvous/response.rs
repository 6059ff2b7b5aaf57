//! What rendezvous points answer.

use std::sync::Arc;

use super::{COOKIE_BYTES_MAX, Status, invalid, namespace_of};
use crate::codec::DecodeError;
use crate::protobuf::{Fields, Value, bytes, number};
use crate::protocol::one_frame::OneFrame;

/// Longest answer, in bytes: a page of registrations with a dozen of the longest records, or with
/// hundreds of ordinary ones.
pub const RESPONSE_BYTES_MAX: usize = 128 * 1024;
/// What an answer has beside its registrations, in bytes.
const BESIDE_BYTES: usize = COOKIE_BYTES_MAX + 64;
/// What a registration has beside its name and its record, in bytes.
const FIELDS_BYTES: usize = 32;
/// What all registrations of an answer may take, by [`Registration::bytes`].
pub(super) const PAGE_BYTES_MAX: usize = RESPONSE_BYTES_MAX - BESIDE_BYTES;

const REGISTER_RESPONSE: u64 = 1;
const DISCOVER_RESPONSE: u64 = 4;
const OK: u64 = 0;

/// What a point answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Response {
    /// The record is kept for so many seconds.
    Registered {
        /// In seconds.
        ttl_s: u64,
    },
    /// It is not kept.
    NotRegistered {
        /// Why, by a [`Status`], or a number that is none.
        status: u64,
    },
    /// Some of those who are registered.
    Discovered {
        /// As they were registered, perhaps.
        registrations: Vec<Registration>,
        /// For the next page.
        cookie: Vec<u8>,
    },
    /// The question is not answered.
    NotDiscovered {
        /// Why, by a [`Status`], or a number that is none.
        status: u64,
    },
}

/// Where somebody says that they are. Nothing of it has been looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Registration {
    /// The name under which it stands.
    pub namespace: String,
    /// A signed envelope with addresses.
    pub record: Arc<[u8]>,
    /// For how long it stands, in seconds.
    pub ttl_s: u64,
}

impl Registration {
    /// At most so many bytes it takes of an answer.
    pub(super) fn bytes(&self) -> usize {
        self.namespace.len() + self.record.len() + FIELDS_BYTES
    }

    fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.bytes());
        bytes(&mut out, 1, self.namespace.as_bytes());
        bytes(&mut out, 2, &self.record);
        number(&mut out, 3, self.ttl_s);
        out
    }

    fn decode(fields: &Fields<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            namespace: namespace_of(fields.bytes_in(1)?)?,
            record: fields.bytes_in(2)?.into(),
            ttl_s: fields.number_in(3)?,
        })
    }
}

impl Response {
    /// The point does not register somebody.
    pub fn not_registered(status: Status) -> Self {
        let status = status.number();
        Self::NotRegistered { status }
    }

    /// The point does not tell who is registered.
    pub fn not_discovered(status: Status) -> Self {
        let status = status.number();
        Self::NotDiscovered { status }
    }

    /// The answer as bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut body = Vec::new();
        let (kind, place) = match self {
            Self::Registered { ttl_s } => {
                number(&mut body, 1, OK);
                number(&mut body, 3, *ttl_s);
                (REGISTER_RESPONSE, 3)
            }
            Self::NotRegistered { status } => {
                number(&mut body, 1, *status);
                (REGISTER_RESPONSE, 3)
            }
            Self::Discovered {
                registrations,
                cookie,
            } => {
                for registration in registrations {
                    bytes(&mut body, 1, &registration.encode());
                }
                bytes(&mut body, 2, cookie);
                number(&mut body, 3, OK);
                (DISCOVER_RESPONSE, 6)
            }
            Self::NotDiscovered { status } => {
                number(&mut body, 3, *status);
                (DISCOVER_RESPONSE, 6)
            }
        };
        let mut message = Vec::new();
        number(&mut message, 1, kind);
        bytes(&mut message, place, &body);
        message
    }

    /// Reads an answer; its registrations are to be judged one by one.
    ///
    /// # Errors
    /// [`DecodeError`]; what is no answer is none.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let message = Fields(bytes);
        match message.number_in(1)? {
            REGISTER_RESPONSE => Self::registered(&Fields(message.bytes_in(3)?)),
            DISCOVER_RESPONSE => Self::discovered(Fields(message.bytes_in(6)?)),
            _ => Err(invalid("this is no answer")),
        }
    }

    fn registered(body: &Fields<'_>) -> Result<Self, DecodeError> {
        match body.number_in(1)? {
            OK => {
                let ttl_s = body.number_in(3)?;
                Ok(Self::Registered { ttl_s })
            }
            status => Ok(Self::NotRegistered { status }),
        }
    }

    fn discovered(body: Fields<'_>) -> Result<Self, DecodeError> {
        match body.number_in(3)? {
            OK => {}
            status => return Ok(Self::NotDiscovered { status }),
        }
        let cookie = body.bytes_in(2)?;
        if cookie.len() > COOKIE_BYTES_MAX {
            return Err(invalid("the cookie is too long"));
        }
        let mut registrations = Vec::new();
        for field in body {
            match field? {
                (1, Value::Bytes(one)) => registrations.push(Registration::decode(&Fields(one))?),
                (1, _) => return Err(invalid("a registration is of another kind")),
                _ => {}
            }
        }
        Ok(Self::Discovered {
            registrations,
            cookie: cookie.to_vec(),
        })
    }
}

impl OneFrame for Response {
    const BYTES_MAX: usize = RESPONSE_BYTES_MAX;

    fn to_frame(&self) -> Vec<u8> {
        self.encode()
    }

    fn from_frame(bytes: &[u8]) -> Result<Self, DecodeError> {
        Self::decode(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::super::{NAMESPACE_BYTES_MAX, RECORD_BYTES_MAX};
    use super::*;

    fn registration(record: &[u8]) -> Registration {
        Registration {
            namespace: "name".to_owned(),
            record: record.into(),
            ttl_s: 7_200,
        }
    }

    #[test]
    fn a_written_answer_reads_back() {
        let check = |answer: Response| assert_eq!(Response::decode(&answer.encode()), Ok(answer));
        check(Response::Registered { ttl_s: u64::MAX });
        check(Response::not_registered(Status::InvalidTtl));
        check(Response::not_discovered(Status::Unavailable));
        check(Response::Discovered {
            registrations: vec![registration(b"one"), registration(b"other")],
            cookie: b"cookie".to_vec(),
        });
    }

    #[test]
    fn what_is_no_answer_or_has_too_long_a_cookie_is_refused() {
        let check = |bytes: &[u8]| assert!(Response::decode(bytes).is_err(), "{bytes:?}");
        check(&[]);
        check(&[0x7f; 40]);
        // A number of more than 64 bits, and bytes that are not there.
        check(&[[8].as_slice(), &[0xff; 10]].concat());
        check(&[0x0a, 5, 1]);
        let long = Response::Discovered {
            registrations: vec![],
            cookie: vec![0; COOKIE_BYTES_MAX + 1],
        };
        check(&long.encode());
        // A request: type 3 = DISCOVER.
        check(&[0x08, 3, 0x2a, 0]);
    }

    #[test]
    fn a_page_that_is_full_by_its_count_fits_a_frame() {
        let one = Registration {
            namespace: "n".repeat(NAMESPACE_BYTES_MAX),
            record: vec![0; RECORD_BYTES_MAX].into(),
            ttl_s: u64::MAX,
        };
        let tiny = registration(b"");
        for one in [one, tiny] {
            let answer = Response::Discovered {
                registrations: vec![one.clone(); PAGE_BYTES_MAX / one.bytes()],
                cookie: vec![0; COOKIE_BYTES_MAX],
            };
            assert!(answer.encode().len() <= RESPONSE_BYTES_MAX);
        }
    }
}
