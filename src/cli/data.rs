//! Where presets, mappings and models are.

use std::path::PathBuf;

use melos::files::Places;
use melos::files::config::{ConfigError, find_data};

#[derive(Debug, clap::Args)]
pub(crate) struct DataArgs {
    /// Folder of what comes with Melos: models/, presets/ and mappings/; `melos paths` shows where else is looked
    /// [default: this folder, the binary's or /usr/share/melos]
    #[arg(long, value_name = "FOLDER")]
    data: Option<PathBuf>,
}

impl DataArgs {
    /// The user's folders, the machine's and the one that comes with Melos, which is made sure to be one.
    pub(crate) fn places(&self) -> Result<Places, ConfigError> {
        Ok(Places::new(&find_data(self.data.as_deref())?))
    }
}
