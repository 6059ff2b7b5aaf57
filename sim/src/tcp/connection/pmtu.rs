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
