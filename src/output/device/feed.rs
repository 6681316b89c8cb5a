//! The real-time callback: runs the engine and converts its output to the device's rate, channels and sample format.
#![cfg_attr(not(test), deny(clippy::disallowed_types, clippy::disallowed_methods, clippy::disallowed_macros))]

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use dasp::sample::{FromSample, Sample};

use super::engine_slot::EngineSlot;
use super::resample::Resampler;
use super::status::OutputStatus;
use crate::engine::{Engine, QUANTUM};
use crate::units::SAMPLE_RATE;

/// Duration of the fade-in when an engine is inserted, and of the fade-out before its removal.
const FADE_SECONDS: f32 = 0.01;

/// Fills the device's buffers.
#[derive(Debug)]
pub(super) struct Feed {
    slot: Arc<EngineSlot>,
    resampler: Option<Resampler>,
    channels: usize,
    /// Number of 48 kHz frames per device frame.
    ratio: f64,
    status: Arc<OutputStatus>,
    /// Samples rendered for the resampler, and the index of the next one to read.
    rendered: [f32; 2 * QUANTUM],
    read_index: usize,
    /// The gain of the fade, and its change per device frame.
    gain: f32,
    step: f32,
    /// Maximum number of frames in the device's buffer, which are lost when the stream is closed.
    buffered_frames: usize,
    /// Number of silent device frames since the fade-out.
    silent_frames: usize,
}

impl Feed {
    /// Creates a feed for a device with the given sample rate and number of channels.
    pub(super) fn new(slot: Arc<EngineSlot>, rate: u32, channels: u16, status: Arc<OutputStatus>) -> Self {
        Self {
            slot,
            resampler: (rate != SAMPLE_RATE).then(|| Resampler::new(rate)),
            channels: usize::from(channels).max(1),
            ratio: f64::from(SAMPLE_RATE) / f64::from(rate),
            status,
            rendered: [0.0; 2 * QUANTUM],
            read_index: 2 * QUANTUM,
            gain: 0.0,
            step: 1.0 / (FADE_SECONDS * rate as f32),
            buffered_frames: 0,
            silent_frames: 0,
        }
    }

    /// Begins a callback that requests `frames` device frames, which will be played after `latency` others.
    pub(super) fn announce(&mut self, frames: usize, latency: usize) {
        // Servers may buffer up to two more blocks.
        self.buffered_frames = latency + 2 * frames;
        let frames = (frames as f64 * self.ratio).ceil();
        // A stream without the engine, such as a lost one that resumes, does not change the status.
        if self.slot.count_requested(frames as u64) {
            self.status.block_frames.store(frames as u32, Relaxed);
            self.status.callbacks.fetch_add(1, Relaxed);
        }
    }

    /// Fills a buffer with interleaved frames, or with silence while there is no engine.
    pub(super) fn fill<T: Sample + FromSample<f32>>(&mut self, out: &mut [T]) {
        let fades_out = self.slot.should_fade_out();
        let is_silent = fades_out && self.gain == 0.0;
        self.silent_frames = if is_silent { self.silent_frames + out.len() / self.channels } else { 0 };
        if let Some(mut engine) = self.slot.take() {
            // After the fade-out, the engine continues inaudibly, so that its clock keeps running.
            self.play(&mut engine, out, if fades_out { 0.0 } else { 1.0 });
            self.slot.put_back(engine);
        } else {
            self.gain = 0.0;
            out.fill(T::EQUILIBRIUM);
        }
        if self.silent_frames > self.buffered_frames {
            self.slot.set_faded();
        }
    }

    fn play<T: Sample + FromSample<f32>>(&mut self, engine: &mut Engine, out: &mut [T], target_gain: f32) {
        let mut stereo = [0.0; 2 * QUANTUM];
        for chunk in out.chunks_mut(QUANTUM * self.channels) {
            let stereo = &mut stereo[..2 * (chunk.len() / self.channels)];
            match &mut self.resampler {
                None => engine.render(stereo),
                Some(resampler) => {
                    for frame in stereo.chunks_exact_mut(2) {
                        let next = || pull(engine, &mut self.rendered, &mut self.read_index);
                        frame.copy_from_slice(&resampler.next(next));
                    }
                }
            }
            for (frame, stereo) in chunk.chunks_mut(self.channels).zip(stereo.chunks_exact(2)) {
                self.gain += (target_gain - self.gain).clamp(-self.step, self.step);
                write_frame(frame, [self.gain * stereo[0], self.gain * stereo[1]]);
            }
        }
    }
}

/// Returns the engine's next frame, rendering another quantum when the current one is used up.
fn pull(engine: &mut Engine, rendered: &mut [f32; 2 * QUANTUM], index: &mut usize) -> [f32; 2] {
    if *index == rendered.len() {
        engine.render(rendered);
        *index = 0;
    }
    let frame = [rendered[*index], rendered[*index + 1]];
    *index += 2;
    frame
}

/// Writes a stereo frame to any number of channels: a single channel receives the mean of left and right; if there are
/// more than two, all but the first two are silent.
fn write_frame<T: Sample + FromSample<f32>>(out: &mut [T], [left, right]: [f32; 2]) {
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
    use crate::event::{EngineCommand, QueuedCommand};
    use crate::music::theory::Voice;

    /// Returns an engine playing a note.
    fn playing_engine() -> Box<Engine> {
        let (ports, mut ends) = ports();
        let command = EngineCommand::NoteOn { voice: Voice::Pad, note: 60, velocity: 1.0 };
        ends.commands.try_push(QueuedCommand { number: 0, frame: 0, command }).unwrap();
        Box::new(Engine::new(ports, Arc::default()))
    }

    fn fill<T: Sample + FromSample<f32>>(rate: u32, channels: u16, frames: usize) -> Vec<T> {
        let slot = Arc::new(EngineSlot::default());
        slot.insert(playing_engine());
        let mut feed = Feed::new(Arc::clone(&slot), rate, channels, Arc::default());
        let mut out = vec![T::EQUILIBRIUM; frames * usize::from(channels)];
        for chunk in out.chunks_mut(333 * usize::from(channels)) {
            feed.fill(chunk);
        }
        assert!(slot.remove().is_some());
        out
    }

    /// Returns the largest step between consecutive samples of the left channel.
    fn largest_step(samples: &[f32]) -> f32 {
        let left: Vec<f32> = samples.iter().step_by(2).copied().collect();
        left.windows(2).map(|pair| (pair[1] - pair[0]).abs()).fold(0.0, f32::max)
    }

    #[test]
    fn fades_in_and_out_without_clicks() {
        let slot = Arc::new(EngineSlot::default());
        let mut feed = Feed::new(Arc::clone(&slot), 48_000, 2, Arc::default());
        let mut engine = playing_engine();
        let mut expected = vec![0.0; 2 * 48_000];
        engine.render(&mut expected);
        let expected_step = largest_step(&expected);
        feed.announce(480, 100);
        let mut play = |frames: usize| {
            let mut out = vec![1.0f32; 2 * frames];
            out.chunks_mut(2 * 480).for_each(|chunk| feed.fill(chunk));
            out
        };
        let mut samples = play(960);
        assert!(samples.iter().all(|sample| *sample == 0.0), "without an engine, the output should be silent");
        slot.insert(engine);
        samples.extend(play(4800));
        assert!(!slot.fade_out());
        // The stream may be closed only once the device's buffer is silent.
        samples.extend(play(480 + 960));
        assert!(!slot.fade_out());
        samples.extend(play(480));
        assert!(slot.fade_out());
        let engine = slot.remove().unwrap();
        let played = engine.status().frame();
        samples.extend(play(960));
        assert_eq!(engine.status().frame(), played);
        assert!(samples.iter().any(|sample| sample.abs() > 0.01));
        assert!(largest_step(&samples) < 1.5 * expected_step, "{}, normally {expected_step}", largest_step(&samples));
        assert!(samples[samples.len() - 2000..].iter().all(|sample| *sample == 0.0));
    }

    #[test]
    fn the_callback_does_not_allocate() {
        use assert_no_alloc::{assert_no_alloc, reset_violation_count, violation_count};
        reset_violation_count();
        for rate in [48_000, 44_100, 96_000] {
            let slot = Arc::new(EngineSlot::default());
            let mut feed = Feed::new(Arc::clone(&slot), rate, 6, Arc::default());
            let (mut floats, mut integers) = (vec![0.0f32; 6 * 1024], vec![0i16; 6 * 333]);
            let mut call = || {
                assert_no_alloc(|| {
                    feed.announce(1024, 512);
                    feed.fill(&mut floats);
                    feed.fill(&mut integers);
                });
            };
            call();
            slot.insert(playing_engine());
            (0..100).for_each(|_| call());
            while !slot.fade_out() {
                call();
            }
            assert!(slot.remove().is_some());
            call();
        }
        assert_eq!(violation_count(), 0);
    }

    #[test]
    fn converts_channels_and_formats() {
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
    fn resampling_preserves_energy() {
        let energy = |samples: &[f32], rate: f32| samples.iter().map(|sample| sample * sample).sum::<f32>() / rate;
        let direct = energy(&fill(48_000, 2, 48_000), 48_000.0);
        let resampled = energy(&fill(44_100, 2, 44_100), 44_100.0);
        assert!((direct / resampled - 1.0).abs() < 0.02, "{direct} before resampling, {resampled} after");
    }
}
