//! Stereo image for the mono piano: low strings on the left and high ones on the right, as the player hears them, with
//! some body resonance. All of it is in the side signal, so that nothing is lost in mono.

use serde::{Deserialize, Serialize};

use super::QUANTUM;
use super::dsp::{AllPass, Bus, LowPass, one_pole};

/// Crossover between left and right: around middle C's second partial.
const CROSSOVER_HZ: f32 = 520.0;
/// Width of the split.
const SPREAD: f32 = 0.26;
/// Level of the body resonance, and its lowest frequency; below it, the image stays centred.
const BODY: f32 = 0.30;
const BODY_FROM_HZ: f32 = 240.0;

/// Makes a mono signal stereo.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct StereoWidener {
    low: LowPass,
    body_cut: LowPass,
    body: [AllPass; 3],
}

impl StereoWidener {
    pub(super) fn new() -> Self {
        Self {
            low: LowPass::default(),
            body_cut: LowPass::default(),
            body: [(263, 0.6), (431, 0.55), (691, 0.5)].map(|(frames, gain)| AllPass::new(frames, gain)),
        }
    }

    pub(super) fn clear(&mut self) {
        self.low = LowPass::default();
        self.body_cut = LowPass::default();
        self.body.iter_mut().for_each(AllPass::clear);
    }

    /// Adds the signal to the bus.
    pub(super) fn render(&mut self, signal: &[f32; QUANTUM], bus: &mut Bus) {
        let (crossover, body_cut) = (one_pole(CROSSOVER_HZ), one_pole(BODY_FROM_HZ));
        for (n, &input) in signal.iter().enumerate() {
            let low = self.low.next(input, crossover);
            let mut body = input - self.body_cut.next(input, body_cut);
            for stage in &mut self.body {
                body = stage.next(body);
            }
            bus.mid[n] += input;
            bus.side[n] += SPREAD * (2.0 * low - input) + BODY * body;
        }
    }
}
