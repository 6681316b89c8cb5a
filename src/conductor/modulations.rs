//! Parameters that move by themselves: when each is looked at, and how far it is from where it was set.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};

use super::active_targets::MORPH_STEP;
use crate::event::modulation::{Modulation, Period, Shape};
use crate::event::parameter::{Lane, Param};
use crate::music::clock::MusicClock;
use crate::units::{SAMPLE_RATE, seconds_to_frames};

/// Frames between two looks at an input that steers the network: an eighth of a second.
const LOOK: u64 = SAMPLE_RATE as u64 / 8;
/// Least and most frames of the straight pieces that make up a wave that steers the network: each costs a re-planning.
const PIECE: std::ops::RangeInclusive<u64> = SAMPLE_RATE as u64 / 4..=2 * SAMPLE_RATE as u64;
/// Pieces of a period.
const PIECES: u64 = 32;
/// Longest step of a walk, as a share of what it reaches.
const STRIDE: f64 = 0.7;
/// Keeps the streams of walks apart from those of the harmony, which are numbered from 0.
const WALKS: u64 = 1 << 62;

/// What moves by itself, in the order of the table.
#[derive(Debug, Clone, Default)]
pub(super) struct Modulations(Vec<Moving>);

#[derive(Debug, Clone)]
struct Moving {
    param: Param,
    by: Modulation,
    start: u64,
    start_beat: f64,
    next: u64,
    walk: Walk,
}

/// What a modulation wants now.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Shift {
    pub(super) param: Param,
    /// How far from where it is set.
    pub(super) by: f32,
    /// In how many frames.
    pub(super) within: u64,
}

impl Modulations {
    /// Moves a parameter from a frame on, or moves it no more.
    pub(super) fn set(&mut self, param: Param, by: Option<Modulation>, now: u64, clock: &MusicClock) {
        self.0.retain(|moving| moving.param != param);
        if let Some(by) = by {
            let place = self.0.partition_point(|moving| moving.param < param);
            let start_beat = clock.beat_at(now);
            self.0.insert(place, Moving { param, by, start: now, start_beat, next: now, walk: Walk::default() });
        }
    }

    /// What moves.
    pub(super) fn params(&self) -> impl Iterator<Item = Param> {
        self.0.iter().map(|moving| moving.param)
    }

    /// The frame at which [`Modulations::step`] has something to do.
    pub(super) fn due(&self) -> Option<u64> {
        self.0.iter().map(|moving| moving.next).min()
    }

    /// What is due at a frame. `number` tells what an input, and how far modulations reach, is set to.
    pub(super) fn step(
        &mut self,
        now: u64,
        clock: &MusicClock,
        seed: u64,
        number: impl Fn(Param) -> f32,
    ) -> Vec<Shift> {
        let reach = number(Param::Modulation);
        let due = self.0.iter_mut().filter(|moving| moving.next <= now);
        due.map(|moving| {
            let fast = moving.param.spec().lane() == Lane::Fast;
            let within = if fast { MORPH_STEP } else { moving.piece(now, clock) };
            moving.next = now + within;
            // What travels to the network glides on to where the wave is at the end of the piece.
            let at = if fast { now } else { now + within };
            let wave = match moving.by.shape {
                Shape::Input(input) => 2.0 * f64::from(number(input)) - 1.0,
                Shape::Walk => moving.walk.at(moving.periods(at, clock), seed, moving.param),
                shape => shape.at(moving.periods(at, clock)),
            };
            let by = (wave * f64::from(moving.by.depth) * f64::from(reach)) as f32;
            Shift { param: moving.param, by, within: if fast { 0 } else { within } }
        })
        .collect()
    }
}

impl Moving {
    /// Periods since its beginning, the phase included.
    fn periods(&self, at: u64, clock: &MusicClock) -> f64 {
        let passed = match self.by.period {
            Period::Seconds(seconds) => at.saturating_sub(self.start) as f64 / (seconds * f64::from(SAMPLE_RATE)),
            Period::Bars(bars) => {
                (clock.beat_at(at) - self.start_beat).max(0.0) / (bars * f64::from(clock.beats_per_bar()))
            }
        };
        passed + f64::from(self.by.phase)
    }

    fn piece(&self, now: u64, clock: &MusicClock) -> u64 {
        if matches!(self.by.shape, Shape::Input(_)) {
            return LOOK;
        }
        let period = match self.by.period {
            Period::Seconds(seconds) => seconds,
            Period::Bars(bars) => bars * f64::from(clock.beats_per_bar()) * 60.0 / clock.tempo_at(now),
        };
        (seconds_to_frames(period) / PIECES).clamp(*PIECE.start(), *PIECE.end())
    }
}

/// A random walk between −1 and 1, a point for each period.
#[derive(Debug, Clone, Default)]
struct Walk {
    /// The period that the walk has come to, and the points at its beginning and its end.
    period: Option<u64>,
    from: f64,
    to: f64,
}

impl Walk {
    fn at(&mut self, periods: f64, seed: u64, param: Param) -> f64 {
        let period = periods.max(0.0) as u64;
        let first = self.period.map_or(0, |last| last + 1);
        for next in first..=period {
            let mut chance = ChaCha8Rng::seed_from_u64(seed);
            chance.set_stream(WALKS + param as u64);
            chance.set_word_pos(u128::from(next));
            let stride = STRIDE * (2.0 * f64::from(chance.next_u32()) / f64::from(u32::MAX) - 1.0);
            let there = self.to + stride;
            self.from = self.to;
            // Off the edge it comes back.
            self.to = if there.abs() > 1.0 { there.signum() * 2.0 - there } else { there };
            self.period = Some(next);
        }
        self.from + (self.to - self.from) * periods.fract()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_walk_stays_within_its_reach_and_is_the_seeds() {
        let walk = |seed, param| {
            let mut walk = Walk::default();
            (0..4000).map(|step| walk.at(f64::from(step) / 4.0, seed, param)).collect::<Vec<_>>()
        };
        let one = walk(7, Param::Tone);
        assert_eq!(one, walk(7, Param::Tone));
        assert!(one != walk(8, Param::Tone) && one != walk(7, Param::Width));
        assert!(one.iter().all(|at| at.abs() <= 1.0) && one.windows(2).all(|pair| (pair[1] - pair[0]).abs() <= STRIDE));
        let (low, high) = one.iter().fold((0.0f64, 0.0f64), |(low, high), at| (low.min(*at), high.max(*at)));
        assert!(low < -0.8 && high > 0.8, "it gets around: {low} to {high}");
    }

    #[test]
    fn an_input_is_looked_at_and_reach_scales() {
        let mut modulations = Modulations::default();
        let clock = MusicClock::new(120.0);
        let by =
            Modulation { shape: Shape::Input(Param::Input2), depth: 0.5, period: Period::Seconds(1.0), phase: 0.0 };
        modulations.set(Param::Density, Some(by), 100, &clock);
        let number = |param| if param == Param::Input2 { 1.0 } else { 0.5 };
        assert_eq!(modulations.due(), Some(100));
        let shifts = modulations.step(100, &clock, 1, number);
        assert_eq!(shifts, [Shift { param: Param::Density, by: 0.25, within: LOOK }]);
        assert_eq!(modulations.due(), Some(100 + LOOK));
        modulations.set(Param::Density, None, 200, &clock);
        assert_eq!((modulations.due(), modulations.params().count()), (None, 0));
    }
}
