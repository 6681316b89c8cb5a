//! One network: an inference session with preallocated inputs and outputs.

use std::fmt;
use std::path::{Path, PathBuf};

use ort::memory::Allocator;
use ort::session::builder::GraphOptimizationLevel;
use ort::session::{HasSelectedOutputs, OutputSelector, RunOptions, Session, SessionInputValue};
use ort::value::{Outlet, Tensor, TensorElementType, TensorRef, ValueType};

use super::{ModelError, Port, Runtime, stateful};

/// Maximum number of elements in an input or output: 1 GiB of floats.
const MAX_ELEMENTS: u64 = 1 << 28;

/// A network with fixed shapes. Inputs keep their values until they are overwritten.
///
/// Runs only on the calling thread, and allocates, so it must never run on the audio thread.
pub struct Graph {
    path: PathBuf,
    session: Session,
    inputs: Vec<(Port, Tensor<f32>)>,
    outputs: Vec<(Port, Vec<f32>)>,
    writes_in_place: bool,
    /// The options of a run with all rows; `None` before [`Graph::bind`].
    options: Option<Options>,
    /// The options of a run with the first row alone, if the file leaves the number of rows open.
    first_row: Option<Options>,
}

/// The options of a run, with preallocated output tensors if the runtime supports them. When the runtime allocates the outputs
/// instead, ort 2.0.0-rc.14 leaks the type information of each: 2.5 kB per latent in total.
type Options = RunOptions<HasSelectedOutputs>;

impl fmt::Debug for Graph {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Graph").field("path", &self.path).finish_non_exhaustive()
    }
}

impl Graph {
    /// Loads a graph from the bytes of the file `path`. [`Graph::bind`] must be called before the graph can run.
    pub(super) fn load(runtime: &Runtime, bytes: &[u8], path: &Path) -> Result<Self, ModelError> {
        let commit = || -> ort::Result<Session> {
            // The graphs are small and run one at a time, so more threads would cost more than they save. Flushing of
            // subnormals stays off, since its effect would depend on the thread that runs the graph; see `flush`.
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
        let (inputs, outputs) = (Vec::new(), Vec::new());
        Ok(Self { path: path.into(), session, inputs, outputs, writes_in_place, options: None, first_row: None })
    }

    /// Returns the shape of the input `state`; empty if there is none or its shape is not fixed.
    pub(super) fn state_shape(&self) -> Vec<usize> {
        let state = self.session.inputs().iter().find(|outlet| outlet.name() == "state");
        let shape = state.and_then(|outlet| float_shape(outlet.dtype())).unwrap_or_default();
        shape.into_iter().collect::<Option<_>>().unwrap_or_default()
    }

    /// Fixes the order of inputs and outputs, and allocates them.
    ///
    /// # Errors
    /// If an input or output is missing, unexpected, too large or of a different shape, or if it cannot be allocated.
    pub(super) fn bind(&mut self, inputs: &[Port], outputs: &[Port]) -> Result<(), ModelError> {
        self.check("input", inputs, self.session.inputs())?;
        self.check("output", outputs, self.session.outputs())?;
        let failed = |error: ort::Error| ModelError::Load { path: self.path.clone(), reason: error.to_string() };
        self.inputs = inputs
            .iter()
            .map(|port| {
                let zeros = vec![0.0f32; port.shape.iter().product()];
                Ok((port.clone(), Tensor::from_array((port.shape.clone(), zeros)).map_err(failed)?))
            })
            .collect::<Result<_, _>>()?;
        self.outputs = outputs.iter().map(|port| (port.clone(), vec![0.0; port.shape.iter().product()])).collect();
        self.options = Some(self.options(|port| port.shape.clone()).map_err(failed)?);
        if self.session.inputs().iter().any(|outlet| float_shape(outlet.dtype()).is_some_and(|s| s.contains(&None))) {
            self.first_row = Some(self.options(Port::first_row).map_err(failed)?);
        }
        Ok(())
    }

    /// Returns the options of runs in which outputs have the given shapes.
    fn options(&self, shape: impl Fn(&Port) -> Vec<usize>) -> ort::Result<Options> {
        let mut selector = OutputSelector::default();
        for (port, _) in self.outputs.iter().filter(|_| self.writes_in_place) {
            selector = selector.preallocate(port.name.clone(), Tensor::<f32>::new(&Allocator::default(), shape(port))?);
        }
        Ok(RunOptions::new()?.with_outputs(selector))
    }

    fn check(&self, direction: &'static str, expected: &[Port], outlets: &[Outlet]) -> Result<(), ModelError> {
        let mismatch = |name: &str, expected: String, found: String| {
            Err(ModelError::Shape { path: self.path.clone(), direction, name: name.to_owned(), expected, found })
        };
        for port in expected {
            let shape = format!("float {:?}", port.shape);
            // The state's shape comes from the file itself, so it may be too large.
            let elements = port.shape.iter().fold(1u64, |elements, size| elements.saturating_mul(*size as u64));
            if elements > MAX_ELEMENTS {
                return mismatch(&port.name, format!("float with at most {MAX_ELEMENTS} elements"), shape);
            }
            match outlets.iter().find(|outlet| outlet.name() == port.name) {
                None => return mismatch(&port.name, shape, "missing".to_owned()),
                Some(outlet) if float_shape(outlet.dtype()).is_none_or(|shape| !port.fits(&shape)) => {
                    return mismatch(&port.name, shape, outlet.dtype().to_string());
                }
                Some(_) => {}
            }
        }
        let surplus = outlets.iter().find(|outlet| !expected.iter().any(|port| port.name == outlet.name()));
        match surplus {
            Some(outlet) => mismatch(outlet.name(), "absent".to_owned(), outlet.dtype().to_string()),
            None => Ok(()),
        }
    }

    /// Returns an input by its index in the fixed order.
    pub fn input(&mut self, index: usize) -> &mut [f32] {
        self.inputs[index].1.extract_tensor_mut().1
    }

    /// Returns an output of the last run by its index in the fixed order.
    #[must_use]
    pub fn output(&self, index: usize) -> &[f32] {
        &self.outputs[index].1
    }

    /// Returns the outputs of the last run in the fixed order.
    pub fn outputs(&self) -> impl Iterator<Item = &[f32]> {
        self.outputs.iter().map(|(_, values)| &values[..])
    }

    /// Returns an input and an output at once.
    pub fn input_and_output(&mut self, input: usize, output: usize) -> (&mut [f32], &[f32]) {
        (self.inputs[input].1.extract_tensor_mut().1, &self.outputs[output].1)
    }

    /// Computes the outputs from the inputs.
    ///
    /// # Errors
    /// If the runtime fails, or if `Graph::bind` was not called. The outputs remain those of the last successful run.
    pub fn run(&mut self) -> Result<(), ModelError> {
        let failed = |error: ort::Error| ModelError::Run { path: self.path.clone(), reason: error.to_string() };
        let inputs: Vec<(&str, SessionInputValue<'_>)> =
            self.inputs.iter().map(|(port, tensor)| (port.name.as_str(), tensor.into())).collect();
        let unbound =
            || ModelError::Run { path: self.path.clone(), reason: "inputs and outputs have not been bound".into() };
        let options = self.options.as_ref().ok_or_else(unbound)?;
        let results = self.session.run_with_options(inputs, options).map_err(failed)?;
        for (port, values) in &mut self.outputs {
            let (_, result) = results[port.name.as_str()].try_extract_tensor::<f32>().map_err(failed)?;
            values.copy_from_slice(result);
        }
        Ok(())
    }

    /// Computes the outputs from the first row of the inputs, and repeats them in the other rows. If the file fixes the number
    /// of rows, computes all rows instead.
    ///
    /// # Errors
    /// See [`Graph::run`].
    pub fn run_first_row(&mut self) -> Result<(), ModelError> {
        let Some(options) = &self.first_row else { return self.run() };
        let failed = |error: ort::Error| ModelError::Run { path: self.path.clone(), reason: error.to_string() };
        let mut inputs: Vec<(&str, SessionInputValue<'_>)> = Vec::with_capacity(self.inputs.len());
        for (port, tensor) in &self.inputs {
            let shape = port.first_row();
            let values = &tensor.extract_tensor().1[..shape.iter().product()];
            inputs.push((&port.name, TensorRef::from_array_view((shape, values)).map_err(failed)?.into()));
        }
        let results = self.session.run_with_options(inputs, options).map_err(failed)?;
        for (port, values) in &mut self.outputs {
            let (_, row) = results[port.name.as_str()].try_extract_tensor::<f32>().map_err(failed)?;
            port.repeat_row(row, values);
        }
        Ok(())
    }

    /// Runs a stateful graph, whose last output becomes its next state.
    ///
    /// # Errors
    /// If the runtime fails; the state is then unchanged.
    pub fn step(&mut self) -> Result<(), ModelError> {
        self.run()?;
        let next = self.outputs.len() - 1;
        let (state, next) = self.input_and_output(stateful::STATE, next);
        for (value, next) in state.iter_mut().zip(next) {
            *value = flush(*next);
        }
        Ok(())
    }
}

/// Replaces a subnormal number with zero. Decaying states would otherwise stay subnormal, which slows arithmetic down.
fn flush(value: f32) -> f32 {
    if value.is_subnormal() { 0.0 } else { value }
}

/// Returns the shape of a float tensor, with `None` for open dimensions; `None` for other types.
fn float_shape(kind: &ValueType) -> Option<Vec<Option<usize>>> {
    match kind {
        ValueType::Tensor { ty: TensorElementType::Float32, shape, .. } => {
            Some(shape.iter().map(|dimension| usize::try_from(*dimension).ok()).collect())
        }
        _ => None,
    }
}
