//! Splits bundles into their elements, one level at a time.
//!
//! rosc decodes bundles recursively, so a single datagram of nested bundles can overflow the stack, which aborts the
//! process. It also rejects a whole bundle if one of its messages is unreadable.

use rosc::OscTime;

use super::fault::Fault;

const BUNDLE: &[u8] = b"#bundle\0";

/// Returns whether a packet is a bundle.
pub(super) fn is_bundle(packet: &[u8]) -> bool {
    packet.starts_with(BUNDLE)
}

/// Splits a bundle into its time tag and its elements.
pub(super) fn split(packet: &[u8]) -> Result<(OscTime, &[u8]), Fault> {
    let header = packet.get(BUNDLE.len()..).and_then(|rest| rest.split_first_chunk::<8>());
    let malformed =
        || Fault::Malformed("a bundle is cut off; #bundle must be followed by a time tag of 8 bytes".to_owned());
    let (tag, elements) = header.ok_or_else(malformed)?;
    let tag = u64::from_be_bytes(*tag);
    Ok((OscTime { seconds: (tag >> 32) as u32, fractional: tag as u32 }, elements))
}

/// Splits off the first of a bundle's elements, which may be empty, and returns it and the rest. After an error, the
/// start of the next element is unknown.
pub(super) fn element(elements: &[u8]) -> Result<(&[u8], &[u8]), Fault> {
    let (size, after) = split_size(elements)
        .ok_or_else(|| Fault::Malformed("a bundle is cut off within the size of a message".to_owned()))?;
    // A size that is not a multiple of four may leave out the padding; where the next element starts shows whether.
    let is_aligned = size.is_multiple_of(4);
    let mut splits = [size.saturating_add(3) & !3, size].into_iter().filter_map(|end| after.split_at_checked(end));
    splits.find(|(_, rest)| is_aligned || starts_element(rest)).ok_or_else(|| {
        let available = after.len();
        Fault::Malformed(if size > available {
            format!("a bundle is cut off: a message should have {size} bytes, but only {available} follow")
        } else {
            format!("a size in a bundle is {size}, not a multiple of 4; the messages from there on are lost")
        })
    })
}

fn split_size(elements: &[u8]) -> Option<(usize, &[u8])> {
    let (size, after) = elements.split_first_chunk::<4>()?;
    Some((u32::from_be_bytes(*size) as usize, after))
}

/// Returns whether the rest of a bundle is empty or looks like an element.
fn starts_element(rest: &[u8]) -> bool {
    rest.is_empty()
        || split_size(rest)
            .and_then(|(size, after)| after.get(..size))
            .is_some_and(|element| matches!(element.first(), None | Some(b'/' | b'#')))
}
