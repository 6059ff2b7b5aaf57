//! The round trip of a connection, asked for by pings as yamux 0.14 does.

use std::time::Duration;

use crate::time::SimTime;

/// Time between an answer and the next question. An idle connection asks nothing.
const INTERVAL: Duration = Duration::from_secs(10);

/// What is known of the round trip.
#[derive(Debug)]
pub(super) struct Rtt {
    latest: Option<Duration>,
    state: State,
    next_number: u32,
}

#[derive(Debug)]
enum State {
    Waiting { until: SimTime },
    Asked { at: SimTime, number: u32 },
}

impl Rtt {
    /// Nothing is known; the first question is due.
    pub(super) fn new(now: SimTime) -> Self {
        Self {
            latest: None,
            state: State::Waiting { until: now },
            next_number: 0,
        }
    }

    /// The number of the ping to send, if one is due.
    pub(super) fn ask(&mut self, now: SimTime) -> Option<u32> {
        match self.state {
            State::Waiting { until } if until <= now => {
                let number = self.next_number;
                self.next_number = number.wrapping_add(1);
                self.state = State::Asked { at: now, number };
                Some(number)
            }
            State::Waiting { .. } | State::Asked { .. } => None,
        }
    }

    /// Takes an answer; false if there was no such question.
    pub(super) fn answered(&mut self, now: SimTime, number: u32) -> bool {
        match self.state {
            State::Asked { at, number: asked } if asked == number => {
                self.latest = Some(now - at);
                self.state = State::Waiting {
                    until: now + INTERVAL,
                };
                true
            }
            State::Waiting { .. } | State::Asked { .. } => false,
        }
    }

    /// The last measurement.
    pub(super) fn latest(&self) -> Option<Duration> {
        self.latest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn questions_are_asked_once_and_ten_seconds_after_their_answer() {
        let at = SimTime::from_millis;
        let mut rtt = Rtt::new(at(5));
        assert_eq!(rtt.ask(at(5)), Some(0));
        assert_eq!(rtt.ask(at(60_000)), None, "one is on its way");
        assert!(!rtt.answered(at(60_000), 1));
        assert!(rtt.answered(at(60_000), 0));
        assert_eq!(rtt.latest(), Some(Duration::from_millis(59_995)));
        assert!(!rtt.answered(at(60_000), 0), "twice");
        assert_eq!(rtt.ask(at(69_999)), None);
        assert_eq!(rtt.ask(at(70_000)), Some(1));
    }
}
