//! Extends the music clock beyond the horizon. The tempo comes from the active targets; the phase follows any external clock.

use serde::{Deserialize, Serialize};

use super::active_targets::ActiveTargets;
use crate::music::clock::MusicClock;
use crate::units::{SAMPLE_RATE, frames_to_seconds};

/// Beats over which a phase error is corrected: one bar, so that the tempo never changes by more than an eighth.
const SLEW_BEATS: f64 = 4.0;
/// Maximum phase error, in beats, that is corrected gradually; the clock skips to correct a larger one.
const SLEW_LIMIT: f64 = 0.5;
/// The same limit for the first beat of an external clock.
const START_SLEW_LIMIT: f64 = 0.1;
/// Phase errors below this many seconds are ignored: each correction requires a new plan, and 4 ms is inaudible.
const PHASE_TOLERANCE_S: f64 = 0.004;
/// Tolerance for rounding errors in beats; a frame is at least 1e-5 beats.
const BEAT_TOLERANCE: f64 = 1e-6;

/// A correction that adds beats (or, if negative, removes them) evenly between two frames.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
struct Slew {
    start: u64,
    end: u64,
    beats: f64,
}

impl Slew {
    fn remaining(&self, frame: u64) -> f64 {
        let frames = self.end.saturating_sub(frame.max(self.start));
        self.beats * frames as f64 / (self.end - self.start) as f64
    }

    fn bpm(&self, frame: u64) -> f64 {
        let inside = (self.start..self.end).contains(&frame);
        if inside { self.beats * 60.0 / frames_to_seconds(self.end - self.start) } else { 0.0 }
    }
}

/// The effect of an external beat on the clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Alignment {
    /// No effect: the phase error is negligible or already being corrected.
    Kept,
    /// A gradual correction has started.
    Slewed,
    /// The clock skipped forward to the beat.
    Skipped,
}

/// The music clock, extended beyond the horizon.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Tempo {
    clock: MusicClock,
    slew: Option<Slew>,
    /// The frame up to which spans have been added; the last span continues beyond it.
    extended_to: u64,
}

impl Tempo {
    pub(super) fn new(targets: &ActiveTargets) -> Self {
        Self { clock: MusicClock::new(targets.bpm(0, &MusicClock::new(60.0))), slew: None, extended_to: 0 }
    }

    pub(super) const fn clock(&self) -> &MusicClock {
        &self.clock
    }

    /// Adds spans up to a beat, with a new tempo on every beat and at both ends of a correction.
    pub(super) fn extend(&mut self, targets: &ActiveTargets, end: f64) {
        loop {
            let beat = self.clock.beat_at(self.extended_to) + BEAT_TOLERANCE;
            if beat >= end {
                return;
            }
            let mut next = self.clock.frame_at(beat.floor() + 1.0);
            if let Some(slew) = self.slew {
                let edges = [slew.start, slew.end].into_iter().filter(|edge| *edge > self.extended_to);
                next = edges.fold(next, u64::min);
            }
            self.extended_to = next.max(self.extended_to + 1);
            self.clock.set_tempo(self.extended_to, self.bpm(targets, self.extended_to));
        }
    }

    /// Applies the targets' tempo from a frame on, and discards later spans.
    pub(super) fn set_tempo(&mut self, targets: &ActiveTargets, from: u64) {
        self.clock.set_tempo(from, self.bpm(targets, from));
        self.extended_to = from;
    }

    /// Aligns the clock with an external clock whose `beat` fell on frame `at`: gradually over one bar, or by skipping
    /// forward if the error is too large for that. Discards the spans after `now`, unless nothing changes.
    pub(super) fn align(&mut self, targets: &ActiveTargets, beat: f64, at: u64, now: u64) -> Alignment {
        let bar = f64::from(self.clock.beats_per_bar());
        let ahead = (beat - self.clock.beat_at(at)).rem_euclid(bar);
        let error = if ahead > bar / 2.0 { ahead - bar } else { ahead };
        let limit = if beat == 0.0 { START_SLEW_LIMIT } else { SLEW_LIMIT };
        if error.abs() > limit {
            self.slew = None;
            self.set_tempo(targets, now);
            self.clock.skip_to(now, self.clock.beat_at(now) + ahead);
            return Alignment::Skipped;
        }
        let seconds_per_beat = 60.0 / targets.bpm(now, &self.clock);
        let pending = self.slew.map_or(0.0, |slew| slew.remaining(now));
        if (error - pending).abs() * seconds_per_beat < PHASE_TOLERANCE_S {
            return Alignment::Kept;
        }
        let frames = (SLEW_BEATS * seconds_per_beat * f64::from(SAMPLE_RATE)) as u64;
        self.slew = Some(Slew { start: now, end: now + frames, beats: error });
        self.set_tempo(targets, now);
        Alignment::Slewed
    }

    /// Discards the spans that ended before `frame`.
    pub(super) fn discard_before(&mut self, frame: u64) {
        self.clock.discard_before(frame);
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
    fn the_tempo_follows_a_gliding_mood() {
        let mut performance = Performance::default();
        let mut targets = ActiveTargets::new(&performance);
        let mut tempo = Tempo::new(&targets);
        tempo.extend(&targets, 10.0);
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
        tempo.set_tempo(&targets, 48_000);
        tempo.extend(&targets, 20.0);
        let tempi: Vec<f64> = (0..10).map(|second| tempo.clock().tempo_at(second * 48_000)).collect();
        let [calm, angry] = [Emotion::Calm, Emotion::Angry].map(|emotion| f64::from(Profile::of(emotion).tempo_bpm));
        assert!((tempi[0] - calm).abs() < 0.01 && (tempi[9] - angry).abs() < 0.01, "{tempi:?}");
        assert!(tempi[2..6].windows(2).all(|pair| pair[1] > pair[0]), "{tempi:?}");
    }

    #[test]
    fn corrects_a_phase_error_within_two_bars() {
        let targets = ActiveTargets::new(&pinned(120.0));
        for error in [-0.49, -0.2, -0.01, 0.01, 0.3, 0.49] {
            let mut tempo = Tempo::new(&targets);
            let mut corrections = 0;
            for beat in 1..9 {
                let at = beat * 24_000;
                let external = at as f64 / 24_000.0 + error;
                corrections += u32::from(tempo.align(&targets, external, at, at + 700) != Alignment::Kept);
                tempo.extend(&targets, 20.0);
            }
            let deviation = tempo.clock().beat_at(8 * 24_000) - (8.0 + error);
            assert!((deviation / 2.0).abs() < PHASE_TOLERANCE_S, "{error}: {deviation} beats off");
            assert_eq!(corrections, 1, "one correction should be enough");
            assert!((tempo.clock().tempo_at(300_000) - 120.0).abs() < 1e-9);
        }
    }

    #[test]
    fn a_start_message_begins_a_bar() {
        let targets = ActiveTargets::new(&pinned(120.0));
        let mut tempo = Tempo::new(&targets);
        tempo.extend(&targets, 20.0);
        assert_eq!(tempo.align(&targets, 0.0, 30_000, 30_500), Alignment::Skipped);
        assert!((tempo.clock().beat_at(30_000 + 24_000) - 5.0).abs() < 1e-9, "bar 1 should begin at the start message");
        assert_eq!(tempo.align(&targets, 2.0, 30_000 + 48_000, 79_000), Alignment::Kept);
    }
}
