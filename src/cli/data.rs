//! The option that selects the data folder.

use std::path::PathBuf;

use melos::files::SearchPath;
use melos::files::config::{ConfigError, find_data};

#[derive(Debug, clap::Args)]
pub(crate) struct DataArgs {
    /// Folder that holds models/, presets/ and mappings/; see `melos paths` for the whole search path [default: the
    /// current folder, a folder near the binary, or /usr/share/melos, whichever is found first]
    #[arg(long, value_name = "FOLDER")]
    data: Option<PathBuf>,
}

impl DataArgs {
    /// Returns the search path, whose last folder is the data folder.
    ///
    /// # Errors
    /// If there is no data folder.
    pub(crate) fn search_path(&self) -> Result<SearchPath, ConfigError> {
        Ok(SearchPath::new(&find_data(self.data.as_deref())?))
    }

    /// Returns the search path; `None` if no data folder was given and none is found.
    ///
    /// # Errors
    /// If the given folder is not a data folder.
    pub(crate) fn search_path_if_any(&self) -> Result<Option<SearchPath>, ConfigError> {
        match self.search_path() {
            Err(_) if self.data.is_none() => Ok(None),
            found => found.map(Some),
        }
    }
}
