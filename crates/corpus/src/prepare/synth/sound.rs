//! One sample in memory.

use std::path::Path;

use super::SynthError;
use crate::analysis::decode::{self, DecodeError};
use melos::units::SAMPLE_RATE;

/// Maximum length of a sample in seconds; by then it has decayed.
const LONGEST: f32 = 12.0;
/// Fade-out of longer samples, in seconds.
const FADE: f32 = 1.0;
/// Fraction of the peak at which an attack starts.
const ATTACK: f32 = 0.02;
/// Seconds from the start within which the attack's peak must occur.
const STRUCK: f32 = 1.0;
/// Seconds kept before the attack, with a fade-in.
const BEFORE: f32 = 0.001;
/// The rate that represents a sample's own pitch, chosen so that integer rates are within a fifth of a cent of the desired
/// pitch, up to an octave above.
const PITCH: f64 = 9600.0;

/// Stereo sound at 48 kHz in 16 bits, normalized to full scale: half the memory of `f32`.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Sound {
    frames: Vec<[i16; 2]>,
    scale: f32,
}

impl Sound {
    /// Reads a file and transposes it by some semitones, by resampling. With `struck`, removes the silence before the
    /// attack, so that onsets are exact.
    pub(super) fn read(path: &Path, struck: bool, semitones: i32) -> Result<Self, SynthError> {
        let failed = |reason: String| SynthError::Unusable { path: path.to_path_buf(), reason };
        let [mut left, mut right] = decode::decode_stereo(path).map_err(|error| match error {
            DecodeError::Unreadable(source) => SynthError::Unreadable { path: path.to_path_buf(), source },
            error => failed(error.to_string()),
        })?;
        if struck {
            cut(&mut left, &mut right);
        }
        for channel in [&mut left, &mut right] {
            shorten(channel);
            if semitones != 0 {
                let rate = (PITCH * (-f64::from(semitones) / 12.0).exp2()).round();
                *channel = decode::resample(channel, PITCH as usize, rate as usize).map_err(failed)?;
            }
        }
        let peak = left.iter().chain(&right).fold(0.0f32, |peak, x| peak.max(x.abs()));
        let scale = peak.max(1e-9) / f32::from(i16::MAX);
        let store = |x: f32| (x / scale).round() as i16;
        Ok(Self { frames: left.iter().zip(&right).map(|(l, r)| [store(*l), store(*r)]).collect(), scale })
    }

    /// Number of frames.
    pub(super) fn len(&self) -> usize {
        self.frames.len()
    }

    /// The frames from the start.
    pub(super) fn frames(&self) -> impl Iterator<Item = [f32; 2]> + '_ {
        self.frames.iter().map(|frame| frame.map(|x| f32::from(x) * self.scale))
    }
}

fn samples(seconds: f32) -> usize {
    (seconds * SAMPLE_RATE as f32) as usize
}

/// Removes everything before the attack.
fn cut(left: &mut Vec<f32>, right: &mut Vec<f32>) {
    let level = |(l, r): (&f32, &f32)| l.abs().max(r.abs());
    let peak = left.iter().zip(right.iter()).take(samples(STRUCK)).map(level).fold(0.0, f32::max);
    let attack = left.iter().zip(right.iter()).map(level).position(|x| x > ATTACK * peak).unwrap_or(0);
    let before = samples(BEFORE).min(attack);
    for channel in [left, right] {
        channel.drain(..attack - before);
        for (index, x) in channel.iter_mut().take(before).enumerate() {
            *x *= index as f32 / before as f32;
        }
    }
}

fn shorten(channel: &mut Vec<f32>) {
    let (longest, fade) = (samples(LONGEST), samples(FADE));
    if channel.len() > longest {
        channel.truncate(longest);
        for (index, x) in channel[longest - fade..].iter_mut().enumerate() {
            *x *= 1.0 - index as f32 / fade as f32;
        }
    }
}
