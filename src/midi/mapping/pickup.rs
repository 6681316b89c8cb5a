//! Soft takeover: a control without a motor has no effect until it reaches the current value.
//!
//! A control takes over when it is near the value or crosses it, because a fast-moving fader skips positions.

use std::collections::VecDeque;

/// Distance within which a value counts as reached: a step of a 7-bit control.
const TOLERANCE: f32 = 1.0 / 127.0;
/// Maximum number of recently set values that are remembered until another source sets the value.
const MAX_SENT: usize = 32;

/// The takeover state of one control. Positions are 0..=1.
#[derive(Debug, Clone, Default)]
pub(super) struct Pickup {
    has_control: bool,
    /// The control's last known position.
    last: Option<f32>,
    /// Values recently set from this device; when they are reported back, they are not changes from another source.
    sent: VecDeque<f32>,
    /// Whether the pending takeover has been reported.
    reported: bool,
}

impl Pickup {
    /// Records a move of the control while the value is at position `target`. Returns whether the value should follow.
    pub(super) fn moved(&mut self, position: f32, target: f32) -> bool {
        let crossed = self.last.is_some_and(|last| (last - target) * (position - target) <= 0.0);
        self.has_control |= crossed || (position - target).abs() <= TOLERANCE;
        self.last = Some(position);
        self.has_control
    }

    /// Records that a control of the same device has set a value, which will be reported back. If it was another
    /// control (not `own`), this one must take over again.
    pub(super) fn record_sent(&mut self, value: f32, own: bool) {
        self.has_control &= own;
        if self.sent.len() == MAX_SENT {
            self.sent.pop_front();
        }
        self.sent.push_back(value);
    }

    /// Returns whether takeover is pending and must be reported; true only once.
    pub(super) fn should_report(&mut self) -> bool {
        !self.has_control && !std::mem::replace(&mut self.reported, true)
    }

    /// Ends the control's takeover and discards its position, which may have changed by the time it is used again.
    pub(super) fn release(&mut self) {
        (self.has_control, self.last) = (false, None);
    }

    /// Records that feedback has moved the control, which has a motor or no physical position.
    pub(super) fn positioned(&mut self, position: f32) {
        self.has_control = true;
        self.last = Some(position);
    }

    /// Records a change of the parameter, and returns whether another source made it. If so, the control must take over
    /// again.
    pub(super) fn changed(&mut self, value: f32) -> bool {
        let own = self.sent.contains(&value);
        if !own {
            self.has_control = false;
            self.sent.clear();
        }
        !own
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_over_when_crossing_the_value() {
        let mut pickup = Pickup::default();
        assert!(!pickup.moved(0.0, 0.5), "a control far from the value should not take over");
        assert!(!pickup.moved(0.2, 0.5));
        assert!(pickup.moved(0.9, 0.5), "a control that jumps across the value should take over");
        assert!(pickup.moved(0.1, 0.9), "a control that has taken over should keep control");
    }

    #[test]
    fn takes_over_near_the_value() {
        assert!(Pickup::default().moved(0.5, 0.504));
        assert!(!Pickup::default().moved(0.5, 0.52));
    }

    #[test]
    fn loses_control_when_another_source_sets_the_value() {
        let mut pickup = Pickup::default();
        assert!(pickup.moved(0.5, 0.5));
        pickup.record_sent(50.0, true);
        pickup.record_sent(51.0, true);
        assert!(!pickup.changed(50.0), "a late report of the control's own value should not count as another source");
        assert!(pickup.moved(0.52, 0.1), "the control should not have to take over again");
        assert!(pickup.changed(10.0));
        assert!(!pickup.moved(0.53, 0.1));
        assert!(pickup.moved(0.05, 0.1), "the control should take over when it crosses the value again");
    }
}
