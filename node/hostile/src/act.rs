//! One act: a stranger or a friend gone bad, its target, and what becomes of it.
//!
//! Owns what acts have in common: who acts, how they connect and how long they go on. Holds no
//! misbehaviour itself.

use std::time::Duration;

use futures::future::{Either, select};
use futures::{AsyncRead, AsyncReadExt, FutureExt};
use futures_timer::Delay;
use libp2p::Multiaddr;
use orrery_node::environment::ByteStream;
use orrery_node::keys::Keys;
use orrery_node::protocol::auth::{Ends, prove};

use crate::chance::Chance;
use crate::connection::Connection;
use crate::kinds::Kind;
use crate::program::{ActEvent, Hostile, Target};

/// The protocol by which an identity is proved.
pub const AUTH: &str = "/orrery/auth/2";
/// The protocol by which feeds are asked for.
pub const FEED: &str = "/orrery/feed/1";

/// What became of an act, as far as the hostile peer can see.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// It never came to misbehave: no connection, or no such protocol.
    Unreached,
    /// The target ended it: it closed the connection or the substream, or refused in words.
    Refused,
    /// The target bore it until the hostile peer had done.
    Borne,
}

/// One act of a hostile peer.
pub struct Act<'a> {
    /// Who acts.
    pub hostile: &'a Hostile,
    /// On whom.
    pub target: &'a Target,
    /// What it does.
    pub kind: Kind,
    /// What it draws from.
    pub chance: Chance,
}

impl Act<'_> {
    /// Notes that the misbehaviour has begun.
    pub fn reaches(&self) {
        self.hostile.tell(self.kind, ActEvent::Reached);
    }

    /// How long an act goes on.
    pub fn hold(&self) -> Duration {
        self.hostile.plan.hold
    }

    /// Keys that nobody has seen before.
    pub fn stranger(&mut self) -> Keys {
        Keys::generate(Some(self.chance.array()))
    }

    /// A byte stream to the target, before any handshake.
    pub async fn bytes(&self) -> Option<ByteStream> {
        let dial = self.hostile.wires.bytes(&self.target.addresses);
        within(self.hold(), dial).await?.ok()
    }

    /// A connection with the target, as the peer of `keys`. Several addresses take turns by chance.
    pub async fn connect(&mut self, keys: &Keys) -> Option<Connection> {
        let first = self.chance.below(self.target.addresses.len() as u64) as usize;
        let (before, after) = self.target.addresses.split_at(first);
        let turned: Vec<Multiaddr> = after.iter().chain(before).cloned().collect();
        let dial = self.hostile.wires.connect(&turned, keys.transport());
        let connected = within(self.hold(), dial).await?.ok()?;
        Some(Connection::new(connected))
    }

    /// Proves the identity of `keys` on `connection`. `false` if the target wants none of it.
    pub async fn prove(&self, connection: &Connection, keys: &Keys) -> bool {
        let Ok(stream) = connection.open(AUTH).await else {
            return false;
        };
        let ends = Ends {
            keys: keys.clone(),
            remote: connection.peer,
            dialer: true,
        };
        prove(stream, &ends, |_| Ok(())).await.is_ok()
    }

    /// Reads and forgets what the target sends, until it ends the stream or time is up.
    pub async fn outlast(&self, stream: &mut (impl AsyncRead + Unpin)) -> Effect {
        match within(self.hold(), drain(stream)).await {
            Some(()) => Effect::Refused,
            None => Effect::Borne,
        }
    }
}

/// Reads and forgets until the stream ends.
pub async fn drain(stream: &mut (impl AsyncRead + Unpin)) {
    let mut buffer = [0; 1024];
    while stream.read(&mut buffer).await.is_ok_and(|read| read > 0) {}
}

/// What `future` yields, if that comes within `time`.
pub async fn within<T>(time: Duration, future: impl Future<Output = T>) -> Option<T> {
    let future = std::pin::pin!(future);
    match select(future, Delay::new(time).fuse()).await {
        Either::Left((value, _)) => Some(value),
        Either::Right(((), _)) => None,
    }
}
