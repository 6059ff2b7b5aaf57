//! The transport as far as the dial that begins may use it.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use libp2p::core::transport::{DialOpts, TransportError, TransportEvent};
use libp2p::{Multiaddr, Transport};

use super::Allowance;
use crate::forward::forward_to;

/// `T`, which is given the addresses alone that the dial may try.
pub struct Allowed<T> {
    inner: T,
    allowance: Allowance,
}

impl<T> Allowed<T> {
    /// `inner`, within `allowance`.
    pub fn new(inner: T, allowance: Allowance) -> Self {
        Self { inner, allowance }
    }
}

impl<T: Transport<Error = io::Error> + Unpin> Transport for Allowed<T> {
    type Output = T::Output;
    type Error = io::Error;
    type ListenerUpgrade = T::ListenerUpgrade;
    type Dial = T::Dial;

    forward_to!(inner: listening);

    fn dial(
        &mut self,
        address: Multiaddr,
        options: DialOpts,
    ) -> Result<T::Dial, TransportError<io::Error>> {
        self.allowance.admits(&address).map_err(|reason| {
            let denied = io::Error::new(io::ErrorKind::PermissionDenied, reason);
            TransportError::Other(denied)
        })?;
        let dial = self.inner.dial(address, options)?;
        self.allowance.tries();
        Ok(dial)
    }

    fn poll(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<TransportEvent<T::ListenerUpgrade, io::Error>> {
        Pin::new(&mut self.inner).poll(cx)
    }
}
