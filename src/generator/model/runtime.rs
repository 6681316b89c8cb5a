//! Finds and opens the inference runtime, once per process.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use ort::environment::Environment;

use super::ModelError;

/// File names of the library.
const NAMES: [&str; 2] = ["libonnxruntime.so", "libonnxruntime.so.1"];
/// Environment variable that holds the path of the library.
const VARIABLE: &str = "MELOS_ONNXRUNTIME";

/// The opened inference runtime.
pub struct Runtime {
    environment: Environment,
    origin: String,
    built_in: bool,
}

impl fmt::Debug for Runtime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Runtime").field("origin", &self.origin).finish_non_exhaustive()
    }
}

impl Runtime {
    /// Returns the library's path, or the name of the built-in runtime.
    #[must_use]
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// Returns whether outputs can be written to preallocated tensors; the built-in runtime would leave them unchanged.
    pub(super) fn writes_in_place(&self) -> bool {
        !self.built_in
    }

    pub(super) fn environment(&self) -> &Environment {
        &self.environment
    }
}

/// Returns the process's inference runtime, opened on the first call: the library given by `MELOS_ONNXRUNTIME`, or the
/// first compatible one beside the binary, in a `lib` or `runtime` folder near it, in `runtime` in the working directory, or
/// in a system folder; failing that, the built-in runtime if the feature `tract` is enabled.
///
/// # Errors
/// If no runtime is found; the message says how to get one. The result stays the same for the life of the process.
pub fn runtime() -> Result<&'static Runtime, ModelError> {
    static RUNTIME: OnceLock<Result<Runtime, String>> = OnceLock::new();
    RUNTIME.get_or_init(open).as_ref().map_err(|tried| ModelError::NoRuntime { tried: tried.clone() })
}

fn open() -> Result<Runtime, String> {
    let mut tried = Vec::new();
    let variable = std::env::var_os(VARIABLE).filter(|path| !path.is_empty());
    for path in candidates(variable.map(PathBuf::from), std::env::current_exe().ok().as_deref()) {
        if !path.exists() {
            tried.push(path.display().to_string());
            continue;
        }
        let opened = ort::init_from(&path).map_err(|error| error.to_string()).and_then(|builder| {
            builder.with_name("melos").with_telemetry(false).build().map_err(|error| error.to_string())
        });
        match opened {
            Ok(environment) => return Ok(Runtime { environment, origin: path.display().to_string(), built_in: false }),
            Err(error) => {
                tracing::warn!("cannot use {} as ONNX Runtime: {error}", path.display());
                tried.push(format!("{} ({error})", path.display()));
            }
        }
    }
    built_in(&tried.join(", "))
}

#[cfg(feature = "tract")]
fn built_in(tried: &str) -> Result<Runtime, String> {
    tracing::info!("no ONNX Runtime found; using the built-in runtime");
    ort::set_api(ort_tract::api());
    let environment = ort::init().build().map_err(|error| format!("{tried}; built-in: {error}"))?;
    Ok(Runtime { environment, origin: "built-in (tract)".to_owned(), built_in: true })
}

#[cfg(not(feature = "tract"))]
fn built_in(tried: &str) -> Result<Runtime, String> {
    Err(tried.to_owned())
}

/// Returns the candidate paths, best first. If a library is named explicitly, it is the only candidate.
fn candidates(named: Option<PathBuf>, binary: Option<&Path>) -> Vec<PathBuf> {
    if let Some(path) = named {
        return vec![path];
    }
    let mut folders = Vec::new();
    if let Some(folder) = binary.and_then(Path::parent) {
        folders.extend(["", "lib", "../lib", "../lib/melos", "runtime", "../../runtime"].map(|path| folder.join(path)));
    }
    folders.extend(["runtime", "/usr/local/lib/melos", "/usr/lib/melos", "/usr/local/lib", "/usr/lib"].map(Into::into));
    folders.push(format!("/usr/lib/{}-linux-gnu", std::env::consts::ARCH).into());
    folders.iter().flat_map(|folder| NAMES.map(|name| folder.join(name))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_named_library_is_the_only_candidate() {
        assert_eq!(candidates(Some("/x/y.so".into()), None), [PathBuf::from("/x/y.so")]);
    }

    #[test]
    fn folders_near_the_binary_precede_system_folders() {
        let candidates = candidates(None, Some(Path::new("/opt/melos/bin/melos")));
        let position = |path: &str| candidates.iter().position(|candidate| candidate == Path::new(path));
        assert_eq!(position("/opt/melos/bin/libonnxruntime.so"), Some(0));
        assert!(position("/opt/melos/bin/../lib/libonnxruntime.so") < position("runtime/libonnxruntime.so"));
        assert!(position("runtime/libonnxruntime.so") < position("/usr/lib/melos/libonnxruntime.so.1"));
    }
}
