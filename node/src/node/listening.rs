//! Listening at the addresses of the configuration, and again where a listener has ended.
//!
//! Owns which listener stands for which of them. Those of reservations are the relays' business.

use std::collections::BTreeMap;
use std::io;
use std::time::Instant;

use libp2p::core::transport::ListenerId;

use crate::api::Event;
use crate::causes;

use super::StartError;
use super::agenda::Errand;
use super::backoff::Backoff;
use super::driver::Driver;

/// Listeners by the place of their address in the configuration.
#[derive(Debug, Default)]
pub(super) struct Listening(BTreeMap<usize, Place>);

/// An address of the configuration.
#[derive(Debug, Default)]
struct Place {
    /// Which listens there, if any does, and since when.
    listener: Option<(ListenerId, Instant)>,
    backoff: Backoff,
}

impl Listening {
    fn begins(&mut self, place: usize, listener: ListenerId) {
        self.0.entry(place).or_default().listener = Some((listener, Instant::now()));
    }

    /// The place of `listener`, if it is one of the configuration's.
    fn place_of(&mut self, listener: ListenerId) -> Option<(usize, &mut Place)> {
        let mut places = self.0.iter_mut();
        let is_there = |place: &Place| place.listener.is_some_and(|(there, _)| there == listener);
        let found = places.find(|(_, place)| is_there(place));
        found.map(|(number, place)| (*number, place))
    }
}

impl Driver {
    /// Listens at all addresses of the configuration.
    pub(super) fn listen(&mut self) -> Result<(), StartError> {
        let addresses = self.context.config.listen.addresses.clone();
        for (place, address) in addresses.into_iter().enumerate() {
            match self.swarm.listen_on(address.clone()) {
                Ok(listener) => self.listening.begins(place, listener),
                Err(error) => {
                    let reason = causes::root(&error);
                    return Err(StartError::Listen { address, reason });
                }
            }
        }
        Ok(())
    }

    /// A listener has ended, be it for want of memory or for the system's reasons. That is told, and
    /// tried again after a pause, unless it is none of the configuration's.
    pub(super) fn listener_ended(&mut self, listener: ListenerId, reason: &Result<(), io::Error>) {
        let Some((number, place)) = self.listening.place_of(listener) else {
            return;
        };
        let lasted = place.listener.take().map(|(_, since)| since.elapsed());
        if lasted >= Some(self.context.config.dial.backoff_max.get()) {
            place.backoff.reset();
        }
        let reason = match reason {
            Ok(()) => "it was closed".to_owned(),
            Err(error) => causes::root(error),
        };
        self.cannot_listen(number, reason);
    }

    /// The pause after a listener's end is over.
    pub(super) fn listen_again(&mut self, place: usize) {
        let Some(address) = self.context.config.listen.addresses.get(place) else {
            return;
        };
        match self.swarm.listen_on(address.clone()) {
            Ok(listener) => self.listening.begins(place, listener),
            Err(error) => self.cannot_listen(place, causes::root(&error)),
        }
    }

    fn cannot_listen(&mut self, place: usize, reason: String) {
        let address = self.context.config.listen.addresses.get(place);
        self.emit(&Event::ListeningEnded {
            address: address.map(ToString::to_string).unwrap_or_default(),
            reason,
        });
        let state = self.listening.0.entry(place).or_default();
        let pause = state.backoff.fail(&self.context.config.dial);
        self.agenda
            .set(Errand::ListenAgain(place), Instant::now() + pause);
    }
}
