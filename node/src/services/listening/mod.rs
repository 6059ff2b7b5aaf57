//! Listening at the addresses of the configuration, and again where a listener has ended.
//!
//! Owns which listener stands for which of them. Those of reservations are another service's.

use std::collections::BTreeMap;
use std::error::Error;
use std::io;
use std::time::Instant;

use libp2p::core::transport::ListenerId;

use crate::api::Event;
use crate::backoff::Backoff;
use crate::causes;
use crate::config::Config;
use crate::core::Core;
use crate::core::StartError;
use crate::core::signal::Signal;
use crate::core::timers::Timers;

use super::Service;

/// Listeners by the place of their address in the configuration.
#[derive(Debug, Default)]
pub struct Listening {
    places: BTreeMap<usize, ConfiguredAddress>,
    /// When a place is listened on again.
    timers: Timers<usize>,
}

/// An address of the configuration.
#[derive(Debug, Default)]
struct ConfiguredAddress {
    /// Which listens there, if any does, and since when.
    listener: Option<(ListenerId, Instant)>,
    backoff: Backoff,
}

impl Listening {
    fn begins(&mut self, place: usize, listener: ListenerId) {
        self.places.entry(place).or_default().listener = Some((listener, Instant::now()));
    }

    /// The place of `listener`, if it is one of the configuration's.
    fn place_of(&mut self, listener: ListenerId) -> Option<(usize, &mut ConfiguredAddress)> {
        let mut places = self.places.iter_mut();
        let is_there =
            |place: &ConfiguredAddress| place.listener.is_some_and(|(there, _)| there == listener);
        let found = places.find(|(_, place)| is_there(place));
        found.map(|(number, place)| (*number, place))
    }
}

impl Service for Listening {
    fn new(_: &Config) -> Self {
        Self::default()
    }

    /// Listens at all addresses of the configuration.
    fn on_start(&mut self, core: &mut Core) -> Result<(), StartError> {
        let addresses = core.context.config.listen.addresses.clone();
        for (place, address) in addresses.into_iter().enumerate() {
            match core.swarm.listen_on(address.clone()) {
                Ok(listener) => self.begins(place, listener),
                Err(error) => {
                    let reason = why(&error);
                    return Err(StartError::Listen { address, reason });
                }
            }
        }
        Ok(())
    }

    fn on_signal(&mut self, core: &mut Core, signal: &Signal) {
        if let Signal::ListenerClosed { listener, reason } = signal {
            self.on_listener_closed(core, *listener, reason);
        }
    }

    fn next_time(&self) -> Option<Instant> {
        self.timers.next_time()
    }

    fn on_timer(&mut self, core: &mut Core, now: Instant) {
        if let Some(place) = self.timers.take_due(now) {
            self.listen_again(core, place);
        }
    }
}

impl Listening {
    /// A listener has ended, be it for want of memory or for the system's reasons. That is told, and
    /// tried again after a pause, unless it is none of the configuration's.
    fn on_listener_closed(
        &mut self,
        core: &mut Core,
        listener: ListenerId,
        reason: &Result<(), io::Error>,
    ) {
        let Some((number, place)) = self.place_of(listener) else {
            return;
        };
        let lasted = place.listener.take().map(|(_, since)| since.elapsed());
        if lasted >= Some(core.context.config.dial.backoff_max.get()) {
            place.backoff.reset();
        }
        let reason = match reason {
            Ok(()) => "it was closed".to_owned(),
            Err(error) => why(error),
        };
        self.cannot_listen(core, number, reason);
    }

    /// The pause after a listener's end is over.
    fn listen_again(&mut self, core: &mut Core, place: usize) {
        let Some(address) = core.context.config.listen.addresses.get(place) else {
            return;
        };
        match core.swarm.listen_on(address.clone()) {
            Ok(listener) => self.begins(place, listener),
            Err(error) => self.cannot_listen(core, place, why(&error)),
        }
    }

    fn cannot_listen(&mut self, core: &mut Core, place: usize, reason: String) {
        let address = core.context.config.listen.addresses.get(place);
        core.emit(&Event::ListeningEnded {
            address: address.map(ToString::to_string).unwrap_or_default(),
            reason,
        });
        let state = self.places.entry(place).or_default();
        let pause = state.backoff.fail(&core.context.config.dial);
        self.timers.set(place, Instant::now() + pause);
    }
}

/// Why an address cannot be listened on.
fn why(error: &(dyn Error + 'static)) -> String {
    let is_taken = |error: &io::Error| error.kind() == io::ErrorKind::AddrInUse;
    if causes::any(error, is_taken) {
        return "the port is in use by another program, perhaps a second node".to_owned();
    }
    causes::root(error)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::services::fake;

    #[test]
    fn a_port_of_another_program_is_said_to_be_one() {
        let taken = io::Error::other(io::Error::from(io::ErrorKind::AddrInUse));
        assert!(why(&taken).contains("another program"));
        let other = io::Error::from(io::ErrorKind::AddrNotAvailable);
        assert_eq!(why(&other), other.to_string());
    }

    #[test]
    fn where_nothing_can_listen_the_node_does_not_start() {
        let mut config = Config::default();
        config.listen.addresses = vec![fake::address("/ip4/127.0.0.1/tcp/1")];
        let (mut core, _) = fake::core(config);
        let started = Listening::default().on_start(&mut core);
        assert!(matches!(started, Err(StartError::Listen { .. })));
    }

    #[test]
    fn a_listener_that_ends_is_told_of_and_another_is_tried_later() {
        let (mut core, told) = fake::core(Config::default());
        let mut listening = Listening::default();
        let listener = ListenerId::next();
        listening.begins(0, listener);
        let closed = Signal::ListenerClosed {
            listener,
            reason: Ok(()),
        };
        listening.on_signal(&mut core, &closed);
        assert!(matches!(told.take()[..], [Event::ListeningEnded { .. }]));
        assert!(listening.next_time().is_some());
        listening.on_signal(&mut core, &closed);
        assert!(
            told.take().is_empty(),
            "it is none of the configuration's any more"
        );
    }
}
