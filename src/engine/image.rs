//! The piano's stereo image, made from its one channel: low strings to the left, high ones to the right, as a player
//! hears them, with a little of the case around them. All of it stands in the side signal, so mono loses nothing.

use super::QUANTUM;
use super::dsp::{AllPass, Bus, LowPass, one_pole};

/// Where left and right part, in hertz: around middle C's second partial.
const PARTING: f32 = 520.0;
/// How far the two parts move.
const SPREAD: f32 = 0.26;
/// How much of the case is heard, and from which frequency on; below it the image stays firm.
const CASE: f32 = 0.30;
const CASE_FROM: f32 = 240.0;

/// Spreads one channel.
#[derive(Debug)]
pub(super) struct Image {
    low: LowPass,
    firm: LowPass,
    case: [AllPass; 3],
}

impl Image {
    pub(super) fn new() -> Self {
        Self {
            low: LowPass::default(),
            firm: LowPass::default(),
            case: [(263, 0.6), (431, 0.55), (691, 0.5)].map(|(frames, gain)| AllPass::new(frames, gain)),
        }
    }

    pub(super) fn clear(&mut self) {
        self.low = LowPass::default();
        self.firm = LowPass::default();
        self.case.iter_mut().for_each(AllPass::clear);
    }

    /// Adds the signal to the bus.
    pub(super) fn render(&mut self, signal: &[f32; QUANTUM], bus: &mut Bus) {
        let (parting, firm) = (one_pole(PARTING), one_pole(CASE_FROM));
        for (n, &input) in signal.iter().enumerate() {
            let low = self.low.next(input, parting);
            let mut case = input - self.firm.next(input, firm);
            for stage in &mut self.case {
                case = stage.next(case);
            }
            bus.mid[n] += input;
            bus.side[n] += SPREAD * (2.0 * low - input) + CASE * case;
        }
    }
}
