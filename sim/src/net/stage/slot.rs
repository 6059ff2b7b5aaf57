//! Where a pipeline keeps a stage.
//!
//! Stages that links have by the thousand lie side by side in their pipeline: in a large world
//! each that was an allocation of its own would be a cache miss for every packet. A stage that
//! is not listed here, an experiment's own for instance, works as well, in a box.

use std::any::Any;
use std::fmt;

use super::{
    Corrupt, Delay, Draws, Duplicate, GilbertElliott, Jitter, Loss, Mtu, Police, RateQueue,
    Reorder, Stage, Verdict,
};
use crate::net::packet::Packet;
use crate::time::SimTime;

/// Lists the stages that are kept inline.
macro_rules! slots {
    ($($kind:ident),+) => {
        /// A stage in its pipeline.
        pub(super) enum StageSlot {
            $(
                /// A stage of this kind.
                $kind($kind),
            )+
            /// Any other.
            Boxed(Box<dyn Stage>),
        }

        impl StageSlot {
            /// Decides about a packet, as [`Stage::on_packet`].
            #[inline]
            pub(super) fn on_packet(
                &mut self,
                now: SimTime,
                packet: &Packet,
                draws: &mut Draws,
            ) -> Verdict {
                match self {
                    $(Self::$kind(stage) => stage.on_packet(now, packet, draws),)+
                    Self::Boxed(stage) => stage.on_packet(now, packet, draws),
                }
            }

            /// The stage.
            pub(super) fn stage(&self) -> &dyn Stage {
                match self {
                    $(Self::$kind(stage) => stage,)+
                    Self::Boxed(stage) => &**stage,
                }
            }

            /// The stage, to change it.
            pub(super) fn stage_mut(&mut self) -> &mut dyn Stage {
                match self {
                    $(Self::$kind(stage) => stage,)+
                    Self::Boxed(stage) => &mut **stage,
                }
            }
        }

        impl From<Box<dyn Stage>> for StageSlot {
            fn from(stage: Box<dyn Stage>) -> Self {
                $(
                    let stage = match unboxed::<$kind>(stage) {
                        Ok(stage) => return Self::$kind(stage),
                        Err(stage) => stage,
                    };
                )+
                Self::Boxed(stage)
            }
        }
    };
}

slots!(
    Corrupt,
    Delay,
    Duplicate,
    GilbertElliott,
    Jitter,
    Loss,
    Mtu,
    Police,
    RateQueue,
    Reorder
);

// Five of them, as links have them, are four lines of memory.
const _: () = assert!(size_of::<StageSlot>() <= 56);

/// The stage out of its box, if it is a `T`.
fn unboxed<T: Stage>(stage: Box<dyn Stage>) -> Result<T, Box<dyn Stage>> {
    if !(&*stage as &dyn Any).is::<T>() {
        return Err(stage);
    }
    let stage: Box<dyn Any> = stage;
    Ok(*stage.downcast().expect("its type was asked for"))
}

impl fmt::Debug for StageSlot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.stage().fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[derive(Debug)]
    struct Unheard;

    impl Stage for Unheard {
        fn on_packet(&mut self, _: SimTime, _: &Packet, _: &mut Draws) -> Verdict {
            Verdict::Pass
        }
    }

    #[test]
    fn listed_stages_leave_their_box_and_others_keep_it() {
        let slot = |stage: Box<dyn Stage>| StageSlot::from(stage);
        assert!(matches!(slot(Box::new(Mtu::new(1_500))), StageSlot::Mtu(_)));
        let delay = Delay::new(Duration::from_millis(1));
        assert!(matches!(slot(Box::new(delay)), StageSlot::Delay(_)));
        assert!(matches!(slot(Box::new(Unheard)), StageSlot::Boxed(_)));
    }
}
