//! Bytes by hand: varints, length-delimited frames, protobuf fields, and CBOR as the node has it.

use minicbor::Encoder;

/// An unsigned varint, as protobuf and multiformats have it.
pub fn varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// A message with its length before it.
pub fn framed(message: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    varint(&mut out, message.len() as u64);
    out.extend(message);
    out
}

/// A protobuf field of bytes.
pub fn field(out: &mut Vec<u8>, number: u8, bytes: &[u8]) {
    out.push(number << 3 | 2);
    varint(out, bytes.len() as u64);
    out.extend(bytes);
}

/// A protobuf field that holds a number.
pub fn number(out: &mut Vec<u8>, number: u8, value: u64) {
    out.push(number << 3);
    varint(out, value);
}

/// CBOR, written into memory.
pub type Cbor = Encoder<Vec<u8>>;

/// CBOR that `write` writes.
pub fn cbor(
    write: impl FnOnce(&mut Cbor) -> Result<(), minicbor::encode::Error<std::convert::Infallible>>,
) -> Vec<u8> {
    let mut encoder = Encoder::new(Vec::new());
    write(&mut encoder).expect("memory takes it");
    encoder.into_writer()
}
