//! Detects a network that has stopped playing.

use crate::generator::vocoder::MelBlock;
use crate::mel::{BANDS, FRAMES_PER_LATENT, LATENTS_PER_SECOND, MelFrame};
use crate::music::conditions::Conditions;

/// Log-mel values below this are inaudible and ignored.
const INAUDIBLE: f32 = -7.0;
/// Mean rise over the bands between mel frames that counts as an onset. In piano music, 96 of 100 onsets exceed it, and
/// only one frame in thousands does so without an onset.
const ONSET: f32 = 0.15;
/// Mean rise of the strongest onsets.
const STRONG_ONSET: f32 = 1.5;
/// Minimum time without an onset that counts as a stall.
const MIN_STALL_SECONDS: f64 = 5.0;
/// Number of requested but missing notes that counts as a stall.
const MISSED_NOTES: f64 = 8.0;

/// Detects a stalled model by counting latents without an onset, whether from silence or an endless drone.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct StallDetector {
    last: MelFrame,
    rises: [f32; FRAMES_PER_LATENT],
    without_onset: u32,
}

impl StallDetector {
    pub(super) fn new() -> Self {
        Self { last: [INAUDIBLE; BANDS], rises: [0.0; FRAMES_PER_LATENT], without_onset: 0 }
    }

    /// Analyses a latent's mel frames. Returns true if notes were requested but none started for too long, and then restarts
    /// the count.
    pub(super) fn is_stuck(&mut self, mel: &MelBlock, requested: &Conditions) -> bool {
        for (rise, frame) in self.rises.iter_mut().zip(mel.chunks_exact(BANDS)) {
            *rise = 0.0;
            for (last, value) in self.last.iter_mut().zip(frame) {
                let value = value.max(INAUDIBLE);
                *rise += (value - *last).max(0.0) / BANDS as f32;
                *last = value;
            }
        }
        let has_onset = self.rises.iter().any(|rise| *rise > ONSET);
        self.without_onset = if has_onset { 0 } else { self.without_onset + 1 };
        let stuck = f64::from(self.without_onset) > stall_seconds(requested) * LATENTS_PER_SECOND;
        if stuck {
            self.without_onset = 0;
        }
        stuck
    }

    /// Returns the onset strength in each mel frame of the latest latent: 0 without an onset, up to 1.
    pub(super) fn onsets(&self) -> [f32; FRAMES_PER_LATENT] {
        self.rises.map(|rise| ((rise - ONSET) / (STRONG_ONSET - ONSET)).clamp(0.0, 1.0))
    }
}

/// Returns the seconds without an onset that count as a stall for the requested density; infinite if silence is requested.
fn stall_seconds(requested: &Conditions) -> f64 {
    match requested.density {
        Some(density) if density <= 0.1 => f64::INFINITY,
        Some(density) => PATIENCE_SECONDS.max(MISSED_NOTES / f64::from(density)),
        None => PATIENCE_SECONDS,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn latents_until_stuck(density: Option<f32>, mel: impl Fn(u32, usize, usize) -> f32) -> Option<u32> {
        let asked = Conditions { density, ..Conditions::default() };
        let mut stall = StallDetector::new();
        (0..600).find(|latent| stall.is_stuck(&std::array::from_fn(|i| mel(*latent, i / BANDS, i % BANDS)), &asked))
    }

    #[test]
    fn silence_and_drones_are_stalls() {
        assert_eq!(latents_until_stuck(Some(4.0), |_, _, _| -11.5), Some(58));
        let drone = |_, _, band: usize| if band % 9 == 3 { -2.0 } else { -8.0 };
        assert_eq!(latents_until_stuck(Some(4.0), drone), Some(59), "its start is an onset");
        assert_eq!(latents_until_stuck(Some(1.0), |_, _, _| -11.5), Some(93), "fewer requested notes allow a longer pause");
    }

    #[test]
    fn onsets_are_where_notes_start() {
        let mut stall = StallDetector::new();
        let mel: MelBlock = std::array::from_fn(|i| if i / BANDS >= 3 { -5.0 } else { INAUDIBLE });
        stall.is_stuck(&mel, &Conditions::default());
        assert_eq!(stall.onsets(), [0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0]);
    }

    #[test]
    fn requested_silence_is_not_a_stall() {
        assert_eq!(latents_until_stuck(Some(0.0), |_, _, _| -11.5), None);
    }

    #[test]
    fn sparse_notes_are_not_a_stall() {
        // One decaying note every two seconds.
        let notes = |latent: u32, frame: usize, band: usize| {
            let since = (latent % 24) as f32 + frame as f32 / 8.0;
            if band % 9 == 3 { -1.0 - 0.2 * since } else { -7.5 }
        };
        assert_eq!(latents_until_stuck(Some(0.5), notes), None);
    }
}
