//! A look at a datagram before it is decoded.
//!
//! rosc decodes bundles by recursion and builds arrays as nested vectors, so a single datagram of nested bundles or
//! brackets can overflow the stack, which aborts the process. This scan keeps depth in a counter instead.

use super::fault::Fault;

/// Longest datagram taken, in bytes: some hundred messages.
pub(in crate::remote) const MAX_BYTES: usize = 16 * 1024;
/// Deepest nesting of bundles, and of arrays.
pub(super) const MAX_DEPTH: usize = 8;

const BUNDLE: &[u8] = b"#bundle\0";
const BUNDLE_HEADER: usize = 16;

/// Whether a datagram is safe to decode.
pub(super) fn check(datagram: &[u8]) -> Result<(), Fault> {
    if datagram.len() > MAX_BYTES {
        return Err(Fault::Oversized(datagram.len()));
    }
    check_element(datagram, MAX_DEPTH)
}

pub(super) fn check_element(element: &[u8], depth_left: usize) -> Result<(), Fault> {
    if !element.starts_with(BUNDLE) {
        return check_brackets(element);
    }
    let depth_left = depth_left.checked_sub(1).ok_or(Fault::Nested)?;
    let mut rest = element.get(BUNDLE_HEADER..).ok_or_else(|| malformed("a bundle without a time tag"))?;
    while !rest.is_empty() {
        let (size, after) = rest.split_first_chunk::<4>().ok_or_else(|| malformed("a bundle with loose ends"))?;
        let size = u32::from_be_bytes(*size) as usize;
        let content = after.get(..size).ok_or_else(|| malformed("a bundle that breaks off"))?;
        if size == 0 || !size.is_multiple_of(4) {
            return Err(malformed("a bundle element of odd size"));
        }
        check_element(content, depth_left)?;
        rest = &after[size..];
    }
    Ok(())
}

/// Looks at the type tags of a message.
fn check_brackets(message: &[u8]) -> Result<(), Fault> {
    let address_end =
        message.iter().position(|byte| *byte == 0).ok_or_else(|| malformed("an address without an end"))?;
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
            return Err(Fault::Nested);
        }
    }
    // A bracket that never closes is left open on purpose by nobody; rosc would drop what stands before it.
    if depth == 0 { Ok(()) } else { Err(malformed("an array without an end")) }
}

fn malformed(what: &str) -> Fault {
    Fault::Malformed(what.to_owned())
}
