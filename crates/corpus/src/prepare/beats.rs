//! Beats and bars of a piece.

/// The beats of a piece over time.
#[derive(Debug, Clone, PartialEq)]
pub struct BeatGrid {
    beats: Vec<Beat>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
struct Beat {
    /// Time in seconds.
    time: f64,
    /// Number of beats since the downbeat.
    in_bar: f32,
    /// Number of beats in the bar.
    bar_length: f32,
}

/// A position within the beat and the bar.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Position {
    /// Position in the beat, 0..1.
    pub beat_phase: f32,
    /// Position in the bar, 0..1.
    pub bar_phase: f32,
    /// Tempo around this position, in beats per minute.
    pub tempo_bpm: f32,
}

/// Number of beats on either side over which the tempo is averaged.
const TEMPO_HALF_WINDOW: usize = 4;

impl BeatGrid {
    /// Creates a grid from beats, each given as its time in seconds and whether it starts a bar. Returns `None` if
    /// there are fewer than two beats or no downbeat.
    #[must_use]
    pub fn new(marks: &[(f64, bool)]) -> Option<Self> {
        let mut sorted: Vec<(f64, bool)> = marks.to_vec();
        sorted.sort_by(|a, b| a.0.total_cmp(&b.0));
        sorted.dedup_by(|later, kept| {
            let duplicate = later.0 - kept.0 < 1e-3;
            kept.1 |= duplicate && later.1;
            duplicate
        });
        let downbeats: Vec<usize> = (0..sorted.len()).filter(|i| sorted[*i].1).collect();
        let first = *downbeats.first()?;
        if sorted.len() < 2 {
            return None;
        }
        let lengths = downbeats.windows(2).map(|pair| pair[1] - pair[0]).collect::<Vec<_>>();
        let first_length = lengths.first().copied().unwrap_or(sorted.len() - first);
        let last_length = lengths.last().copied().unwrap_or(sorted.len() - first);
        let mut beats = Vec::with_capacity(sorted.len());
        for (index, (time, _)) in sorted.iter().enumerate() {
            let bar = downbeats.partition_point(|downbeat| *downbeat <= index);
            let (in_bar, length) = if bar == 0 {
                let before = (first - index) % first_length;
                (if before == 0 { 0 } else { first_length - before }, first_length)
            } else {
                (index - downbeats[bar - 1], lengths.get(bar - 1).copied().unwrap_or(last_length))
            };
            beats.push(Beat { time: *time, in_bar: in_bar as f32, bar_length: length as f32 });
        }
        Some(Self { beats })
    }

    /// Returns the grid with the times of its beats mapped by `map_time`, which must be increasing.
    #[must_use]
    pub fn map(&self, map_time: impl Fn(f64) -> f64) -> Self {
        Self { beats: self.beats.iter().map(|beat| Beat { time: map_time(beat.time), ..*beat }).collect() }
    }

    /// Returns the grid in double time, with a beat inserted between neighbouring beats; bars keep their number of
    /// beats and so last half as long.
    #[must_use]
    pub fn doubled(&self) -> Self {
        let mut beats = Vec::with_capacity(2 * self.beats.len());
        for pair in self.beats.windows(2) {
            let Beat { time, in_bar, bar_length } = pair[0];
            beats.push(Beat { time, in_bar: (2.0 * in_bar) % bar_length, bar_length });
            let time = f64::midpoint(time, pair[1].time);
            beats.push(Beat { time, in_bar: (2.0 * in_bar + 1.0) % bar_length, bar_length });
        }
        beats.extend(self.beats.last().map(|beat| Beat { in_bar: (2.0 * beat.in_bar) % beat.bar_length, ..*beat }));
        Self { beats }
    }

    /// Returns the mean tempo from the first beat to the last, in beats per minute.
    #[must_use]
    pub fn mean_tempo(&self) -> f64 {
        let last = self.beats.len() - 1;
        60.0 * last as f64 / (self.beats[last].time - self.beats[0].time)
    }

    /// Returns the position at a time in seconds; `None` before the first beat and from one beat after the last.
    #[must_use]
    pub fn at(&self, time: f64) -> Option<Position> {
        let next = self.beats.partition_point(|beat| beat.time <= time);
        let index = next.checked_sub(1)?;
        let beat = self.beats[index];
        let length = match self.beats.get(next) {
            Some(following) => following.time - beat.time,
            None => beat.time - self.beats[index - 1].time,
        };
        let beat_phase = ((time - beat.time) / length) as f32;
        if beat_phase >= 1.0 {
            return None;
        }
        let (low, high) =
            (index.saturating_sub(TEMPO_HALF_WINDOW), (index + TEMPO_HALF_WINDOW).min(self.beats.len() - 1));
        let span = self.beats[high].time - self.beats[low].time;
        Some(Position {
            beat_phase,
            bar_phase: ((beat.in_bar + beat_phase) / beat.bar_length).fract(),
            tempo_bpm: (60.0 * (high - low) as f64 / span) as f32,
        })
    }

    /// Returns the times of the beats, in seconds.
    pub fn times(&self) -> impl Iterator<Item = f64> + '_ {
        self.beats.iter().map(|beat| beat.time)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn phases_count_from_the_downbeat() {
        let marks: Vec<(f64, bool)> = (0..12).map(|i| (1.0 + 0.5 * f64::from(i), i % 4 == 1)).collect();
        let grid = BeatGrid::new(&marks).expect("there should be enough beats");
        assert_eq!(grid.at(0.9), None);
        let upbeat = grid.at(1.25).expect("the time should be inside the grid");
        assert!((upbeat.beat_phase - 0.5).abs() < 1e-6 && (upbeat.bar_phase - 0.875).abs() < 1e-6);
        assert!((upbeat.tempo_bpm - 120.0).abs() < 1e-3);
        assert_eq!(grid.at(1.5).expect("the time should be inside the grid").bar_phase, 0.0);
        assert!(grid.at(6.9).is_some());
        assert_eq!(grid.at(7.1), None);
    }

    #[test]
    fn doubling_halves_the_length_of_beats_and_bars() {
        let marks: Vec<(f64, bool)> = (0..9).map(|i| (f64::from(i), i % 4 == 0)).collect();
        let grid = BeatGrid::new(&marks).expect("there should be enough beats").doubled();
        assert!((grid.mean_tempo() - 120.0).abs() < 1e-9);
        let position = grid.at(2.75).expect("the time should be inside the grid");
        assert!((position.beat_phase - 0.5).abs() < 1e-6 && (position.bar_phase - 0.375).abs() < 1e-6);
    }

    #[test]
    fn too_few_beats_give_no_grid() {
        assert_eq!(BeatGrid::new(&[(0.0, true)]), None);
        assert_eq!(BeatGrid::new(&[(0.0, false), (1.0, false)]), None);
    }
}
