//! A decoded sample.

use std::path::Path;

use super::SynthError;
use crate::analysis::decode::{self, DecodeError};
use melos::units::SAMPLE_RATE;

/// Maximum length of a sample before transposition, in seconds.
const MAX_LENGTH: f32 = 12.0;
/// Fade-out of longer samples, in seconds.
const FADE_OUT: f32 = 1.0;
/// Fraction of the peak at which an attack starts.
const ATTACK_THRESHOLD: f32 = 0.02;
/// Length of the start of a sample that is searched for the peak, in seconds.
const PEAK_SECONDS: f32 = 1.0;
/// Fade-in before the attack, in seconds.
const FADE_IN: f32 = 0.001;
/// Nominal sample rate for transposition, high enough that rounding to integer rates changes the pitch by at most a
/// fifth of a cent when transposing up by no more than an octave.
const NOMINAL_RATE: f64 = 9600.0;

/// Stereo audio at 48 kHz, stored as 16-bit values relative to its peak, in half the memory of `f32`.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Sound {
    frames: Vec<[i16; 2]>,
    scale: f32,
}

impl Sound {
    /// Reads a file and transposes it by resampling. With `trim`, removes the silence before the attack, so that onsets
    /// are exact.
    pub(super) fn read(path: &Path, trim: bool, semitones: i32) -> Result<Self, SynthError> {
        let failed = |reason: String| SynthError::Unusable { path: path.to_path_buf(), reason };
        let [mut left, mut right] = decode::decode_stereo(path).map_err(|error| match error {
            DecodeError::Unreadable(source) => SynthError::Unreadable { path: path.to_path_buf(), source },
            error => failed(error.to_string()),
        })?;
        if trim {
            trim_start(&mut left, &mut right);
        }
        for channel in [&mut left, &mut right] {
            limit_length(channel);
            if semitones != 0 {
                let rate = (NOMINAL_RATE * (-f64::from(semitones) / 12.0).exp2()).round();
                *channel = decode::resample(channel, NOMINAL_RATE as usize, rate as usize).map_err(failed)?;
            }
        }
        let peak = left.iter().chain(&right).fold(0.0f32, |peak, x| peak.max(x.abs()));
        let scale = peak.max(1e-9) / f32::from(i16::MAX);
        let store = |x: f32| (x / scale).round() as i16;
        Ok(Self { frames: left.iter().zip(&right).map(|(l, r)| [store(*l), store(*r)]).collect(), scale })
    }

    /// Returns the number of frames.
    pub(super) fn len(&self) -> usize {
        self.frames.len()
    }

    /// Returns the frames, scaled to the original amplitude.
    pub(super) fn frames(&self) -> impl Iterator<Item = [f32; 2]> + '_ {
        self.frames.iter().map(|frame| frame.map(|x| f32::from(x) * self.scale))
    }
}

fn samples(seconds: f32) -> usize {
    (seconds * SAMPLE_RATE as f32) as usize
}

/// Removes everything before the attack except a short fade-in.
fn trim_start(left: &mut Vec<f32>, right: &mut Vec<f32>) {
    let level = |(l, r): (&f32, &f32)| l.abs().max(r.abs());
    let peak = left.iter().zip(right.iter()).take(samples(PEAK_SECONDS)).map(level).fold(0.0, f32::max);
    let attack = left.iter().zip(right.iter()).map(level).position(|x| x > ATTACK_THRESHOLD * peak).unwrap_or(0);
    let before = samples(FADE_IN).min(attack);
    for channel in [left, right] {
        channel.drain(..attack - before);
        for (index, x) in channel.iter_mut().take(before).enumerate() {
            *x *= index as f32 / before as f32;
        }
    }
}

/// Truncates a channel to the maximum length, with a fade-out.
fn limit_length(channel: &mut Vec<f32>) {
    let (longest, fade) = (samples(MAX_LENGTH), samples(FADE_OUT));
    if channel.len() > longest {
        channel.truncate(longest);
        for (index, x) in channel[longest - fade..].iter_mut().enumerate() {
            *x *= 1.0 - index as f32 / fade as f32;
        }
    }
}
