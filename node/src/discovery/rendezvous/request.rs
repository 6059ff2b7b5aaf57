//! What clients ask of rendezvous points.

use super::{COOKIE_BYTES_MAX, RECORD_BYTES_MAX, invalid, namespace_of};
use crate::codec::DecodeError;
use crate::protobuf::{Fields, bytes, number};
use crate::protocol::one_frame::OneFrame;

/// Longest request, in bytes: a registration with a name and the longest record.
pub const REQUEST_BYTES_MAX: usize = RECORD_BYTES_MAX + 1_024;

const REGISTER: u64 = 0;
const UNREGISTER: u64 = 2;
const DISCOVER: u64 = 3;

/// What a client asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Request {
    /// Keep this record under the name, for so many seconds.
    Register {
        /// The name, of at most [`NAMESPACE_BYTES_MAX`](super::NAMESPACE_BYTES_MAX) bytes.
        namespace: String,
        /// A signed envelope with the addresses of the one who asks.
        record: Vec<u8>,
        /// In seconds; without it the point chooses.
        ttl_s: Option<u64>,
    },
    /// Forget what the one who asks has registered under the name. There is no answer.
    Unregister {
        /// The name.
        namespace: String,
    },
    /// Tell who is registered under the name.
    Discover {
        /// The name; without it all.
        namespace: Option<String>,
        /// From the answer before, to get what has come since, of at most [`COOKIE_BYTES_MAX`] bytes.
        cookie: Option<Vec<u8>>,
        /// So many at most.
        limit: Option<u64>,
    },
}

impl Request {
    /// The request as bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut body = Vec::new();
        let (kind, place) = match self {
            Self::Register {
                namespace,
                record,
                ttl_s,
            } => {
                bytes(&mut body, 1, namespace.as_bytes());
                bytes(&mut body, 2, record);
                if let Some(ttl_s) = ttl_s {
                    number(&mut body, 3, *ttl_s);
                }
                (REGISTER, 2)
            }
            Self::Unregister { namespace } => {
                bytes(&mut body, 1, namespace.as_bytes());
                (UNREGISTER, 4)
            }
            Self::Discover {
                namespace,
                cookie,
                limit,
            } => {
                if let Some(namespace) = namespace {
                    bytes(&mut body, 1, namespace.as_bytes());
                }
                if let Some(limit) = limit {
                    number(&mut body, 2, *limit);
                }
                if let Some(cookie) = cookie {
                    bytes(&mut body, 3, cookie);
                }
                (DISCOVER, 5)
            }
        };
        let mut message = Vec::new();
        number(&mut message, 1, kind);
        bytes(&mut message, place, &body);
        message
    }

    /// Reads a request. Nothing that it holds is verified.
    ///
    /// # Errors
    /// [`DecodeError`]; what is no request is none.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let message = Fields(bytes);
        let body = |place| message.bytes_in(place).map(Fields);
        match message.number_in(1)? {
            REGISTER => {
                let body = body(2)?;
                Ok(Self::Register {
                    namespace: namespace_of(body.bytes_in(1)?)?,
                    record: body.bytes_in(2)?.to_vec(),
                    ttl_s: body.number(3)?,
                })
            }
            UNREGISTER => {
                let namespace = namespace_of(body(4)?.bytes_in(1)?)?;
                Ok(Self::Unregister { namespace })
            }
            DISCOVER => {
                let body = body(5)?;
                let cookie = body.bytes(3)?;
                if cookie.is_some_and(|cookie| cookie.len() > COOKIE_BYTES_MAX) {
                    return Err(invalid("the cookie is too long"));
                }
                Ok(Self::Discover {
                    namespace: body.bytes(1)?.map(namespace_of).transpose()?,
                    cookie: cookie.map(<[u8]>::to_vec),
                    limit: body.number(2)?,
                })
            }
            _ => Err(invalid("this is no request")),
        }
    }
}

impl OneFrame for Request {
    const BYTES_MAX: usize = REQUEST_BYTES_MAX;

    fn to_frame(&self) -> Vec<u8> {
        self.encode()
    }

    fn from_frame(bytes: &[u8]) -> Result<Self, DecodeError> {
        Self::decode(bytes)
    }
}

#[cfg(test)]
mod tests {
    use proptest::option;
    use proptest::prelude::*;

    use super::super::{NAMESPACE_BYTES_MAX, Response};
    use super::*;

    fn requests() -> impl Strategy<Value = Request> {
        let bytes = |max| proptest::collection::vec(any::<u8>(), 0..=max);
        prop_oneof![
            (".{0,60}", bytes(200), option::of(any::<u64>())).prop_map(
                |(namespace, record, ttl_s)| Request::Register {
                    namespace,
                    record,
                    ttl_s
                }
            ),
            ".{0,60}".prop_map(|namespace| Request::Unregister { namespace }),
            (
                option::of(".{0,60}"),
                option::of(bytes(COOKIE_BYTES_MAX)),
                option::of(any::<u64>()),
            )
                .prop_map(|(namespace, cookie, limit)| Request::Discover {
                    namespace,
                    cookie,
                    limit
                }),
        ]
    }

    proptest! {
        #[test]
        fn a_written_request_reads_back(request in requests()) {
            prop_assert_eq!(Request::decode(&request.encode()), Ok(request));
        }

        #[test]
        fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = Request::decode(&bytes);
            let _ = Response::decode(&bytes);
        }
    }

    #[test]
    fn what_is_no_request_or_too_long_is_refused() {
        let check = |bytes: &[u8]| assert!(Request::decode(bytes).is_err(), "{bytes:?}");
        check(&[]);
        check(&[0x7f; 40]);
        check(&Response::Registered { ttl_s: 1 }.encode());
        let namespace = "n".repeat(NAMESPACE_BYTES_MAX + 1);
        check(&Request::Unregister { namespace }.encode());
        let discover = Request::Discover {
            namespace: None,
            cookie: Some(vec![0; COOKIE_BYTES_MAX + 1]),
            limit: None,
        };
        check(&discover.encode());
    }

    #[test]
    fn the_longest_registration_fits_a_frame() {
        let request = Request::Register {
            namespace: "n".repeat(NAMESPACE_BYTES_MAX),
            record: vec![0; RECORD_BYTES_MAX],
            ttl_s: Some(u64::MAX),
        };
        assert!(request.encode().len() <= REQUEST_BYTES_MAX);
    }
}
