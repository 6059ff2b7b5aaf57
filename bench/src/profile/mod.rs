//! Where the CPU time of a run goes: stacks sampled in this process, and the parts of
//! the program to which they belong.
//!
//! Owns sampling and attribution. It must not change what it watches: a run with a
//! profile has the trace hash of one without.

mod part;
mod sampler;
mod shares;

pub use part::Part;
pub use sampler::{Frame, ProfileError, Sampler, Stack};
pub use shares::{FunctionShare, PartShare, Profile, Share, folded};
