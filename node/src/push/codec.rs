//! Frames of a substream.

use std::io;

use futures::{AsyncRead, AsyncWrite, AsyncWriteExt};
use libp2p::StreamProtocol;
use libp2p::request_response::Codec;

use crate::codec::DecodeError;
use crate::protocol::Reason;
use crate::protocol::frame::{read_frame, write_frame};

/// Longest answer, in bytes.
const ANSWER_BYTES_MAX: usize = 1;

/// There is something new.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct New;

/// What a peer does about it: nothing, for this reason, or a pull.
pub type Answer = Result<(), Reason>;

/// Reads and writes one frame each.
#[derive(Debug, Clone, Copy, Default)]
pub struct PushCodec;

impl Codec for PushCodec {
    type Protocol = StreamProtocol;
    type Request = New;
    type Response = Answer;

    async fn read_request<T>(&mut self, _: &StreamProtocol, io: &mut T) -> io::Result<New>
    where
        T: AsyncRead + Unpin + Send,
    {
        // Longer ones are refused by their lengths.
        read_frame(io, 0).await?;
        Ok(New)
    }

    async fn read_response<T>(&mut self, _: &StreamProtocol, io: &mut T) -> io::Result<Answer>
    where
        T: AsyncRead + Unpin + Send,
    {
        let frame = read_frame(io, ANSWER_BYTES_MAX).await?;
        decode(&frame).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
    }

    async fn write_request<T>(&mut self, _: &StreamProtocol, io: &mut T, _: New) -> io::Result<()>
    where
        T: AsyncWrite + Unpin + Send,
    {
        write(io, &[]).await
    }

    async fn write_response<T>(
        &mut self,
        _: &StreamProtocol,
        io: &mut T,
        answer: Answer,
    ) -> io::Result<()>
    where
        T: AsyncWrite + Unpin + Send,
    {
        write(io, &encode(answer)).await
    }
}

fn encode(answer: Answer) -> Vec<u8> {
    answer.err().map(Reason::code).into_iter().collect()
}

fn decode(bytes: &[u8]) -> Result<Answer, DecodeError> {
    let [code] = bytes else {
        return Ok(Ok(()));
    };
    let reason = Reason::from_code(u64::from(*code));
    reason.map(Err).ok_or(DecodeError::Invalid {
        what: "push answer",
        reason: "unknown reason of refusal",
    })
}

async fn write<T: AsyncWrite + Unpin>(io: &mut T, frame: &[u8]) -> io::Result<()> {
    write_frame(io, frame).await?;
    io.close().await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_read_back_and_unknown_ones_are_refused() {
        for answer in [Ok(()), Err(Reason::Stranger), Err(Reason::Busy)] {
            assert_eq!(decode(&encode(answer)), Ok(answer));
        }
        assert!(decode(&[0]).is_err());
        assert!(decode(&[255]).is_err());
    }
}
