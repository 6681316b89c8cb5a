//! Tells a button that is held from one that is pressed again.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use crate::event::parameter::Param;

/// Presses that follow each other within this time, without a release in between, come from a button that is held.
const REPEAT: Duration = Duration::from_millis(250);

/// Maximum number of buttons. If there are more, all are forgotten, so that a held one may fire its trigger once more.
const MAX_BUTTONS: usize = 1024;

/// The buttons with which clients fire triggers.
///
/// Some clients send the value of a button with every frame, such as TouchDesigner's *OSC Out CHOP*, and it must fire only
/// when it is pressed. Others send 1 at every press, but nothing at the release, so only a client that has sent a release is
/// taken to have a button. If a release is lost, the next press still fires, unless it follows at once.
#[derive(Debug, Default)]
pub(in crate::remote) struct Buttons {
    /// When a button was last reported as pressed; `None` after its release.
    pressed: HashMap<(SocketAddr, Param), Option<Instant>>,
}

impl Buttons {
    /// Records that a client has sent a trigger; returns whether it fires.
    pub(in crate::remote) fn press(&mut self, client: SocketAddr, trigger: Param, now: Instant) -> bool {
        let Some(pressed) = self.pressed.get_mut(&(client, trigger)) else { return true };
        let previous = pressed.replace(now);
        previous.is_none_or(|previous| now.saturating_duration_since(previous) > REPEAT)
    }

    /// Records that a client has released a trigger's button.
    pub(in crate::remote) fn release(&mut self, client: SocketAddr, trigger: Param) {
        if self.pressed.len() >= MAX_BUTTONS {
            self.pressed.clear();
        }
        self.pressed.insert((client, trigger), None);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CLIENT: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 9001);

    #[test]
    fn a_button_that_is_held_fires_once() {
        let (mut buttons, mut now) = (Buttons::default(), Instant::now());
        let mut fired = Vec::new();
        // Ten frames of a stream at 60 Hz for each letter: released or pressed.
        for state in "rprpp".chars() {
            for _ in 0..10 {
                now += Duration::from_micros(16_667);
                match state {
                    'p' => fired.push(buttons.press(CLIENT, Param::PresetNext, now)),
                    _ => buttons.release(CLIENT, Param::PresetNext),
                }
            }
        }
        let expected: Vec<_> = (0..30).map(|frame| frame % 10 == 0 && frame < 20).collect();
        assert_eq!(fired, expected);
        assert!(buttons.press(CLIENT, Param::Panic, now), "another trigger of the same client");
        let other = SocketAddr::new(CLIENT.ip(), 9002);
        assert!(buttons.press(other, Param::PresetNext, now), "another client");
        assert!(buttons.press(CLIENT, Param::PresetNext, now + 2 * REPEAT), "its release may have been lost");
    }

    #[test]
    fn every_press_fires_if_the_client_never_sends_a_release() {
        let (mut buttons, now) = (Buttons::default(), Instant::now());
        assert!((0..5).all(|_| buttons.press(CLIENT, Param::PresetNext, now)));
    }

    #[test]
    fn the_number_of_buttons_is_bounded() {
        let mut buttons = Buttons::default();
        for port in 1..=u16::MAX {
            buttons.release(SocketAddr::new(CLIENT.ip(), port), Param::Panic);
        }
        assert!(buttons.pressed.len() <= MAX_BUTTONS);
    }
}
