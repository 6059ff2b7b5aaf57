//! The pcapng file format, as far as captures need it
//! (draft-ietf-opsawg-pcapng-02).
//!
//! Owns the layout of blocks and options; it writes to memory and knows no files.
//! Written here because no maintained crate writes packet flags and comments with
//! nanosecond times.

use crate::time::SimTime;

/// Raw IP, version 4 or 6 as the first nibble says (`LINKTYPE_RAW`).
const LINK_TYPE_RAW: u16 = 101;

/// Tells readers in which order bytes are; ours is little-endian.
const BYTE_ORDER_MAGIC: u32 = 0x1a2b_3c4d;

const SECTION_HEADER: u32 = 0x0a0d_0d0a;
const INTERFACE_DESCRIPTION: u32 = 1;
const ENHANCED_PACKET: u32 = 6;
const DECRYPTION_SECRETS: u32 = 10;

const OPTION_END: u16 = 0;
const OPTION_COMMENT: u16 = 1;
const SECTION_APPLICATION: u16 = 4;
const INTERFACE_NAME: u16 = 2;
const INTERFACE_DESCRIBED: u16 = 3;
const INTERFACE_TIME_RESOLUTION: u16 = 9;
const PACKET_FLAGS: u16 = 2;

/// Secrets are lines of a TLS key log ("TLSK").
const SECRETS_TLS_KEY_LOG: u32 = 0x544c_534b;

/// Times are in units of 10⁻⁹ s.
const NANOSECONDS: u8 = 9;

/// Which way a packet went, as seen from the host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Direction {
    /// It was received.
    Inbound,
    /// It was sent.
    Outbound,
}

/// Appends what a file begins with: a section of one interface.
pub(crate) fn begin(file: &mut Vec<u8>, interface: &str, description: &str) {
    block(file, SECTION_HEADER, |body| {
        body.extend_from_slice(&BYTE_ORDER_MAGIC.to_le_bytes());
        // Version 1.0; the length of the section is not stated.
        body.extend_from_slice(&1_u16.to_le_bytes());
        body.extend_from_slice(&0_u16.to_le_bytes());
        body.extend_from_slice(&u64::MAX.to_le_bytes());
        option(body, SECTION_APPLICATION, b"orrery");
        option(body, OPTION_END, b"");
    });
    block(file, INTERFACE_DESCRIPTION, |body| {
        body.extend_from_slice(&LINK_TYPE_RAW.to_le_bytes());
        body.extend_from_slice(&0_u16.to_le_bytes());
        // Packets are never cut short.
        body.extend_from_slice(&0_u32.to_le_bytes());
        option(body, INTERFACE_NAME, interface.as_bytes());
        option(body, INTERFACE_DESCRIBED, description.as_bytes());
        option(body, INTERFACE_TIME_RESOLUTION, &[NANOSECONDS]);
        option(body, OPTION_END, b"");
    });
}

/// Appends a packet of the one interface.
pub(crate) fn packet(
    file: &mut Vec<u8>,
    at: SimTime,
    bytes: &[u8],
    direction: Direction,
    multicast: bool,
    comment: &str,
) {
    let direction: u32 = match direction {
        Direction::Inbound => 0b01,
        Direction::Outbound => 0b10,
    };
    let reception: u32 = if multicast { 0b010 } else { 0b001 };
    let nanos = at.as_nanos();
    let length = bytes.len() as u32;
    block(file, ENHANCED_PACKET, |body| {
        body.extend_from_slice(&0_u32.to_le_bytes());
        body.extend_from_slice(&((nanos >> 32) as u32).to_le_bytes());
        body.extend_from_slice(&(nanos as u32).to_le_bytes());
        body.extend_from_slice(&length.to_le_bytes());
        body.extend_from_slice(&length.to_le_bytes());
        body.extend_from_slice(bytes);
        pad(body, bytes.len());
        option(
            body,
            PACKET_FLAGS,
            &(direction | reception << 2).to_le_bytes(),
        );
        option(body, OPTION_COMMENT, comment.as_bytes());
        option(body, OPTION_END, b"");
    });
}

/// Appends lines of a TLS key log. Readers use them for the packets that follow.
pub(crate) fn secrets(file: &mut Vec<u8>, lines: &str) {
    block(file, DECRYPTION_SECRETS, |body| {
        body.extend_from_slice(&SECRETS_TLS_KEY_LOG.to_le_bytes());
        body.extend_from_slice(&(lines.len() as u32).to_le_bytes());
        body.extend_from_slice(lines.as_bytes());
        pad(body, lines.len());
    });
}

/// Appends a block; its length stands before and after the body.
fn block(file: &mut Vec<u8>, kind: u32, body: impl FnOnce(&mut Vec<u8>)) {
    let start = file.len();
    file.extend_from_slice(&kind.to_le_bytes());
    file.extend_from_slice(&[0; 4]);
    body(file);
    let length = (file.len() + 4 - start) as u32;
    file[start + 4..start + 8].copy_from_slice(&length.to_le_bytes());
    file.extend_from_slice(&length.to_le_bytes());
}

/// Appends an option. Values beyond what its length field holds are cut.
fn option(body: &mut Vec<u8>, code: u16, value: &[u8]) {
    let length = u16::try_from(value.len()).unwrap_or(u16::MAX);
    let value = &value[..usize::from(length)];
    body.extend_from_slice(&code.to_le_bytes());
    body.extend_from_slice(&length.to_le_bytes());
    body.extend_from_slice(value);
    pad(body, value.len());
}

/// Fills up to whole 32-bit words.
fn pad(body: &mut Vec<u8>, length: usize) {
    let missing = length.next_multiple_of(4) - length;
    body.extend_from_slice(&[0; 3][..missing]);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_packet_has_the_documented_layout() {
        let mut file = Vec::new();
        let at = SimTime::from_nanos(0x0000_0001_0203_0405);
        packet(&mut file, at, &[9; 5], Direction::Inbound, true, "a → b");
        let expected = [
            &[6, 0, 0, 0, 64, 0, 0, 0][..],
            &[0; 4],
            &[1, 0, 0, 0, 5, 4, 3, 2],
            &[5, 0, 0, 0, 5, 0, 0, 0],
            &[9, 9, 9, 9, 9, 0, 0, 0],
            &[2, 0, 4, 0, 0b1001, 0, 0, 0],
            &[1, 0, 7, 0, b'a', b' ', 0xe2, 0x86, 0x92, b' ', b'b', 0],
            &[0; 4],
            &[64, 0, 0, 0],
        ];
        assert_eq!(file, expected.concat());
    }

    #[test]
    fn secrets_have_the_documented_layout() {
        let mut file = Vec::new();
        secrets(&mut file, "A 1 2\n");
        let expected = [
            &[10, 0, 0, 0, 28, 0, 0, 0][..],
            b"KSLT",
            &[6, 0, 0, 0],
            b"A 1 2\n\0\0",
            &[28, 0, 0, 0],
        ];
        assert_eq!(file, expected.concat());
    }

    #[test]
    fn values_too_long_for_an_option_are_cut() {
        let mut body = Vec::new();
        option(&mut body, OPTION_COMMENT, &vec![b'x'; 70_000]);
        assert_eq!(body[2..4], [0xff, 0xff]);
        assert_eq!(body.len(), 4 + 65_536);
    }
}
