//! A hostile peer: it speaks the node's transports and protocols, and misbehaves by plan.
//!
//! It is a program like the node: it runs on any wires, against any nodes, by the clock of
//! `futures-timer` and a stream of chance of its own. It owns what such a peer does and what it can
//! see of the answer. It judges nothing: what nodes must bear is said by the tests and scenarios that
//! run it. Each misbehaviour is one file in `kinds/` and one line in [`Kind`].
//!
//! ```
//! use orrery_node_hostile::Kind;
//!
//! assert_eq!(Kind::named("silent-connections"), Some(Kind::SilentConnections));
//! ```

mod act;
mod chance;
mod connection;
mod forged;
mod frames;
mod kinds;
mod program;
mod served;
mod wires;

pub use act::Effect;
pub use kinds::Kind;
pub use program::{ActEvent, ActObserver, Hostile, Plan, Target};
pub use wires::Wires;
