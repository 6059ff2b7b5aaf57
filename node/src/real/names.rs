//! What stands in for a resolver where the system has none: addresses with names in them cannot be
//! dialled, and say so; all else goes on.

use std::future::{Pending, Ready, ready};
use std::io;
use std::marker::PhantomData;
use std::pin::Pin;
use std::task::{Context, Poll};

use libp2p::core::transport::{DialOpts, ListenerId, TransportError, TransportEvent};
use libp2p::{Multiaddr, Transport};

use crate::shape::has_name;

/// Refuses to dial addresses with names in them. Never gives a connection of type `S`.
pub struct NoNames<S> {
    reason: String,
    gives: PhantomData<fn() -> S>,
}

impl<S> NoNames<S> {
    /// `reason` says why there is no resolver.
    pub fn new(reason: &io::Error) -> Self {
        Self {
            reason: reason.to_string(),
            gives: PhantomData,
        }
    }
}

impl<S> Transport for NoNames<S> {
    type Output = S;
    type Error = io::Error;
    type ListenerUpgrade = Pending<Result<S, io::Error>>;
    type Dial = Ready<Result<S, io::Error>>;

    fn listen_on(
        &mut self,
        _: ListenerId,
        address: Multiaddr,
    ) -> Result<(), TransportError<io::Error>> {
        Err(TransportError::MultiaddrNotSupported(address))
    }

    fn remove_listener(&mut self, _: ListenerId) -> bool {
        false
    }

    fn dial(
        &mut self,
        address: Multiaddr,
        _: DialOpts,
    ) -> Result<Self::Dial, TransportError<io::Error>> {
        if !has_name(&address) {
            return Err(TransportError::MultiaddrNotSupported(address));
        }
        Ok(ready(Err(io::Error::other(format!(
            "names cannot be resolved here: {}; mend /etc/resolv.conf and restart, or dial an IP \
             address",
            self.reason
        )))))
    }

    fn poll(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<TransportEvent<Self::ListenerUpgrade, io::Error>> {
        Poll::Pending
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::executor::block_on;
    use libp2p::core::Endpoint;
    use libp2p::core::transport::PortUse;

    #[test]
    fn only_names_need_a_resolver() {
        let reason = io::Error::other("no such file");
        let mut transport = NoNames::<()>::new(&reason);
        let mut dial = |address: &str| {
            let options = DialOpts {
                role: Endpoint::Dialer,
                port_use: PortUse::Reuse,
            };
            transport.dial(address.parse().expect("an address"), options)
        };
        let refused = dial("/dns4/example.org/tcp/1").map(block_on);
        let error = refused.expect("is its to refuse").expect_err("no resolver");
        assert!(error.to_string().contains("no such file"), "{error}");
        let plain = dial("/ip4/192.0.2.1/tcp/1");
        assert!(matches!(
            plain,
            Err(TransportError::MultiaddrNotSupported(_))
        ));
    }
}
