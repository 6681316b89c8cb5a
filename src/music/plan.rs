//! The plan: an immutable description of what is requested of the networks at each frame.

use std::ops::RangeInclusive;

use serde::{Deserialize, Serialize};

use crate::music::clock::MusicClock;
use crate::music::conditions::Conditions;
use crate::music::emotion::Mood;
use crate::music::glide::Glide;
use crate::music::profile::Profile;
use crate::music::theory::Chord;
use crate::units::SAMPLE_RATE;

/// Frames from the start of a latent to its middle, at which everything except the phases is evaluated.
const HALF_LATENT: u64 = 2048;
/// Maximum distance in frames at which the next chord is an input to the composer: 1.5 s. Plans always extend further
/// than this beyond the generated music.
const CHORD_LOOK_AHEAD: u64 = SAMPLE_RATE as u64 * 3 / 2;
/// Half the window over which chords are averaged, in frames: half a second, as in corpus preparation.
const HALF_WINDOW: u64 = SAMPLE_RATE as u64 / 2;

/// Octaves by which a trim (an adjustment relative to the mood's default) of 1 raises the density.
const DENSITY_TRIM_OCTAVES: f32 = 1.5;
/// Velocity that a trim of 1 adds to the loudness.
const LOUDNESS_TRIM: f32 = 18.0;
/// Semitones that a trim of 1 adds to the register.
const REGISTER_TRIM: f32 = 12.0;

/// The phrase that the network recalls from a frame on, if any.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct PlannedRecall {
    /// The first frame.
    pub frame: u64,
    /// The recalled phrase; `None` if the music is new.
    pub earlier: Option<EarlierPhrase>,
}

/// An earlier phrase whose random numbers are reused.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct EarlierPhrase {
    /// How many latents ago the phrase was played.
    pub latents: u64,
    /// The fraction of latents that reuse its random numbers: above 0, at most 1.
    pub share: f32,
}

/// A note that the performer plays on the network's piano.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlayedNote {
    /// The frame at which it begins.
    pub frame: u64,
    /// MIDI note number of a key of the piano.
    pub note: u8,
    /// MIDI velocity, 1..=127.
    pub velocity: u8,
    /// The frame at which its key is up again; `None` while it is held.
    pub released: Option<u64>,
}

impl PlayedNote {
    /// The MIDI note numbers of the piano's keys.
    pub const KEYS: RangeInclusive<u8> = 21..=108;
}

/// A chord that lasts from a frame until the next chord.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct PlannedChord {
    /// First frame.
    pub frame: u64,
    /// The chord.
    pub chord: Chord,
}

/// The parameters that steer the network, each gliding to its target.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Steering {
    /// The mood.
    pub mood: Glide<Mood>,
    /// How freely the network chooses, 0.1..=2.
    pub temperature: Glide<f32>,
    /// How closely the network follows the conditions, 0..=6.
    pub guidance: Glide<f32>,
    /// Fewer (−1) or more (1) notes than the mood's default.
    pub density: Glide<f32>,
    /// Softer (−1) or louder (1) than the mood's default.
    pub loudness: Glide<f32>,
    /// Lower (−1) or higher (1) than the mood's default.
    pub register: Glide<f32>,
    /// Which piano plays: the first (0), the last (1), or a blend of neighbours.
    pub piano: Glide<f32>,
    /// Whether the network follows the chord.
    pub guide_chord: bool,
    /// Whether the network follows the beat.
    pub guide_beat: bool,
    /// Whether the networks spare the processor: the composer plays without guidance, and a rule-based vocoder replaces the
    /// network.
    pub economy: bool,
}

/// A number in [`Steering`], set by a parameter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dial {
    /// See [`Steering::temperature`].
    Temperature,
    /// See [`Steering::guidance`].
    Guidance,
    /// See [`Steering::density`].
    Density,
    /// See [`Steering::loudness`].
    Loudness,
    /// See [`Steering::register`].
    Register,
    /// See [`Steering::piano`].
    Piano,
}

impl Steering {
    /// Creates constant steering, guided by chord and beat.
    #[must_use]
    pub fn constant(mood: Mood, value: impl Fn(Dial) -> f32) -> Self {
        let number = |dial| Glide::constant(value(dial));
        Self {
            mood: Glide::constant(mood),
            temperature: number(Dial::Temperature),
            guidance: number(Dial::Guidance),
            density: number(Dial::Density),
            loudness: number(Dial::Loudness),
            register: number(Dial::Register),
            piano: number(Dial::Piano),
            guide_chord: true,
            guide_beat: true,
            economy: false,
        }
    }

    /// Returns the glide of a dial.
    pub const fn dial(&mut self, dial: Dial) -> &mut Glide<f32> {
        match dial {
            Dial::Temperature => &mut self.temperature,
            Dial::Guidance => &mut self.guidance,
            Dial::Density => &mut self.density,
            Dial::Loudness => &mut self.loudness,
            Dial::Register => &mut self.register,
            Dial::Piano => &mut self.piano,
        }
    }
}

/// The request to the networks, defined for every frame: the first chord extends backwards, the last one forwards.
///
/// Created on the performance thread and shared read-only with the generator thread.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// Seed for the network's random numbers.
    pub seed: u64,
    /// Beats, bars and tempo.
    pub clock: MusicClock,
    /// Chords in ascending order of frame; never empty.
    pub chords: Vec<PlannedChord>,
    /// The starts and ends of recalls, in ascending order of frame.
    pub recalls: Vec<PlannedRecall>,
    /// The performer's notes of the last few seconds, in ascending order of frame.
    pub played: Vec<PlayedNote>,
    /// Mood, temperature, guidance, trims and piano.
    pub steering: Steering,
}

impl Plan {
    /// Returns a plan with a constant mood, chord and tempo.
    #[must_use]
    pub fn steady(seed: u64, mood: Mood, chord: Chord, bpm: f64) -> Self {
        Self {
            seed,
            clock: MusicClock::new(bpm),
            chords: vec![PlannedChord { frame: 0, chord }],
            recalls: Vec::new(),
            played: Vec::new(),
            steering: Steering::constant(mood, |dial| match dial {
                Dial::Temperature => 1.0,
                Dial::Guidance => 2.5,
                Dial::Density | Dial::Loudness | Dial::Register | Dial::Piano => 0.0,
            }),
        }
    }

    /// Returns the conditions of the latent that starts at `frame`. As in corpus preparation, the chord is averaged
    /// over half a second on either side of the latent's middle, and the phases are those at its start; everything else
    /// is evaluated at its middle.
    #[must_use]
    pub fn conditions(&self, frame: u64) -> Conditions {
        let middle = frame + HALF_LATENT;
        let steering = &self.steering;
        let number = |glide: &Glide<f32>| glide.at(middle, &self.clock);
        let mood = steering.mood.at(middle, &self.clock);
        let profile = Profile::blend(&mood);
        let chord = steering.guide_chord;
        let beat = steering.guide_beat;
        let tempo = self.clock.tempo_at(middle) as f32;
        // Below the mood's own tempo, the same music is played more slowly. Above it, there are fewer notes per beat, so
        // that a calm mood remains calm at a fast tempo.
        let speed = tempo / profile.tempo_bpm;
        let density = profile.density * if speed < 1.0 { speed } else { speed.sqrt() };
        Conditions {
            emotion: Some(*mood.weights()),
            affect: Some(mood.affect()),
            chord: chord.then(|| self.chroma_around(middle)),
            bass: chord.then(|| self.chord_at(middle).bass),
            beat_phase: beat.then(|| self.clock.beat_phase(frame) as f32),
            bar_phase: beat.then(|| self.clock.bar_phase(frame) as f32),
            tempo_bpm: beat.then_some(tempo),
            density: Some(density * (number(&steering.density) * DENSITY_TRIM_OCTAVES).exp2()),
            loudness: Some(profile.loudness + number(&steering.loudness) * LOUDNESS_TRIM),
            register: Some(profile.register + number(&steering.register) * REGISTER_TRIM),
        }
    }

    /// Returns the sampling temperature of the latent that starts at `frame`.
    #[must_use]
    pub fn temperature(&self, frame: u64) -> f32 {
        self.steering.temperature.at(frame + HALF_LATENT, &self.clock)
    }

    /// Returns the guidance of the latent that starts at `frame`; 1 means none, as in economy mode.
    #[must_use]
    pub fn guidance(&self, frame: u64) -> f32 {
        if self.steering.economy {
            return 1.0;
        }
        self.steering.guidance.at(frame + HALF_LATENT, &self.clock)
    }

    /// Returns the piano of the latent that starts at `frame`, as in [`Steering::piano`].
    #[must_use]
    pub fn piano(&self, frame: u64) -> f32 {
        self.steering.piano.at(frame + HALF_LATENT, &self.clock)
    }

    /// Returns the phrase recalled in the latent that starts at `frame`, if any.
    #[must_use]
    pub fn earlier_phrase(&self, frame: u64) -> Option<EarlierPhrase> {
        let started = self.recalls.partition_point(|recall| recall.frame <= frame + HALF_LATENT);
        self.recalls[..started].last().and_then(|recall| recall.earlier)
    }

    /// Returns the chord at a frame.
    #[must_use]
    pub fn chord_at(&self, frame: u64) -> Chord {
        self.chords[self.index_at(frame)].chord
    }

    /// Returns the first chord that begins within 1.5 s after a frame. Later chords are ignored, so that the result
    /// does not depend on how far ahead the plan extends.
    #[must_use]
    pub fn chord_after(&self, frame: u64) -> Option<PlannedChord> {
        let next = self.chords.get(self.chords.partition_point(|planned| planned.frame <= frame)).copied();
        next.filter(|next| next.frame - frame <= CHORD_LOOK_AHEAD)
    }

    fn index_at(&self, frame: u64) -> usize {
        self.chords.partition_point(|planned| planned.frame <= frame).saturating_sub(1)
    }

    /// Returns the sum of the chords' chroma in the window around a frame, weighted by duration and scaled to a maximum
    /// of 1.
    fn chroma_around(&self, middle: u64) -> [f32; 12] {
        let (start, end) = (middle.saturating_sub(HALF_WINDOW), middle + HALF_WINDOW);
        let mut chroma = [0.0f32; 12];
        for index in self.index_at(start)..=self.index_at(end - 1) {
            let first = if index == 0 { start } else { self.chords[index].frame.clamp(start, end) };
            let last = self.chords.get(index + 1).map_or(end, |next| next.frame.clamp(start, end));
            for (sum, strength) in chroma.iter_mut().zip(self.chords[index].chord.chroma()) {
                *sum += strength * (last - first) as f32;
            }
        }
        let largest = chroma.iter().copied().fold(0.0, f32::max);
        chroma.map(|x| x / largest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::music::emotion::Emotion;

    fn plan(chords: &[(u64, &str)]) -> Plan {
        let chords: Vec<_> = chords
            .iter()
            .map(|(frame, name)| PlannedChord { frame: *frame, chord: Chord::parse(name).unwrap() })
            .collect();
        Plan { chords: chords.clone(), ..Plan::steady(1, Mood::pure(Emotion::Calm), chords[0].chord, 120.0) }
    }

    #[test]
    fn a_chord_lasts_until_the_next() {
        let plan = plan(&[(1000, "C"), (96_000, "Am/E")]);
        assert_eq!(plan.chord_at(0).to_string(), "C");
        assert_eq!(plan.chord_at(95_999).to_string(), "C");
        assert_eq!(plan.conditions(96_000).bass, Some(4));
    }

    #[test]
    fn chroma_crossfades_around_a_chord_change() {
        let plan = plan(&[(0, "C"), (96_000, "F#")]);
        let at = |frame| plan.conditions(frame).chord.unwrap();
        assert_eq!(at(10_000), Chord::parse("C").unwrap().chroma());
        assert_eq!(at(96_000 + HALF_WINDOW), Chord::parse("F#").unwrap().chroma());
        let middle = at(96_000 - HALF_LATENT);
        assert!(
            (middle[0] - 1.0).abs() < 1e-6 && (middle[6] - 1.0).abs() < 1e-6,
            "both roots should be at full strength: {middle:?}"
        );
    }

    #[test]
    fn disabled_guidance_leaves_conditions_unknown() {
        let mut plan = plan(&[(0, "C")]);
        plan.steering.guide_beat = false;
        plan.steering.guide_chord = false;
        let conditions = plan.conditions(4096);
        assert_eq!((conditions.chord, conditions.bass), (None, None));
        assert_eq!((conditions.beat_phase, conditions.bar_phase, conditions.tempo_bpm), (None, None, None));
        assert!(conditions.emotion.is_some() && conditions.affect.is_some());
    }

    #[test]
    fn trims_are_relative_to_the_mood() {
        let profile = Profile::of(Emotion::Calm);
        let mut plan = plan(&[(0, "C")]);
        plan.clock = MusicClock::new(profile.tempo_bpm.into());
        let neutral = plan.conditions(0);
        assert!((neutral.density.unwrap() - profile.density).abs() < 1e-4);
        assert_eq!((neutral.loudness, neutral.register), (Some(profile.loudness), Some(profile.register)));
        plan.steering.density = Glide::constant(-1.0);
        plan.steering.loudness = Glide::constant(1.0);
        plan.steering.register = Glide::constant(0.5);
        let trimmed = plan.conditions(0);
        assert!(trimmed.density.unwrap() < neutral.density.unwrap() / 2.0);
        assert_eq!(trimmed.loudness, Some(profile.loudness + 18.0));
        assert_eq!(trimmed.register, Some(profile.register + 6.0));
    }

    #[test]
    fn a_slow_tempo_keeps_the_notes_per_beat_and_a_fast_one_has_fewer() {
        let profile = Profile::of(Emotion::Calm);
        let mut plan = plan(&[(0, "C")]);
        for (octaves, per_beat) in [(-1.0, 1.0), (-0.5, 1.0), (0.0, 1.0), (1.0, 0.5f32.sqrt())] {
            let tempo = f64::from(profile.tempo_bpm) * f64::exp2(octaves);
            plan.clock = MusicClock::new(tempo);
            let density = plan.conditions(0).density.unwrap() / tempo as f32;
            assert!(
                (density / (profile.density / profile.tempo_bpm) / per_beat - 1.0).abs() < 1e-3,
                "{octaves} octaves"
            );
        }
    }

    #[test]
    fn phases_are_taken_at_the_start_of_the_latent() {
        let conditions = plan(&[(0, "C")]).conditions(36_000);
        assert_eq!((conditions.beat_phase, conditions.bar_phase), (Some(0.5), Some(0.375)));
        assert_eq!(conditions.tempo_bpm, Some(120.0));
    }
}
