//! Converts a plan to the composer's conditions for a latent.

use crate::generator::notes::{FINE_WIDTH, OFFSETS, STEP_WIDTH};
use crate::mel::{HOP, LATENT_FRAMES};
use crate::music::conditions::{Conditions, DENSITY_SCALE, LOUDNESS_SCALE, REGISTER_SCALE, TEMPO_MIDDLE_BPM};
use crate::music::plan::Plan;
use crate::music::theory::Chord;

/// Number of values in the groups for a latent.
const VALUES: usize = 51;
/// Number of groups, each with a mask: twelve for the latent, then three for its offsets.
const GROUPS: usize = 15;
const _: () = assert!(VALUES + GROUPS == STEP_WIDTH);
/// Range to which the tempo is clamped, as in training.
const TEMPO_BPM: std::ops::RangeInclusive<f64> = 25.0..=300.0;

/// Indices of each group's first value and of its mask, in the network's order.
mod group {
    pub(super) const EMOTION: (usize, usize) = (0, 0);
    pub(super) const AFFECT: (usize, usize) = (8, 1);
    pub(super) const TEMPO: (usize, usize) = (10, 2);
    pub(super) const DENSITY: (usize, usize) = (11, 3);
    pub(super) const LOUDNESS: (usize, usize) = (12, 4);
    pub(super) const REGISTER: (usize, usize) = (13, 5);
    pub(super) const BAR: (usize, usize) = (16, 8);
    pub(super) const RECALL: (usize, usize) = (24, 10);
    pub(super) const NEXT: (usize, usize) = (25, 11);
    pub(super) const CHORD_MASK: usize = 12;
    pub(super) const BASS_MASK: usize = 13;
    pub(super) const BEAT_MASK: usize = 14;
}

/// The conditions for a latent and for its offsets. Groups that the plan leaves unconstrained are 0, with a mask of 0.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct StepConditions {
    /// Conditions for the whole latent.
    pub step: [f32; STEP_WIDTH],
    /// Conditions for each offset.
    pub fine: [[f32; FINE_WIDTH]; OFFSETS],
}

impl StepConditions {
    /// Conditions that leave all groups unconstrained.
    pub(super) const UNCONSTRAINED: Self = Self { step: [0.0; STEP_WIDTH], fine: [[0.0; FINE_WIDTH]; OFFSETS] };

    /// Returns the conditions for the latent that starts at `frame`.
    pub(super) fn new(plan: &Plan, frame: u64) -> Self {
        let mut conditions = Self::UNCONSTRAINED;
        conditions.set_mood(&plan.conditions(frame));
        if let Some(earlier) = plan.earlier_phrase(frame) {
            conditions.set(group::RECALL, &[earlier.share]);
        }
        if plan.steering.guide_beat {
            conditions.set_metre(plan, frame);
        }
        if plan.steering.guide_chord {
            conditions.set_harmony(plan, frame);
        }
        conditions
    }

    fn set(&mut self, (first, mask): (usize, usize), values: &[f32]) {
        self.step[first..first + values.len()].copy_from_slice(values);
        self.step[VALUES + mask] = 1.0;
    }

    fn set_mood(&mut self, requested: &Conditions) {
        if let Some(weights) = &requested.emotion {
            self.set(group::EMOTION, weights);
        }
        if let Some(affect) = requested.affect {
            self.set(group::AFFECT, &[affect.valence, affect.arousal]);
        }
        let scaled = [
            (group::DENSITY, requested.density.map(|density| DENSITY_SCALE.apply(density.ln_1p()))),
            (group::LOUDNESS, requested.loudness.map(|velocity| LOUDNESS_SCALE.apply(velocity))),
            (group::REGISTER, requested.register.map(|note| REGISTER_SCALE.apply(note))),
        ];
        for (group, value) in scaled {
            if let Some(value) = value {
                self.set(group, &[value]);
            }
        }
    }

    fn set_metre(&mut self, plan: &Plan, frame: u64) {
        let clock = &plan.clock;
        let bpm = clock.tempo_at(frame).clamp(*TEMPO_BPM.start(), *TEMPO_BPM.end());
        self.set(group::TEMPO, &[(bpm / f64::from(TEMPO_MIDDLE_BPM)).log2() as f32]);
        let mut bar = [0.0; 4];
        harmonics(clock.bar_phase(frame), &mut bar);
        self.set(group::BAR, &bar);
        for (offset, fine) in self.fine.iter_mut().enumerate() {
            harmonics(clock.beat_phase(frame + (offset * HOP) as u64), &mut fine[24..]);
        }
        self.step[VALUES + group::BEAT_MASK] = 1.0;
    }

    fn set_harmony(&mut self, plan: &Plan, frame: u64) {
        let guides_bass = guides_bass(plan, frame);
        for (offset, fine) in self.fine.iter_mut().enumerate() {
            // Look half a hop later, because onsets are rounded to the nearest hop.
            let chord = plan.chord_at(frame + (offset * HOP + HOP / 2) as u64);
            fine[..12].copy_from_slice(&pitch_classes(&chord));
            if guides_bass {
                fine[12..24].copy_from_slice(&one_hot(chord.bass));
            }
        }
        self.step[VALUES + group::CHORD_MASK] = 1.0;
        self.step[VALUES + group::BASS_MASK] = f32::from(u8::from(guides_bass));
        let end = frame + LATENT_FRAMES;
        if let Some(next) = plan.chord_after(end - HOP as u64 / 2) {
            let beats = (plan.clock.beat_at(next.frame) - plan.clock.beat_at(end)).max(0.0) as f32;
            let mut values = [0.0; 26];
            // Omit the next chord's bass, for the same reason as in `guides_bass`.
            values[..12].copy_from_slice(&pitch_classes(&next.chord));
            (values[24], values[25]) = ((-beats).exp(), (-beats / 4.0).exp());
            self.set(group::NEXT, &values);
        }
    }
}

/// Returns whether to condition the latent that starts at `frame` on the bass note, which is done only where the chord
/// changes. Elsewhere, the condition would tie the left hand to the bass note, whereas pianists let it move freely.
fn guides_bass(plan: &Plan, frame: u64) -> bool {
    let half_hop = HOP as u64 / 2;
    plan.chord_at(frame.saturating_sub(half_hop)) != plan.chord_at(frame + LATENT_FRAMES - half_hop)
}

/// Returns 1 for the pitch classes of a chord, 0 for the others.
fn pitch_classes(chord: &Chord) -> [f32; 12] {
    chord.chroma().map(|share| if share > 0.0 { 1.0 } else { 0.0 })
}

fn one_hot(pitch_class: u8) -> [f32; 12] {
    std::array::from_fn(|index| if index == usize::from(pitch_class % 12) { 1.0 } else { 0.0 })
}

/// Writes the cosine and sine of a phase in cycles, then those of its multiples.
fn harmonics(phase: f64, out: &mut [f32]) {
    for (order, pair) in out.chunks_exact_mut(2).enumerate() {
        let (sin, cos) = (std::f64::consts::TAU * phase * (order + 1) as f64).sin_cos();
        (pair[0], pair[1]) = (cos as f32, sin as f32);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::music::emotion::{Emotion, Mood};
    use crate::music::plan::{EarlierPhrase, PlannedChord, PlannedRecall};

    fn plan() -> Plan {
        let chord = |frame, name| PlannedChord { frame, chord: Chord::parse(name).unwrap() };
        let chords = vec![chord(0, "C"), chord(55_040, "Am/E")];
        Plan { chords: chords.clone(), ..Plan::steady(1, Mood::pure(Emotion::Calm), chords[0].chord, 120.0) }
    }

    #[test]
    fn groups_are_written_at_their_indices() {
        let conditions = StepConditions::new(&plan(), 0);
        assert_eq!(conditions.step[group::EMOTION.0 + Emotion::Calm as usize], 1.0);
        assert_eq!(conditions.step[group::TEMPO.0], 0.0, "120 BPM should map to 0");
        assert_eq!(conditions.step[group::BAR.0..][..4], [1.0, 0.0, 1.0, 0.0]);
        let masks = &conditions.step[VALUES..];
        let unconstrained = [6, 7, 9, 10, 13];
        assert!(
            masks.iter().enumerate().all(|(group, mask)| (*mask == 0.0) == unconstrained.contains(&group)),
            "{masks:?}"
        );
        assert_eq!(conditions.fine[0][..12], [1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0]);
    }

    #[test]
    fn the_next_chord_becomes_current_at_its_offset() {
        // Frame 55,040 is 3.5 hops (1792 frames) into the latent that starts at frame 53,248.
        let conditions = StepConditions::new(&plan(), 53_248);
        let bass: Vec<_> =
            conditions.fine.iter().map(|fine| fine[12..24].iter().position(|value| *value == 1.0).unwrap()).collect();
        assert_eq!(bass, [0, 0, 0, 4, 4, 4, 4, 4]);
        assert_eq!(conditions.step[VALUES + group::NEXT.1], 0.0, "no later chord is planned, so none should be given");
        let before = StepConditions::new(&plan(), 0);
        let beats = (55_040.0f32 - 4096.0) / 24_000.0;
        assert!((before.step[group::NEXT.0 + 24] - (-beats).exp()).abs() < 1e-6);
        assert_eq!(before.step[group::NEXT.0 + 12..][..12], [0.0; 12], "the next bass should be omitted");
    }

    #[test]
    fn the_bass_is_conditioned_only_at_chord_changes() {
        let plan = plan();
        let guided: Vec<_> = (0..24).filter(|latent| guides_bass(&plan, latent * LATENT_FRAMES)).collect();
        // The second chord begins in latent 13.
        assert_eq!(guided, [13]);
        let conditions = StepConditions::new(&plan, 8 * LATENT_FRAMES);
        let masks = [group::CHORD_MASK, group::BASS_MASK].map(|mask| conditions.step[VALUES + mask]);
        assert_eq!(masks, [1.0, 0.0]);
        assert!(conditions.fine.iter().all(|fine| fine[12..24].iter().all(|value| *value == 0.0)));
    }

    #[test]
    fn groups_without_guidance_are_unconstrained() {
        let mut plan = plan();
        (plan.steering.guide_beat, plan.steering.guide_chord) = (false, false);
        let conditions = StepConditions::new(&plan, 4096);
        assert!(conditions.fine.iter().flatten().all(|value| *value == 0.0));
        assert!(conditions.step[VALUES + group::CHORD_MASK..].iter().all(|mask| *mask == 0.0));
        plan.recalls = vec![PlannedRecall { frame: 0, earlier: Some(EarlierPhrase { latents: 40, share: 0.6 }) }];
        assert_eq!(StepConditions::new(&plan, 4096).step[group::RECALL.0], 0.6);
    }
}
