//! The two messages: there is something new, and what is done about it.

use crate::codec::DecodeError;
use crate::protocol::Reason;
use crate::protocol::one_frame::OneFrame;

/// There is something new.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct New;

impl OneFrame for New {
    const BYTES_MAX: usize = 0;

    fn to_frame(&self) -> Vec<u8> {
        Vec::new()
    }

    fn from_frame(_: &[u8]) -> Result<Self, DecodeError> {
        Ok(Self)
    }
}

/// What a peer does about it: nothing, for this reason, or a pull.
pub type Answer = Result<(), Reason>;

impl OneFrame for Answer {
    const BYTES_MAX: usize = 1;

    fn to_frame(&self) -> Vec<u8> {
        self.err().map(Reason::code).into_iter().collect()
    }

    fn from_frame(bytes: &[u8]) -> Result<Self, DecodeError> {
        let [code] = bytes else {
            return Ok(Ok(()));
        };
        let reason = Reason::from_code(u64::from(*code));
        reason.map(Err).ok_or(DecodeError::Invalid {
            what: "push answer",
            reason: "unknown reason of refusal",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_read_back_and_unknown_ones_are_refused() {
        for answer in [Ok(()), Err(Reason::Stranger), Err(Reason::Busy)] {
            assert_eq!(Answer::from_frame(&answer.to_frame()), Ok(answer));
        }
        assert!(Answer::from_frame(&[0]).is_err());
        assert!(Answer::from_frame(&[255]).is_err());
    }
}
