//! Converts messages to moves of controls. Combines pairs of 7-bit values and tracks selected parameter numbers.

use std::collections::BTreeMap;

use crate::midi::Message;

/// A control on a device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Control {
    /// A 7-bit controller, 0..120.
    Cc(u8),
    /// A 14-bit pair of controllers, given by the coarse one, 0..32; the fine one is 32 higher.
    Cc14(u8),
    /// A non-registered parameter number, 0..=16382.
    Nrpn(u16),
    /// A registered parameter number, 0..=16382.
    Rpn(u16),
    /// A note, treated as a button.
    Note(u8),
    /// The pitch wheel.
    PitchBend,
    /// Channel pressure.
    ChannelPressure,
    /// A program number, counted from 0, treated as a button.
    Program(u8),
    /// The start message.
    Start,
    /// The continue message.
    Continue,
    /// The stop message.
    Stop,
}

/// A move of a control.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Move {
    /// Channel, counted from 0; `None` for messages without one.
    pub(super) channel: Option<u8>,
    pub(super) control: Control,
    /// The control's position, 0..=1.
    pub(super) position: f32,
    /// The control's 7-bit value, for encoders.
    pub(super) raw: u8,
    /// Whether a button is down, or another control is in its upper half.
    pub(super) pressed: bool,
    /// One step up (1) or down (−1) from the parameter's current value, for data increment and decrement, which have no
    /// position.
    pub(super) step: Option<i8>,
}

/// The state of a device that determines the meaning of later messages.
#[derive(Debug, Default)]
pub(super) struct Controls {
    channels: [Channel; 16],
}

#[derive(Debug, Default)]
struct Channel {
    pairs: BTreeMap<Control, Pair>,
    selected: SelectedNumber,
}

/// The parameter number selected for data entry, as two halves.
#[derive(Debug, Default)]
struct SelectedNumber {
    registered: bool,
    coarse: Option<u8>,
    fine: Option<u8>,
}

/// A 14-bit value as two halves, which may arrive in either order.
#[derive(Debug, Default, Clone, Copy)]
struct Pair {
    coarse: Option<u8>,
    fine: Option<u8>,
    /// Whether the fine half arrived after the coarse one.
    fine_is_newer: bool,
}

/// The largest 14-bit value.
pub(super) const MAX_14_BIT: u16 = 0x3FFF;

impl Pair {
    /// Sets the coarse half. It keeps a fine half that arrived after the previous coarse one, because the two may arrive in
    /// either order; an older one no longer applies, because some controllers only send the coarse half of a fast movement.
    fn set_coarse(&mut self, value: u8) {
        self.fine = self.fine.filter(|_| self.fine_is_newer);
        self.coarse = Some(value);
        self.fine_is_newer = false;
    }

    fn set_fine(&mut self, value: u8) {
        self.fine = Some(value);
        self.fine_is_newer = true;
    }

    /// Returns the position, 0..=1. Without the fine half, the coarse half spans the full range; without the coarse
    /// half, there is no position.
    fn position(self) -> Option<f32> {
        let coarse = u16::from(self.coarse?);
        Some(match self.fine {
            Some(fine) => f32::from(coarse << 7 | u16::from(fine)) / f32::from(MAX_14_BIT),
            None => f32::from(coarse) / 127.0,
        })
    }
}

impl SelectedNumber {
    /// Selects registered or non-registered numbers, and discards the halves of a number of the other kind.
    fn select(&mut self, registered: bool) -> &mut Self {
        if self.registered != registered {
            *self = Self { registered, ..Self::default() };
        }
        self
    }

    /// Returns the selected parameter number once both halves are known; `None` if both are 127, which deselects.
    fn control(&self) -> Option<Control> {
        let number = u16::from(self.coarse?) << 7 | u16::from(self.fine?);
        match number {
            MAX_14_BIT => None,
            _ if self.registered => Some(Control::Rpn(number)),
            _ => Some(Control::Nrpn(number)),
        }
    }
}

impl Controls {
    /// Records a value sent to a control, at the control's resolution, so that a coarse or fine half received later is
    /// combined with the other half of this value.
    pub(super) fn record_sent(&mut self, channel: u8, control: Control, value: u16) {
        if matches!(control, Control::Cc14(_) | Control::Nrpn(_) | Control::Rpn(_)) {
            let pair = Pair { coarse: Some((value >> 7) as u8), fine: Some((value & 0x7F) as u8), fine_is_newer: true };
            self.channels[usize::from(channel)].pairs.insert(control, pair);
        }
    }

    /// Processes a message and calls `moved` for every control that it moves. A controller can be both a control in
    /// its own right and half of a pair; the bindings determine which applies.
    pub(super) fn process(&mut self, message: Message, mut moved: impl FnMut(Move)) {
        let button = |channel, control, down: bool, raw| {
            let position = f32::from(u8::from(down));
            Move { channel, control, position, raw, pressed: down, step: None }
        };
        match message {
            Message::NoteOn { channel, note, velocity } => {
                let position = f32::from(velocity) / 127.0;
                moved(Move {
                    channel: Some(channel),
                    control: Control::Note(note),
                    position,
                    raw: velocity,
                    pressed: true,
                    step: None,
                });
            }
            Message::NoteOff { channel, note } => moved(button(Some(channel), Control::Note(note), false, 0)),
            Message::ControlChange { channel, controller, value } => {
                moved(absolute(channel, Control::Cc(controller), f32::from(value) / 127.0, value));
                let state = &mut self.channels[usize::from(channel)];
                if let Some((control, step)) = state.step(controller) {
                    moved(Move { step: Some(step), ..absolute(channel, control, f32::from(step.max(0)), value) });
                } else if let Some((control, position)) = state.pair(controller, value) {
                    moved(absolute(channel, control, position, value));
                }
            }
            Message::ProgramChange { channel, program } => {
                moved(button(Some(channel), Control::Program(program), true, 127));
            }
            Message::ChannelPressure { channel, pressure } => {
                moved(absolute(channel, Control::ChannelPressure, f32::from(pressure) / 127.0, pressure));
            }
            Message::PitchBend { channel, value } => {
                let position = pitch_bend_position(value);
                moved(absolute(channel, Control::PitchBend, position, (value >> 7) as u8));
            }
            Message::Start => moved(button(None, Control::Start, true, 127)),
            Message::Continue => moved(button(None, Control::Continue, true, 127)),
            Message::Stop => moved(button(None, Control::Stop, true, 127)),
            Message::PolyPressure { .. } | Message::Clock | Message::SongPosition(_) => {}
        }
    }
}

fn absolute(channel: u8, control: Control, position: f32, raw: u8) -> Move {
    Move { channel: Some(channel), control, position, raw, pressed: position >= 0.5, step: None }
}

/// Returns the position of a pitch bend. The centre, 8192 of 16383, is exactly 0.5.
fn pitch_bend_position(value: u16) -> f32 {
    let centred = f32::from(value) - 8192.0;
    0.5 + centred / if centred < 0.0 { 16_384.0 } else { 16_382.0 }
}

impl Channel {
    /// Returns the parameter number and direction of a data increment or decrement.
    fn step(&self, controller: u8) -> Option<(Control, i8)> {
        let step = match controller {
            96 => 1,
            97 => -1,
            _ => return None,
        };
        Some((self.selected.control()?, step))
    }

    /// Processes a controller that may be half of a pair or of a parameter number. Returns the control that it
    /// moves, if any, and the position.
    fn pair(&mut self, controller: u8, value: u8) -> Option<(Control, f32)> {
        match controller {
            98 => self.selected.select(false).fine = Some(value),
            99 => self.selected.select(false).coarse = Some(value),
            100 => self.selected.select(true).fine = Some(value),
            101 => self.selected.select(true).coarse = Some(value),
            _ => {}
        }
        let (control, set_half): (_, fn(&mut Pair, u8)) = match (controller, self.selected.control()) {
            (6, Some(control)) => (control, Pair::set_coarse),
            (38, Some(control)) => (control, Pair::set_fine),
            (0..32, _) => (Control::Cc14(controller), Pair::set_coarse),
            (32..64, _) => (Control::Cc14(controller - 32), Pair::set_fine),
            _ => return None,
        };
        let pair = self.pairs.entry(control).or_default();
        set_half(pair, value);
        Some((control, pair.position()?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns each position that a sequence of controller values gives a control, in steps of 1/16383.
    fn positions(control: Control, controllers: &[(u8, u8)]) -> Vec<u16> {
        let mut controls = Controls::default();
        let mut positions = Vec::new();
        for (controller, value) in controllers {
            let message = Message::ControlChange { channel: 3, controller: *controller, value: *value };
            controls.process(message, |moved| {
                if moved.control == control {
                    positions.push((moved.position * f32::from(MAX_14_BIT)).round() as u16);
                }
            });
        }
        positions
    }

    #[test]
    fn combines_halves_in_either_order() {
        let last = |controllers: &[(u8, u8)]| positions(Control::Cc14(7), controllers).last().copied();
        assert_eq!(last(&[(7, 64), (39, 5)]), Some(64 << 7 | 5));
        assert_eq!(last(&[(39, 5), (7, 64)]), Some(64 << 7 | 5));
        assert_eq!(last(&[(39, 5)]), None);
        assert_eq!(last(&[(7, 127)]), Some(MAX_14_BIT), "a coarse half alone should span the full range");
        let transient = positions(Control::Cc14(7), &[(39, 127), (7, 63), (39, 0), (7, 64)]);
        assert!(transient.iter().all(|position| position.abs_diff(64 << 7) <= 128), "{transient:?}");
        // Without fine halves, the range is the full one again.
        for order in [[(7, 64), (39, 5)], [(39, 5), (7, 64)]] {
            assert_eq!(last(&[order[0], order[1], (7, 80), (7, 127)]), Some(MAX_14_BIT));
            assert_eq!(last(&[order[0], order[1], (7, 80), (7, 0)]), Some(0));
        }
    }

    #[test]
    fn combines_parameter_numbers_in_either_order() {
        let value = 100 << 7 | 3;
        for order in [
            [(99, 2), (98, 44), (6, 100), (38, 3)],
            [(98, 44), (99, 2), (38, 3), (6, 100)],
            [(99, 2), (98, 44), (38, 3), (6, 100)],
        ] {
            assert_eq!(positions(Control::Nrpn(300), &order).last(), Some(&value), "{order:?}");
            assert!(positions(Control::Nrpn(44), &order).is_empty());
        }
        assert_eq!(positions(Control::Rpn(0), &[(101, 0), (100, 0), (6, 2), (38, 0)]).last(), Some(&256));
        assert!(positions(Control::Rpn(0), &[(101, 0), (100, 0), (101, 127), (100, 127), (6, 2)]).is_empty());
        assert!(positions(Control::Nrpn(0), &[(101, 0), (100, 0), (6, 2)]).is_empty());
    }

    #[test]
    fn decodes_increments_as_steps() {
        let (mut controls, mut steps) = (Controls::default(), Vec::new());
        for (controller, value) in [(96, 0), (99, 0), (98, 1), (6, 1), (96, 0), (97, 127), (101, 0), (100, 5), (96, 1)]
        {
            let message = Message::ControlChange { channel: 3, controller, value };
            controls.process(message, |moved| steps.extend(moved.step.map(|step| (moved.control, step))));
        }
        assert_eq!(steps, [(Control::Nrpn(1), 1), (Control::Nrpn(1), -1), (Control::Rpn(5), 1)]);
    }

    #[test]
    fn the_centre_of_the_pitch_wheel_is_exactly_half() {
        assert_eq!([0, 8192, 16_383].map(pitch_bend_position), [0.0, 0.5, 1.0]);
    }
}
