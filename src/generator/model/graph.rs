//! One network: its session and its inputs and outputs, kept from call to call.

use std::fmt;
use std::path::{Path, PathBuf};

use ort::memory::Allocator;
use ort::session::builder::GraphOptimizationLevel;
use ort::session::{HasSelectedOutputs, OutputSelector, RunOptions, Session, SessionInputValue};
use ort::value::{Outlet, Tensor, TensorElementType, ValueType};

use super::{ModelError, Port, Runtime, stateful};

/// Maximum elements of an input or output: a gibibyte.
const MAX_ELEMENTS: u64 = 1 << 28;

/// A network with fixed shapes. Inputs stay as they were until they are written again.
///
/// Runs on the calling thread alone and allocates: for a worker thread, never for the audio thread.
pub struct Graph {
    path: PathBuf,
    session: Session,
    inputs: Vec<(String, Tensor<f32>)>,
    outputs: Vec<(String, Vec<f32>)>,
    writes_in_place: bool,
    /// Holds the tensors that the runtime writes outputs to, if it can. When the runtime allocates them instead, ort
    /// 2.0.0-rc.14 leaks the type information of each: 2.5 kB per latent.
    options: Option<RunOptions<HasSelectedOutputs>>,
}

impl fmt::Debug for Graph {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Graph").field("path", &self.path).finish_non_exhaustive()
    }
}

impl Graph {
    /// Opens a graph from the bytes of the file `path`. [`Graph::expect`] must follow before it can run.
    pub(super) fn load(runtime: &Runtime, bytes: &[u8], path: &Path) -> Result<Self, ModelError> {
        let commit = || -> ort::Result<Session> {
            // The graphs are small and run one at a time, so more threads would cost more than they save. Flushing of
            // denormals stays off, since its effect would depend on the thread that runs the graph; see `flush`.
            Session::builder(runtime.environment())?
                .with_optimization_level(GraphOptimizationLevel::All)
                .unwrap_or_else(|error| error.recover())
                .with_intra_threads(1)
                .unwrap_or_else(|error| error.recover())
                .with_intra_op_spinning(false)
                .unwrap_or_else(|error| error.recover())
                .commit_from_memory(bytes)
        };
        let session = commit().map_err(|error| ModelError::Load { path: path.into(), reason: error.to_string() })?;
        let writes_in_place = runtime.writes_in_place();
        Ok(Self { path: path.into(), session, inputs: Vec::new(), outputs: Vec::new(), writes_in_place, options: None })
    }

    /// Returns the shape of the graph's input `state`; empty if it has none.
    pub(super) fn state_shape(&self) -> Vec<usize> {
        let state = self.session.inputs().iter().find(|outlet| outlet.name() == "state");
        state.and_then(|outlet| fixed_shape(outlet.dtype())).unwrap_or_default()
    }

    /// Fixes the order of inputs and outputs, and allocates them.
    ///
    /// # Errors
    /// If one of them is missing or has another shape, or if the graph has more.
    pub(super) fn expect(&mut self, inputs: &[Port], outputs: &[Port]) -> Result<(), ModelError> {
        self.check("input", inputs, self.session.inputs())?;
        self.check("output", outputs, self.session.outputs())?;
        let failed = |error: ort::Error| ModelError::Load { path: self.path.clone(), reason: error.to_string() };
        self.inputs = inputs
            .iter()
            .map(|port| {
                let zeros = vec![0.0f32; port.shape.iter().product()];
                Ok((port.name.clone(), Tensor::from_array((port.shape.clone(), zeros)).map_err(failed)?))
            })
            .collect::<Result<_, _>>()?;
        self.outputs = outputs.iter().map(|port| (port.name.clone(), vec![0.0; port.shape.iter().product()])).collect();
        let mut selector = OutputSelector::default();
        for port in outputs.iter().filter(|_| self.writes_in_place) {
            let tensor = Tensor::<f32>::new(&Allocator::default(), port.shape.clone()).map_err(failed)?;
            selector = selector.preallocate(port.name.clone(), tensor);
        }
        self.options = Some(RunOptions::new().map_err(failed)?.with_outputs(selector));
        Ok(())
    }

    fn check(&self, direction: &'static str, expected: &[Port], outlets: &[Outlet]) -> Result<(), ModelError> {
        let wrong = |name: &str, expected: String, found: String| {
            Err(ModelError::Shape { path: self.path.clone(), direction, name: name.to_owned(), expected, found })
        };
        for port in expected {
            let shape = format!("{:?}", port.shape);
            // The shape of the state comes from the file itself.
            let numbers = port.shape.iter().fold(1u64, |numbers, size| numbers.saturating_mul(*size as u64));
            if numbers > MAX_ELEMENTS {
                return wrong(&port.name, format!("with at most {MAX_ELEMENTS} elements"), shape);
            }
            match outlets.iter().find(|outlet| outlet.name() == port.name) {
                None => return wrong(&port.name, shape, "missing".to_owned()),
                Some(outlet) if fixed_shape(outlet.dtype()).as_ref() != Some(&port.shape) => {
                    return wrong(&port.name, shape, outlet.dtype().to_string());
                }
                Some(_) => {}
            }
        }
        let surplus = outlets.iter().find(|outlet| !expected.iter().any(|port| port.name == outlet.name()));
        match surplus {
            Some(outlet) => wrong(outlet.name(), "absent".to_owned(), outlet.dtype().to_string()),
            None => Ok(()),
        }
    }

    /// Returns an input, by its index in the expected order.
    pub fn input(&mut self, index: usize) -> &mut [f32] {
        self.inputs[index].1.extract_tensor_mut().1
    }

    /// Returns an output of the last run, by its index in the expected order.
    #[must_use]
    pub fn output(&self, index: usize) -> &[f32] {
        &self.outputs[index].1
    }

    /// Returns the outputs of the last run, in the expected order.
    pub fn outputs(&self) -> impl Iterator<Item = &[f32]> {
        self.outputs.iter().map(|(_, values)| &values[..])
    }

    /// Returns an input and an output at once.
    pub fn pair(&mut self, input: usize, output: usize) -> (&mut [f32], &[f32]) {
        (self.inputs[input].1.extract_tensor_mut().1, &self.outputs[output].1)
    }

    /// Computes the outputs from the inputs.
    ///
    /// # Errors
    /// If the runtime fails, or before `Graph::expect`; the outputs are then those of the last successful run.
    pub fn run(&mut self) -> Result<(), ModelError> {
        let failed = |error: ort::Error| ModelError::Run { path: self.path.clone(), reason: error.to_string() };
        let inputs: Vec<(&str, SessionInputValue<'_>)> =
            self.inputs.iter().map(|(name, tensor)| (name.as_str(), tensor.into())).collect();
        let undeclared =
            || ModelError::Run { path: self.path.clone(), reason: "inputs and outputs have not been bound".into() };
        let options = self.options.as_ref().ok_or_else(undeclared)?;
        let results = self.session.run_with_options(inputs, options).map_err(failed)?;
        for (name, values) in &mut self.outputs {
            let (_, result) = results[name.as_str()].try_extract_tensor::<f32>().map_err(failed)?;
            values.copy_from_slice(result);
        }
        Ok(())
    }

    /// Runs a graph that carries a state: its last output becomes its state.
    ///
    /// # Errors
    /// If the runtime fails; the state is then unchanged.
    pub fn step(&mut self) -> Result<(), ModelError> {
        self.run()?;
        let next = self.outputs.len() - 1;
        let (state, next) = self.pair(stateful::STATE, next);
        for (value, next) in state.iter_mut().zip(next) {
            *value = flush(*next);
        }
        Ok(())
    }
}

/// Replaces subnormal numbers with zero: decaying states would otherwise slow arithmetic down permanently.
fn flush(value: f32) -> f32 {
    if value.is_subnormal() { 0.0 } else { value }
}

/// Returns the shape of a float tensor without dynamic dimensions.
fn fixed_shape(kind: &ValueType) -> Option<Vec<usize>> {
    match kind {
        ValueType::Tensor { ty: TensorElementType::Float32, shape, .. } => {
            shape.iter().map(|dimension| usize::try_from(*dimension).ok()).collect()
        }
        _ => None,
    }
}
