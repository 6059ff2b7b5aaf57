//! Why reservations and circuits are refused or end, as values rather than texts.
//!
//! libp2p buries most of these reasons in errors inside of errors, and tells some not at all;
//! this module digs them out.

use std::error::Error;
use std::hash::{Hash, Hasher};
use std::io;

use libp2p::relay::StatusCode;
use libp2p::relay::client::transport;
use libp2p::relay::outbound::hop::{ConnectError, ReserveError};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::causes::inside;
use crate::named::listed;

listed! {
    /// Why a reservation was not granted, or is held no longer.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
    #[serde(rename_all = "kebab-case")]
    pub enum ReservationEnd {
        /// The relay does not want us.
        Refused = "refused",
        /// The relay is full, or grants us no more for now.
        ResourceLimitExceeded = "resource-limit-exceeded",
        /// The peer does not relay (any more).
        Unsupported = "unsupported",
        /// No answer in the minute that libp2p waits.
        TimedOut = "timed-out",
        /// An answer that is none.
        Malformed = "malformed",
        /// The connection with the relay has ended.
        ConnectionClosed = "connection-closed",
        /// The relay would have it renewed again and again.
        RenewedTooOften = "renewed-too-often",
    }
}

/// As the text that events have of it.
impl Hash for ReservationEnd {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.name().hash(state);
    }
}

impl ReservationEnd {
    /// What made the listener of a reservation close.
    pub fn of_listener(reason: &Result<(), io::Error>) -> Self {
        let Err(error) = reason else {
            // libp2p closes listeners without a word when their connection ends.
            return Self::ConnectionClosed;
        };
        match inside(error) {
            Some(ReserveError::Refused) => Self::Refused,
            Some(ReserveError::ResourceLimitExceeded) => Self::ResourceLimitExceeded,
            Some(ReserveError::Unsupported) => Self::Unsupported,
            Some(ReserveError::Protocol(_)) => Self::Malformed,
            Some(ReserveError::Io(error)) if error.kind() == io::ErrorKind::TimedOut => {
                Self::TimedOut
            }
            Some(ReserveError::Io(_)) | None => Self::ConnectionClosed,
        }
    }

    /// Whether asking again soon would be pointless.
    pub fn is_refusal(self) -> bool {
        !matches!(self, Self::TimedOut | Self::ConnectionClosed)
    }
}

listed! {
    /// Why a circuit was not opened.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub enum CircuitDenial {
        /// The relay has no circuit left for us.
        ResourceLimitExceeded = "resource-limit-exceeded",
        /// The relay could not reach the destination, which holds a reservation.
        ConnectionFailed = "connection-failed",
        /// The destination holds no reservation there.
        NoReservation = "no-reservation",
        /// The relay does not connect us.
        PermissionDenied = "permission-denied",
        /// The peer does not relay.
        Unsupported = "unsupported",
        /// No answer in the minute that libp2p waits.
        TimedOut = "timed-out",
        /// An answer that is none.
        Malformed = "malformed",
        /// The connection with the relay has ended.
        ConnectionClosed = "connection-closed",
        /// There is no connection with the relay, and none comes about.
        RelayUnreachable = "relay-unreachable",
        /// The circuit was opened, but no secured connection came about on it.
        HandshakeFailed = "handshake-failed",
    }
}

impl CircuitDenial {
    /// What made a dial through a relay fail.
    pub fn of_dial(error: &(dyn Error + 'static)) -> Self {
        if let Some(error) = inside::<ConnectError>(error) {
            return match error {
                ConnectError::ResourceLimitExceeded => Self::ResourceLimitExceeded,
                ConnectError::ConnectionFailed => Self::ConnectionFailed,
                ConnectError::NoReservation => Self::NoReservation,
                ConnectError::PermissionDenied => Self::PermissionDenied,
                ConnectError::Unsupported => Self::Unsupported,
                ConnectError::Protocol(_) => Self::Malformed,
                ConnectError::Io(error) if error.kind() == io::ErrorKind::TimedOut => {
                    Self::TimedOut
                }
                ConnectError::Io(_) => Self::ConnectionClosed,
            };
        }
        match inside::<transport::Error>(error) {
            Some(transport::Error::ResponseFromBehaviourCanceled(_)) => Self::RelayUnreachable,
            Some(_) => Self::Malformed,
            None => Self::HandshakeFailed,
        }
    }

    /// The reason in a relay's answer.
    pub fn of_status(status: &StatusCode) -> Self {
        match status {
            StatusCode::ReservationRefused | StatusCode::PermissionDenied => Self::PermissionDenied,
            StatusCode::ResourceLimitExceeded => Self::ResourceLimitExceeded,
            StatusCode::NoReservation => Self::NoReservation,
            StatusCode::OK | StatusCode::ConnectionFailed => Self::ConnectionFailed,
            StatusCode::MalformedMessage | StatusCode::UnexpectedMessage => Self::Malformed,
        }
    }
}

listed! {
    /// How an open circuit ended, as its relay sees it.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
    #[serde(rename_all = "kebab-case")]
    pub enum CircuitEnd {
        /// Both ends closed it.
        Finished = "finished",
        /// It carried as many bytes as it may.
        MaxBytes = "max-bytes",
        /// It lasted as long as it may.
        MaxDuration = "max-duration",
        /// The connection with one of its ends has gone.
        ConnectionClosed = "connection-closed",
        /// Reading from or writing to one of its ends failed.
        Failed = "failed",
    }
}

/// As the text that events have of it.
impl Hash for CircuitEnd {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.name().hash(state);
    }
}

impl CircuitEnd {
    /// What libp2p's relay tells of the end.
    pub fn of_relay(error: Option<&io::Error>) -> Self {
        let Some(error) = error else {
            return Self::Finished;
        };
        match error.kind() {
            io::ErrorKind::TimedOut => Self::MaxDuration,
            io::ErrorKind::ConnectionAborted => Self::ConnectionClosed,
            // libp2p-relay 0.22, copy_future.rs: this text is all there is of it.
            io::ErrorKind::Other if error.to_string() == "Max circuit bytes reached." => {
                Self::MaxBytes
            }
            _ => Self::Failed,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As the swarm reports an error of the transport of circuits.
    fn buried(error: transport::Error) -> io::Error {
        io::Error::other(io::Error::other(error))
    }

    #[test]
    fn a_listeners_reason_is_dug_out() {
        let check = |error: ReserveError, expected| {
            let closed = Err(buried(transport::Error::Reservation(error)));
            assert_eq!(ReservationEnd::of_listener(&closed), expected);
        };
        check(ReserveError::Refused, ReservationEnd::Refused);
        check(
            ReserveError::ResourceLimitExceeded,
            ReservationEnd::ResourceLimitExceeded,
        );
        check(ReserveError::Unsupported, ReservationEnd::Unsupported);
        let timed_out = io::ErrorKind::TimedOut.into();
        check(ReserveError::Io(timed_out), ReservationEnd::TimedOut);
        let broken = io::ErrorKind::BrokenPipe.into();
        check(ReserveError::Io(broken), ReservationEnd::ConnectionClosed);
        assert_eq!(
            ReservationEnd::of_listener(&Ok(())),
            ReservationEnd::ConnectionClosed
        );
    }

    #[test]
    fn a_failed_dials_reason_is_dug_out() {
        let check = |error: ConnectError, expected| {
            let error = buried(transport::Error::Connect(error));
            assert_eq!(CircuitDenial::of_dial(&error), expected);
        };
        check(ConnectError::NoReservation, CircuitDenial::NoReservation);
        check(
            ConnectError::PermissionDenied,
            CircuitDenial::PermissionDenied,
        );
        let timed_out = io::ErrorKind::TimedOut.into();
        check(ConnectError::Io(timed_out), CircuitDenial::TimedOut);
        assert_eq!(
            CircuitDenial::of_dial(&buried(transport::Error::MalformedMultiaddr)),
            CircuitDenial::Malformed
        );
        assert_eq!(
            CircuitDenial::of_dial(&io::Error::other("something else")),
            CircuitDenial::HandshakeFailed
        );
    }

    #[test]
    fn the_ends_of_a_circuit_are_told_apart() {
        let check = |error: Option<io::Error>, expected| {
            assert_eq!(CircuitEnd::of_relay(error.as_ref()), expected);
        };
        check(None, CircuitEnd::Finished);
        check(
            Some(io::Error::other("Max circuit bytes reached.")),
            CircuitEnd::MaxBytes,
        );
        check(Some(io::Error::other("?")), CircuitEnd::Failed);
        check(
            Some(io::ErrorKind::TimedOut.into()),
            CircuitEnd::MaxDuration,
        );
    }
}
