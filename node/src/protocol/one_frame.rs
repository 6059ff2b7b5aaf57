//! Requests and responses that are a frame each, for protocols of one question and one answer.

use std::io;
use std::marker::PhantomData;

use futures::{AsyncRead, AsyncWrite, AsyncWriteExt};
use libp2p::StreamProtocol;
use libp2p::request_response::Codec;

use super::frame::{read_frame, write_frame};
use crate::codec::DecodeError;

/// What goes over the wire as one frame.
pub trait OneFrame: Send + Sized {
    /// Its longest form, in bytes; longer frames are refused by their lengths.
    const BYTES_MAX: usize;

    /// The frame's content.
    fn to_frame(&self) -> Vec<u8>;

    /// Reads a frame's content.
    ///
    /// # Errors
    /// [`DecodeError`], by what is wrong.
    fn from_frame(bytes: &[u8]) -> Result<Self, DecodeError>;
}

/// A question that is none: its frame is too long, does not end, or says nothing that is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unreadable;

/// A question as it comes in. libp2p tells nothing of one that its codec does not read, so that nobody could
/// count them: the codec reads all.
pub type Asked<Q> = Result<Q, Unreadable>;

/// Reads and writes one frame each way: a question, and its answer.
pub struct FrameCodec<Q, A>(PhantomData<fn() -> (Q, A)>);

impl<Q, A> Default for FrameCodec<Q, A> {
    fn default() -> Self {
        Self(PhantomData)
    }
}

impl<Q, A> Clone for FrameCodec<Q, A> {
    fn clone(&self) -> Self {
        Self::default()
    }
}

impl<Q: OneFrame + 'static, A: OneFrame + 'static> Codec for FrameCodec<Q, A> {
    type Protocol = StreamProtocol;
    type Request = Asked<Q>;
    type Response = A;

    async fn read_request<T>(&mut self, _: &StreamProtocol, io: &mut T) -> io::Result<Asked<Q>>
    where
        T: AsyncRead + Unpin + Send,
    {
        Ok(read(io).await.map_err(|error| {
            tracing::debug!(%error, "a question cannot be read");
            Unreadable
        }))
    }

    async fn read_response<T>(&mut self, _: &StreamProtocol, io: &mut T) -> io::Result<A>
    where
        T: AsyncRead + Unpin + Send,
    {
        read(io).await
    }

    async fn write_request<T>(
        &mut self,
        _: &StreamProtocol,
        io: &mut T,
        asked: Asked<Q>,
    ) -> io::Result<()>
    where
        T: AsyncWrite + Unpin + Send,
    {
        let asked = asked.map_err(|Unreadable| io::ErrorKind::InvalidInput)?;
        write(io, &asked.to_frame()).await
    }

    async fn write_response<T>(
        &mut self,
        _: &StreamProtocol,
        io: &mut T,
        answer: A,
    ) -> io::Result<()>
    where
        T: AsyncWrite + Unpin + Send,
    {
        write(io, &answer.to_frame()).await
    }
}

async fn read<T: AsyncRead + Unpin, F: OneFrame>(io: &mut T) -> io::Result<F> {
    let frame = read_frame(io, F::BYTES_MAX).await?;
    F::from_frame(&frame).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
}

async fn write<T: AsyncWrite + Unpin>(io: &mut T, frame: &[u8]) -> io::Result<()> {
    write_frame(io, frame).await?;
    io.close().await
}
