//! Detects that the network has stopped playing notes.

use serde::{Deserialize, Serialize};

use crate::bytes;
use crate::generator::vocoder::MelBlock;
use crate::mel::{BANDS, LATENTS_PER_SECOND, MelFrame};
use crate::music::conditions::Conditions;

/// Log-mel level below which a band is inaudible and ignored.
const INAUDIBLE: f32 = -7.0;
/// Rise from one mel frame to the next, averaged over the bands, above which a frame counts as an onset. In piano music,
/// 96% of onsets exceed it, but only one in several thousand other frames does.
const ONSET: f32 = 0.15;
/// Minimum time without an onset that counts as a stall.
const STALL_SECONDS: f64 = 5.0;
/// Number of missing notes, at the requested density, that counts as a stall.
const STALL_NOTES: f64 = 8.0;

/// Counts successive latents without an onset, whether silent or filled with a sustained tone.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(super) struct StallDetector {
    #[serde(with = "bytes")]
    last: MelFrame,
    without_onset: u32,
}

impl StallDetector {
    pub(super) fn new() -> Self {
        Self { last: [INAUDIBLE; BANDS], without_onset: 0 }
    }

    /// Processes a latent's mel frames. If notes were requested but none has begun for too long, returns `true` and resets
    /// the count.
    pub(super) fn update(&mut self, mel: &MelBlock, requested: &Conditions) -> bool {
        let mut has_onset = false;
        for frame in mel.chunks_exact(BANDS) {
            let mut rise = 0.0;
            for (last, value) in self.last.iter_mut().zip(frame) {
                let value = value.max(INAUDIBLE);
                rise += (value - *last).max(0.0) / BANDS as f32;
                *last = value;
            }
            has_onset |= rise > ONSET;
        }
        self.without_onset = if has_onset { 0 } else { self.without_onset + 1 };
        let stalled = f64::from(self.without_onset) > max_gap_seconds(requested) * LATENTS_PER_SECOND;
        if stalled {
            self.without_onset = 0;
        }
        stalled
    }
}

/// Returns the maximum time without an onset under the requested conditions; infinite if at most one note in ten seconds is
/// requested.
fn max_gap_seconds(requested: &Conditions) -> f64 {
    match requested.density {
        Some(density) if density <= 0.1 => f64::INFINITY,
        Some(density) => STALL_SECONDS.max(STALL_NOTES / f64::from(density)),
        None => STALL_SECONDS,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn latents_until_stall(density: Option<f32>, mel: impl Fn(u32, usize, usize) -> f32) -> Option<u32> {
        let requested = Conditions { density, ..Conditions::default() };
        let mut detector = StallDetector::new();
        (0..600)
            .find(|latent| detector.update(&std::array::from_fn(|i| mel(*latent, i / BANDS, i % BANDS)), &requested))
    }

    #[test]
    fn detects_silence_and_drones() {
        assert_eq!(latents_until_stall(Some(4.0), |_, _, _| -11.5), Some(58));
        let drone = |_, _, band: usize| if band % 9 == 3 { -2.0 } else { -8.0 };
        assert_eq!(latents_until_stall(Some(4.0), drone), Some(59), "the start of the drone should count as an onset");
        assert_eq!(latents_until_stall(Some(1.0), |_, _, _| -11.5), Some(93), "fewer notes should allow longer gaps");
    }

    #[test]
    fn requested_silence_is_not_a_stall() {
        assert_eq!(latents_until_stall(Some(0.0), |_, _, _| -11.5), None);
    }

    #[test]
    fn sparse_notes_are_not_a_stall() {
        // One note every two seconds, fading.
        let notes = |latent: u32, frame: usize, band: usize| {
            let age = (latent % 24) as f32 + frame as f32 / 8.0;
            if band % 9 == 3 { -1.0 - 0.2 * age } else { -7.5 }
        };
        assert_eq!(latents_until_stall(Some(0.5), notes), None);
    }
}
