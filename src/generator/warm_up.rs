//! Network warm-up: the first run allocates and is slower than later ones.

use super::GeneratorError;
use crate::generator::model::Graph;

/// Runs a graph once and checks its outputs.
pub(super) fn warm_up(network: &'static str, graph: &mut Graph) -> Result<(), GeneratorError> {
    graph.run()?;
    graph.outputs().try_for_each(|output| check_finite(network, output))
}

/// Returns an error if any value is NaN or infinite.
pub(super) fn check_finite(network: &'static str, values: &[f32]) -> Result<(), GeneratorError> {
    let finite = values.iter().all(|value| value.is_finite());
    if finite { Ok(()) } else { Err(GeneratorError::NotFinite { network, frame: 0 }) }
}
