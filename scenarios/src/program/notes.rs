//! What programs note of their hosts in a run.

use std::any::{Any, TypeId};
use std::collections::BTreeMap;

/// Notes of programs, each of a type of its own. Nothing depends on their order.
#[derive(Default)]
pub struct Notes(BTreeMap<TypeId, Box<dyn Any + Send>>);

impl Notes {
    /// The notes of that type, empty at first.
    pub fn of<N: Any + Default + Send>(&mut self) -> &mut N {
        let notes = self.0.entry(TypeId::of::<N>());
        let notes = notes.or_insert_with(|| Box::new(N::default()));
        let own = notes.downcast_mut();
        own.unwrap_or_else(|| unreachable!("notes stand under their own type"))
    }
}
