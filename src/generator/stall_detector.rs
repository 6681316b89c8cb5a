//! Detects when the network stops playing notes.

use serde::{Deserialize, Serialize};

use crate::bytes;
use crate::generator::vocoder::MelBlock;
use crate::mel::{BANDS, LATENTS_PER_SECOND, MelFrame};
use crate::music::conditions::Conditions;

/// Log-mel values below this are inaudible and do not count.
const INAUDIBLE: f32 = -7.0;
/// Mean rise of the bands from one mel frame to the next that counts as an onset: in piano music, 96 % of onsets exceed
/// it, and only one in thousands of frames without an onset does.
const ONSET: f32 = 0.15;
/// Minimum time without an onset that counts as a stall.
const PATIENCE_SECONDS: f64 = 5.0;
/// Number of missing requested notes that count as a stall.
const MISSED_NOTES: f64 = 8.0;

/// Counts latents without an onset, whether silent or filled by a tone that never ends.
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

    /// Checks a latent's mel frames; returns true when notes were requested but none began for too long, and then starts
    /// counting again.
    pub(super) fn is_stuck(&mut self, mel: &MelBlock, requested: &Conditions) -> bool {
        let mut begins = false;
        for frame in mel.chunks_exact(BANDS) {
            let mut rise = 0.0;
            for (last, value) in self.last.iter_mut().zip(frame) {
                let value = value.max(INAUDIBLE);
                rise += (value - *last).max(0.0) / BANDS as f32;
                *last = value;
            }
            begins |= rise > ONSET;
        }
        self.without_onset = if begins { 0 } else { self.without_onset + 1 };
        let stuck = f64::from(self.without_onset) > patience(requested) * LATENTS_PER_SECOND;
        if stuck {
            self.without_onset = 0;
        }
        stuck
    }
}

/// Maximum seconds without an onset under the requested conditions; infinite when silence is requested.
fn patience(requested: &Conditions) -> f64 {
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
        let requested = Conditions { density, ..Conditions::default() };
        let mut stall = StallDetector::new();
        (0..600).find(|latent| stall.is_stuck(&std::array::from_fn(|i| mel(*latent, i / BANDS, i % BANDS)), &requested))
    }

    #[test]
    fn silence_and_drones_are_noticed() {
        assert_eq!(latents_until_stuck(Some(4.0), |_, _, _| -11.5), Some(58));
        let drone = |_, _, band: usize| if band % 9 == 3 { -2.0 } else { -8.0 };
        assert_eq!(latents_until_stuck(Some(4.0), drone), Some(59), "its start is an onset");
        assert_eq!(latents_until_stuck(Some(1.0), |_, _, _| -11.5), Some(93), "fewer notes, more time");
    }

    #[test]
    fn requested_silence_is_not_a_stall() {
        assert_eq!(latents_until_stuck(Some(0.0), |_, _, _| -11.5), None);
    }

    #[test]
    fn sparse_notes_are_not_a_stall() {
        // One note every two seconds, fading.
        let notes = |latent: u32, frame: usize, band: usize| {
            let since = (latent % 24) as f32 + frame as f32 / 8.0;
            if band % 9 == 3 { -1.0 - 0.2 * since } else { -7.5 }
        };
        assert_eq!(latents_until_stuck(Some(0.5), notes), None);
    }
}
