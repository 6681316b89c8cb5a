//! Musical settings for each emotion, blended for a mood.
//!
//! The numbers were tuned until a judge model fitted to held-out music (`models/EVALUATION.md`) placed the valence and
//! arousal of the generated music near the anchors. Tempo, density, loudness and harmonic rhythm convey arousal;
//! register and harmony convey valence.

use crate::music::emotion::{Emotion, Mood};

/// The musical settings of a mood.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Profile {
    /// Beats per minute.
    pub tempo_bpm: f32,
    /// Onsets per second in the network's piano part.
    pub density: f32,
    /// Mean MIDI velocity, on the scale of [`crate::music::conditions::Conditions::loudness`] (mean 64, standard
    /// deviation 14).
    pub loudness: f32,
    /// Mean MIDI note number of the network's onsets.
    pub register: f32,
    /// Average number of chords per bar.
    pub harmonic_rhythm: f32,
    /// Depth of the phrases' crescendos and decrescendos at full `dynamics`, 0..=1.
    pub swell: f32,
    /// Probability that the upper voice plays in the first bar of a section, 0..=1.
    pub upper: f32,
    /// Preference for inversions that let the bass move by step, 0..=1.
    pub inversion: f32,
}

impl Profile {
    /// Returns the profile of one emotion.
    #[must_use]
    #[rustfmt::skip]
    pub const fn of(emotion: Emotion) -> Self {
        let (tempo_bpm, density, loudness, register, harmonic_rhythm, swell, upper, inversion) = match emotion {
            Emotion::Happy =>      (130.0,  9.2, 71.0, 72.0, 1.30, 0.35, 0.50, 0.1),
            Emotion::Sad =>        ( 60.0,  4.6, 53.0, 60.5, 1.00, 0.55, 0.45, 0.6),
            Emotion::Energetic =>  (148.0, 13.1, 90.0, 68.0, 1.60, 0.25, 0.40, 0.0),
            Emotion::Calm =>       ( 60.0,  5.0, 50.0, 67.0, 0.55, 0.35, 0.35, 0.2),
            Emotion::Romantic =>   ( 76.0,  6.4, 57.5, 69.0, 1.20, 0.65, 0.65, 0.2),
            Emotion::Angry =>      (150.0, 10.2, 90.0, 60.0, 1.50, 0.30, 0.35, 0.0),
            Emotion::Nostalgic =>  ( 76.0,  5.9, 55.5, 64.0, 1.10, 0.50, 0.55, 0.6),
            Emotion::Mysterious => ( 96.0,  8.2, 64.5, 63.0, 0.70, 0.50, 0.35, 0.2),
        };
        Self { tempo_bpm, density, loudness, register, harmonic_rhythm, swell, upper, inversion }
    }

    /// Returns the profile of a mood. Tempo and density blend geometrically (halfway between 60 and 120 is about 85,
    /// which matches perception), the others linearly.
    #[must_use]
    pub fn blend(mood: &Mood) -> Self {
        let linear = |field: fn(Self) -> f32| mood.average(|emotion| field(Self::of(emotion)));
        let geometric = |field: fn(Self) -> f32| mood.average(|emotion| field(Self::of(emotion)).ln()).exp();
        Self {
            tempo_bpm: geometric(|p| p.tempo_bpm),
            density: geometric(|p| p.density),
            loudness: linear(|p| p.loudness),
            register: linear(|p| p.register),
            harmonic_rhythm: linear(|p| p.harmonic_rhythm),
            swell: linear(|p| p.swell),
            upper: linear(|p| p.upper),
            inversion: linear(|p| p.inversion),
        }
    }

    /// Returns the MIDI note around which the bass is centred.
    pub fn bass_centre(&self) -> f32 {
        38.0 + 0.35 * (self.register - 60.0)
    }

    /// Returns the MIDI note around which the pad is centred.
    pub fn pad_centre(&self) -> f32 {
        61.0 + 0.4 * (self.register - 60.0)
    }

    /// Returns the MIDI note around which the upper voice is centred.
    pub fn upper_centre(&self) -> f32 {
        78.0 + 0.6 * (self.register - 60.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the Pearson correlation between a field and the anchors' arousal over the eight emotions.
    fn arousal_correlation(field: impl Fn(Profile) -> f32) -> f32 {
        let points = Emotion::ALL.map(|emotion| (emotion.anchor().arousal, field(Profile::of(emotion))));
        let mean = |pick: fn(&(f32, f32)) -> f32| points.iter().map(pick).sum::<f32>() / 8.0;
        let (mx, my) = (mean(|p| p.0), mean(|p| p.1));
        let (mut xy, mut xx, mut yy) = (0.0, 0.0, 0.0);
        for (x, y) in points {
            xy += (x - mx) * (y - my);
            xx += (x - mx).powi(2);
            yy += (y - my).powi(2);
        }
        xy / (xx * yy).sqrt()
    }

    #[test]
    fn activity_conveys_arousal() {
        assert!(arousal_correlation(|p| p.tempo_bpm.ln()) > 0.85);
        assert!(arousal_correlation(|p| p.density.ln()) > 0.85);
        assert!(arousal_correlation(|p| p.loudness) > 0.9);
        assert!(arousal_correlation(|p| p.harmonic_rhythm) > 0.8);
        assert!(arousal_correlation(|p| p.register).abs() < 0.5, "the register should convey valence instead");
    }

    #[test]
    fn a_blend_lies_between_the_profiles_of_its_emotions() {
        for emotion in Emotion::ALL {
            let (pure, own) = (Profile::blend(&Mood::pure(emotion)), Profile::of(emotion));
            assert!((pure.tempo_bpm - own.tempo_bpm).abs() < 1e-3);
            assert!((pure.register - own.register).abs() < 1e-3);
        }
        let mut weights = [0.0; 8];
        weights[Emotion::Calm as usize] = 0.5;
        weights[Emotion::Angry as usize] = 0.5;
        let blend = Profile::blend(&Mood::blend(weights));
        let (calm, angry) = (Profile::of(Emotion::Calm), Profile::of(Emotion::Angry));
        assert!((blend.tempo_bpm - (calm.tempo_bpm * angry.tempo_bpm).sqrt()).abs() < 1e-2);
        assert!((blend.loudness - (calm.loudness + angry.loudness) / 2.0).abs() < 1e-3);
    }

    #[test]
    fn every_profile_is_playable() {
        for emotion in Emotion::ALL {
            let p = Profile::of(emotion);
            assert!((40.0..=200.0).contains(&p.tempo_bpm));
            assert!((2.5..=17.0).contains(&p.density));
            assert!((40.0..=90.0).contains(&p.loudness));
            assert!((48.0..=72.0).contains(&p.register));
        }
    }
}
