//! Extends the music clock ahead, with the tempo from the active targets and the phase from an external clock.

use serde::{Deserialize, Serialize};

use super::active_targets::ActiveTargets;
use crate::music::clock::MusicClock;
use crate::units::{SAMPLE_RATE, frames_to_seconds};

/// Beats over which a phase error is corrected: one bar, so that the tempo never changes by more than an eighth.
const SLEW_BEATS: f64 = 4.0;
/// Maximum phase error in beats that is corrected gradually; a larger one causes a jump.
const SLEW_LIMIT: f64 = 0.5;
/// The maximum when the external clock has just started.
const START_LIMIT: f64 = 0.1;
/// Phase errors below this many seconds are ignored: every correction costs a new plan, and 4 ms are inaudible.
const PHASE_TOLERANCE_S: f64 = 0.004;
/// Positions this close before a beat count as on it: beats begin on whole frames, and a thousandth of a beat is 20
/// frames.
const SAME_BEAT: f64 = 1e-6;

/// Beats added evenly between two frames.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
struct Slew {
    start: u64,
    end: u64,
    beats: f64,
}

impl Slew {
    fn remaining(&self, frame: u64) -> f64 {
        let left = self.end.saturating_sub(frame.max(self.start));
        self.beats * left as f64 / (self.end - self.start) as f64
    }

    fn bpm(&self, frame: u64) -> f64 {
        let inside = (self.start..self.end).contains(&frame);
        if inside { self.beats * 60.0 / frames_to_seconds(self.end - self.start) } else { 0.0 }
    }
}

/// The effect of an external beat on the clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Alignment {
    /// None: the beat is in phase, or soon will be.
    Kept,
    /// The phase error is being corrected.
    Slewed,
    /// The clock skipped forward to the beat.
    Skipped,
}

/// The music clock and its continuation.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Tempo {
    clock: MusicClock,
    slew: Option<Slew>,
    /// The frame up to which spans have been added; the last one continues beyond it.
    laid: u64,
}

impl Tempo {
    pub(super) fn new(targets: &ActiveTargets) -> Self {
        Self { clock: MusicClock::new(targets.bpm(0, &MusicClock::new(60.0))), slew: None, laid: 0 }
    }

    pub(super) const fn clock(&self) -> &MusicClock {
        &self.clock
    }

    /// Adds spans up to a beat, updating the tempo on every beat.
    pub(super) fn lay(&mut self, targets: &ActiveTargets, until: f64) {
        loop {
            let beat = self.clock.beat_at(self.laid) + SAME_BEAT;
            if beat >= until {
                return;
            }
            let mut next = self.clock.frame_at(beat.floor() + 1.0);
            if let Some(slew) = self.slew {
                let edges = [slew.start, slew.end].into_iter().filter(|edge| *edge > self.laid);
                next = edges.fold(next, u64::min);
            }
            self.laid = next.max(self.laid + 1);
            self.clock.set_tempo(self.laid, self.bpm(targets, self.laid));
        }
    }

    /// Uses the targets' tempo from a frame on, and discards the spans beyond it.
    pub(super) fn turn(&mut self, targets: &ActiveTargets, from: u64) {
        self.clock.set_tempo(from, self.bpm(targets, from));
        self.laid = from;
    }

    /// Aligns the music with an external clock whose `beat` fell on frame `at`: gradually over one bar, or at once if
    /// the error is too large for that. Discards the spans beyond `now`, unless nothing changes.
    pub(super) fn align(&mut self, targets: &ActiveTargets, beat: f64, at: u64, now: u64) -> Alignment {
        let bar = f64::from(self.clock.beats_per_bar());
        let ahead = (beat - self.clock.beat_at(at)).rem_euclid(bar);
        let error = if ahead > bar / 2.0 { ahead - bar } else { ahead };
        let limit = if beat == 0.0 { START_LIMIT } else { SLEW_LIMIT };
        if error.abs() > limit {
            self.slew = None;
            self.turn(targets, now);
            self.clock.skip_to(now, self.clock.beat_at(now) + ahead);
            return Alignment::Skipped;
        }
        let seconds_per_beat = 60.0 / targets.bpm(now, &self.clock);
        let under_way = self.slew.map_or(0.0, |slew| slew.remaining(now));
        if (error - under_way).abs() * seconds_per_beat < PHASE_TOLERANCE_S {
            return Alignment::Kept;
        }
        let frames = (SLEW_BEATS * seconds_per_beat * f64::from(SAMPLE_RATE)) as u64;
        self.slew = Some(Slew { start: now, end: now + frames, beats: error });
        self.turn(targets, now);
        Alignment::Slewed
    }

    /// Discards what only concerns frames before `frame`.
    pub(super) fn forget_before(&mut self, frame: u64) {
        self.clock.forget_before(frame);
    }

    fn bpm(&self, targets: &ActiveTargets, frame: u64) -> f64 {
        targets.bpm(frame, &self.clock) + self.slew.map_or(0.0, |slew| slew.bpm(frame))
    }
}

#[cfg(test)]
mod tests {
    use super::super::performance::Performance;
    use super::*;
    use crate::event::parameter::{Param, TABLE, Value};
    use crate::music::emotion::Emotion;
    use crate::music::profile::Profile;

    fn pinned(bpm: f32) -> Performance {
        let mut performance = Performance::default();
        performance.set(Param::Tempo, &Value::Number(bpm)).unwrap();
        performance
    }

    #[test]
    fn a_gliding_mood_moves_the_tempo_beat_by_beat() {
        let mut performance = Performance::default();
        let mut targets = ActiveTargets::new(&performance);
        let mut tempo = Tempo::new(&targets);
        tempo.lay(&targets, 10.0);
        performance.set(Param::Glide, &Value::Number(5.0)).unwrap();
        performance.set(Param::Emotion, &Value::Choice(5)).unwrap();
        let impact = targets.steer(
            TABLE.iter().map(|spec| spec.param),
            &performance,
            48_000,
            None,
            tempo.clock(),
            &mut Vec::new(),
        );
        assert!(impact.tempo);
        tempo.turn(&targets, 48_000);
        tempo.lay(&targets, 20.0);
        let tempi: Vec<f64> = (0..10).map(|second| tempo.clock().tempo_at(second * 48_000)).collect();
        let [calm, angry] = [Emotion::Calm, Emotion::Angry].map(|emotion| f64::from(Profile::of(emotion).tempo_bpm));
        assert!((tempi[0] - calm).abs() < 0.01 && (tempi[9] - angry).abs() < 0.01, "{tempi:?}");
        assert!(tempi[2..6].windows(2).all(|pair| pair[1] > pair[0]), "{tempi:?}");
    }

    #[test]
    fn a_phase_error_is_corrected_within_two_bars() {
        let targets = ActiveTargets::new(&pinned(120.0));
        for error in [-0.49, -0.2, -0.01, 0.01, 0.3, 0.49] {
            let mut tempo = Tempo::new(&targets);
            let mut corrections = 0;
            for beat in 1..9 {
                let at = beat * 24_000;
                let external = at as f64 / 24_000.0 + error;
                corrections += u32::from(tempo.align(&targets, external, at, at + 700) != Alignment::Kept);
                tempo.lay(&targets, 20.0);
            }
            let off = tempo.clock().beat_at(8 * 24_000) - (8.0 + error);
            assert!((off / 2.0).abs() < PHASE_TOLERANCE_S, "{error}: {off} beats off");
            assert_eq!(corrections, 1, "one correction is enough");
            assert!((tempo.clock().tempo_at(300_000) - 120.0).abs() < 1e-9);
        }
    }

    #[test]
    fn a_start_message_aligns_the_bar() {
        let targets = ActiveTargets::new(&pinned(120.0));
        let mut tempo = Tempo::new(&targets);
        tempo.lay(&targets, 20.0);
        assert_eq!(tempo.align(&targets, 0.0, 30_000, 30_500), Alignment::Skipped);
        assert!((tempo.clock().beat_at(30_000 + 24_000) - 5.0).abs() < 1e-9, "bar 1 began at the start");
        assert_eq!(tempo.align(&targets, 2.0, 30_000 + 48_000, 79_000), Alignment::Kept);
    }
}
