//! The inputs and outputs of graphs.

/// Name and shape of an input or output.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Port {
    /// The name.
    pub name: String,
    /// The shape.
    pub shape: Vec<usize>,
    /// The dimension that a file may leave open, because it counts rows that are computed independently.
    rows: Option<usize>,
}

impl Port {
    pub(crate) fn new(name: &str, shape: &[usize]) -> Self {
        Self { name: name.to_owned(), shape: shape.to_vec(), rows: None }
    }

    /// Creates a port whose dimension `rows` counts rows. In inputs, it must be the first dimension.
    pub(super) fn with_rows(name: &str, shape: &[usize], rows: usize) -> Self {
        Self { rows: Some(rows), ..Self::new(name, shape) }
    }

    /// Returns whether a file's port has this shape, with `None` for dimensions that the file leaves open.
    pub(super) fn fits(&self, found: &[Option<usize>]) -> bool {
        let fits = |(index, size): (usize, &Option<usize>)| match size {
            Some(size) => self.shape[index] == *size,
            None => self.rows == Some(index),
        };
        found.len() == self.shape.len() && found.iter().enumerate().all(fits)
    }

    /// Returns the shape of the first row alone.
    pub(super) fn first_row(&self) -> Vec<usize> {
        let mut shape = self.shape.clone();
        if let Some(rows) = self.rows {
            shape[rows] = 1;
        }
        shape
    }

    /// Copies the values of the first row alone to all rows of `values`.
    pub(super) fn repeat_row(&self, row: &[f32], values: &mut [f32]) {
        let Some(rows) = self.rows else { return values.copy_from_slice(row) };
        let length = self.shape[rows + 1..].iter().product();
        let parts = values.chunks_exact_mut(self.shape[rows] * length).zip(row.chunks_exact(length));
        for (all, part) in parts {
            all.chunks_exact_mut(length).for_each(|values| values.copy_from_slice(part));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_may_leave_only_the_number_of_rows_open() {
        let port = Port::with_rows("base", &[2, 256], 0);
        assert!(port.fits(&[Some(2), Some(256)]) && port.fits(&[None, Some(256)]));
        assert!(!port.fits(&[Some(1), Some(256)]) && !port.fits(&[None, None]) && !port.fits(&[None]));
        assert!(!Port::new("mask", &[160]).fits(&[None]));
    }

    #[test]
    fn a_row_is_repeated_within_each_layer() {
        let port = Port::with_rows("k_new", &[3, 2, 2], 1);
        assert_eq!(port.first_row(), [3, 1, 2]);
        let mut values = [0.0; 12];
        port.repeat_row(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0], &mut values);
        assert_eq!(values, [1.0, 2.0, 1.0, 2.0, 3.0, 4.0, 3.0, 4.0, 5.0, 6.0, 5.0, 6.0]);
    }
}
