//! Modulations: when they are updated, and how far they move their parameters from the set values.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};
use serde::{Deserialize, Serialize};

use super::active_targets::MORPH_STEP;
use crate::event::modulation::{Modulation, Period, Shape};
use crate::event::parameter::{Lane, Param};
use crate::music::clock::MusicClock;
use crate::units::{SAMPLE_RATE, seconds_to_frames};

/// Frames between updates of a network parameter that follows an input: an eighth of a second.
const INPUT_INTERVAL: u64 = SAMPLE_RATE as u64 / 8;
/// Shortest and longest linear segment, in frames, with which a waveform is approximated for the network. Each segment
/// requires a new plan.
const SEGMENT_RANGE: std::ops::RangeInclusive<u64> = SAMPLE_RATE as u64 / 4..=2 * SAMPLE_RATE as u64;
/// Segments per period, unless their length would be out of range.
const SEGMENTS_PER_PERIOD: u64 = 32;
/// Maximum step of a random walk, which stays between −1 and 1.
const MAX_STEP: f64 = 0.7;
/// First random stream of the random walks; the harmony's streams are numbered from 0.
const WALK_STREAMS: u64 = 1 << 62;

/// The active modulations, in table order.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct Modulations(Vec<ActiveModulation>);

#[derive(Debug, Clone, Serialize, Deserialize)]
struct ActiveModulation {
    param: Param,
    modulation: Modulation,
    start: u64,
    start_beat: f64,
    next: u64,
    walk: RandomWalk,
}

/// The output of a modulation.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Shift {
    pub(super) param: Param,
    /// Offset from the set value.
    pub(super) amount: f32,
    /// Frames within which to reach it; 0 to reach it at once.
    pub(super) within: u64,
}

impl Modulations {
    /// Starts a parameter's modulation at a frame; `None` ends it.
    pub(super) fn set(&mut self, param: Param, modulation: Option<Modulation>, now: u64, clock: &MusicClock) {
        self.0.retain(|active| active.param != param);
        if let Some(modulation) = modulation {
            let index = self.0.partition_point(|active| active.param < param);
            let start_beat = clock.beat_at(now);
            self.0.insert(
                index,
                ActiveModulation { param, modulation, start: now, start_beat, next: now, walk: RandomWalk::default() },
            );
        }
    }

    /// Returns the modulated parameters.
    pub(super) fn params(&self) -> impl Iterator<Item = Param> {
        self.0.iter().map(|active| active.param)
    }

    /// Returns the next frame at which [`Modulations::step`] must be called.
    pub(super) fn due(&self) -> Option<u64> {
        self.0.iter().map(|active| active.next).min()
    }

    /// Updates the modulations due at a frame and returns their outputs; `number` returns the value of an input or of the
    /// modulation depth.
    pub(super) fn step(
        &mut self,
        now: u64,
        clock: &MusicClock,
        seed: u64,
        number: impl Fn(Param) -> f32,
    ) -> Vec<Shift> {
        let depth = number(Param::Modulation);
        let due = self.0.iter_mut().filter(|active| active.next <= now);
        due.map(|active| {
            let fast = active.param.spec().lane() == Lane::Fast;
            let within = if fast { MORPH_STEP } else { active.segment_length(now, clock) };
            active.next = now + within;
            // Network parameters glide to the value at the end of the segment.
            let at = if fast { now } else { now + within };
            let wave = match active.modulation.shape {
                Shape::Input(input) => 2.0 * f64::from(number(input)) - 1.0,
                Shape::Walk => active.walk.at(active.periods(at, clock), seed, active.param),
                shape => shape.at(active.periods(at, clock)),
            };
            let amount = (wave * f64::from(active.modulation.depth) * f64::from(depth)) as f32;
            Shift { param: active.param, amount, within: if fast { 0 } else { within } }
        })
        .collect()
    }
}

impl ActiveModulation {
    /// Returns the number of periods since the start, plus the initial phase.
    fn periods(&self, at: u64, clock: &MusicClock) -> f64 {
        let elapsed = match self.modulation.period {
            Period::Seconds(seconds) => at.saturating_sub(self.start) as f64 / (seconds * f64::from(SAMPLE_RATE)),
            Period::Bars(bars) => {
                (clock.beat_at(at) - self.start_beat).max(0.0) / (bars * f64::from(clock.beats_per_bar()))
            }
        };
        elapsed + f64::from(self.modulation.phase)
    }

    /// Returns the length of a segment in frames.
    fn segment_length(&self, now: u64, clock: &MusicClock) -> u64 {
        if matches!(self.modulation.shape, Shape::Input(_)) {
            return INPUT_INTERVAL;
        }
        let period = match self.modulation.period {
            Period::Seconds(seconds) => seconds,
            Period::Bars(bars) => bars * f64::from(clock.beats_per_bar()) * 60.0 / clock.tempo_at(now),
        };
        (seconds_to_frames(period) / SEGMENTS_PER_PERIOD).clamp(*SEGMENT_RANGE.start(), *SEGMENT_RANGE.end())
    }
}

/// A random walk between −1 and 1, with one point per period.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct RandomWalk {
    /// The current period; `None` before the first.
    period: Option<u64>,
    /// The point at the start of the period.
    from: f64,
    /// The point at the end of the period.
    to: f64,
}

impl RandomWalk {
    fn at(&mut self, periods: f64, seed: u64, param: Param) -> f64 {
        let period = periods.max(0.0) as u64;
        let first = self.period.map_or(0, |last| last + 1);
        for index in first..=period {
            let mut rng = ChaCha8Rng::seed_from_u64(seed);
            rng.set_stream(WALK_STREAMS + param as u64);
            rng.set_word_pos(u128::from(index));
            let step = MAX_STEP * (2.0 * f64::from(rng.next_u32()) / f64::from(u32::MAX) - 1.0);
            let next = self.to + step;
            self.from = self.to;
            // Reflect at the limits.
            self.to = if next.abs() > 1.0 { next.signum() * 2.0 - next } else { next };
            self.period = Some(index);
        }
        self.from + (self.to - self.from) * periods.fract()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn walks_stay_in_range_and_depend_only_on_seed_and_parameter() {
        let walk = |seed, param| {
            let mut walk = RandomWalk::default();
            (0..4000).map(|step| walk.at(f64::from(step) / 4.0, seed, param)).collect::<Vec<_>>()
        };
        let tone = walk(7, Param::Tone);
        assert_eq!(tone, walk(7, Param::Tone));
        assert!(tone != walk(8, Param::Tone) && tone != walk(7, Param::Width));
        assert!(tone.iter().all(|value| value.abs() <= 1.0));
        assert!(tone.windows(2).all(|pair| (pair[1] - pair[0]).abs() <= MAX_STEP));
        let (low, high) = tone.iter().fold((0.0f64, 0.0f64), |(low, high), value| (low.min(*value), high.max(*value)));
        assert!(low < -0.8 && high > 0.8, "the walk only covers {low} to {high}");
    }

    #[test]
    fn modulation_depth_scales_an_input() {
        let mut modulations = Modulations::default();
        let clock = MusicClock::new(120.0);
        let modulation =
            Modulation { shape: Shape::Input(Param::Input2), depth: 0.5, period: Period::Seconds(1.0), phase: 0.0 };
        modulations.set(Param::Density, Some(modulation), 100, &clock);
        let number = |param| if param == Param::Input2 { 1.0 } else { 0.5 };
        assert_eq!(modulations.due(), Some(100));
        let shifts = modulations.step(100, &clock, 1, number);
        assert_eq!(shifts, [Shift { param: Param::Density, amount: 0.25, within: INPUT_INTERVAL }]);
        assert_eq!(modulations.due(), Some(100 + INPUT_INTERVAL));
        modulations.set(Param::Density, None, 200, &clock);
        assert_eq!((modulations.due(), modulations.params().count()), (None, 0));
    }
}
