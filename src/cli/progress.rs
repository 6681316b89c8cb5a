//! The progress of a render, as JSON Lines for the program that started it.

use std::io::{self, Write};

/// Number of lines printed in total.
const LINES: u64 = 160;

/// The progress of a render. For each of [`LINES`] equal parts, it prints a line such as `{"done":0.25,"peak":0.4}` to
/// standard output.
#[derive(Debug)]
pub(super) struct Progress {
    total: u64,
    printed: u64,
    /// Peak since the previous line; full scale is 1.
    peak: f32,
}

impl Progress {
    pub(super) fn new(total: u64) -> Self {
        Self { total: total.max(1), printed: 0, peak: 0.0 }
    }

    /// Reports that `done` frames have been rendered, most recently `samples`.
    pub(super) fn report(&mut self, done: u64, samples: &[f32]) -> io::Result<()> {
        self.peak = samples.iter().fold(self.peak, |peak, sample| sample.abs().max(peak));
        let part = done * LINES / self.total;
        if part == self.printed {
            return Ok(());
        }
        let (fraction, peak) = (done as f64 / self.total as f64, std::mem::take(&mut self.peak));
        let mut out = io::stdout().lock();
        // A short piece advances by several parts at once; each gets a line, so that every column of the page's
        // waveform has a value.
        for _ in self.printed..part {
            writeln!(out, "{{\"done\":{fraction:.4},\"peak\":{peak:.4}}}")?;
        }
        self.printed = part;
        out.flush()
    }
}
