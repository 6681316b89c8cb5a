//! The chords of one bar: the progression, a lead, a bend, and changes of key.

use crate::theory::{Chord, Key};

use super::dice::{Dice, Purpose};
use super::palette::{Member, Palette};
use super::phrase::Phrase;
use super::{BarRequest, Profile, bass, progression, rhythm};

/// How much likelier a phrase begins at home.
const HOME: f32 = 4.0;
/// How welcome home is at a change of key when no other chord shares a tone with the one before or belongs to the old
/// key, and how welcome are the others then.
const UNHINGED: (f32, f32) = (0.3, 0.001);

/// Where the harmony stands when the chords of a bar, or of its rest, are chosen.
#[derive(Debug, Clone, Copy)]
pub(super) struct Standing<'a> {
    /// The beat from which on chords may be chosen.
    pub from: f64,
    /// The chords of the bar as planned before, when it is planned again.
    pub planned: &'a [(f64, Chord)],
    /// The chord that sounded at the end of the bar before.
    pub before: Option<Chord>,
    /// Whether that chord, or the one planned before, was led.
    pub led: bool,
    /// The bass note at the end of the bar before.
    pub bass: Option<u8>,
    /// A chord the network insists on.
    pub bend: Option<Chord>,
}

/// The chords of a bar: (beat, chord), the first at beat 0, those before `standing.from` as they were.
pub(super) fn harmonise(
    seed: u64,
    request: &BarRequest,
    old: Option<&Phrase>,
    phrase: &Phrase,
    standing: &Standing<'_>,
) -> Vec<(f64, Chord)> {
    let mut chords: Vec<(f64, Chord)> =
        standing.planned.iter().copied().filter(|(at, _)| *at < standing.from).collect();
    let sounding = chords.last().map(|(_, chord)| *chord).or(standing.before);
    if let Some(lead) = request.lead {
        if chords.last().map(|(_, chord)| *chord) != Some(lead) {
            chords.push((standing.from, lead));
        }
        return chords;
    }
    let turns = old.is_some_and(|old| old.number != phrase.number || old.key != phrase.key);
    if !turns && !standing.led && !chords.is_empty() {
        return standing.planned.to_vec();
    }
    let profile = Profile::blend(&request.mood);
    let place = phrase.position(request.bar).bar;
    let mut onsets = rhythm::changes(seed, request.bar, place, request.beats, profile.harmonic_rhythm);
    let at_once = turns || sounding.is_none() || chords.is_empty() && (standing.led || standing.bend.is_some());
    if at_once {
        onsets.retain(|at| *at >= standing.from + 1.0);
        onsets.insert(0, standing.from);
    }
    onsets.retain(|at| *at >= standing.from);
    let later = rhythm::left_after(seed, request.bar, place, request.beats, profile.harmonic_rhythm);
    let mut walk = Walk {
        phrase,
        old_key: old.map_or(phrase.key, |old| old.key),
        opens: place == 0 && standing.from == 0.0,
        sounding,
        bass: standing.bass,
        profile: &profile,
        dice: Dice::new(seed, Purpose::Chords, request.bar),
    };
    if chords.is_empty() && onsets.first() != Some(&0.0) {
        chords.extend(sounding.map(|chord| (0.0, chord)));
    }
    for (index, at) in onsets.iter().enumerate() {
        let bend = standing.bend.filter(|_| index == 0);
        chords.push((*at, walk.step(place, onsets.len() - index + later, bend)));
    }
    chords
}

/// A walk through the chords of a bar.
struct Walk<'a> {
    phrase: &'a Phrase,
    old_key: Key,
    /// Whether the next chord opens the phrase.
    opens: bool,
    sounding: Option<Chord>,
    bass: Option<u8>,
    profile: &'a Profile,
    dice: Dice,
}

impl Walk<'_> {
    /// The next chord, with `left` to come up to and with the cadence, this one included.
    fn step(&mut self, place: u32, left: usize, bend: Option<Chord>) -> Chord {
        let Phrase { key, emotion, .. } = *self.phrase;
        let palette = Palette::of(emotion, key.mode);
        let cadence = self.phrase.cadence_after(place);
        let draw = self.dice.unit();
        let chord = bend.unwrap_or_else(|| {
            let at = self.sounding.map_or(0, |chord| {
                let from = match palette.position(&chord, key.tonic) {
                    None if self.old_key == key => Some(palette.nearest(&chord, key.tonic)),
                    same => same,
                };
                progression::next(palette, from, left, cadence, |member| self.favour(member), draw)
            });
            let member = &palette.members[at];
            if self.old_key != key {
                return member.numeral.on(key.tonic);
            }
            let chord = progression::colour(member, key, emotion, left == 1, &mut self.dice);
            let settled = left <= 2 || self.opens;
            if settled { chord } else { bass::invert(chord, self.bass, self.profile.inversion) }
        });
        self.opens = false;
        self.old_key = key;
        self.sounding = Some(chord);
        self.bass = Some(bass::anchor(&chord, self.bass, self.profile.bass_centre()));
        chord
    }

    /// How welcome a chord is here beyond the palette's odds: home at the start of a phrase; at a change of key one that
    /// hinges on the chord before or on the old key.
    fn favour(&self, member: &Member) -> f32 {
        let chord = member.numeral.on(self.phrase.key.tonic);
        if self.old_key != self.phrase.key {
            let shared =
                self.sounding.map_or(0, |sounding| chord.pitch_classes().filter(|p| sounding.contains(*p)).count());
            let pivot = chord.pitch_classes().all(|pitch| self.old_key.contains(pitch));
            let hinge = (shared * shared) as f32 + if pivot { 2.0 } else { 0.0 };
            return hinge.max(if member.is_home() { UNHINGED.0 } else { UNHINGED.1 });
        }
        if self.opens && member.is_home() { HOME } else { 1.0 }
    }
}
