//! What a connection may cost before its peer is known, and who gives way when that is spent.
//!
//! Connections of others take places: first, while their handshakes run, one of the [`Anteroom`];
//! then, as long as their peer is a stranger, one that the [`Limits`] of those that are up bound.
//! Neither is refused to a newcomer because others came first: when all are taken, one of the
//! address, or else the network, that has most of them gives way. What strangers may have a
//! connection hold is bounded by [`Acquaintances`]. Owns places and that choice; what peers are good
//! for, and who is a friend, it is told.

mod acquaintances;
mod anteroom;
mod crowd;
mod heard;
mod limits;
mod origin;

pub use acquaintances::{Acquaintance, Acquaintances, Budget, Standing, Widen};
pub use anteroom::{Anteroom, Rules};
pub(crate) use crowd::{Guest, gives_way};
pub use heard::{Arrivals, Listening};
pub use limits::{Anybodys, Limits, NoPlace, Served, Use};
pub(crate) use origin::{Origin, Site};
