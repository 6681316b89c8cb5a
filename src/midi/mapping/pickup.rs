//! Soft takeover: a control without a motor has no effect until it reaches the current value.
//!
//! It takes over when it *crosses* the value, not only when it comes near, so that a fast-moving fader, which skips
//! positions, takes over too.

use std::collections::VecDeque;

/// Distance that counts as reached: a step of a 7-bit control.
const NEAR: f32 = 1.0 / 127.0;
/// Maximum values set by the control whose reports are still expected.
const MAX_PENDING: usize = 32;

/// The takeover state of one control; all in positions, 0..=1.
#[derive(Debug, Clone, Default)]
pub(super) struct Pickup {
    holds: bool,
    last: Option<f32>,
    sent: VecDeque<f32>,
    /// Whether it has been reported that takeover is pending.
    noted: bool,
}

impl Pickup {
    /// Records a move of the control while the value is at `target`; returns whether the value should follow.
    pub(super) fn moved(&mut self, position: f32, target: f32) -> bool {
        let crosses = self.last.is_some_and(|last| (last - target) * (position - target) <= 0.0);
        self.holds |= crosses || (position - target).abs() <= NEAR;
        self.last = Some(position);
        self.holds
    }

    /// Records that this control, or another of the same device, has set a value, whose report is then expected. In the
    /// latter case, takeover is lost.
    pub(super) fn sent(&mut self, value: f32, own: bool) {
        self.holds &= own;
        if self.sent.len() == MAX_PENDING {
            self.sent.pop_front();
        }
        self.sent.push_back(value);
    }

    /// Whether it is waiting and this is the first query since it was connected.
    pub(super) fn is_new_wait(&mut self) -> bool {
        !self.holds && !std::mem::replace(&mut self.noted, true)
    }

    /// Forgets the control's position, which may be anywhere when it is used again.
    pub(super) fn release(&mut self) {
        (self.holds, self.last) = (false, None);
    }

    /// Records that the control was sent to a position by feedback: it has a motor, or no physical position.
    pub(super) fn positioned(&mut self, position: f32) {
        self.holds = true;
        self.last = Some(position);
    }

    /// Records that the parameter has changed; unless the control itself set the value, takeover is lost. Returns
    /// whether the value is new.
    pub(super) fn changed(&mut self, value: f32) -> bool {
        let own = self.sent.contains(&value);
        if !own {
            self.holds = false;
            self.sent.clear();
        }
        !own
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fast_fader_takes_over_when_it_crosses() {
        let mut pickup = Pickup::default();
        assert!(!pickup.moved(0.0, 0.5), "far away");
        assert!(!pickup.moved(0.2, 0.5));
        assert!(pickup.moved(0.9, 0.5), "jumped across");
        assert!(pickup.moved(0.1, 0.9), "and holds from then on");
    }

    #[test]
    fn a_control_near_the_value_takes_over_at_its_first_move() {
        assert!(Pickup::default().moved(0.5, 0.504));
        assert!(!Pickup::default().moved(0.5, 0.52));
    }

    #[test]
    fn takeover_is_lost_when_the_value_changes_elsewhere() {
        let mut pickup = Pickup::default();
        assert!(pickup.moved(0.5, 0.5));
        pickup.sent(50.0, true);
        pickup.sent(51.0, true);
        assert!(!pickup.changed(50.0), "its own value, a little late");
        assert!(pickup.moved(0.52, 0.1), "so it keeps control");
        assert!(pickup.changed(10.0));
        assert!(!pickup.moved(0.53, 0.1));
        assert!(pickup.moved(0.05, 0.1), "until it crosses again");
    }
}
