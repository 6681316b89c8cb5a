//! Where presets, mappings and models are.

use std::path::PathBuf;

use anyhow::bail;

#[derive(Debug, clap::Args)]
pub(crate) struct DataArgs {
    /// Folder that holds models/, presets/ and mappings/ [default: this folder, the binary's or /usr/share/melos]
    #[arg(long, value_name = "FOLDER")]
    data: Option<PathBuf>,
}

impl DataArgs {
    /// The folder, made sure to be one.
    pub(crate) fn folder(&self) -> anyhow::Result<PathBuf> {
        let is_data = |folder: &PathBuf| folder.join("models").is_dir() && folder.join("presets").is_dir();
        if let Some(folder) = &self.data {
            if !is_data(folder) {
                bail!("{}: holds no models/ and presets/; --data must name the folder that does", folder.display());
            }
            return Ok(folder.clone());
        }
        let mut places = vec![PathBuf::from(".")];
        if let Ok(binary) = std::env::current_exe() {
            places.extend(binary.ancestors().skip(1).take(3).map(PathBuf::from));
        }
        places.push(PathBuf::from("/usr/share/melos"));
        match places.iter().find(|place| is_data(place)) {
            Some(place) => Ok(place.clone()),
            None => bail!("models/ and presets/ were not found; start Melos in their folder or name it with --data"),
        }
    }
}
