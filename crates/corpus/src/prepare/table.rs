//! Reads text tables whose columns are accessed by name.

use std::path::{Path, PathBuf};

use csv::StringRecord;

use super::corpus::CorpusError;

/// A table in which every row has a field for each column.
pub(crate) struct Table {
    path: PathBuf,
    columns: Vec<String>,
    rows: Vec<StringRecord>,
}

impl Table {
    /// Reads a table with one row of column names.
    pub(crate) fn read(path: &Path, delimiter: u8) -> Result<Self, CorpusError> {
        Self::read_levels(path, delimiter, 1)
    }

    /// Reads a table whose column names span several rows, and joins their parts with dots. Skips rows that do not have
    /// as many fields as the header.
    pub(crate) fn read_levels(path: &Path, delimiter: u8, levels: usize) -> Result<Self, CorpusError> {
        let failed = |source| CorpusError::Table { path: path.to_path_buf(), source };
        let mut reader = csv::ReaderBuilder::new()
            .delimiter(delimiter)
            .has_headers(false)
            .flexible(true)
            .from_path(path)
            .map_err(failed)?;
        let mut rows = reader.records().collect::<Result<Vec<_>, _>>().map_err(failed)?;
        let header: Vec<StringRecord> = rows.drain(..levels.min(rows.len())).collect();
        let width = header.first().map_or(0, StringRecord::len);
        let name = |column: usize| {
            let parts = header.iter().map(|row| row.get(column).unwrap_or("").trim()).filter(|part| !part.is_empty());
            parts.collect::<Vec<_>>().join(".")
        };
        rows.retain(|row| row.len() == width);
        Ok(Self { path: path.to_path_buf(), columns: (0..width).map(name).collect(), rows })
    }

    /// Returns the index of a column.
    pub(crate) fn column(&self, name: &str) -> Result<usize, CorpusError> {
        self.columns.iter().position(|column| column == name).ok_or_else(|| CorpusError::Column {
            path: self.path.clone(),
            column: name.to_owned(),
            available: self.columns.join(", "),
        })
    }

    /// Returns the rows below the header.
    pub(crate) fn rows(&self) -> impl Iterator<Item = &StringRecord> {
        self.rows.iter()
    }
}
