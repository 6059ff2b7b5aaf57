//! Services that the program of a node has added to it: called here like those that ship.

use std::time::Instant;

use crate::config::Config;
use crate::core::Core;
use crate::core::signal::Signal;
use crate::extension::{AnyService, Call, Opaque, ServiceSignal};

use super::Service;

/// The added services, in the order in which the program names them.
#[derive(Default)]
pub struct Extensions(Vec<Box<dyn AnyService>>);

impl Service for Extensions {
    /// None: what the program adds is not in the configuration.
    fn new(_: &Config) -> Self {
        Self::default()
    }

    fn on_signal(&mut self, core: &mut Core, signal: &Signal) {
        if self.0.is_empty() {
            return;
        }
        if let Some(signal) = ServiceSignal::of(signal) {
            for (index, service) in self.0.iter_mut().enumerate() {
                service.on_signal(core, index, &signal);
            }
        }
    }

    fn next_time(&self) -> Option<Instant> {
        let times = self.0.iter().map(|service| service.next_time());
        times.flatten().min()
    }

    fn on_timer(&mut self, core: &mut Core, now: Instant) {
        let first = self.next_time();
        for (index, service) in self.0.iter_mut().enumerate() {
            if service.next_time() == first {
                return service.on_timer(core, index, now);
            }
        }
    }
}

impl Extensions {
    /// The services that the node is started with.
    pub fn set(&mut self, services: Vec<Box<dyn AnyService>>) {
        self.0 = services;
    }

    /// What the behaviour of one of them tells.
    pub fn on_event(&mut self, core: &mut Core, (index, event): (usize, Opaque)) {
        self.0[index].on_event(core, index, event);
    }

    /// What the program does with one of them.
    pub fn call(&mut self, core: &mut Core, call: Call) {
        call.run(&mut self.0, core);
    }
}
