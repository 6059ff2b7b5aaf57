//! Which of the node's own protocols a substream speaks.

use std::convert::Infallible;
use std::future::{Ready, ready};

use libp2p::core::upgrade::{InboundUpgrade, OutboundUpgrade, UpgradeInfo};
use libp2p::{Stream, StreamProtocol};

/// The proof of identity, once per connection.
pub const AUTH_PROTOCOL: StreamProtocol = StreamProtocol::new("/orrery/auth/2");
/// Feeds, one pull per substream.
pub const FEED_PROTOCOL: StreamProtocol = StreamProtocol::new("/orrery/feed/1");

/// Negotiates one of several protocols and hands out the bare substream.
#[derive(Debug, Clone)]
pub struct OneOf(Vec<StreamProtocol>);

impl OneOf {
    /// What this node answers.
    pub fn served() -> Self {
        Self(vec![AUTH_PROTOCOL, FEED_PROTOCOL])
    }

    /// Exactly `protocol`.
    pub fn only(protocol: StreamProtocol) -> Self {
        Self(vec![protocol])
    }
}

impl UpgradeInfo for OneOf {
    type Info = StreamProtocol;
    type InfoIter = std::vec::IntoIter<StreamProtocol>;

    fn protocol_info(&self) -> Self::InfoIter {
        self.0.clone().into_iter()
    }
}

impl InboundUpgrade<Stream> for OneOf {
    type Output = (Stream, StreamProtocol);
    type Error = Infallible;
    type Future = Ready<Result<Self::Output, Infallible>>;

    fn upgrade_inbound(self, stream: Stream, protocol: StreamProtocol) -> Self::Future {
        ready(Ok((stream, protocol)))
    }
}

impl OutboundUpgrade<Stream> for OneOf {
    type Output = (Stream, StreamProtocol);
    type Error = Infallible;
    type Future = Ready<Result<Self::Output, Infallible>>;

    fn upgrade_outbound(self, stream: Stream, protocol: StreamProtocol) -> Self::Future {
        ready(Ok((stream, protocol)))
    }
}
