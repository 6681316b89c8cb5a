//! Emotion as a continuous state: the weights of eight emotions, with a corresponding valence and arousal.
//! [`super::spelling`] parses the names.

use std::fmt;

use serde::{Deserialize, Serialize};

/// One of eight emotions, in the order used by every table and tensor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[allow(missing_docs, reason = "the names are self-explanatory")]
pub enum Emotion {
    Happy,
    Sad,
    Energetic,
    Calm,
    Romantic,
    Angry,
    Nostalgic,
    Mysterious,
}

/// Checks the weights of a blend.
///
/// # Errors
/// If one is not from 0 to 1, or none is above 0; the message says so.
pub fn check_weights(weights: &[f64]) -> Result<(), &'static str> {
    let are_in_range = weights.iter().all(|weight| (0.0..=1.0).contains(weight));
    if are_in_range && weights.iter().any(|weight| *weight > 0.0) {
        return Ok(());
    }
    Err("weights must be from 0 to 1, with at least one above 0")
}

impl Emotion {
    /// Number of emotions.
    pub const COUNT: usize = 8;

    /// All emotions, in order.
    pub const ALL: [Self; Self::COUNT] = [
        Self::Happy,
        Self::Sad,
        Self::Energetic,
        Self::Calm,
        Self::Romantic,
        Self::Angry,
        Self::Nostalgic,
        Self::Mysterious,
    ];

    /// Returns the name used in presets, addresses and on the command line.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Happy => "happy",
            Self::Sad => "sad",
            Self::Energetic => "energetic",
            Self::Calm => "calm",
            Self::Romantic => "romantic",
            Self::Angry => "angry",
            Self::Nostalgic => "nostalgic",
            Self::Mysterious => "mysterious",
        }
    }

    /// Returns the emotion's anchor on Russell's circumplex (1980). Training labels and steering share the anchors.
    #[must_use]
    pub const fn anchor(self) -> Affect {
        let (valence, arousal) = match self {
            Self::Happy => (0.7, 0.5),
            Self::Sad => (-0.7, -0.5),
            Self::Energetic => (0.4, 0.9),
            Self::Calm => (0.4, -0.7),
            Self::Romantic => (0.6, -0.1),
            Self::Angry => (-0.7, 0.8),
            Self::Nostalgic => (-0.1, -0.4),
            Self::Mysterious => (-0.3, 0.1),
        };
        Affect { valence, arousal }
    }
}

impl fmt::Display for Emotion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A point on the circumplex, with both coordinates in −1..=1.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Affect {
    /// Unpleasant (−1) to pleasant (1).
    pub valence: f32,
    /// Quiet (−1) to excited (1).
    pub arousal: f32,
}

/// Standard deviation of each emotion's Gaussian on the circumplex: about half the distance between neighbouring
/// anchors, so that an emotion has most of the weight at its own anchor.
const ANCHOR_DEVIATION: f32 = 0.25;

/// An emotional state: a blend of emotions with its valence and arousal.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Mood {
    weights: [f32; Emotion::COUNT],
    affect: Affect,
}

impl Mood {
    /// Returns the mood of a single emotion.
    #[must_use]
    pub fn pure(emotion: Emotion) -> Self {
        let mut weights = [0.0; Emotion::COUNT];
        weights[emotion as usize] = 1.0;
        Self { weights, affect: emotion.anchor() }
    }

    /// Returns a blend. Weights need not sum to 1; negative and non-finite ones are treated as 0. If all are 0, the
    /// emotions have equal weights.
    #[must_use]
    pub fn blend(weights: [f32; Emotion::COUNT]) -> Self {
        let clean = weights.map(|w| if w.is_finite() { w.max(0.0) } else { 0.0 });
        let sum: f32 = clean.iter().sum();
        let weights = if sum > 1e-6 { clean.map(|w| w / sum) } else { [1.0 / Emotion::COUNT as f32; Emotion::COUNT] };
        let mut affect = Affect::default();
        for (emotion, weight) in Emotion::ALL.into_iter().zip(weights) {
            affect.valence += weight * emotion.anchor().valence;
            affect.arousal += weight * emotion.anchor().arousal;
        }
        Self { weights, affect }
    }

    /// Returns the mood at a point on the circumplex, clamped to −1..=1; non-finite coordinates are treated as 0. The
    /// weights depend on the distances to the anchors.
    #[must_use]
    pub fn at(affect: Affect) -> Self {
        let clean = |x: f32| if x.is_finite() { x.clamp(-1.0, 1.0) } else { 0.0 };
        let affect = Affect { valence: clean(affect.valence), arousal: clean(affect.arousal) };
        let distances = Emotion::ALL.map(|emotion| {
            let anchor = emotion.anchor();
            (anchor.valence - affect.valence).powi(2) + (anchor.arousal - affect.arousal).powi(2)
        });
        let nearest = distances.iter().copied().fold(f32::INFINITY, f32::min);
        let raw = distances.map(|d| (-(d - nearest) / (2.0 * ANCHOR_DEVIATION * ANCHOR_DEVIATION)).exp());
        let sum: f32 = raw.iter().sum();
        Self { weights: raw.map(|w| w / sum), affect }
    }

    /// Returns the weights, in the order of [`Emotion::ALL`]; they sum to 1.
    #[must_use]
    pub const fn weights(&self) -> &[f32; Emotion::COUNT] {
        &self.weights
    }

    /// Returns the point on the circumplex.
    #[must_use]
    pub const fn affect(&self) -> Affect {
        self.affect
    }

    /// Returns the emotion with the largest weight; if tied, the first.
    #[must_use]
    pub fn dominant(&self) -> Emotion {
        let mut best = Emotion::Happy;
        for emotion in Emotion::ALL {
            if self.weights[emotion as usize] > self.weights[best as usize] {
                best = emotion;
            }
        }
        best
    }

    /// Interpolates linearly towards `target` by `t` (0..=1), in both weights and affect.
    #[must_use]
    pub fn toward(&self, target: &Self, t: f32) -> Self {
        let t = t.clamp(0.0, 1.0);
        let interpolate = |a: f32, b: f32| a + (b - a) * t;
        let mut weights = self.weights;
        for (weight, target_weight) in weights.iter_mut().zip(target.weights) {
            *weight = interpolate(*weight, target_weight);
        }
        let affect = Affect {
            valence: interpolate(self.affect.valence, target.affect.valence),
            arousal: interpolate(self.affect.arousal, target.affect.arousal),
        };
        Self { weights, affect }
    }

    /// Returns the average of a value over the emotions, weighted by the mood.
    #[must_use]
    pub fn average(&self, value: impl Fn(Emotion) -> f32) -> f32 {
        Emotion::ALL.into_iter().map(|emotion| self.weights[emotion as usize] * value(emotion)).sum()
    }
}

impl Default for Mood {
    /// Returns the default mood: calm.
    fn default() -> Self {
        Self::pure(Emotion::Calm)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_anchor_gives_its_emotion_the_largest_weight() {
        for emotion in Emotion::ALL {
            assert_eq!(Mood::at(emotion.anchor()).dominant(), emotion);
        }
    }

    #[test]
    fn a_blend_averages_valence_and_arousal() {
        let mut weights = [0.0; 8];
        weights[Emotion::Calm as usize] = 0.7;
        weights[Emotion::Sad as usize] = 0.3;
        let mood = Mood::blend(weights);
        assert!((mood.affect().valence - (0.7 * 0.4 - 0.3 * 0.7)).abs() < 1e-6);
        assert!((mood.affect().arousal - (-0.7 * 0.7 - 0.3 * 0.5)).abs() < 1e-6);
    }

    #[test]
    fn invalid_numbers_are_replaced() {
        assert!(
            Mood::blend([f32::NAN, -1.0, 0.0, 0.0, 0.0, 0.0, 0.0, f32::INFINITY]).weights().iter().all(|w| *w == 0.125)
        );
        let mood = Mood::at(Affect { valence: f32::NAN, arousal: 7.0 });
        assert_eq!(mood.affect(), Affect { valence: 0.0, arousal: 1.0 });
    }
}
