//! What happens in the callback: the engine, the device's rate, its channels, its sample format. Real-time.
#![cfg_attr(not(test), deny(clippy::disallowed_types, clippy::disallowed_methods, clippy::disallowed_macros))]

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use cpal::{FromSample, Sample};

use super::home::Guest;
use super::resample::Resampler;
use super::status::OutputStatus;
use crate::engine::{Engine, QUANTUM};
use crate::units::SAMPLE_RATE;

/// Fills the device's buffers.
#[derive(Debug)]
pub(super) struct Feed {
    engine: Guest,
    resampler: Option<Resampler>,
    channels: usize,
    /// 48 kHz frames per device frame.
    ratio: f64,
    status: Arc<OutputStatus>,
    /// The engine's frames on their way to the resampler.
    waiting: [f32; 2 * QUANTUM],
    taken: usize,
}

impl Feed {
    /// For a device of `rate` frames per second and any number of channels.
    pub(super) fn new(engine: Guest, rate: u32, channels: u16, status: Arc<OutputStatus>) -> Self {
        Self {
            engine,
            resampler: (rate != SAMPLE_RATE).then(|| Resampler::new(rate)),
            channels: usize::from(channels).max(1),
            ratio: f64::from(SAMPLE_RATE) / f64::from(rate),
            status,
            waiting: [0.0; 2 * QUANTUM],
            taken: 2 * QUANTUM,
        }
    }

    /// Says at the beginning of a callback how many device frames it asks for.
    pub(super) fn announce(&self, frames: usize) {
        self.status.block_frames.store((frames as f64 * self.ratio).ceil() as u32, Relaxed);
        self.status.callbacks.fetch_add(1, Relaxed);
    }

    /// Fills a buffer of interleaved frames.
    pub(super) fn fill<T: Sample + FromSample<f32>>(&mut self, out: &mut [T]) {
        let Some(engine) = self.engine.engine() else {
            out.fill(T::EQUILIBRIUM);
            return;
        };
        let mut stereo = [0.0; 2 * QUANTUM];
        for part in out.chunks_mut(QUANTUM * self.channels) {
            let stereo = &mut stereo[..2 * (part.len() / self.channels)];
            match &mut self.resampler {
                None => engine.render(stereo),
                Some(resampler) => {
                    for frame in stereo.chunks_exact_mut(2) {
                        let next = || pull(engine, &mut self.waiting, &mut self.taken);
                        frame.copy_from_slice(&resampler.next(next));
                    }
                }
            }
            for (frame, stereo) in part.chunks_mut(self.channels).zip(stereo.chunks_exact(2)) {
                spread(frame, [stereo[0], stereo[1]]);
            }
        }
    }
}

/// The engine's next frame, by way of a quantum.
fn pull(engine: &mut Engine, waiting: &mut [f32; 2 * QUANTUM], taken: &mut usize) -> [f32; 2] {
    if *taken == waiting.len() {
        engine.render(waiting);
        *taken = 0;
    }
    let frame = [waiting[*taken], waiting[*taken + 1]];
    *taken += 2;
    frame
}

/// One frame for a device of any number of channels: mono gets both, more than two get the first two.
fn spread<T: Sample + FromSample<f32>>(out: &mut [T], [left, right]: [f32; 2]) {
    match out {
        [] => {}
        [mono] => *mono = T::from_sample(0.5 * (left + right)),
        [first, second, rest @ ..] => {
            *first = T::from_sample(left);
            *second = T::from_sample(right);
            rest.fill(T::EQUILIBRIUM);
        }
    }
}

#[cfg(test)]
mod tests {
    use ringbuf::traits::Producer;

    use super::*;
    use crate::engine::ports;
    use crate::event::{EngineCommand, TimedCommand};
    use crate::music::theory::Voice;
    use crate::output::device::home::Home;

    fn sounding() -> Box<Engine> {
        let (ports, mut ends) = ports();
        let command = EngineCommand::NoteOn { voice: Voice::Pad, note: 60, velocity: 1.0 };
        ends.commands.try_push(TimedCommand { frame: 0, command }).unwrap();
        Box::new(Engine::new(ports, Arc::default()))
    }

    fn fill<T: Sample + FromSample<f32>>(rate: u32, channels: u16, frames: usize) -> Vec<T> {
        let home = Home::new();
        let mut feed = Feed::new(home.send_out(sounding()), rate, channels, Arc::default());
        let mut out = vec![T::EQUILIBRIUM; frames * usize::from(channels)];
        for part in out.chunks_mut(333 * usize::from(channels)) {
            feed.fill(part);
        }
        drop(feed);
        assert!(home.wait(std::time::Duration::ZERO).is_some());
        out
    }

    #[test]
    fn channels_and_formats() {
        let stereo: Vec<f32> = fill(48_000, 2, 9600);
        let mono: Vec<f32> = fill(48_000, 1, 9600);
        let six: Vec<f32> = fill(48_000, 6, 9600);
        let short: Vec<i16> = fill(48_000, 2, 9600);
        assert!(stereo.iter().any(|sample| sample.abs() > 0.001));
        for frame in 0..9600 {
            let [left, right] = [stereo[2 * frame], stereo[2 * frame + 1]];
            assert_eq!(mono[frame], 0.5 * (left + right));
            assert_eq!(six[6 * frame..][..6], [left, right, 0.0, 0.0, 0.0, 0.0]);
            assert!((f32::from(short[2 * frame]) / 32_768.0 - left).abs() < 1e-4);
        }
    }

    #[test]
    fn another_rate_plays_the_same_music() {
        let energy = |samples: &[f32], rate: f32| samples.iter().map(|sample| sample * sample).sum::<f32>() / rate;
        let normal = energy(&fill(48_000, 2, 48_000), 48_000.0);
        let other = energy(&fill(44_100, 2, 44_100), 44_100.0);
        assert!((normal / other - 1.0).abs() < 0.02, "{normal} {other}");
    }
}
