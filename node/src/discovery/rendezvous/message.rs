//! What clients and rendezvous points say to each other.
//!
//! Owns the bytes of a client's requests, and reads a point's answers: no more than it has to,
//! and none that are no answers. Whether an answer fits the question is the client's to see.
//! The format is protocol buffers':
//! <https://github.com/libp2p/specs/blob/master/rendezvous/README.md#protobuf>

use libp2p::core::{PeerRecord, SignedEnvelope};

/// Longest answer, in bytes: a page of registrations, each with as many addresses as may be.
pub const RESPONSE_BYTES_MAX: usize = 128 * 1024;
/// Longest cookie, in bytes: it is sent back as it came. Those of libp2p have at most 263.
pub const COOKIE_BYTES_MAX: usize = 1_024;

const REGISTER: u64 = 0;
const REGISTER_RESPONSE: u64 = 1;
const DISCOVER: u64 = 3;
const DISCOVER_RESPONSE: u64 = 4;
const OK: u64 = 0;

/// What a client asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Request {
    /// Keep this record under the name, for so many seconds.
    Register {
        /// The name.
        namespace: String,
        /// A signed envelope with the addresses of the one who asks.
        record: Vec<u8>,
        /// In seconds.
        ttl_s: u64,
    },
    /// Tell who is registered under the name.
    Discover {
        /// The name.
        namespace: String,
        /// From the answer before, to get the next.
        cookie: Option<Vec<u8>>,
        /// So many at most.
        limit: u64,
    },
}

/// What a point answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Response {
    /// The record is kept for so many seconds.
    Registered {
        /// In seconds.
        ttl_s: u64,
    },
    /// Some of those who are registered.
    Discovered {
        /// Each signed by the peer that it names.
        registrations: Vec<Registration>,
        /// For the next page.
        cookie: Vec<u8>,
    },
    /// The point does not do what it was asked, and says why by a number of the specification.
    Refused {
        /// 100 and more.
        status: u64,
    },
}

/// Where somebody is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Registration {
    /// Signed by the peer that it names.
    pub record: PeerRecord,
    /// In seconds.
    pub ttl_s: u64,
}

/// Why an answer cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ResponseError {
    /// The bytes are no message.
    #[error("the answer cannot be read")]
    Malformed,
    /// A message that is no answer.
    #[error("this is no answer")]
    NoAnswer,
    /// A record that its peer has not signed.
    #[error("a registration is not signed by its peer")]
    Forged,
}

impl Request {
    /// The request as bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut message = Vec::new();
        let mut body = Vec::new();
        match self {
            Self::Register {
                namespace,
                record,
                ttl_s,
            } => {
                bytes(&mut body, 1, namespace.as_bytes());
                bytes(&mut body, 2, record);
                number(&mut body, 3, *ttl_s);
                number(&mut message, 1, REGISTER);
                bytes(&mut message, 2, &body);
            }
            Self::Discover {
                namespace,
                cookie,
                limit,
            } => {
                bytes(&mut body, 1, namespace.as_bytes());
                number(&mut body, 2, *limit);
                if let Some(cookie) = cookie {
                    bytes(&mut body, 3, cookie);
                }
                number(&mut message, 1, DISCOVER);
                bytes(&mut message, 5, &body);
            }
        }
        message
    }
}

impl Response {
    /// Reads an answer.
    ///
    /// # Errors
    /// [`ResponseError`], by what is wrong.
    pub fn decode(bytes: &[u8]) -> Result<Self, ResponseError> {
        let message = Fields(bytes);
        match message.number(1)? {
            Some(REGISTER_RESPONSE) => Self::registered(&message.required(3)?),
            Some(DISCOVER_RESPONSE) => Self::discovered(message.required(6)?),
            Some(_) => Err(ResponseError::NoAnswer),
            None => Err(ResponseError::Malformed),
        }
    }

    fn registered(body: &Fields<'_>) -> Result<Self, ResponseError> {
        match body.number(1)?.ok_or(ResponseError::Malformed)? {
            OK => {
                let ttl_s = body.number(3)?.ok_or(ResponseError::Malformed)?;
                Ok(Self::Registered { ttl_s })
            }
            status => Ok(Self::Refused { status }),
        }
    }

    fn discovered(body: Fields<'_>) -> Result<Self, ResponseError> {
        match body.number(3)?.ok_or(ResponseError::Malformed)? {
            OK => {}
            status => return Ok(Self::Refused { status }),
        }
        let mut cookie = None;
        let mut registrations = Vec::new();
        for field in body {
            match field? {
                (1, Value::Bytes(one)) => registrations.push(Registration::decode(&Fields(one))?),
                (2, Value::Bytes(bytes)) if bytes.len() <= COOKIE_BYTES_MAX => {
                    cookie = Some(bytes.to_vec());
                }
                (1 | 2, _) => return Err(ResponseError::Malformed),
                _ => {}
            }
        }
        Ok(Self::Discovered {
            registrations,
            cookie: cookie.ok_or(ResponseError::Malformed)?,
        })
    }
}

impl Registration {
    fn decode(fields: &Fields<'_>) -> Result<Self, ResponseError> {
        let record = fields.required(2)?.0;
        let ttl_s = fields.number(3)?.ok_or(ResponseError::Malformed)?;
        let envelope = SignedEnvelope::from_protobuf_encoding(record);
        let envelope = envelope.map_err(|_| ResponseError::Malformed)?;
        // This checks the signature, and that the signer is the peer of the record.
        let record = PeerRecord::from_signed_envelope(envelope);
        let record = record.map_err(|_| ResponseError::Forged)?;
        Ok(Self { record, ttl_s })
    }
}

fn bytes(out: &mut Vec<u8>, field: u64, value: &[u8]) {
    varint(out, field << 3 | 2);
    varint(out, value.len() as u64);
    out.extend_from_slice(value);
}

fn number(out: &mut Vec<u8>, field: u64, value: u64) {
    varint(out, field << 3);
    varint(out, value);
}

fn varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// The fields of a message that have not been read.
#[derive(Debug, Clone)]
struct Fields<'a>(&'a [u8]);

/// What a field holds.
#[derive(Debug, Clone, Copy)]
enum Value<'a> {
    Number(u64),
    Bytes(&'a [u8]),
    /// Four or eight bytes, of which no message here makes use.
    Fixed,
}

impl<'a> Fields<'a> {
    /// The number in a field, if it is there; of several the last counts.
    fn number(&self, field: u64) -> Result<Option<u64>, ResponseError> {
        let mut found = None;
        for one in self.clone() {
            match one? {
                (place, Value::Number(number)) if place == field => found = Some(number),
                (place, _) if place == field => return Err(ResponseError::Malformed),
                _ => {}
            }
        }
        Ok(found)
    }

    /// The message within a field, which must be there.
    fn required(&self, field: u64) -> Result<Self, ResponseError> {
        let mut found = None;
        for one in self.clone() {
            match one? {
                (place, Value::Bytes(bytes)) if place == field => found = Some(Self(bytes)),
                (place, _) if place == field => return Err(ResponseError::Malformed),
                _ => {}
            }
        }
        found.ok_or(ResponseError::Malformed)
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
    type Item = Result<(u64, Value<'a>), ResponseError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let field = self.field();
        if field.is_none() {
            self.0 = &[];
        }
        Some(field.ok_or(ResponseError::Malformed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use libp2p::identity::Keypair;

    /// A message of this kind with this body in this field.
    fn message(kind: u64, field: u64, body: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        number(&mut out, 1, kind);
        bytes(&mut out, field, body);
        out
    }

    fn registered(ttl_s: u64) -> Vec<u8> {
        let mut body = Vec::new();
        number(&mut body, 1, OK);
        number(&mut body, 3, ttl_s);
        message(REGISTER_RESPONSE, 3, &body)
    }

    fn discovered(records: &[&[u8]], cookie: &[u8]) -> Vec<u8> {
        let mut body = Vec::new();
        for record in records {
            let mut one = Vec::new();
            bytes(&mut one, 1, b"name");
            bytes(&mut one, 2, record);
            number(&mut one, 3, 7_200);
            bytes(&mut body, 1, &one);
        }
        bytes(&mut body, 2, cookie);
        number(&mut body, 3, OK);
        message(DISCOVER_RESPONSE, 6, &body)
    }

    fn record() -> PeerRecord {
        let keys = Keypair::ed25519_from_bytes([3; 32]).expect("a key");
        let address = "/ip4/192.0.2.1/tcp/1".parse().expect("an address");
        PeerRecord::new(&keys, vec![address]).expect("signs")
    }

    #[track_caller]
    fn check(bytes: &[u8], expected: &Result<Response, ResponseError>) {
        assert_eq!(&Response::decode(bytes), expected);
    }

    #[test]
    fn answers_are_read_and_all_else_is_refused_by_kind() {
        let record = record();
        let signed = record.to_signed_envelope().into_protobuf_encoding();
        let ttl_s = u64::MAX;
        check(&registered(ttl_s), &Ok(Response::Registered { ttl_s }));
        let mut refusal = Vec::new();
        number(&mut refusal, 1, 102);
        let refusal = message(REGISTER_RESPONSE, 3, &refusal);
        check(&refusal, &Ok(Response::Refused { status: 102 }));
        let ttl_s = 7_200;
        let expected = Response::Discovered {
            registrations: vec![Registration { record, ttl_s }],
            cookie: b"cookie".to_vec(),
        };
        check(&discovered(&[&signed], b"cookie"), &Ok(expected));
        let long = [0; COOKIE_BYTES_MAX + 1];
        check(&discovered(&[], &long), &Err(ResponseError::Malformed));
        check(&[], &Err(ResponseError::Malformed));
        check(&[0x7f; 40], &Err(ResponseError::Malformed));
        // A number of more than 64 bits, and bytes that are not there.
        check(
            &[[8].as_slice(), &[0xff; 10]].concat(),
            &Err(ResponseError::Malformed),
        );
        check(&[0x0a, 5, 1], &Err(ResponseError::Malformed));
        let mut forged = signed;
        *forged.last_mut().expect("not empty") ^= 1;
        check(&discovered(&[&forged], b""), &Err(ResponseError::Forged));
        let request = Request::Discover {
            namespace: "name".to_owned(),
            cookie: None,
            limit: 1,
        };
        check(&request.encode(), &Err(ResponseError::NoAnswer));
    }
}
