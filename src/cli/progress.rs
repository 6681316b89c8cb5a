//! How far a rendering has come, as JSON lines for the program that started it.

use std::io::{self, Write};

/// Lines from beginning to end.
const LINES: u64 = 160;

/// Says `{"done":0.25,"peak":0.4}` on standard output for every part of the whole.
#[derive(Debug)]
pub(super) struct Progress {
    total: u64,
    said: u64,
    /// Highest sample since the line before, full scale 1.
    peak: f32,
}

impl Progress {
    pub(super) fn new(total: u64) -> Self {
        Self { total: total.max(1), said: 0, peak: 0.0 }
    }

    /// Takes what was rendered up to `done` frames.
    pub(super) fn note(&mut self, done: u64, samples: &[f32]) -> io::Result<()> {
        self.peak = samples.iter().fold(self.peak, |peak, sample| sample.abs().max(peak));
        let part = done * LINES / self.total;
        if part == self.said {
            return Ok(());
        }
        let (share, peak) = (done as f64 / self.total as f64, std::mem::take(&mut self.peak));
        let mut out = io::stdout().lock();
        // A short piece may come in larger steps; its outline keeps its number of columns.
        for _ in self.said..part {
            writeln!(out, "{{\"done\":{share:.4},\"peak\":{peak:.4}}}")?;
        }
        self.said = part;
        out.flush()
    }
}
