//! The tempo of a Standard MIDI File, from the beats.

use std::ops::Range;

use midly::num::u24;

use crate::units::SAMPLE_RATE;

/// Ticks per quarter note.
pub(super) const TICKS_PER_QUARTER: u16 = 480;
/// Slowest tempo that a tempo event can hold in its 24 bits, in microseconds per quarter note.
const SLOWEST_TEMPO: u32 = 0x00FF_FFFF;

/// Converts frames to ticks by linear interpolation between beats; the file's tempo is constant from beat to beat.
#[derive(Debug)]
pub(super) struct TempoMap {
    /// At least two pairs of frame and tick, in increasing order.
    points: Vec<(u64, u32)>,
}

impl TempoMap {
    pub(super) fn new(frames: &Range<u64>, beats: &[u64]) -> Self {
        let length = |index: usize| match beats {
            [] | [_] => f64::from(SAMPLE_RATE) / 2.0,
            _ => {
                let index = index.clamp(1, beats.len() - 1);
                (beats[index] - beats[index - 1]).max(1) as f64
            }
        };
        let ticks = |frames: u64, beat: f64| (f64::from(TICKS_PER_QUARTER) * frames as f64 / beat).round() as u32;
        let mut points = vec![(frames.start, 0)];
        for (index, beat) in beats.iter().enumerate() {
            let tick = match index {
                0 => ticks(beat - frames.start, length(0)),
                _ => points[points.len() - 1].1 + u32::from(TICKS_PER_QUARTER),
            };
            // A beat on the first frame is already included.
            if *beat > points[points.len() - 1].0 {
                points.push((*beat, tick));
            }
        }
        let (last, tick) = points[points.len() - 1];
        let end = frames.end.max(last + 1);
        points.push((end, tick + ticks(end - last, length(beats.len())).max(1)));
        Self { points }
    }

    pub(super) fn tick(&self, frame: u64) -> u32 {
        let index = self.points.partition_point(|(start, _)| *start <= frame).clamp(1, self.points.len() - 1);
        let ((start, first), (end, last)) = (self.points[index - 1], self.points[index]);
        let fraction = (frame.clamp(start, end) - start) as f64 / (end - start) as f64;
        first + (fraction * f64::from(last - first)).round() as u32
    }

    /// Returns the ticks at which the tempo changes, with the new tempo in microseconds per quarter note.
    pub(super) fn tempi(&self) -> impl Iterator<Item = (u32, u24)> {
        let mut previous = None;
        self.points.windows(2).filter_map(move |pair| {
            let ((start, first), (end, last)) = (pair[0], pair[1]);
            if last == first {
                return None;
            }
            let seconds = (end - start) as f64 / f64::from(SAMPLE_RATE);
            let quarter = (seconds * 1e6 * f64::from(TICKS_PER_QUARTER) / f64::from(last - first)).round() as u32;
            let tempo = u24::new(quarter.clamp(1, SLOWEST_TEMPO));
            (previous.replace(tempo) != Some(tempo)).then_some((first, tempo))
        })
    }
}
