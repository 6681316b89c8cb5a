//! The chroma of recent latents, averaged over a bar.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::mel::LATENT_FRAMES;

/// Maximum number of latents stored: more than enough for the longest bar and for everything generated ahead.
const CAPACITY: usize = 256;

/// The chroma of recent latents, by first frame.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct ChromaHistory {
    latents: BTreeMap<u64, [f32; 12]>,
}

impl ChromaHistory {
    /// Stores the chroma of the latent that starts at frame `start`, replacing any earlier version; ignores chroma that is
    /// not finite.
    pub(super) fn record(&mut self, start: u64, chroma: &[f32; 12]) {
        if chroma.iter().all(|x| x.is_finite()) {
            self.latents.insert(start, *chroma);
        }
        while self.latents.len() > CAPACITY {
            self.latents.pop_first();
        }
    }

    /// Returns the mean chroma of the latents that lie entirely within a range of frames; `None` if there are none.
    pub(super) fn mean(&self, start: u64, end: u64) -> Option<[f32; 12]> {
        let latents = self.latents.range(start..end.saturating_sub(LATENT_FRAMES - 1).max(start));
        let mut sum = [0.0; 12];
        let mut count = 0.0f32;
        for (_, chroma) in latents {
            for (sum, x) in sum.iter_mut().zip(chroma) {
                *sum += x;
            }
            count += 1.0;
        }
        (count > 0.0).then(|| sum.map(|x: f32| x / count))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn single_pitch(pitch: usize) -> [f32; 12] {
        let mut chroma = [0.0; 12];
        chroma[pitch] = 1.0;
        chroma
    }

    #[test]
    fn averages_the_newest_versions_of_complete_latents() {
        let mut history = ChromaHistory::default();
        assert_eq!(history.mean(0, 100_000), None);
        history.record(0, &single_pitch(0));
        history.record(4096, &single_pitch(1));
        history.record(8192, &single_pitch(2));
        history.record(4096, &single_pitch(3));
        assert_eq!(history.mean(4096, 12_288).map(|c| (c[2], c[3])), Some((0.5, 0.5)));
        assert_eq!(
            history.mean(4096, 12_287).map(|c| (c[2], c[3])),
            Some((0.0, 1.0)),
            "an incomplete latent is ignored"
        );
        assert_eq!(history.mean(1, 4096), None);
    }

    #[test]
    fn ignores_invalid_chroma_and_limits_the_number_of_latents() {
        let mut history = ChromaHistory::default();
        history.record(0, &[f32::NAN; 12]);
        assert_eq!(history.mean(0, 8192), None);
        for latent in 0..1000 {
            history.record(latent * LATENT_FRAMES, &single_pitch(0));
        }
        assert_eq!(history.latents.len(), CAPACITY);
        assert_eq!(history.mean(0, 8192), None);
    }
}
