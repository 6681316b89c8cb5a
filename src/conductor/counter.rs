//! Emits beats, bars and MIDI clock pulses when they are due.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use super::score::{PULSES_PER_BEAT, Score};
use crate::event::Notice;
use crate::music::clock::MusicClock;

/// Maximum number of bar starts stored: several minutes of music, whose phrases can be recalled.
const MAX_BARS: usize = 256;

/// The next beat and pulse to emit, and the starts of recent bars.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct Counter {
    beat: u64,
    pulse: u64,
    /// Numbers and first frames of recent bars, oldest first.
    bars: VecDeque<(u64, u64)>,
}

impl Counter {
    /// Returns the next beat.
    pub(super) const fn beat(&self) -> u64 {
        self.beat
    }

    /// Returns the first beat of the next bar.
    pub(super) fn bar_line(&self, clock: &MusicClock) -> u64 {
        self.beat.next_multiple_of(u64::from(clock.beats_per_bar()))
    }

    /// Returns the frame at which a bar starts; `None` for a past bar that is not stored.
    pub(super) fn bar_start(&self, bar: u64, clock: &MusicClock) -> Option<u64> {
        let first = bar * u64::from(clock.beats_per_bar());
        if first >= self.beat {
            return Some(clock.frame_at(first as f64));
        }
        let index = self.bars.binary_search_by_key(&bar, |(bar, _)| *bar).ok()?;
        Some(self.bars[index].1)
    }

    /// Returns the frame of the next beat.
    pub(super) fn beat_due(&self, clock: &MusicClock) -> u64 {
        clock.frame_at(self.beat as f64)
    }

    /// Returns the frame of the next pulse.
    pub(super) fn pulse_due(&self, clock: &MusicClock) -> u64 {
        clock.frame_at(self.pulse as f64 / PULSES_PER_BEAT as f64)
    }

    /// Emits the next beat on frame `now`, preceded by the bar if the beat begins one. Returns the beat's number.
    pub(super) fn count_beat(&mut self, now: u64, clock: &MusicClock, out: &mut Score) -> f64 {
        let per_bar = u64::from(clock.beats_per_bar());
        let (bar, beat) = (self.beat / per_bar, (self.beat % per_bar) as u32);
        let tempo = clock.tempo_at(now) as f32;
        if beat == 0 {
            out.notices.push((now, Notice::Bar { bar, tempo }));
            if self.bars.len() == MAX_BARS {
                self.bars.pop_front();
            }
            self.bars.push_back((bar, now));
        }
        out.notices.push((now, Notice::Beat { beat, bar, tempo }));
        self.beat += 1;
        (self.beat - 1) as f64
    }

    /// Emits the next pulse on frame `now` or, if the clock has skipped, the last pulse at or before its new position.
    pub(super) fn count_pulse(&mut self, now: u64, clock: &MusicClock, out: &mut Score) {
        let reached = (clock.beat_at(now) * PULSES_PER_BEAT as f64) as u64;
        let pulse = self.pulse.max(reached);
        out.pulses.push((now, pulse));
        self.pulse = pulse + 1;
    }

    /// Skips all beats before `beat`, after the clock has skipped.
    pub(super) fn skip_to(&mut self, beat: u64) {
        self.beat = self.beat.max(beat);
    }
}
