//! Zones of a keyboard that set the lead chord or play the piano, and the pedal that sustains their notes.

use std::ops::RangeInclusive;

use crate::midi::Message;

/// Controller number of the sustain pedal.
const SUSTAIN: u8 = 64;
/// Controller numbers of the channel mode messages. All of these release notes, except [`RESET_CONTROLLERS`] and
/// [`LOCAL_CONTROL`].
const CHANNEL_MODE: RangeInclusive<u8> = 120..=127;
/// Reset All Controllers, which releases the pedal but not the keys.
const RESET_CONTROLLERS: u8 = 121;
/// Local Control, which releases nothing.
const LOCAL_CONTROL: u8 = 122;

/// One `[[lead]]` or `[[play]]`: a zone of a keyboard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyZone {
    /// Channel, counted from 0; `None` matches any.
    pub channel: Option<u8>,
    /// The keys.
    pub notes: RangeInclusive<u8>,
    /// Whether the pedal sustains the notes.
    pub sustain: bool,
}

impl KeyZone {
    /// Returns whether a message is from the zone's keys or its pedal.
    pub(super) fn matches(&self, message: Message) -> bool {
        let (channel, is_used) = match message {
            Message::NoteOn { channel, note, .. } | Message::NoteOff { channel, note } => {
                (channel, self.notes.contains(&note))
            }
            Message::ControlChange { channel, controller: SUSTAIN, .. } => (channel, self.sustain),
            _ => return false,
        };
        is_used && self.channel.is_none_or(|own| own == channel)
    }
}

/// The held keys of a zone.
#[derive(Debug, Clone, Default)]
pub(super) struct HeldKeys {
    /// Keys that are down: bit n for MIDI note n.
    down: u128,
    /// Keys that have been released but are sustained by the pedal.
    sustained: u128,
    pedal: bool,
}

impl HeldKeys {
    /// Returns the held and sustained notes, bit n for MIDI note n.
    pub(super) fn notes(&self) -> u128 {
        self.down | self.sustained
    }

    /// Processes a message of a zone that sets the lead chord. A key pressed after all others have been released starts a new
    /// chord, even if the pedal is down.
    pub(super) fn process_lead(&mut self, zone: &KeyZone, message: Message) {
        if self.down == 0 && matches!(message, Message::NoteOn { .. }) && zone.matches(message) {
            self.sustained = 0;
        }
        self.process(zone, message);
    }

    pub(super) fn process(&mut self, zone: &KeyZone, message: Message) {
        let matches = |channel: u8| zone.channel.is_none_or(|own| own == channel);
        match message {
            Message::NoteOn { channel, note, .. } if matches(channel) && zone.notes.contains(&note) => {
                self.down |= 1 << note;
            }
            Message::NoteOff { channel, note } if matches(channel) => {
                let bit = 1u128 << note;
                if self.pedal {
                    self.sustained |= self.down & bit;
                }
                self.down &= !bit;
            }
            Message::ControlChange { channel, controller: SUSTAIN, value } if matches(channel) && zone.sustain => {
                self.pedal = value >= 64;
                if !self.pedal {
                    self.sustained = 0;
                }
            }
            Message::ControlChange { channel, controller: RESET_CONTROLLERS, .. } if matches(channel) => {
                self.pedal = false;
                self.sustained = 0;
            }
            Message::ControlChange { channel, controller, .. }
                if matches(channel) && CHANNEL_MODE.contains(&controller) && controller != LOCAL_CONTROL =>
            {
                *self = Self::default();
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ZONE: KeyZone = KeyZone { channel: Some(0), notes: 36..=96, sustain: true };

    fn held(bytes: &[u8]) -> Vec<u8> {
        let (mut parser, mut held) = (crate::midi::Parser::default(), HeldKeys::default());
        bytes.iter().filter_map(|byte| parser.feed(*byte)).for_each(|message| held.process_lead(&ZONE, message));
        (0..128).filter(|note| held.notes() >> note & 1 == 1).collect()
    }

    #[test]
    fn the_pedal_sustains_released_notes() {
        assert_eq!(held(&[0x90, 60, 9, 64, 9, 60, 0]), [64]);
        assert_eq!(held(&[0x90, 60, 9, 64, 9, 0xB0, 64, 127, 0x90, 60, 0, 64, 0]), [60, 64]);
        assert_eq!(held(&[0x90, 60, 9, 0xB0, 64, 127, 0x90, 60, 0, 0xB0, 64, 0]), [0u8; 0]);
        assert_eq!(
            held(&[0x90, 60, 9, 0xB0, 64, 127, 0x90, 60, 0, 65, 9]),
            [65],
            "a key pressed after all others are released should start a new chord"
        );
    }

    #[test]
    fn channel_mode_messages_release_stuck_notes() {
        for controller in [120, 123, 124, 127] {
            assert_eq!(held(&[0x90, 60, 9, 64, 9, 0xB0, controller, 0]), [0u8; 0], "{controller}");
        }
        assert_eq!(held(&[0x90, 60, 9, 0xB0, 122, 0]), [60]);
        assert_eq!(held(&[0x90, 60, 9, 60, 9, 60, 0]), [0u8; 0], "one release should end a note that was struck twice");
    }

    #[test]
    fn ignores_other_keys_and_channels() {
        assert_eq!(held(&[0x90, 20, 9, 100, 9, 0x91, 60, 9]), [0u8; 0]);
    }
}
