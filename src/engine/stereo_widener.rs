//! A stereo image for the mono piano: low strings on the left and high ones on the right, as the player hears them, with
//! some body resonance. It consists only of a side signal, so the mono mix does not change.

use serde::{Deserialize, Serialize};

use super::QUANTUM;
use super::dsp::{AllPass, Bus, LowPass, one_pole};

/// Crossover between left and right: around the second partial of middle C.
const CROSSOVER_HZ: f32 = 520.0;
/// Level of the left–right split in the side signal.
const SPLIT_LEVEL: f32 = 0.26;
/// Level of the body resonance in the side signal.
const BODY_LEVEL: f32 = 0.30;
/// Lowest frequency of the body resonance.
const BODY_LOW_CUT_HZ: f32 = 240.0;

/// Converts a mono signal to stereo.
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

    /// Adds the widened signal to the bus.
    pub(super) fn render(&mut self, signal: &[f32; QUANTUM], bus: &mut Bus) {
        let (crossover, body_cut) = (one_pole(CROSSOVER_HZ), one_pole(BODY_LOW_CUT_HZ));
        for (n, &input) in signal.iter().enumerate() {
            let low = self.low.next(input, crossover);
            let mut body = input - self.body_cut.next(input, body_cut);
            for stage in &mut self.body {
                body = stage.next(body);
            }
            bus.mid[n] += input;
            bus.side[n] += SPLIT_LEVEL * (2.0 * low - input) + BODY_LEVEL * body;
        }
    }
}
