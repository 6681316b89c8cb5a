//! Parses bytes into messages. Handles running status and interleaved real-time bytes, and skips system exclusive
//! messages of any length.

use super::Message;

/// Parses the byte stream of one device. Does not allocate, so it may be used in an audio callback.
#[derive(Debug, Clone, Default)]
pub struct Parser {
    state: State,
    /// First data byte of a message that has two.
    first: Option<u8>,
}

#[derive(Debug, Clone, Copy, Default)]
enum State {
    /// Ignores data bytes until the next status byte.
    #[default]
    Skip,
    /// In a channel message, whose status also applies to the messages that follow (running status).
    Channel(u8),
    /// In a song position, which has no running status.
    SongPosition,
}

impl Parser {
    /// Processes a byte and returns the message that it completes, if any.
    pub fn feed(&mut self, byte: u8) -> Option<Message> {
        match byte {
            0x00..=0x7F => self.data(byte),
            0x80..=0xEF => self.status(State::Channel(byte)),
            0xF2 => self.status(State::SongPosition),
            // Start and end of system exclusive, and system common messages that Melos does not use.
            0xF0..=0xF7 => self.status(State::Skip),
            // Real-time bytes may appear anywhere, even inside another message.
            0xF8..=0xFF => Message::from_real_time_status(byte),
        }
    }

    fn status(&mut self, state: State) -> Option<Message> {
        self.state = state;
        self.first = None;
        None
    }

    fn data(&mut self, byte: u8) -> Option<Message> {
        match (self.state, self.first.take()) {
            (State::Skip, _) => None,
            (State::Channel(status @ 0xC0..=0xDF), _) => Message::from_channel_status(status, [byte, 0]),
            (State::Channel(status), Some(first)) => Message::from_channel_status(status, [first, byte]),
            (State::SongPosition, Some(first)) => {
                self.state = State::Skip;
                Some(Message::SongPosition(u16::from(first) | u16::from(byte) << 7))
            }
            (State::Channel(_) | State::SongPosition, None) => {
                self.first = Some(byte);
                None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Message::*;

    fn parse(bytes: &[u8]) -> Vec<Message> {
        let mut parser = Parser::default();
        bytes.iter().filter_map(|byte| parser.feed(*byte)).collect()
    }

    const fn cc(controller: u8, value: u8) -> Message {
        ControlChange { channel: 0, controller, value }
    }

    #[test]
    fn parses_every_kind_of_message() {
        let on = |note, velocity| NoteOn { channel: 2, note, velocity };
        let off = |note| NoteOff { channel: 2, note };
        assert_eq!(parse(&[0x92, 60, 100, 0x82, 60, 64, 0x92, 61, 0]), [on(60, 100), off(60), off(61)]);
        assert_eq!(parse(&[0xA0, 1, 2]), [PolyPressure { channel: 0, note: 1, pressure: 2 }]);
        assert_eq!(parse(&[0xB0, 7, 127]), [cc(7, 127)]);
        assert_eq!(parse(&[0xCF, 5]), [ProgramChange { channel: 15, program: 5 }]);
        assert_eq!(parse(&[0xD1, 6]), [ChannelPressure { channel: 1, pressure: 6 }]);
        assert_eq!(parse(&[0xE0, 0x7F, 0x7F, 0, 0x40]), [16_383, 8192].map(|value| PitchBend { channel: 0, value }));
        assert_eq!(parse(&[0xF8, 0xFA, 0xFB, 0xFC, 0xFE, 0xFF, 0xF9]), [Clock, Start, Continue, Stop]);
        assert_eq!(parse(&[0xF2, 0x10, 0x01]), [SongPosition(0x90)]);
    }

    #[test]
    fn running_status_continues_across_real_time_bytes() {
        assert_eq!(
            parse(&[0xB0, 7, 0xF8, 1, 7, 2, 0xFE, 10, 0xF8, 3, 0xC0, 4, 5]),
            [
                Clock,
                cc(7, 1),
                cc(7, 2),
                Clock,
                cc(10, 3),
                ProgramChange { channel: 0, program: 4 },
                ProgramChange { channel: 0, program: 5 }
            ]
        );
    }

    #[test]
    fn system_messages_end_running_status() {
        assert_eq!(parse(&[0xB0, 7, 1, 0xF0, 7, 2, 0xF7, 7, 3]), [cc(7, 1)]);
        assert_eq!(parse(&[0xB0, 7, 1, 0xF6, 7, 3]), [cc(7, 1)]);
        assert_eq!(parse(&[0xF2, 1, 0, 2, 0]), [SongPosition(1)]);
    }

    #[test]
    fn skips_long_and_interrupted_system_exclusive_messages() {
        let mut bytes = vec![0xF0];
        bytes.extend((0..1_000_000).map(|index| (index % 128) as u8));
        bytes.extend([0xF8, 0xF7, 0xB0, 1, 2]);
        assert_eq!(parse(&bytes), [Clock, cc(1, 2)]);
        // Interrupted by another message.
        assert_eq!(parse(&[0xF0, 1, 2, 0xB0, 1, 2]), [cc(1, 2)]);
    }

    #[test]
    fn drops_incomplete_messages() {
        assert_eq!(parse(&[0x90, 60, 0xB0, 1, 2]), [cc(1, 2)]);
        assert_eq!(parse(&[1, 2, 3, 0xB0, 1, 2]), [cc(1, 2)]);
    }
}
