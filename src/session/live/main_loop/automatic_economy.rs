//! Decides when to switch economy mode on, because the generator is late for long.

use std::collections::VecDeque;

use crate::engine::EngineStatus;
use crate::event::health::Loss;
use crate::units::{SAMPLE_RATE, frames_to_seconds};

/// Period over which lateness is judged, in frames: half a minute.
const PERIOD: u64 = 30 * SAMPLE_RATE as u64;
/// Frames between two samples.
const INTERVAL: u64 = SAMPLE_RATE as u64;
/// Frames of the period without generated sound that are too many: three seconds.
const TOO_LATE: u64 = PERIOD / 10;
/// Minimum number of times that the generator was late within the period. A single long wait has other causes than too much
/// work, such as a suspended machine.
const TOO_OFTEN: u64 = 3;

/// How late the generator has been since the start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Lateness {
    /// The playhead.
    pub(super) frame: u64,
    /// Frames without generated sound.
    pub(super) late: u64,
    /// Number of times that the generated sound ran out.
    pub(super) times: u64,
}

impl Lateness {
    /// Returns the lateness that the engine has counted.
    pub(super) fn of(engine: &EngineStatus) -> Self {
        let (frame, late) = (engine.frame(), engine.starved_frames());
        Self { frame, late, times: engine.losses().count(Loss::Starvations) }
    }
}

/// What a check of the generator's lateness leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Decision {
    /// Economy mode is to be switched on, for this reason.
    SwitchOn(String),
    /// The performer has switched it off.
    SwitchedOff,
}

/// Judges the generator's lateness over the last half minute. If the performer switches economy mode off, it stays off.
#[derive(Debug, Default)]
pub(in crate::session::live) struct AutomaticEconomy {
    /// One sample per second, oldest first; cleared while economy mode is on.
    samples: VecDeque<Lateness>,
    was_on: bool,
    switched_off: bool,
}

impl AutomaticEconomy {
    /// Checks the lateness; `on` tells whether economy mode is on.
    pub(super) fn check(&mut self, now: Lateness, on: bool) -> Option<Decision> {
        let switched_off = std::mem::replace(&mut self.was_on, on) && !on;
        self.switched_off |= switched_off;
        if on || self.switched_off {
            self.samples.clear();
            return switched_off.then_some(Decision::SwitchedOff);
        }
        if self.samples.back().is_some_and(|last| now.frame < last.frame + INTERVAL) {
            return None;
        }
        self.samples.push_back(now);
        while self.samples.front().is_some_and(|first| now.frame > first.frame + PERIOD) {
            self.samples.pop_front();
        }
        let first = self.samples.front()?;
        let late = now.late - first.late;
        (late >= TOO_LATE && now.times - first.times >= TOO_OFTEN).then(|| Decision::SwitchOn(reason(late)))
    }
}

fn reason(late: u64) -> String {
    format!(
        "the generator was late for {:.0} of the last {:.0} seconds, so economy mode was switched on; `melos set economy off` \
         switches it off again",
        frames_to_seconds(late),
        frames_to_seconds(PERIOD)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the decisions, with their second, of a performer's minutes with a generator that is late for `late` tenths of every
    /// second, at the start of every `every`th second. `on` gives whether economy mode is on, from the second and the last
    /// decision.
    fn decisions(late: u64, every: u64, mut on: impl FnMut(u64, bool) -> bool) -> Vec<(u64, Decision)> {
        let mut economy = AutomaticEconomy::default();
        let mut now = Lateness { frame: 0, late: 0, times: 0 };
        let mut decisions = Vec::new();
        let mut switched = false;
        for tenth in 0..1800u64 {
            let second = tenth / 10;
            let is_late = second % every == 0 && tenth % 10 < late;
            now.times += u64::from(is_late && tenth % 10 == 0);
            now.late += if is_late { 4_800 } else { 0 };
            now.frame += 4_800;
            if let Some(decision) = economy.check(now, on(second, switched)) {
                switched |= matches!(decision, Decision::SwitchOn(_));
                decisions.push((second, decision));
            }
        }
        decisions
    }

    #[test]
    fn a_generator_that_is_often_late_switches_economy_mode_on_once() {
        let late = decisions(3, 1, |_, switched| switched);
        let [(second, Decision::SwitchOn(reason))] = &late[..] else { panic!("{late:?}") };
        assert!((8..=12).contains(second), "{second}");
        assert_eq!(
            reason,
            "the generator was late for 3 of the last 30 seconds, so economy mode was switched on; `melos set economy off` \
             switches it off again"
        );
    }

    #[test]
    fn a_generator_that_is_rarely_late_does_not() {
        assert_eq!(decisions(9, 10, |_, _| false), []);
        assert_eq!(decisions(10, 60, |_, _| false), [], "one long wait a minute");
    }

    #[test]
    fn economy_mode_that_the_performer_has_switched_off_stays_off() {
        let insisting = decisions(5, 1, |second, switched| switched && second < 60);
        assert!(matches!(insisting[..], [(_, Decision::SwitchOn(_)), (60, Decision::SwitchedOff)]), "{insisting:?}");
        let by_hand = decisions(5, 1, |second, _| second < 4);
        assert_eq!(by_hand, [(4, Decision::SwitchedOff)]);
    }
}
