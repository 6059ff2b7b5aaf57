//! Secrets of connections, for whoever reads their captured packets.
//!
//! Owns the form of a line: that of NSS's key log, which Wireshark reads. Where the lines
//! go is the environment's; without a [`KeyLog`] no secret leaves TLS.

use std::fmt::{self, Write as _};
use std::sync::Arc;

use quinn::rustls;

/// Takes the secrets of a node's QUIC connections. Who has them reads and forges all that
/// such a connection carries.
pub trait KeyLog: Send + Sync {
    /// Takes one secret: a label, the client's random value and the secret, in hexadecimal
    /// digits with one space between them, without an end of line. It is called while a
    /// handshake is under way, before what the secret protects is sent or read, and must not
    /// wait.
    fn line(&self, line: &str);
}

/// A [`KeyLog`] as TLS calls it.
pub(super) struct Lines(pub(super) Arc<dyn KeyLog>);

impl fmt::Debug for Lines {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Lines")
    }
}

impl rustls::KeyLog for Lines {
    fn log(&self, label: &str, client_random: &[u8], secret: &[u8]) {
        self.0.line(&line(label, client_random, secret));
    }
}

fn line(label: &str, client_random: &[u8], secret: &[u8]) -> String {
    let length = label.len() + 2 + 2 * (client_random.len() + secret.len());
    let mut line = String::with_capacity(length);
    line.push_str(label);
    for bytes in [client_random, secret] {
        line.push(' ');
        for byte in bytes {
            write!(line, "{byte:02x}").expect("a string takes whatever is written");
        }
    }
    line
}

#[cfg(test)]
mod tests {
    use super::line;

    #[test]
    fn a_line_is_as_wireshark_reads_it() {
        let line = line("CLIENT_TRAFFIC_SECRET_0", &[0, 0xab], &[0x0f, 1, 2]);
        assert_eq!(line, "CLIENT_TRAFFIC_SECRET_0 00ab 0f0102");
    }
}
