//! Reads a received message: its address, its type tags and its arguments.
//!
//! rosc refuses messages that are clear enough, and describes faults in terms of its parser. Musicians read these
//! descriptions in the log, so they have to say what is wrong with the message and what would be right.

use std::fmt::Display;

use rosc::{OscColor, OscMessage, OscMidiMessage, OscType};

use super::fault::{Fault, MAX_ADDRESS, MAX_DEPTH};
use crate::quote::shown;

/// Reads a message. Symbols and characters become strings, and arrays are replaced by their contents.
pub(super) fn message(packet: &[u8]) -> Result<OscMessage, Fault> {
    let malformed = |reason: &str| Fault::Malformed(reason.to_owned());
    if packet.first() != Some(&b'/') {
        return Err(malformed("not OSC: a message starts with an address, such as /melos/valence"));
    }
    let (address, rest) = split_text(packet)
        .ok_or_else(|| malformed("an address must be followed by 1 to 4 zero bytes, up to a multiple of 4 bytes"))?;
    if address.len() > MAX_ADDRESS {
        return Err(Fault::LongAddress(address.len()));
    }
    let address = str::from_utf8(address).map_err(|_| malformed("an address is not valid UTF-8"))?;
    Ok(OscMessage { addr: address.to_owned(), args: arguments(address, rest)? })
}

/// Reads what follows a message's address.
fn arguments(address: &str, rest: &[u8]) -> Result<Vec<OscType>, Fault> {
    let malformed = |reason: &dyn Display| Fault::Malformed(format!("{}: {reason}", shown(address)));
    let mut arguments = Vec::new();
    // Older senders omit the type tags, which is clear if there are no arguments.
    let Some(first) = rest.first() else { return Ok(arguments) };
    if *first != b',' {
        return Err(malformed(&"expected type tags after the address: a comma and a letter per argument, such as ,f"));
    }
    let (tags, data) =
        split_text(rest).ok_or_else(|| malformed(&"the type tags are cut off; they must end with a zero byte"))?;
    let (mut data, mut depth, mut previous) = (Data(data), 0usize, b',');
    for tag in tags.iter().skip(1).copied() {
        match tag {
            b'[' if depth == MAX_DEPTH => return Err(Fault::TooDeep),
            b'[' => depth += 1,
            // An array without values must not turn a message that sets into one that queries.
            b']' if previous == b'[' => return Err(malformed(&"an array is empty; expected a value in it")),
            b']' => depth = depth.checked_sub(1).ok_or_else(|| malformed(&"the type tag ] has no [ before it"))?,
            tag => {
                let describe = |problem| {
                    let (number, tag) = (arguments.len() + 1, char::from(tag).to_string());
                    malformed(&format_args!("argument {number} (type tag {}) {problem}", shown(&tag)))
                };
                let argument = data.argument(tag).map_err(describe)?;
                arguments.push(argument);
            }
        }
        previous = tag;
    }
    if depth > 0 {
        return Err(malformed(&"the type tag [ has no ] after it"));
    }
    // Some senders fill up the datagram with zero bytes.
    if data.0.iter().any(|byte| *byte != 0) {
        return Err(malformed(
            &"bytes are left after the last argument; expected a type tag per argument, such as ,ff",
        ));
    }
    Ok(arguments)
}

/// Splits off a text and the zero bytes after it; `None` if they are missing.
fn split_text(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = bytes.iter().position(|byte| *byte == 0)?;
    Some((&bytes[..end], bytes.get((end / 4 + 1) * 4..)?))
}

/// The arguments that are still to be read.
struct Data<'a>(&'a [u8]);

impl Data<'_> {
    /// Reads the argument of a type tag, or says what is wrong with it.
    fn argument(&mut self, tag: u8) -> Result<OscType, &'static str> {
        Ok(match tag {
            b'i' => OscType::Int(i32::from_be_bytes(self.bytes()?)),
            b'h' => OscType::Long(i64::from_be_bytes(self.bytes()?)),
            b'f' => OscType::Float(f32::from_be_bytes(self.bytes()?)),
            b'd' => OscType::Double(f64::from_be_bytes(self.bytes()?)),
            b's' | b'S' => OscType::String(self.text()?),
            b'c' => {
                let character = char::from_u32(u32::from_be_bytes(self.bytes()?)).ok_or("is not a character")?;
                OscType::String(character.to_string())
            }
            b'T' => OscType::Bool(true),
            b'F' => OscType::Bool(false),
            b'I' => OscType::Inf,
            b'N' => OscType::Nil,
            b'b' => OscType::Blob(self.blob()?),
            b't' => OscType::from((u32::from_be_bytes(self.bytes()?), u32::from_be_bytes(self.bytes()?))),
            b'r' => {
                let [red, green, blue, alpha] = self.bytes()?;
                OscType::Color(OscColor { red, green, blue, alpha })
            }
            b'm' => {
                let [port, status, data1, data2] = self.bytes()?;
                OscType::Midi(OscMidiMessage { port, status, data1, data2 })
            }
            _ => return Err("is of an unknown type; expected i, h, f or d for a number, s for text, or T or F"),
        })
    }

    fn bytes<const N: usize>(&mut self) -> Result<[u8; N], &'static str> {
        let (bytes, rest) = self.0.split_first_chunk().ok_or("is missing or cut off")?;
        self.0 = rest;
        Ok(*bytes)
    }

    fn text(&mut self) -> Result<String, &'static str> {
        let (text, rest) = split_text(self.0)
            .ok_or("is missing or cut off; text must be followed by 1 to 4 zero bytes, up to a multiple of 4 bytes")?;
        self.0 = rest;
        str::from_utf8(text).map(str::to_owned).map_err(|_| "is not valid UTF-8; expected text in UTF-8")
    }

    fn blob(&mut self) -> Result<Vec<u8>, &'static str> {
        let size = u32::from_be_bytes(self.bytes()?) as usize;
        let (blob, rest) = self.0.split_at_checked(size).ok_or("is cut off")?;
        self.0 = rest.get(size.next_multiple_of(4) - size..).ok_or("is cut off")?;
        Ok(blob.to_vec())
    }
}
