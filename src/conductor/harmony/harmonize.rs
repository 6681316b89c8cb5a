//! Chooses the chords of a bar from the progression, a lead chord or the network, including at changes of key.

use crate::music::theory::{Chord, Key};

use super::palette::{Member, Palette};
use super::phrase::Phrase;
use super::rng::{Purpose, Rng, RngStreams};
use super::{BarRequest, bass, progression, rhythm};
use crate::music::profile::Profile;

/// Multiplier for the odds of the tonic at the start of a phrase.
const TONIC_WEIGHT: f32 = 4.0;
/// Minimum weight of the new tonic at a change of key. Other chords that neither share a tone with the previous chord nor
/// belong to the old key have weight 0.
const DISTANT_TONIC_WEIGHT: f32 = 0.3;

/// The context for choosing the chords of a bar, or of the rest of one.
#[derive(Debug, Clone, Copy)]
pub(super) struct HarmonyContext<'a> {
    /// The beat from which chords are chosen.
    pub from: f64,
    /// The chords previously planned for the bar, if it is being replanned.
    pub planned: &'a [(f64, Chord)],
    /// The chord at the end of the previous bar.
    pub before: Option<Chord>,
    /// Whether that chord was a lead chord or, if the bar is being replanned, whether its last planned chord was.
    pub was_led: bool,
    /// The first bass note under the chord at the end of the previous bar.
    pub bass: Option<u8>,
    /// The unplanned chord that the network has been playing, if any; see [`super::chord_detector`].
    pub detected: Option<Chord>,
}

/// Returns the chords of a bar as (beat, chord), the first on beat 0. Those before `context.from` are unchanged.
pub(super) fn harmonize(
    streams: RngStreams,
    request: &BarRequest,
    old: Option<&Phrase>,
    phrase: &Phrase,
    context: &HarmonyContext<'_>,
) -> Vec<(f64, Chord)> {
    let mut chords: Vec<(f64, Chord)> = context.planned.iter().copied().filter(|(at, _)| *at < context.from).collect();
    let sounding = chords.last().map(|(_, chord)| *chord).or(context.before);
    if let Some(lead) = request.lead {
        if chords.last().map(|(_, chord)| *chord) != Some(lead) {
            chords.push((context.from, lead));
        }
        return chords;
    }
    let changes_phrase_or_key = old.is_some_and(|old| old.number != phrase.number || old.key != phrase.key);
    if !changes_phrase_or_key && !context.was_led && !chords.is_empty() {
        return context.planned.to_vec();
    }
    let profile = Profile::blend(&request.mood);
    let position = phrase.position(request.bar).bar;
    let mut onsets = rhythm::chord_onsets(streams, request.bar, position, request.beats, profile.harmonic_rhythm);
    let immediate = changes_phrase_or_key
        || sounding.is_none()
        || chords.is_empty() && (context.was_led || context.detected.is_some());
    if immediate {
        onsets.retain(|at| *at >= context.from + 1.0);
        onsets.insert(0, context.from);
    }
    onsets.retain(|at| *at >= context.from);
    let later = rhythm::remaining_chords(streams, request.bar, position, request.beats, profile.harmonic_rhythm);
    let mut walk = ChordWalk {
        phrase,
        old_key: old.map_or(phrase.key, |old| old.key),
        opens_phrase: position == 0 && context.from == 0.0,
        sounding,
        bass: context.bass,
        profile: &profile,
        rng: streams.rng(Purpose::Chords, request.bar),
    };
    if chords.is_empty() && onsets.first() != Some(&0.0) {
        chords.extend(sounding.map(|chord| (0.0, chord)));
    }
    for (index, at) in onsets.iter().enumerate() {
        let detected = context.detected.filter(|_| index == 0);
        chords.push((*at, walk.step(position, onsets.len() - index + later, detected)));
    }
    chords
}

/// A random walk through the chords of a bar.
struct ChordWalk<'a> {
    phrase: &'a Phrase,
    old_key: Key,
    /// Whether the next chord opens the phrase.
    opens_phrase: bool,
    sounding: Option<Chord>,
    bass: Option<u8>,
    profile: &'a Profile,
    rng: Rng,
}

impl ChordWalk<'_> {
    /// Returns the next chord; `remaining` is the number of chords up to the end of the cadence, including this one.
    fn step(&mut self, position: u32, remaining: usize, detected: Option<Chord>) -> Chord {
        let Phrase { key, emotion, .. } = *self.phrase;
        let palette = Palette::of(emotion, key.mode);
        let cadence = self.phrase.cadence_after(position);
        let draw = self.rng.unit();
        let chord = detected.unwrap_or_else(|| {
            let index = self.sounding.map_or(0, |chord| {
                let from = match palette.position(&chord, key.tonic) {
                    None if self.old_key == key => Some(palette.nearest(&chord, key.tonic)),
                    position => position,
                };
                progression::next(palette, from, remaining, cadence, |member| self.weight(member), draw)
            });
            let member = &palette.members[index];
            if self.old_key != key {
                return member.numeral.chord_on(key.tonic);
            }
            let chord = progression::colour(member, key, emotion, remaining == 1, &mut self.rng);
            let root_position = remaining <= 2 || self.opens_phrase;
            if root_position { chord } else { bass::invert(chord, self.bass, self.profile.inversion) }
        });
        self.opens_phrase = false;
        self.old_key = key;
        self.sounding = Some(chord);
        self.bass = Some(bass::starting_note(&chord, self.bass, self.profile.bass_centre()));
        chord
    }

    /// Returns the multiplier for a chord's odds in the palette. Favours the tonic at the start of a phrase and, at a change of
    /// key, chords that share tones with the previous chord or belong to the old key.
    fn weight(&self, member: &Member) -> f32 {
        let chord = member.numeral.chord_on(self.phrase.key.tonic);
        if self.old_key != self.phrase.key {
            let shared =
                self.sounding.map_or(0, |sounding| chord.pitch_classes().filter(|p| sounding.contains(*p)).count());
            let pivot = chord.pitch_classes().all(|pitch| self.old_key.contains(pitch));
            let common = (shared * shared) as f32 + if pivot { 2.0 } else { 0.0 };
            return common.max(if member.is_tonic() { DISTANT_TONIC_WEIGHT } else { 0.0 });
        }
        if self.opens_phrase && member.is_tonic() { TONIC_WEIGHT } else { 1.0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conductor::harmony::{Cadence, Harmony};
    use crate::music::emotion::{Emotion, Mood};

    fn request(bar: u64, emotion: Emotion) -> BarRequest {
        BarRequest { tonic: 10, ..BarRequest::plain(bar, Mood::pure(emotion)) }
    }

    #[test]
    fn phrases_end_with_their_cadences() {
        for emotion in Emotion::ALL {
            let mut counts = [0; 4];
            for seed in 0..8 {
                let mut harmony = Harmony::new(seed);
                let mut chords: Vec<Chord> = Vec::new();
                for bar in 0..64 {
                    let plan = harmony.plan_bar(&request(bar, emotion));
                    chords.extend(plan.chords.iter().map(|(_, chord)| *chord));
                    chords.dedup();
                    let Some(cadence) = plan.phrase.cadence else { continue };
                    let palette = Palette::of(emotion, plan.key.mode);
                    let member_from_end = |distance: usize| {
                        let position = palette.position(&chords[chords.len() - distance], 10);
                        &palette.members[position.expect("every chord should be in the palette")]
                    };
                    let describe = || format!("{emotion} {seed} bar {bar} {} {cadence:?}: {chords:?}", plan.key);
                    assert!(cadence.ends_on(member_from_end(1)), "{}", describe());
                    assert!(cadence.approaches(member_from_end(2)), "{}", describe());
                    assert_eq!(plan.chords.len(), 1, "the last chord should fill its bar: {}", describe());
                    let root_position = plan.chords[0].1.bass == plan.chords[0].1.root;
                    assert!(root_position, "{}", describe());
                    counts[cadence as usize] += 1;
                }
            }
            let on_tonic = counts[Cadence::Authentic as usize] + counts[Cadence::Plagal as usize];
            assert!(on_tonic * 4 > counts.iter().sum::<i32>(), "{emotion} seldom ends on the tonic: {counts:?}");
        }
    }

    #[test]
    fn a_requested_key_applies_immediately() {
        let mut harmony = Harmony::new(1);
        let first = harmony.plan_bar(&request(0, Emotion::Happy));
        let moved = BarRequest { tonic: 3, ..request(0, Emotion::Happy) };
        let plan = harmony.replan_from(1.5, &moved);
        assert_eq!(plan.key.tonic, 3);
        assert_eq!(plan.chords[0], first.chords[0]);
        assert_eq!(plan.chords[1].0, 1.5);
    }
}
