//! Emotion by rule: features → valence and arousal, ranked within the training set → weights over the eight names.
//!
//! No listener made these labels. They are a definition, in the spirit of Russell's circumplex (1980) and of what is known
//! about cues in performed music (Gabrielsson and Lindström, 2010): loud, dense, short is aroused; major and light is pleasant.

use super::features::{COUNT, Feature, Features};
use crate::emotion::{Affect, Emotion};

/// Arousal as a weighted sum of standardised features.
const AROUSAL: [(Feature, f64); 4] =
    [(Feature::Velocity, 1.0), (Feature::Density, 1.0), (Feature::Length, -0.4), (Feature::VelocityHigh, 0.3)];

/// Valence as a weighted sum of standardised features.
const VALENCE: [(Feature, f64); 6] = [
    (Feature::Mode, 1.4),
    (Feature::Low, -0.25),
    (Feature::Bass, 0.25),
    (Feature::Length, -0.15),
    (Feature::Density, -0.1),
    (Feature::Dissonance, -0.3),
];

/// What tells a name from its neighbours, as a weighted sum of standardised features.
const fn signs(emotion: Emotion) -> &'static [(Feature, f64)] {
    match emotion {
        Emotion::Happy => &[(Feature::Mode, 0.6), (Feature::Dissonance, -0.4)],
        Emotion::Sad => &[(Feature::Mode, -0.4), (Feature::Density, -0.3), (Feature::Range, -0.3)],
        Emotion::Energetic => &[(Feature::Density, 0.4), (Feature::VelocityHigh, 0.3), (Feature::Staccato, 0.3)],
        Emotion::Calm => &[(Feature::Density, -0.6), (Feature::VelocitySpread, -0.4)],
        Emotion::Romantic => {
            &[(Feature::Range, 0.3), (Feature::Leap, 0.2), (Feature::VelocitySpread, 0.3), (Feature::Length, 0.2)]
        }
        Emotion::Angry => &[(Feature::Velocity, 0.4), (Feature::Bass, -0.3), (Feature::Dissonance, 0.3)],
        Emotion::Nostalgic => &[(Feature::Clarity, 0.4), (Feature::Mixture, 0.3), (Feature::Leap, 0.3)],
        Emotion::Mysterious => {
            &[(Feature::Dissonance, 0.4), (Feature::Clarity, -0.3), (Feature::Entropy, 0.2), (Feature::Velocity, -0.2)]
        }
    }
}

/// How wide a name reaches on the circumplex: the standard deviation of its Gaussian.
const REACH: f64 = 0.3;
/// How much the signs weigh against the distance.
const SIGN_WEIGHT: f64 = 0.8;

/// The label of a window.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Label {
    /// The point on the circumplex.
    pub affect: Affect,
    /// Weights over the eight names; sum 1.
    pub weights: [f32; Emotion::COUNT],
}

/// Labels windows relative to a set of windows it was made from.
#[derive(Debug, Clone, PartialEq)]
pub struct Labeller {
    means: Features,
    deviations: Features,
    /// Sorted values, to rank new ones.
    valences: Vec<f64>,
    arousals: Vec<f64>,
}

impl Labeller {
    /// Learns means, deviations and ranks; `None` from an empty set.
    #[must_use]
    pub fn fit(windows: &[Features]) -> Option<Self> {
        if windows.is_empty() {
            return None;
        }
        let count = windows.len() as f64;
        let (mut means, mut deviations) = ([0.0; COUNT], [0.0; COUNT]);
        for feature in 0..COUNT {
            let mean = windows.iter().map(|window| window[feature]).sum::<f64>() / count;
            let variance = windows.iter().map(|window| (window[feature] - mean).powi(2)).sum::<f64>() / count;
            means[feature] = mean;
            deviations[feature] = variance.sqrt().max(1e-9);
        }
        let mut labeller = Self { means, deviations, valences: Vec::new(), arousals: Vec::new() };
        let ranked = |terms: &[(Feature, f64)]| {
            let mut values: Vec<f64> = windows.iter().map(|window| labeller.sum(window, terms)).collect();
            values.sort_by(f64::total_cmp);
            values
        };
        let (valences, arousals) = (ranked(&VALENCE), ranked(&AROUSAL));
        labeller.valences = valences;
        labeller.arousals = arousals;
        Some(labeller)
    }

    /// The label of a window's features.
    #[must_use]
    pub fn label(&self, window: &Features) -> Label {
        let valence = rank(&self.valences, self.sum(window, &VALENCE));
        let arousal = rank(&self.arousals, self.sum(window, &AROUSAL));
        let logits = Emotion::ALL.map(|emotion| {
            let anchor = emotion.anchor();
            let distance =
                (f64::from(anchor.valence) - valence).powi(2) + (f64::from(anchor.arousal) - arousal).powi(2);
            SIGN_WEIGHT * self.sum(window, signs(emotion)) - distance / (2.0 * REACH * REACH)
        });
        let highest = logits.into_iter().fold(f64::NEG_INFINITY, f64::max);
        let raw = logits.map(|logit| (logit - highest).exp());
        let sum: f64 = raw.iter().sum();
        Label {
            affect: Affect { valence: valence as f32, arousal: arousal as f32 },
            weights: raw.map(|weight| (weight / sum) as f32),
        }
    }

    /// A weighted sum of standardised features, each limited to ±3 standard deviations.
    fn sum(&self, window: &Features, terms: &[(Feature, f64)]) -> f64 {
        let standard = |feature: Feature| {
            let index = feature as usize;
            ((window[index] - self.means[index]) / self.deviations[index]).clamp(-3.0, 3.0)
        };
        terms.iter().map(|(feature, weight)| weight * standard(*feature)).sum()
    }
}

/// Where a value stands among sorted ones, −1 (below all) to 1 (above all).
fn rank(sorted: &[f64], value: f64) -> f64 {
    2.0 * sorted.partition_point(|other| *other < value) as f64 / sorted.len() as f64 - 1.0
}
