//! Seeded random streams. Every decision has its own stream, so that a decision changed by a lead chord or another mood does not
//! affect the others.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};

use crate::music::temperature::{COMMON_SEED, own_share};

/// The purpose of a random number. Each has its own stream in every bar or phrase.
#[derive(Debug, Clone, Copy)]
pub(super) enum Purpose {
    /// Emotion, length, cadences and mode of a phrase, indexed by the phrase's number.
    Phrase,
    /// The beats on which chords change in a bar, indexed by the bar's number.
    Rhythm,
    /// The chords of a bar.
    Chords,
    /// The upper voice in a bar.
    Upper,
    /// Random changes of velocity in a bar.
    Velocity,
    /// The choice between the performance's seed and the common one.
    Share,
    /// Which phrase is recalled, indexed by the new phrase's number.
    Form,
}

/// Random streams that use either the performance's own seed or [`COMMON_SEED`].
///
/// The fraction of bars and phrases that use the performance's own seed is given by [`own_share`] at the current
/// temperature, so all seeds sound alike at low temperatures. As the temperature rises, more bars use the performance's
/// own seed and none revert to the common one, so a small increase changes little.
#[derive(Debug, Clone, Copy)]
pub(super) struct RngStreams {
    seed: u64,
    temperature: f32,
    reused: Option<ReusedBars>,
}

/// A range of bars that reuse the random streams of earlier ones.
#[derive(Debug, Clone, Copy)]
pub(super) struct ReusedBars {
    /// The first bar.
    pub start: u64,
    /// The last bar. Its chords and upper voice use new streams unless the repetition is exact.
    pub last: u64,
    /// The earlier bar whose streams the first bar reuses; later bars reuse those of the bars after it.
    pub source: u64,
    /// Whether the repetition is exact, including the last bar.
    pub exact: bool,
}

impl RngStreams {
    pub(super) const fn new(seed: u64, temperature: f32) -> Self {
        Self { seed, temperature, reused: None }
    }

    /// Returns the same streams, except that the bars in `reused` reuse those of earlier ones.
    pub(super) const fn reusing(self, reused: Option<ReusedBars>) -> Self {
        Self { reused, ..self }
    }

    /// Returns the bar whose streams a bar uses.
    fn bar(self, purpose: Purpose, bar: u64) -> u64 {
        let Some(ReusedBars { start, last, source, exact }) = self.reused else { return bar };
        let cadence = bar == last && matches!(purpose, Purpose::Chords | Purpose::Upper);
        if !(start..=last).contains(&bar) || (cadence && !exact) { bar } else { source + (bar - start) }
    }

    /// Returns the stream for a purpose at a bar or phrase number.
    pub(super) fn rng(self, purpose: Purpose, number: u64) -> Rng {
        let number = match purpose {
            Purpose::Phrase | Purpose::Share | Purpose::Form => number,
            Purpose::Rhythm | Purpose::Chords | Purpose::Upper | Purpose::Velocity => self.bar(purpose, number),
        };
        let uses_own_seed = Rng::new(self.seed, Purpose::Share, number).unit() < own_share(self.temperature);
        Rng::new(if uses_own_seed { self.seed } else { COMMON_SEED }, purpose, number)
    }
}

/// One random stream.
#[derive(Debug, Clone)]
pub(super) struct Rng(ChaCha8Rng);

impl Rng {
    /// Returns the stream of a seed for a purpose at a bar or phrase number.
    pub(super) fn new(seed: u64, purpose: Purpose, number: u64) -> Self {
        let mut generator = ChaCha8Rng::seed_from_u64(seed);
        generator.set_stream(number.wrapping_mul(8).wrapping_add(purpose as u64));
        Self(generator)
    }

    /// Draws a uniform random number in 0..1.
    pub(super) fn unit(&mut self) -> f32 {
        (self.0.next_u32() >> 8) as f32 / 16_777_216.0
    }

    /// Draws an index with the given odds, which must not be negative; `None` if all are 0.
    pub(super) fn pick(&mut self, odds: &[f32]) -> Option<usize> {
        let draw = self.unit();
        pick_at(draw, odds)
    }
}

/// Returns the index at which the cumulative odds exceed the fraction `draw` (0..1) of their sum; `None` if all are 0.
pub(super) fn pick_at(draw: f32, odds: &[f32]) -> Option<usize> {
    let mut rest = draw * odds.iter().sum::<f32>();
    let mut last = None;
    for (position, weight) in odds.iter().enumerate().filter(|(_, weight)| **weight > 0.0) {
        last = Some(position);
        rest -= weight;
        if rest < 0.0 {
            break;
        }
    }
    last
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn draws_follow_the_odds() {
        let mut rng = Rng::new(1, Purpose::Chords, 0);
        let mut counts = [0u32; 4];
        for _ in 0..4000 {
            counts[rng.pick(&[1.0, 0.0, 2.0, 1.0]).expect("an index should be drawn")] += 1;
        }
        assert_eq!(counts[1], 0);
        assert!((1800..2200).contains(&counts[2]), "{counts:?}");
        assert_eq!(rng.pick(&[0.0, 0.0]), None);
    }

    #[test]
    fn all_seeds_agree_at_low_temperatures() {
        let alike = |temperature| {
            let draw = |seed, bar| RngStreams::new(seed, temperature).rng(Purpose::Chords, bar).unit();
            (0..1000).filter(|bar| draw(1, *bar) == draw(2, *bar)).count()
        };
        // With either seed, half of the bars use the common streams, so a quarter of all bars agree.
        let half = 0.5f32.powf(1.0 / 12.0);
        assert!((200..300).contains(&alike(half)), "{}", alike(half));
        assert_eq!((alike(0.0), alike(1.0), alike(2.0)), (1000, 0, 0));
        let uses_own_seed = |temperature, bar| {
            let draw = |seed| Rng::new(seed, Purpose::Chords, bar).unit();
            RngStreams::new(1, temperature).rng(Purpose::Chords, bar).unit() == draw(1)
        };
        assert!((0..1000).all(|bar| !uses_own_seed(0.3, bar) || uses_own_seed(0.6, bar)));
    }

    #[test]
    fn streams_differ_by_purpose_number_and_seed() {
        let first = |seed, purpose, number| Rng::new(seed, purpose, number).unit();
        let base = first(1, Purpose::Chords, 5);
        assert_eq!(base, first(1, Purpose::Chords, 5));
        assert_ne!(base, first(2, Purpose::Chords, 5));
        assert_ne!(base, first(1, Purpose::Rhythm, 5));
        assert_ne!(base, first(1, Purpose::Chords, 6));
    }
}
