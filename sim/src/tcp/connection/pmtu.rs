//! Discovery of the path's MTU, as far as ICMP tells of it (RFC 1191, RFC 8201).

use super::Connection;
use crate::tcp::config::Config;

impl Connection {
    /// News that a segment with the sequence number `seq` was part of a packet that the
    /// way to the other side does not take: at most `mtu` bytes pass. Segments become
    /// smaller, and what is unacknowledged is sent again, for none of it can have
    /// arrived. News of what is not in flight are ignored (RFC 5927 §4.1).
    pub fn on_packet_too_big(&mut self, seq: u32, mtu: u16) {
        let behind_una = seq.wrapping_sub(self.iss.wrapping_add(self.una as u32));
        let in_flight = self.una + u64::from(behind_una) < self.max;
        let config = Config {
            mtu,
            ..Config::clone(&self.config)
        };
        let mss = usize::from(config.mss(self.remote));
        if !in_flight || mss >= self.mss || !self.is_established() {
            return;
        }
        self.mss = mss;
        // As Linux (`tcp_simple_retransmit`): no sign of congestion, so that the
        // window stays.
        self.nxt = self.una;
    }
}

#[cfg(test)]
mod tests {
    use crate::tcp::Config;
    use crate::tcp::tests::{Channel, Pair};

    /// The initial sequence number of the pair's side A.
    const ISS: u32 = u32::MAX - 5;

    #[test]
    fn news_of_what_is_in_flight_alone_make_segments_smaller() {
        let mut pair = Pair::established(Config::default(), Channel::default(), 1);
        assert_eq!(pair.a().stats().mss_bytes, 1_460);
        let check = |pair: &mut Pair, seq: u32, mtu: u16, mss: usize| {
            pair.a().on_packet_too_big(seq, mtu);
            assert_eq!(pair.a().stats().mss_bytes, mss);
        };
        // Nothing is in flight yet.
        check(&mut pair, ISS.wrapping_add(1), 600, 1_460);
        pair.a().write(&[7; 14_600]);
        pair.flush();
        check(&mut pair, ISS, 600, 1_460);
        check(&mut pair, ISS.wrapping_add(14_601), 600, 1_460);
        check(&mut pair, ISS.wrapping_add(1), 1_500, 1_460);
        check(&mut pair, ISS.wrapping_add(14_600), 600, 560);
        check(&mut pair, ISS.wrapping_add(1), 1_000, 560);
        check(&mut pair, ISS.wrapping_add(1), 0, 48);
    }

    #[test]
    fn what_was_too_large_is_sent_again_in_smaller_segments() {
        let mut pair = Pair::established(Config::default(), Channel::default(), 1);
        pair.silent.push(crate::tcp::tests::Side::A);
        pair.a().write(&[7; 14_600]);
        pair.flush();
        pair.silent.clear();
        let sent = pair.log.len();
        pair.a().on_packet_too_big(ISS.wrapping_add(1), 600);
        pair.flush();
        let again = &pair.log[sent..];
        assert!(again.len() > 20, "{} segments", again.len());
        assert!(again.iter().all(|(at, _, _)| *at == pair.now));
        pair.drive(|pair| pair.b.as_ref().is_some_and(|b| b.readable() == 14_600));
        assert_eq!(pair.b().readable(), 14_600);
    }
}
