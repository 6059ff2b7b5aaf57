//! Questions and answers as frames of a substream.

use std::io;

use futures::{AsyncRead, AsyncWrite, AsyncWriteExt};
use libp2p::StreamProtocol;
use libp2p::request_response::Codec;

use crate::codec::DecodeError;
use crate::protocol::frame::{read_frame, write_frame};

use super::message::{ANSWER_BYTES_MAX, Answer, QUESTION_BYTES_MAX, Question};

/// Reads and writes one frame each.
#[derive(Debug, Clone, Copy, Default)]
pub struct FriendsCodec;

impl Codec for FriendsCodec {
    type Protocol = StreamProtocol;
    type Request = Question;
    type Response = Answer;

    async fn read_request<T>(&mut self, _: &StreamProtocol, io: &mut T) -> io::Result<Question>
    where
        T: AsyncRead + Unpin + Send,
    {
        let frame = read_frame(io, QUESTION_BYTES_MAX).await?;
        Question::decode(&frame).map_err(malformed)
    }

    async fn read_response<T>(&mut self, _: &StreamProtocol, io: &mut T) -> io::Result<Answer>
    where
        T: AsyncRead + Unpin + Send,
    {
        let frame = read_frame(io, ANSWER_BYTES_MAX).await?;
        Answer::decode(&frame).map_err(malformed)
    }

    async fn write_request<T>(
        &mut self,
        _: &StreamProtocol,
        io: &mut T,
        question: Question,
    ) -> io::Result<()>
    where
        T: AsyncWrite + Unpin + Send,
    {
        write(io, &question.encode()).await
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
        write(io, &answer.encode()).await
    }
}

async fn write<T: AsyncWrite + Unpin>(io: &mut T, frame: &[u8]) -> io::Result<()> {
    write_frame(io, frame).await?;
    io.close().await
}

fn malformed(error: DecodeError) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error)
}
