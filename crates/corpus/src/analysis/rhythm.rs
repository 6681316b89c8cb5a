//! Onsets, tempo and beats.
//!
//! The beat period is the strongest period of the onset strength, weighted towards 120 BPM. Beats are the best path
//! through strong onsets at intervals of about that period, found by dynamic programming (Ellis, Beat Tracking by
//! Dynamic Programming, JNMR 36, 2007). The tempo is the mean rate of the beats, or the rate that corresponds to the
//! period if there are fewer than four beats.

use realfft::RealFftPlanner;

use melos::mel::{BANDS, FRAMES_PER_SECOND, MelFrame};

/// Decibels per neper of amplitude.
const DB_PER_NEPER: f32 = 8.685_89;
/// Dynamic range below the loudest band: 80 dB, in nepers.
const RANGE: f32 = 80.0 / DB_PER_NEPER;
/// Length, in seconds, of the windows in which the period is estimated.
const TEMPO_WINDOW: f64 = 8.0;
/// Frames from the start of one tempo window to the start of the next.
const TEMPO_STEP: usize = 24;
/// Centre (BPM) and width (octaves) of the prior over tempos.
const TEMPO_PRIOR: (f64, f64) = (120.0, 1.0);
/// Maximum tempo in BPM.
const MAX_TEMPO: f64 = 320.0;
/// Weight of the penalty for beat intervals that deviate from the period.
const TIGHTNESS: f32 = 100.0;
/// Number of frames on either side of an onset, none of which may exceed it.
const PEAK_HALF_WINDOW: usize = 3;
/// Number of frames on either side of an onset over which the onset strength is averaged to obtain the
/// threshold.
const THRESHOLD_HALF_WINDOW: usize = 10;
/// How far an onset must exceed the average around it, as a fraction of the strongest onset.
const ONSET_RISE: f32 = 0.07;

/// The rhythm of a signal.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Rhythm {
    /// Beats per minute; 0 if there are no onsets.
    pub tempo_bpm: f64,
    /// Times of the beats, in seconds.
    pub beats: Vec<f64>,
    /// Times of the onsets, in seconds.
    pub onsets: Vec<f64>,
}

impl Rhythm {
    /// Finds onsets, tempo and beats in mel frames.
    #[must_use]
    pub fn of(mel: &[MelFrame]) -> Self {
        let strength = onset_strength(mel);
        let seconds = |frame: usize| frame as f64 / FRAMES_PER_SECOND;
        if strength.iter().all(|x| *x <= 0.0) {
            return Self::default();
        }
        let period = period(&strength);
        let beats: Vec<f64> = beats(&strength, period).into_iter().map(seconds).collect();
        let tempo_bpm = match beats[..] {
            [first, .., last] if beats.len() >= 4 => 60.0 * (beats.len() - 1) as f64 / (last - first),
            _ => 60.0 * FRAMES_PER_SECOND / period as f64,
        };
        Self { tempo_bpm, beats, onsets: onsets(&strength).into_iter().map(seconds).collect() }
    }
}

/// Returns, for each frame, the increase in level since the previous frame, in decibels, averaged over the bands;
/// decreases count as 0.
#[must_use]
pub fn onset_strength(mel: &[MelFrame]) -> Vec<f32> {
    let loudest = mel.iter().flatten().copied().fold(f32::NEG_INFINITY, f32::max);
    let floor = loudest - RANGE;
    let rise = |pair: &[MelFrame]| {
        let sum: f32 =
            pair[1].iter().zip(&pair[0]).map(|(now, before)| (now.max(floor) - before.max(floor)).max(0.0)).sum();
        DB_PER_NEPER * sum / BANDS as f32
    };
    std::iter::once(0.0).take(mel.len()).chain(mel.windows(2).map(rise)).collect()
}

/// Returns the strongest period in frames: the lag with the highest mean autocorrelation over all windows, weighted by
/// the prior.
fn period(strength: &[f32]) -> usize {
    let length = (TEMPO_WINDOW * FRAMES_PER_SECOND) as usize;
    let mut planner = RealFftPlanner::<f32>::new();
    let size = (2 * length).next_power_of_two();
    let (forward, inverse) = (planner.plan_fft_forward(size), planner.plan_fft_inverse(size));
    let (mut buffer, mut spectrum) = (forward.make_input_vec(), forward.make_output_vec());
    let mut mean = vec![0.0f64; length];
    for centre in (0..strength.len()).step_by(TEMPO_STEP) {
        buffer.fill(0.0);
        for (offset, slot) in buffer[..length].iter_mut().enumerate() {
            let window = 0.5 - 0.5 * (std::f32::consts::TAU * offset as f32 / length as f32).cos();
            let index = (centre + offset).checked_sub(length / 2);
            *slot = window * index.and_then(|index| strength.get(index)).copied().unwrap_or(0.0);
        }
        forward.process(&mut buffer, &mut spectrum).expect("the buffers should have the planned lengths");
        for bin in &mut spectrum {
            *bin = bin.norm_sqr().into();
        }
        inverse.process(&mut spectrum, &mut buffer).expect("the buffers should have the planned lengths");
        if buffer[0] > 0.0 {
            for (sum, value) in mean.iter_mut().zip(&buffer) {
                *sum += f64::from(value / buffer[0]);
            }
        }
    }
    let windows = strength.len().div_ceil(TEMPO_STEP) as f64;
    let score = |lag: usize| {
        let bpm = 60.0 * FRAMES_PER_SECOND / lag as f64;
        let octaves = (bpm / TEMPO_PRIOR.0).log2() / TEMPO_PRIOR.1;
        (1e6 * (mean[lag] / windows).max(0.0)).ln_1p() - 0.5 * octaves * octaves
    };
    let shortest = (60.0 * FRAMES_PER_SECOND / MAX_TEMPO).ceil() as usize;
    (shortest..length).max_by(|a, b| score(*a).total_cmp(&score(*b)).then(b.cmp(a))).unwrap_or(shortest)
}

/// Returns the frames on which beats fall.
fn beats(strength: &[f32], period: usize) -> Vec<usize> {
    let local_score = smoothed(strength, period);
    let highest = local_score.iter().copied().fold(0.0, f32::max);
    let mut score: Vec<f32> = Vec::with_capacity(local_score.len());
    let mut previous: Vec<Option<usize>> = Vec::with_capacity(local_score.len());
    let mut started = false;
    for (frame, value) in local_score.iter().enumerate() {
        let from = frame.saturating_sub(2 * period);
        let to = (frame + 1).saturating_sub(period.div_ceil(2));
        let cost = |before: usize| -TIGHTNESS * ((frame - before) as f32 / period as f32).ln().powi(2);
        let best = (from..to).map(|before| (before, score[before] + cost(before))).max_by(|a, b| a.1.total_cmp(&b.1));
        // Frames before the first noticeable onset have no link, so that no path runs through initial silence.
        started |= *value >= 0.01 * highest;
        let link = best.filter(|(_, best)| started && (*best > 0.0 || from > 0));
        score.push(value + link.map_or(0.0, |(_, best)| best));
        previous.push(link.map(|(before, _)| before));
    }
    trim(backtrack(&score, &previous), &local_score)
}

/// Returns the onset strength in standard deviations, smoothed with a Gaussian whose standard deviation is 1/32 of the
/// period.
fn smoothed(strength: &[f32], period: usize) -> Vec<f32> {
    let mean = strength.iter().sum::<f32>() / strength.len() as f32;
    let variance =
        strength.iter().map(|x| (x - mean).powi(2)).sum::<f32>() / strength.len().saturating_sub(1).max(1) as f32;
    let deviation = variance.sqrt().max(f32::MIN_POSITIVE);
    let half_width = period.min(strength.len());
    // Beyond a fifth of the period, the weights are below 1e-8.
    let half_width = half_width.min(period / 5 + 1);
    let gaussian = |distance: usize| (-0.5 * (32.0 * distance as f32 / period as f32).powi(2)).exp();
    let weights: Vec<f32> = (0..=half_width).map(gaussian).collect();
    (0..strength.len())
        .map(|centre| {
            let from = centre.saturating_sub(half_width);
            let window = &strength[from..(centre + half_width + 1).min(strength.len())];
            let sum: f32 = window.iter().enumerate().map(|(i, x)| x * weights[centre.abs_diff(from + i)]).sum();
            sum / deviation
        })
        .collect()
}

/// Follows the links back from the last sufficiently high peak of the score.
fn backtrack(score: &[f32], previous: &[Option<usize>]) -> Vec<usize> {
    let peak = |frame: usize| {
        let before = frame.checked_sub(1).map_or(f32::NEG_INFINITY, |before| score[before]);
        score[frame] > before && score[frame] >= score.get(frame + 1).copied().unwrap_or(f32::NEG_INFINITY)
    };
    let peaks: Vec<usize> = (0..score.len()).filter(|frame| peak(*frame)).collect();
    let mut heights: Vec<f32> = peaks.iter().map(|frame| score[*frame]).collect();
    heights.sort_by(f32::total_cmp);
    let median = heights.get(heights.len() / 2).copied().unwrap_or(0.0);
    let mut path = Vec::new();
    let mut next = peaks.into_iter().rfind(|frame| 2.0 * score[*frame] > median);
    while let Some(frame) = next {
        path.push(frame);
        next = previous[frame];
    }
    path.reverse();
    path
}

/// Drops the weak beats before the first and after the last strong one.
fn trim(beats: Vec<usize>, local_score: &[f32]) -> Vec<usize> {
    let smooth: Vec<f32> = (0..beats.len())
        .map(|index| {
            let weighted = |offset: usize, weight: f32| {
                let index = (index + offset).checked_sub(1);
                weight * index.and_then(|index| beats.get(index)).map_or(0.0, |frame| local_score[*frame])
            };
            weighted(0, 0.5) + weighted(1, 1.0) + weighted(2, 0.5)
        })
        .collect();
    let power = smooth.iter().map(|x| x * x).sum::<f32>() / smooth.len().max(1) as f32;
    let strong = |x: &f32| *x > 0.5 * power.sqrt();
    match (smooth.iter().position(strong), smooth.iter().rposition(strong)) {
        (Some(first), Some(last)) => beats[first..=last].to_vec(),
        _ => beats,
    }
}

/// Returns the frames of the onsets: peaks that rise above their surroundings.
fn onsets(strength: &[f32]) -> Vec<usize> {
    let highest = strength.iter().copied().fold(0.0, f32::max);
    (1..strength.len())
        .filter(|frame| {
            let window = |half: usize| &strength[frame.saturating_sub(half)..(frame + half + 1).min(strength.len())];
            let peak_window = window(PEAK_HALF_WINDOW);
            let threshold_window = window(THRESHOLD_HALF_WINDOW);
            let value = strength[*frame];
            let first_maximum =
                peak_window.iter().position(|x| *x >= value) == Some(frame - frame.saturating_sub(PEAK_HALF_WINDOW));
            let mean = threshold_window.iter().sum::<f32>() / threshold_window.len() as f32;
            first_maximum && peak_window.iter().all(|x| *x <= value) && value > mean + ONSET_RISE * highest
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns mel frames with a click every `period` frames.
    fn clicks(period: usize, count: usize) -> Vec<MelFrame> {
        (0..period * count)
            .map(|frame| if frame % period == 10 % period { [-2.0; BANDS] } else { [-9.0; BANDS] })
            .collect()
    }

    #[test]
    fn beats_fall_on_clicks() {
        for period in [40, 47, 60] {
            let rhythm = Rhythm::of(&clicks(period, 40));
            let bpm = 60.0 * FRAMES_PER_SECOND / period as f64;
            assert!((rhythm.tempo_bpm / bpm - 1.0).abs() < 0.01, "{} for {bpm}", rhythm.tempo_bpm);
            for beat in &rhythm.beats {
                let phase = (beat * FRAMES_PER_SECOND - 10.0).rem_euclid(period as f64);
                assert!(phase.min(period as f64 - phase) <= 1.0, "a beat is {phase} frames after a click");
            }
            assert_eq!(rhythm.onsets.len(), 40);
        }
    }

    #[test]
    fn silence_has_no_rhythm() {
        assert_eq!(Rhythm::of(&[[-11.5; BANDS]; 100]), Rhythm::default());
        assert_eq!(Rhythm::of(&[]), Rhythm::default());
    }
}
