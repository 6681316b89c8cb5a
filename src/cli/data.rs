//! Where presets, mappings and models are.

use std::path::PathBuf;

use melos::files::config::{ConfigError, find_data};

#[derive(Debug, clap::Args)]
pub(crate) struct DataArgs {
    /// Folder that holds models/, presets/ and mappings/ [default: this folder, the binary's or /usr/share/melos]
    #[arg(long, value_name = "FOLDER")]
    data: Option<PathBuf>,
}

impl DataArgs {
    /// The folder, made sure to be one.
    pub(crate) fn folder(&self) -> Result<PathBuf, ConfigError> {
        find_data(self.data.as_deref())
    }
}
