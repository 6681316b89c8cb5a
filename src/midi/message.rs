//! MIDI 1.0 messages.

/// A MIDI message. Channels are counted from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names are those of the MIDI 1.0 specification; data bytes are 0..128")]
pub enum Message {
    /// Never has velocity 0, which is a [`Message::NoteOff`].
    NoteOn {
        channel: u8,
        note: u8,
        velocity: u8,
    },
    NoteOff {
        channel: u8,
        note: u8,
    },
    PolyPressure {
        channel: u8,
        note: u8,
        pressure: u8,
    },
    ControlChange {
        channel: u8,
        controller: u8,
        value: u8,
    },
    ProgramChange {
        channel: u8,
        program: u8,
    },
    ChannelPressure {
        channel: u8,
        pressure: u8,
    },
    /// 0..16384, centre 8192.
    PitchBend {
        channel: u8,
        value: u16,
    },
    /// 24 per quarter note.
    Clock,
    Start,
    Continue,
    Stop,
    /// In sixteenth notes since the start of the song.
    SongPosition(u16),
}

impl Message {
    /// Creates a channel message from its status and data bytes; returns `None` for any other status.
    pub(super) fn from_channel_status(status: u8, data: [u8; 2]) -> Option<Self> {
        let channel = status & 0x0F;
        let [first, second] = data;
        Some(match status & 0xF0 {
            0x80 => Self::NoteOff { channel, note: first },
            0x90 if second == 0 => Self::NoteOff { channel, note: first },
            0x90 => Self::NoteOn { channel, note: first, velocity: second },
            0xA0 => Self::PolyPressure { channel, note: first, pressure: second },
            0xB0 => Self::ControlChange { channel, controller: first, value: second },
            0xC0 => Self::ProgramChange { channel, program: first },
            0xD0 => Self::ChannelPressure { channel, pressure: first },
            0xE0 => Self::PitchBend { channel, value: u16::from(first) | u16::from(second) << 7 },
            _ => return None,
        })
    }

    /// Returns the message's bytes and how many of them are used.
    pub(super) const fn encode(self) -> ([u8; 3], usize) {
        match self {
            Self::NoteOff { channel, note } => ([0x80 | channel, note, 0], 3),
            Self::NoteOn { channel, note, velocity } => ([0x90 | channel, note, velocity], 3),
            Self::PolyPressure { channel, note, pressure } => ([0xA0 | channel, note, pressure], 3),
            Self::ControlChange { channel, controller, value } => ([0xB0 | channel, controller, value], 3),
            Self::ProgramChange { channel, program } => ([0xC0 | channel, program, 0], 2),
            Self::ChannelPressure { channel, pressure } => ([0xD0 | channel, pressure, 0], 2),
            Self::PitchBend { channel, value } => ([0xE0 | channel, (value & 0x7F) as u8, (value >> 7) as u8], 3),
            Self::SongPosition(sixteenths) => ([0xF2, (sixteenths & 0x7F) as u8, (sixteenths >> 7 & 0x7F) as u8], 3),
            Self::Clock => ([0xF8, 0, 0], 1),
            Self::Start => ([0xFA, 0, 0], 1),
            Self::Continue => ([0xFB, 0, 0], 1),
            Self::Stop => ([0xFC, 0, 0], 1),
        }
    }

    /// Returns the message for a real-time status byte; `None` for bytes that Melos does not use.
    pub(super) fn from_real_time_status(status: u8) -> Option<Self> {
        match status {
            0xF8 => Some(Self::Clock),
            0xFA => Some(Self::Start),
            0xFB => Some(Self::Continue),
            0xFC => Some(Self::Stop),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::midi::Parser;

    #[test]
    fn parsing_inverts_encoding() {
        for message in [
            Message::NoteOn { channel: 15, note: 60, velocity: 1 },
            Message::NoteOff { channel: 0, note: 127 },
            Message::PolyPressure { channel: 3, note: 1, pressure: 2 },
            Message::ControlChange { channel: 9, controller: 123, value: 0 },
            Message::ProgramChange { channel: 1, program: 5 },
            Message::ChannelPressure { channel: 2, pressure: 99 },
            Message::PitchBend { channel: 4, value: 16_383 },
            Message::SongPosition(300),
            Message::Clock,
            Message::Start,
            Message::Continue,
            Message::Stop,
        ] {
            let (bytes, length) = message.encode();
            let mut parser = Parser::default();
            let read: Vec<_> = bytes[..length].iter().filter_map(|byte| parser.feed(*byte)).collect();
            assert_eq!(read, [message]);
        }
    }
}
