//! Labels music with emotions by rule. Features determine valence and arousal, which are ranked within the training
//! set; these ranks and further cues determine the weights of the eight emotions.
//!
//! The labels do not come from listeners. They are based on Russell's circumplex (1980) and established cues in
//! performed music (Gabrielsson and Lindström, 2010): loud, dense music is high in arousal, and sparse, consonant
//! music in a major key is high in valence.

use super::features::{COUNT, Feature, Features};
use melos::music::emotion::{Affect, Emotion};

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

/// Returns the cues that distinguish an emotion from its neighbours, as a weighted sum of standardised features.
const fn cues(emotion: Emotion) -> &'static [(Feature, f64)] {
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

/// Standard deviation of each emotion's Gaussian on the circumplex.
const EMOTION_DEVIATION: f64 = 0.3;
/// Weight of the cues relative to the distance from an emotion's anchor.
const CUE_WEIGHT: f64 = 0.8;

/// The label of a window.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Label {
    /// The point on the circumplex.
    pub affect: Affect,
    /// Weights of the eight emotions, which sum to 1.
    pub weights: [f32; Emotion::COUNT],
}

/// A quadrant of the circumplex, numbered as in EMOPIA.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Quadrant {
    /// Positive valence, high arousal.
    Q1,
    /// Negative valence, high arousal.
    Q2,
    /// Negative valence, low arousal.
    Q3,
    /// Positive valence, low arousal.
    Q4,
}

impl Quadrant {
    /// Returns the quadrant with the given number, or `None` if it is not between 1 and 4.
    #[must_use]
    pub const fn from_number(number: u8) -> Option<Self> {
        match number {
            1 => Some(Self::Q1),
            2 => Some(Self::Q2),
            3 => Some(Self::Q3),
            4 => Some(Self::Q4),
            _ => None,
        }
    }

    /// Returns the signs of valence and arousal.
    const fn signs(self) -> (f32, f32) {
        match self {
            Self::Q1 => (1.0, 1.0),
            Self::Q2 => (-1.0, 1.0),
            Self::Q3 => (-1.0, -1.0),
            Self::Q4 => (1.0, -1.0),
        }
    }

    /// Returns the two emotions in the quadrant.
    const fn emotions(self) -> [Emotion; 2] {
        match self {
            Self::Q1 => [Emotion::Happy, Emotion::Energetic],
            Self::Q2 => [Emotion::Angry, Emotion::Mysterious],
            Self::Q3 => [Emotion::Sad, Emotion::Nostalgic],
            Self::Q4 => [Emotion::Calm, Emotion::Romantic],
        }
    }
}

impl Label {
    /// Returns the nearest label within a quadrant: neither valence nor arousal has the opposite sign, and only the
    /// quadrant's two emotions have weight.
    #[must_use]
    pub fn within(&self, quadrant: Quadrant) -> Self {
        let (valence, arousal) = quadrant.signs();
        let with_sign = |value: f32, sign: f32| if value * sign < 0.0 { 0.0 } else { value };
        let affect = Affect {
            valence: with_sign(self.affect.valence, valence),
            arousal: with_sign(self.affect.arousal, arousal),
        };
        let [one, other] = quadrant.emotions().map(|emotion| emotion as usize);
        let sum = self.weights[one] + self.weights[other];
        let share = if sum > 1e-6 { self.weights[one] / sum } else { 0.5 };
        let mut weights = [0.0; Emotion::COUNT];
        weights[one] = share;
        weights[other] = 1.0 - share;
        Self { affect, weights }
    }
}

/// Labels windows by comparing them with the windows of the training set.
#[derive(Debug, Clone, PartialEq)]
pub struct Labeller {
    means: Features,
    deviations: Features,
    /// Sorted valences of the training set, among which the valence of a new window is ranked.
    valences: Vec<f64>,
    /// Sorted arousals of the training set.
    arousals: Vec<f64>,
}

impl Labeller {
    /// Fits a labeller to windows; `None` if there are none. A feature that is NaN is unknown and counts as average.
    #[must_use]
    pub fn fit(windows: &[Features]) -> Option<Self> {
        if windows.is_empty() {
            return None;
        }
        let (mut means, mut deviations) = ([0.0; COUNT], [0.0; COUNT]);
        for feature in 0..COUNT {
            let known = || windows.iter().map(|window| window[feature]).filter(|value| !value.is_nan());
            let count = known().count().max(1) as f64;
            let mean = known().sum::<f64>() / count;
            let variance = known().map(|value| (value - mean).powi(2)).sum::<f64>() / count;
            means[feature] = mean;
            deviations[feature] = variance.sqrt().max(1e-9);
        }
        let mut labeller = Self { means, deviations, valences: Vec::new(), arousals: Vec::new() };
        let sorted_sums = |terms: &[(Feature, f64)]| {
            let mut values: Vec<f64> = windows.iter().map(|window| labeller.sum(window, terms)).collect();
            values.sort_by(f64::total_cmp);
            values
        };
        let (valences, arousals) = (sorted_sums(&VALENCE), sorted_sums(&AROUSAL));
        labeller.valences = valences;
        labeller.arousals = arousals;
        Some(labeller)
    }

    /// Labels a window.
    #[must_use]
    pub fn label(&self, window: &Features) -> Label {
        let valence = rank(&self.valences, self.sum(window, &VALENCE));
        let arousal = rank(&self.arousals, self.sum(window, &AROUSAL));
        let logits = Emotion::ALL.map(|emotion| {
            let anchor = emotion.anchor();
            let distance =
                (f64::from(anchor.valence) - valence).powi(2) + (f64::from(anchor.arousal) - arousal).powi(2);
            CUE_WEIGHT * self.sum(window, cues(emotion)) - distance / (2.0 * EMOTION_DEVIATION * EMOTION_DEVIATION)
        });
        let highest = logits.into_iter().fold(f64::NEG_INFINITY, f64::max);
        let raw = logits.map(|logit| (logit - highest).exp());
        let sum: f64 = raw.iter().sum();
        Label {
            affect: Affect { valence: valence as f32, arousal: arousal as f32 },
            weights: raw.map(|weight| (weight / sum) as f32),
        }
    }

    /// Returns a weighted sum of standardised features, each limited to ±3 standard deviations.
    fn sum(&self, window: &Features, terms: &[(Feature, f64)]) -> f64 {
        let standardised = |feature: Feature| {
            let index = feature as usize;
            let value = (window[index] - self.means[index]) / self.deviations[index];
            if value.is_nan() { 0.0 } else { value.clamp(-3.0, 3.0) }
        };
        terms.iter().map(|(feature, weight)| weight * standardised(*feature)).sum()
    }
}

/// Returns the rank of a value among sorted ones, from −1 (below all) to 1 (above all).
fn rank(sorted: &[f64], value: f64) -> f64 {
    2.0 * sorted.partition_point(|other| *other < value) as f64 / sorted.len() as f64 - 1.0
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns windows with pseudorandom features.
    fn windows() -> Vec<Features> {
        let mut state = 1u64;
        let mut draw = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) as f64 / f64::from(1u32 << 31)
        };
        (0..400).map(|_| std::array::from_fn(|_| draw())).collect()
    }

    #[test]
    fn valence_and_arousal_are_uniformly_distributed() {
        let windows = windows();
        let labeller = Labeller::fit(&windows).expect("it should not be empty");
        let labels: Vec<Label> = windows.iter().map(|window| labeller.label(window)).collect();
        for value in [|label: &Label| label.affect.valence, |label: &Label| label.affect.arousal] {
            let below = labels.iter().filter(|label| value(label) < -0.5).count();
            assert!((90..=110).contains(&below), "{below} of 400 in the lowest quarter");
        }
        assert!(labels.iter().all(|label| (label.weights.iter().sum::<f32>() - 1.0).abs() < 1e-5));
    }

    #[test]
    fn loud_dense_minor_music_is_angry_and_soft_sparse_major_music_is_calm() {
        let labeller = Labeller::fit(&windows()).expect("it should not be empty");
        let with = |terms: &[(Feature, f64)]| {
            let mut window = [0.5; COUNT];
            for (feature, value) in terms {
                window[*feature as usize] = *value;
            }
            labeller.label(&window)
        };
        let strongest = |label: Label| {
            Emotion::ALL.into_iter().max_by(|a, b| label.weights[*a as usize].total_cmp(&label.weights[*b as usize]))
        };
        let angry =
            with(&[(Feature::Velocity, 0.9), (Feature::Density, 0.8), (Feature::Mode, 0.1), (Feature::Bass, 0.2)]);
        assert_eq!(strongest(angry), Some(Emotion::Angry));
        let calm = with(&[(Feature::Velocity, 0.1), (Feature::Density, 0.1), (Feature::Mode, 0.75)]);
        assert_eq!(strongest(calm), Some(Emotion::Calm));
    }

    #[test]
    fn unknown_features_count_as_average() {
        let mut windows = windows();
        for window in &mut windows {
            window[Feature::Range as usize] = f64::NAN;
        }
        let label = Labeller::fit(&windows).expect("it should not be empty").label(&windows[0]);
        assert!(label.affect.valence.is_finite() && label.weights.iter().all(|weight| weight.is_finite()));
    }

    #[test]
    fn a_label_is_limited_to_the_annotated_quadrant() {
        let label = Label { affect: Affect { valence: 0.3, arousal: -0.2 }, weights: [0.125; 8] }.within(Quadrant::Q2);
        assert_eq!(label.affect, Affect { valence: 0.0, arousal: 0.0 });
        assert_eq!(label.weights[Emotion::Angry as usize] + label.weights[Emotion::Mysterious as usize], 1.0);
    }
}
