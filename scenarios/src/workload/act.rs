//! What a host does once, whatever the kind of its workload.
//!
//! Knows no kind: a world holds acts in the order of their times, and hands each to its kind.

use std::any::Any;
use std::fmt;
use std::sync::Arc;

/// What one host does once, as the seed has drawn it, for a workload of any kind.
#[derive(Clone)]
pub struct Act(Arc<dyn ErasedAct>);

impl Act {
    /// What a kind has drawn.
    pub(super) fn new<A: Any + fmt::Debug + Eq + Send + Sync>(act: A) -> Self {
        Self(Arc::new(act))
    }

    /// It as what it is, if it is that.
    pub(super) fn downcast<A: Any>(&self) -> Option<&A> {
        let act: &dyn Any = &*self.0;
        act.downcast_ref()
    }
}

/// An act behind a pointer.
trait ErasedAct: Any + fmt::Debug + Send + Sync {
    fn is_act(&self, other: &dyn Any) -> bool;
}

impl<A: Any + fmt::Debug + Eq + Send + Sync> ErasedAct for A {
    fn is_act(&self, other: &dyn Any) -> bool {
        other.downcast_ref() == Some(self)
    }
}

impl fmt::Debug for Act {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl PartialEq for Act {
    fn eq(&self, other: &Self) -> bool {
        self.0.is_act(&*other.0)
    }
}

impl Eq for Act {}
