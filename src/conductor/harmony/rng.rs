//! Seeded randomness without history: every decision has its own stream, so that a different outcome of one, because of
//! a lead chord or another mood, does not affect the others.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};

use crate::music::temperature::{COMMON_SEED, own_share};

/// The purpose of a draw; each has its own stream in every bar or phrase.
#[derive(Debug, Clone, Copy)]
pub(super) enum Purpose {
    /// Length, cadences and mode of a phrase, by its number.
    Phrase,
    /// Where chords change in a bar, by the bar's number.
    Rhythm,
    /// Chords of a bar.
    Chords,
    /// The upper voice in a bar.
    Upper,
    /// Small velocity differences in a bar.
    Touch,
    /// Which seed decides.
    Share,
    /// Which phrase returns, by the number of the new phrase.
    Form,
}

/// Random streams that use either the performance's own seed or the common one.
///
/// [`own_share`] of a temperature is the fraction of bars or phrases in which the performance's own seed decides, and
/// likewise that seed's share of the network's noise: at low temperatures, all seeds sound alike. As the temperature
/// rises, bars join that fraction and none leave it, so that a small increase changes little.
#[derive(Debug, Clone, Copy)]
pub(super) struct RngStreams {
    seed: u64,
    temperature: f32,
    returns: Option<ReusedBars>,
}

/// Bars that reuse the random streams of earlier ones.
#[derive(Debug, Clone, Copy)]
pub(super) struct ReusedBars {
    /// The first of them.
    pub start: u64,
    /// The last; its chords are chosen afresh unless the return is exact.
    pub last: u64,
    /// The bar whose streams the first one reuses.
    pub source: u64,
    /// Whether the return is exact, including the last bar.
    pub exact: bool,
}

impl RngStreams {
    pub(super) const fn new(seed: u64, temperature: f32) -> Self {
        Self { seed, temperature, returns: None }
    }

    /// The same streams, except that some bars reuse those of earlier ones.
    pub(super) const fn within(self, returns: Option<ReusedBars>) -> Self {
        Self { returns, ..self }
    }

    /// The bar whose streams a bar uses.
    fn bar(self, purpose: Purpose, bar: u64) -> u64 {
        let Some(ReusedBars { start, last, source, exact }) = self.returns else { return bar };
        let cadence = bar == last && matches!(purpose, Purpose::Chords | Purpose::Upper);
        if !(start..=last).contains(&bar) || (cadence && !exact) { bar } else { source + (bar - start) }
    }

    /// The stream of a purpose at a bar or phrase number.
    pub(super) fn rng(self, purpose: Purpose, number: u64) -> Rng {
        let number = match purpose {
            Purpose::Phrase | Purpose::Share | Purpose::Form => number,
            Purpose::Rhythm | Purpose::Chords | Purpose::Upper | Purpose::Touch => self.bar(purpose, number),
        };
        let own = Rng::new(self.seed, Purpose::Share, number).unit() < own_share(self.temperature);
        Rng::new(if own { self.seed } else { COMMON_SEED }, purpose, number)
    }
}

/// One stream of draws.
#[derive(Debug, Clone)]
pub(super) struct Rng(ChaCha8Rng);

impl Rng {
    /// The stream of a purpose at a bar or phrase number.
    pub(super) fn new(seed: u64, purpose: Purpose, number: u64) -> Self {
        let mut generator = ChaCha8Rng::seed_from_u64(seed);
        generator.set_stream(number.wrapping_mul(8).wrapping_add(purpose as u64));
        Self(generator)
    }

    /// Uniform in 0..1.
    pub(super) fn unit(&mut self) -> f32 {
        (self.0.next_u32() >> 8) as f32 / 16_777_216.0
    }

    /// A position drawn with these odds (not below 0); `None` when all are 0.
    pub(super) fn pick(&mut self, odds: &[f32]) -> Option<usize> {
        let draw = self.unit();
        pick_at(draw, odds)
    }
}

/// The position where the running share of the odds passes `draw` (0..1); `None` when all are 0.
pub(super) fn pick_at(draw: f32, odds: &[f32]) -> Option<usize> {
    let mut left = draw * odds.iter().sum::<f32>();
    let mut last = None;
    for (position, share) in odds.iter().enumerate().filter(|(_, share)| **share > 0.0) {
        last = Some(position);
        left -= share;
        if left < 0.0 {
            break;
        }
    }
    last
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn draws_follow_the_weights() {
        let mut rng = Rng::new(1, Purpose::Chords, 0);
        let mut counts = [0u32; 4];
        for _ in 0..4000 {
            counts[rng.pick(&[1.0, 0.0, 2.0, 1.0]).expect("odds")] += 1;
        }
        assert_eq!(counts[1], 0);
        assert!((1800..2200).contains(&counts[2]), "{counts:?}");
        assert_eq!(rng.pick(&[0.0, 0.0]), None);
    }

    #[test]
    fn a_low_temperature_makes_seeds_alike() {
        let alike = |temperature| {
            let draw = |seed, bar| RngStreams::new(seed, temperature).rng(Purpose::Chords, bar).unit();
            (0..1000).filter(|bar| draw(1, *bar) == draw(2, *bar)).count()
        };
        // With either seed, half of the bars use the common streams.
        let half = 0.5f32.powf(1.0 / 12.0);
        assert!((200..300).contains(&alike(half)), "{}", alike(half));
        assert_eq!((alike(0.0), alike(1.0), alike(2.0)), (1000, 0, 0));
        let own = |temperature, bar| {
            let draw = |seed| Rng::new(seed, Purpose::Chords, bar).unit();
            RngStreams::new(1, temperature).rng(Purpose::Chords, bar).unit() == draw(1)
        };
        assert!((0..1000).all(|bar| !own(0.3, bar) || own(0.6, bar)));
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
