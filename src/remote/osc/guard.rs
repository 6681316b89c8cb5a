//! Splits and checks datagrams before anything in them is decoded.
//!
//! rosc decodes bundles recursively and builds arrays as nested vectors, so a single datagram of nested bundles or
//! brackets can overflow the stack, which aborts the process. It also rejects a whole bundle if one of its messages is
//! unreadable. Therefore, bundles are split here, and rosc receives only single messages without deeply nested arrays.

use rosc::{OscMessage, OscPacket, OscTime};

use super::fault::{Fault, MAX_ADDRESS, MAX_DEPTH};
use crate::quote::shown;

const BUNDLE: &[u8] = b"#bundle\0";

/// Returns whether a packet is a bundle.
pub(super) fn is_bundle(packet: &[u8]) -> bool {
    packet.starts_with(BUNDLE)
}

/// Splits a bundle into its time tag and its elements.
pub(super) fn bundle(packet: &[u8]) -> Result<(OscTime, &[u8]), Fault> {
    let header = packet.get(BUNDLE.len()..).and_then(|rest| rest.split_first_chunk::<8>());
    let (tag, elements) = header.ok_or_else(|| malformed("a bundle without a time tag"))?;
    let tag = u64::from_be_bytes(*tag);
    Ok((OscTime { seconds: (tag >> 32) as u32, fractional: tag as u32 }, elements))
}

/// Splits off the first of a bundle's elements and returns it and the rest. After an error, the start of the next
/// element is unknown.
pub(super) fn element(elements: &[u8]) -> Result<(&[u8], &[u8]), Fault> {
    let (size, after) = elements.split_first_chunk::<4>().ok_or_else(|| malformed("a bundle with trailing bytes"))?;
    let size = u32::from_be_bytes(*size) as usize;
    if size == 0 || !size.is_multiple_of(4) {
        return Err(malformed("a bundle element whose size is not a positive multiple of 4"));
    }
    after.split_at_checked(size).ok_or_else(|| malformed("a truncated bundle"))
}

/// Decodes a single message.
pub(super) fn message(packet: &[u8]) -> Result<OscMessage, Fault> {
    check(packet)?;
    match rosc::decoder::decode_udp(packet) {
        Ok((_, OscPacket::Message(message))) => Ok(message),
        Ok((_, OscPacket::Bundle(_))) => Err(malformed("a bundle instead of a message")),
        Err(error) => Err(Fault::Malformed(shown(&error.to_string()))),
    }
}

/// Checks a message's address and type tags to ensure that it is safe to decode.
fn check(message: &[u8]) -> Result<(), Fault> {
    let address_end = message.iter().position(|byte| *byte == 0).ok_or_else(|| malformed("an unterminated address"))?;
    if address_end > MAX_ADDRESS {
        return Err(Fault::LongAddress(address_end));
    }
    let Some(tags) = message.get((address_end / 4 + 1) * 4..) else {
        return Err(malformed("a message without type tags"));
    };
    let mut depth = 0usize;
    for tag in tags.iter().take_while(|byte| **byte != 0) {
        match tag {
            b'[' => depth += 1,
            b']' => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > MAX_DEPTH {
            return Err(Fault::TooDeep);
        }
    }
    // An unclosed bracket is an error; rosc would silently drop the arguments before it.
    if depth == 0 { Ok(()) } else { Err(malformed("an unterminated array")) }
}

fn malformed(reason: &str) -> Fault {
    Fault::Malformed(reason.to_owned())
}
