//! Circuits of a relay from when they are asked for until they have ended, and how long that may take.
//!
//! libp2p counts a circuit until it is told of its end, and has no limit of time for what its source does not
//! take: neither for the answer, nor for what its destination has sent along with its own (libp2p-relay 0.22).
//! Owns who asked for which, and until when each may be as it is. Closes nothing itself.

use std::time::{Duration, Instant};

use libp2p::PeerId;
use libp2p::relay::CircuitId;
use libp2p::swarm::ConnectionId;

/// From the request until its source has taken the answer: libp2p gives the destination ten seconds for a
/// substream and a minute for its answer.
pub const OPENING: Duration = Duration::from_mins(2);
/// Circuits of which one connection is asked at once, as many as libp2p waits for: one beyond that it
/// would neither answer nor forget.
const ASKED_MAX: usize = 10;

/// A circuit that libp2p counts.
#[derive(Debug)]
struct Circuit {
    id: CircuitId,
    source: (PeerId, ConnectionId),
    destination: ConnectionId,
    /// Whether its destination has not answered yet.
    asks: bool,
    /// Until when it may be as it is, unless its source was told of already, or it may be so for ever.
    until: Option<Instant>,
}

/// All circuits of a relay; as many as libp2p counts at most.
#[derive(Debug, Default)]
pub struct Underway(Vec<Circuit>);

impl Underway {
    /// Notes a circuit from `source`, whose `destination` is about to be asked at `now`; whether it may be, or
    /// is asked for too many already.
    pub fn asked(
        &mut self,
        id: CircuitId,
        source: (PeerId, ConnectionId),
        destination: ConnectionId,
        now: Instant,
    ) -> bool {
        let of_it = |circuit: &&Circuit| circuit.asks && circuit.destination == destination;
        let asks = self.0.iter().filter(of_it).count() < ASKED_MAX;
        self.0.push(Circuit {
            id,
            source,
            destination,
            asks,
            until: Some(now + OPENING),
        });
        asks
    }

    /// The destination has answered, or will not.
    pub fn answered(&mut self, id: CircuitId) {
        if let Some(circuit) = self.of(id) {
            circuit.asks = false;
        }
    }

    /// The circuit has come about at `now`, and may last for `time`.
    pub fn opened(&mut self, id: CircuitId, time: Duration, now: Instant) {
        if let Some(circuit) = self.of(id) {
            circuit.asks = false;
            circuit.until = now.checked_add(time.saturating_add(OPENING));
        }
    }

    /// The circuit has ended, or has not come about.
    pub fn ended(&mut self, id: CircuitId) {
        self.0.retain(|circuit| circuit.id != id);
    }

    /// A connection has closed, and all circuits over it with it.
    pub fn closed(&mut self, connection: ConnectionId) {
        self.0
            .retain(|of| of.source.1 != connection && of.destination != connection);
    }

    /// When the first is late.
    pub fn next_time(&self) -> Option<Instant> {
        self.0.iter().filter_map(|circuit| circuit.until).min()
    }

    /// The sources of what is late at `now`, each of which is told of once.
    pub fn late(&mut self, now: Instant) -> Vec<(PeerId, ConnectionId)> {
        let mut sources = Vec::new();
        for circuit in &mut self.0 {
            if circuit.until.is_some_and(|until| until <= now) {
                circuit.until = None;
                if !sources.contains(&circuit.source) {
                    sources.push(circuit.source);
                }
            }
        }
        sources
    }

    fn of(&mut self, id: CircuitId) -> Option<&mut Circuit> {
        self.0.iter_mut().find(|circuit| circuit.id == id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HALF: Duration = Duration::from_mins(1);

    fn connection(number: usize) -> ConnectionId {
        ConnectionId::new_unchecked(1_000_000 + number)
    }

    fn circuit(number: u64) -> CircuitId {
        CircuitId::default() + number
    }

    #[test]
    fn what_a_source_does_not_take_is_late_and_nothing_else_is() {
        let (mut underway, now) = (Underway::default(), Instant::now());
        let source = |number| (PeerId::random(), connection(number));
        let [takes, refuses, lasts] = [1, 2, 3].map(source);
        for (number, source) in [takes, refuses, refuses, lasts].into_iter().enumerate() {
            assert!(underway.asked(circuit(number as u64), source, connection(9), now));
        }
        underway.opened(circuit(0), HALF, now);
        underway.ended(circuit(0));
        underway.answered(circuit(1));
        underway.opened(circuit(3), HALF, now + HALF);
        assert_eq!(underway.next_time(), Some(now + OPENING));
        assert!(underway.late(now + HALF).is_empty());
        assert_eq!(underway.late(now + OPENING), [refuses]);
        // One that is open is late when its time is over and it does not end.
        let end = now + 2 * HALF + OPENING;
        assert_eq!(underway.next_time(), Some(end));
        assert_eq!(underway.late(end), [lasts]);
        assert_eq!(underway.next_time(), None);
        underway.closed(refuses.1);
        underway.closed(connection(9));
        assert!(underway.0.is_empty());
    }

    #[test]
    fn a_destination_is_asked_for_so_many_at_once() {
        let (mut underway, now) = (Underway::default(), Instant::now());
        let source = (PeerId::random(), connection(1));
        let mut ids = (0..).map(circuit);
        let mut asks = |underway: &mut Underway, of| {
            let id = ids.next().expect("there is no end of them");
            (id, underway.asked(id, source, connection(of), now))
        };
        let all: Vec<_> = (0..ASKED_MAX).map(|_| asks(&mut underway, 2)).collect();
        assert!(all.iter().all(|(_, asks)| *asks));
        assert!(!asks(&mut underway, 2).1 && asks(&mut underway, 3).1);
        underway.answered(all[0].0);
        assert!(asks(&mut underway, 2).1 && !asks(&mut underway, 2).1);
        underway.ended(all[1].0);
        assert!(asks(&mut underway, 2).1);
    }
}
