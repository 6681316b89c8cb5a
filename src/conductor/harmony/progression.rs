//! A random walk through a palette towards a cadence.

use crate::music::emotion::Emotion;
use crate::music::theory::{Chord, Key, Quality};

use super::Cadence;
use super::numeral::Function;
use super::palette::{Member, Palette};
use super::rng::{Rng, pick_at};

impl Cadence {
    /// Returns whether a chord may be the penultimate one of the cadence.
    pub(super) fn approaches(self, member: &Member) -> bool {
        match self {
            Self::Authentic | Self::Deceptive => member.function == Function::Dominant,
            Self::Plagal => member.function == Function::Predominant,
            Self::Half => member.function != Function::Dominant,
        }
    }

    /// Returns whether a chord may be the last one of the cadence.
    pub(super) fn ends_on(self, member: &Member) -> bool {
        match self {
            Self::Authentic | Self::Plagal => member.is_tonic(),
            Self::Half => member.function == Function::Dominant,
            Self::Deceptive => member.function == Function::Tonic && !member.is_tonic(),
        }
    }
}

/// Returns the index of the chord after `from` for a random number `draw` in 0..1. Follows the palette's Markov chain,
/// conditioned on reaching the cadence in `remaining` chords, including this one, and multiplies each chord's odds by
/// `weight`. If `from` is `None` (the previous chord is outside the palette) or has no possible successor, the emotion's
/// preferences replace the odds.
pub(super) fn next(
    palette: &Palette,
    from: Option<usize>,
    remaining: usize,
    cadence: Cadence,
    weight: impl Fn(&Member) -> f32,
    draw: f32,
) -> usize {
    let reach_weights = reach_weights(palette, remaining.max(1), cadence);
    let weights = |odds: &dyn Fn(usize) -> f32| -> Vec<f32> {
        (0..palette.members.len()).map(|to| odds(to) * reach_weights[to] * weight(&palette.members[to])).collect()
    };
    from.and_then(|from| pick_at(draw, &weights(&|to| palette.odds[from][to])))
        .or_else(|| pick_at(draw, &weights(&|to| palette.members[to].preference)))
        .unwrap_or_default()
}

/// Returns, for each chord, the relative probability of reaching the cadence from it as the first of `remaining` chords.
fn reach_weights(palette: &Palette, remaining: usize, cadence: Cadence) -> Vec<f32> {
    let mask = |allowed: &dyn Fn(&Member) -> bool| -> Vec<f32> {
        palette.members.iter().map(|member| f32::from(u8::from(allowed(member)))).collect()
    };
    let mut reach_weights = mask(&|member| cadence.ends_on(member));
    let approach = mask(&|member| cadence.approaches(member));
    for step in 2..=remaining {
        let onward: Vec<f32> =
            palette.odds.iter().map(|odds| odds.iter().zip(&reach_weights).map(|(p, r)| p * r).sum()).collect();
        let total: f32 = onward.iter().sum::<f32>().max(f32::MIN_POSITIVE);
        reach_weights = onward.into_iter().map(|r| r / total).collect();
        if step == 2 {
            reach_weights.iter_mut().zip(&approach).for_each(|(r, allowed)| *r *= allowed);
        }
    }
    reach_weights
}

/// Returns a variant of a chord that suits the emotion; `last` marks the final chord of a cadence. Added and suspended
/// tones belong to the scale, except in dominant sevenths and augmented chords.
pub(super) fn colour(member: &Member, key: Key, emotion: Emotion, last: bool, rng: &mut Rng) -> Chord {
    let plain = member.numeral.chord_on(key.tonic);
    let choices = variants(emotion, member, last);
    let is_allowed = |quality: Quality| {
        let chord = Chord::new(plain.root, quality);
        let may_leave_scale = quality == Quality::Dominant7 || quality == Quality::Augmented;
        may_leave_scale || chord.pitch_classes().all(|pitch| key.contains(pitch) || plain.contains(pitch))
    };
    let odds: Vec<f32> = choices.iter().map(|(quality, odds)| if is_allowed(*quality) { *odds } else { 0.0 }).collect();
    rng.pick(&odds).map_or(plain, |index| Chord::new(plain.root, choices[index].0))
}

/// Returns the variants of a chord, with their odds; empty if it is always played plain.
fn variants(emotion: Emotion, member: &Member, last: bool) -> &'static [(Quality, f32)] {
    use Emotion::{Angry, Calm, Energetic, Happy, Mysterious, Nostalgic, Romantic, Sad};
    use Quality::*;
    let dominant = member.function == Function::Dominant && member.numeral.degree == 7;
    match (member.numeral.quality, emotion) {
        (Major, Happy | Energetic) if dominant => &[(Major, 6.0), (Dominant7, 3.0), (Sus4, 1.0)],
        (Major, Calm) if dominant => &[(Sus4, 4.0), (Major, 2.0), (Dominant7, 1.0)],
        (Major, Romantic) if dominant => &[(Dominant7, 5.0), (Major, 3.0), (Sus4, 1.0)],
        (Major, Mysterious) if dominant => &[(Dominant7, 4.0), (Augmented, 3.0), (Major, 2.0)],
        (Major, Sad | Angry | Nostalgic) if dominant => &[(Dominant7, 4.0), (Major, 4.0), (Sus4, 1.0)],
        (Major, Happy) if last => &[(Major, 8.0), (Add9, 1.0)],
        (Major, Happy) => &[(Major, 7.0), (Add9, 2.0), (Major6, 1.0)],
        (Major, Energetic) if last => &[(Major, 1.0)],
        (Major, Energetic) => &[(Major, 7.0), (Sus2, 1.5), (Sus4, 1.5)],
        (Major, Calm) if last => &[(Add9, 4.0), (Major7, 4.0), (Major, 2.0)],
        (Major, Calm) => &[(Major7, 4.0), (Add9, 4.0), (Sus2, 2.0)],
        (Major, Romantic) => &[(Major, 5.0), (Add9, 3.0), (Major7, 2.0), (Major6, 1.0)],
        (Major, Nostalgic) => &[(Major, 4.0), (Major7, 3.0), (Major6, 2.0), (Add9, 1.0)],
        (Major, Sad) => &[(Major, 7.0), (Major7, 2.0)],
        (Major, Mysterious) => &[(Major, 6.0), (Major7, 3.0)],
        (Minor, Happy) => &[(Minor, 8.0), (Minor7, 2.0)],
        (Minor, Calm) => &[(Minor7, 7.0), (Minor, 2.0)],
        (Minor, Romantic) => &[(Minor7, 4.0), (Minor, 5.0)],
        (Minor, Sad) => &[(Minor, 6.0), (Minor7, 3.0), (Minor6, 1.0)],
        (Minor, Nostalgic) => &[(Minor, 4.0), (Minor7, 4.0), (Minor6, 2.0)],
        (Minor, Mysterious) => &[(Minor, 5.0), (MinorMajor7, 4.0), (Minor6, 2.0)],
        (Minor, Angry) => &[(Minor, 9.0), (MinorMajor7, 1.0)],
        (Diminished, Calm | Romantic | Nostalgic | Mysterious | Sad) => &[(HalfDiminished7, 3.0), (Diminished, 1.0)],
        (Diminished, Angry) => &[(Diminished, 3.0), (Diminished7, 2.0)],
        _ => &[],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conductor::harmony::rng::Purpose;
    use crate::music::theory::Mode;

    const CADENCES: [Cadence; 4] = [Cadence::Authentic, Cadence::Plagal, Cadence::Half, Cadence::Deceptive];

    #[test]
    fn every_palette_reaches_every_cadence_from_the_tonic() {
        for emotion in Emotion::ALL {
            for mode in Mode::ALL {
                let palette = Palette::of(emotion, mode);
                for cadence in CADENCES {
                    for length in 3..9 {
                        let mut rng = Rng::new(3, Purpose::Chords, length as u64);
                        let mut walk = vec![0];
                        for remaining in (1..=length).rev() {
                            walk.push(next(
                                palette,
                                Some(walk[walk.len() - 1]),
                                remaining,
                                cadence,
                                |_| 1.0,
                                rng.unit(),
                            ));
                        }
                        let from_end = |distance: usize| &palette.members[walk[walk.len() - distance]];
                        let describe = || format!("{emotion} {} {cadence:?} {length}: {walk:?}", mode.name());
                        assert!(cadence.ends_on(from_end(1)), "{}", describe());
                        assert!(cadence.approaches(from_end(2)), "{}", describe());
                        for pair in walk.windows(2) {
                            assert!(
                                palette.odds[pair[0]][pair[1]] > 0.0,
                                "a transition missing from the table: {}",
                                describe()
                            );
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn cadences_require_the_functions_that_define_them() {
        let palette = Palette::of(Emotion::Nostalgic, Mode::Major);
        let member = |symbol| {
            let chord = Chord::parse(symbol).unwrap();
            &palette.members[palette.position(&chord, 0).expect("the chord should be in the palette")]
        };
        let matches_cadence =
            |cadence: Cadence, before, last| cadence.approaches(member(before)) && cadence.ends_on(member(last));
        assert!(matches_cadence(Cadence::Authentic, "G7", "C") && !matches_cadence(Cadence::Authentic, "F", "C"));
        assert!(matches_cadence(Cadence::Plagal, "Fm", "C") && !matches_cadence(Cadence::Plagal, "G", "C"));
        assert!(matches_cadence(Cadence::Half, "Dm", "G") && !matches_cadence(Cadence::Half, "Dm", "F"));
        assert!(matches_cadence(Cadence::Deceptive, "G", "Am") && !matches_cadence(Cadence::Deceptive, "G", "C"));
    }

    #[test]
    fn extensions_stay_in_the_scale_except_on_dominants() {
        for emotion in Emotion::ALL {
            for mode in Mode::ALL {
                let key = Key { tonic: 4, mode };
                for member in Palette::of(emotion, mode).members.iter().filter(|member| member.numeral.is_diatonic(key))
                {
                    for number in 0..20 {
                        let chord = colour(member, key, emotion, false, &mut Rng::new(9, Purpose::Chords, number));
                        assert_eq!(chord.root, member.numeral.chord_on(4).root);
                        let inside = chord.pitch_classes().all(|pitch| key.contains(pitch));
                        assert!(inside || member.function == Function::Dominant, "{emotion} {key}: {chord}");
                    }
                }
            }
        }
    }
}
