//! Seeded chance without a history: every decision has its own stream, so that one that falls differently (a led chord,
//! another mood) leaves all the others as they were.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};

use super::phrase::Phrase;
use crate::music::temperature::{COMMON_SEED, own_share};

/// What a draw is for; each purpose has its own stream in every bar or phrase.
#[derive(Debug, Clone, Copy)]
pub(super) enum Purpose {
    /// Length, cadences and mode of a phrase, by its number.
    Phrase,
    /// Where chords change in a bar, by the bar's number.
    Rhythm,
    /// Chords of a bar.
    Chords,
    /// What the upper voice does in a bar.
    Upper,
    /// Small differences of touch in a bar.
    Touch,
    /// Whose chance decides.
    Share,
    /// Which phrase returns, by the number of the phrase that is to come.
    Form,
}

/// Whose chance decides: the seed's own or the common one.
///
/// [`own_share`] of a temperature is how often in a bar or phrase the seed's own does, as it is the share of the network's
/// noise that is the seed's own: a low temperature brings performances together. Which ones they are does not depend on
/// the temperature, so a little more of it changes little.
#[derive(Debug, Clone, Copy)]
pub(super) struct Luck {
    seed: u64,
    temperature: f32,
    returns: Option<Returning>,
}

/// Bars that meet the chance of earlier ones.
#[derive(Debug, Clone, Copy)]
struct Returning {
    /// The first of them.
    start: u64,
    /// The last; its chords are chosen afresh unless the return is exact.
    last: u64,
    /// The bar that the first one recalls.
    source: u64,
    exact: bool,
}

impl Luck {
    pub(super) const fn new(seed: u64, temperature: f32) -> Self {
        Self { seed, temperature, returns: None }
    }

    /// The chance that the bars of a phrase meet: where it returns, that of the phrase it recalls.
    pub(super) fn within(self, phrase: &Phrase) -> Self {
        let returns = phrase.recalled.map(|recalled| Returning {
            start: phrase.start,
            last: phrase.start + u64::from(phrase.bars) - 1,
            source: recalled.start,
            exact: recalled.strictness >= 1.0,
        });
        Self { returns, ..self }
    }

    /// The bar whose chance a bar meets.
    fn bar(self, purpose: Purpose, bar: u64) -> u64 {
        let Some(Returning { start, last, source, exact }) = self.returns else { return bar };
        let cadence = bar == last && matches!(purpose, Purpose::Chords | Purpose::Upper);
        if !(start..=last).contains(&bar) || (cadence && !exact) { bar } else { source + (bar - start) }
    }

    /// The stream of a purpose at a bar or phrase number.
    pub(super) fn dice(self, purpose: Purpose, number: u64) -> Dice {
        let number = match purpose {
            Purpose::Phrase | Purpose::Share | Purpose::Form => number,
            Purpose::Rhythm | Purpose::Chords | Purpose::Upper | Purpose::Touch => self.bar(purpose, number),
        };
        let own = Dice::new(self.seed, Purpose::Share, number).unit() < own_share(self.temperature);
        Dice::new(if own { self.seed } else { COMMON_SEED }, purpose, number)
    }
}

/// One stream of draws.
#[derive(Debug, Clone)]
pub(super) struct Dice(ChaCha8Rng);

impl Dice {
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
    fn draws_keep_to_the_odds() {
        let mut dice = Dice::new(1, Purpose::Chords, 0);
        let mut counts = [0u32; 4];
        for _ in 0..4000 {
            counts[dice.pick(&[1.0, 0.0, 2.0, 1.0]).expect("odds")] += 1;
        }
        assert_eq!(counts[1], 0);
        assert!((1800..2200).contains(&counts[2]), "{counts:?}");
        assert_eq!(dice.pick(&[0.0, 0.0]), None);
    }

    #[test]
    fn a_low_temperature_brings_seeds_together() {
        let alike = |temperature| {
            let draw = |seed, bar| Luck::new(seed, temperature).dice(Purpose::Chords, bar).unit();
            (0..1000).filter(|bar| draw(1, *bar) == draw(2, *bar)).count()
        };
        // Both seeds leave half of the bars to common chance.
        let half = 0.5f32.powf(1.0 / 12.0);
        assert!((200..300).contains(&alike(half)), "{}", alike(half));
        assert_eq!((alike(0.0), alike(1.0), alike(2.0)), (1000, 0, 0));
        let own = |temperature, bar| {
            let draw = |seed| Dice::new(seed, Purpose::Chords, bar).unit();
            Luck::new(1, temperature).dice(Purpose::Chords, bar).unit() == draw(1)
        };
        assert!((0..1000).all(|bar| !own(0.3, bar) || own(0.6, bar)));
    }

    #[test]
    fn streams_differ_by_purpose_number_and_seed() {
        let first = |seed, purpose, number| Dice::new(seed, purpose, number).unit();
        let base = first(1, Purpose::Chords, 5);
        assert_eq!(base, first(1, Purpose::Chords, 5));
        assert_ne!(base, first(2, Purpose::Chords, 5));
        assert_ne!(base, first(1, Purpose::Rhythm, 5));
        assert_ne!(base, first(1, Purpose::Chords, 6));
    }
}
