//! The real-time callback: engine, resampling, channels and sample format.
#![cfg_attr(not(test), deny(clippy::disallowed_types, clippy::disallowed_methods, clippy::disallowed_macros))]

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use dasp::sample::{FromSample, Sample};

use super::engine_slot::EngineSlot;
use super::resample::Resampler;
use super::status::OutputStatus;
use crate::engine::{Engine, QUANTUM};
use crate::units::SAMPLE_RATE;

/// Fade-in when the engine arrives, and fade-out before it is taken away, in seconds.
const FADE: f32 = 0.01;

/// Fills the device's buffers.
#[derive(Debug)]
pub(super) struct Feed {
    slot: Arc<EngineSlot>,
    resampler: Option<Resampler>,
    channels: usize,
    /// 48 kHz frames per device frame.
    ratio: f64,
    status: Arc<OutputStatus>,
    /// The engine's frames for the resampler.
    waiting: [f32; 2 * QUANTUM],
    taken: usize,
    /// The fade's gain, and its change per device frame.
    level: f32,
    step: f32,
    /// Device frames that the device may still hold, and thus drop when the stream is closed.
    held: usize,
    /// Device frames of silence since the fade-out.
    silent: usize,
}

impl Feed {
    /// Creates a feed for a device of `rate` frames per second and any number of channels.
    pub(super) fn new(slot: Arc<EngineSlot>, rate: u32, channels: u16, status: Arc<OutputStatus>) -> Self {
        Self {
            slot,
            resampler: (rate != SAMPLE_RATE).then(|| Resampler::new(rate)),
            channels: usize::from(channels).max(1),
            ratio: f64::from(SAMPLE_RATE) / f64::from(rate),
            status,
            waiting: [0.0; 2 * QUANTUM],
            taken: 2 * QUANTUM,
            level: 0.0,
            step: 1.0 / (FADE * rate as f32),
            held: 0,
            silent: 0,
        }
    }

    /// Reports at the start of a callback how many device frames it requests, and how many will be played before them.
    pub(super) fn announce(&mut self, frames: usize, latency: usize) {
        // Servers hold up to two more blocks.
        self.held = latency + 2 * frames;
        let frames = (frames as f64 * self.ratio).ceil();
        // A stream that resumes after it was given up has nothing to report.
        if self.slot.count(frames as u64) {
            self.status.block_frames.store(frames as u32, Relaxed);
            self.status.callbacks.fetch_add(1, Relaxed);
        }
    }

    /// Fills a buffer of interleaved frames, with silence while there is no engine.
    pub(super) fn fill<T: Sample + FromSample<f32>>(&mut self, out: &mut [T]) {
        let leaving = self.slot.is_leaving();
        self.silent = if leaving && self.level == 0.0 { self.silent + out.len() / self.channels } else { 0 };
        if let Some(mut engine) = self.slot.borrow() {
            // After the fade-out, the engine continues inaudibly, so that its clock does not wait for the device.
            self.play(&mut engine, out, if leaving { 0.0 } else { 1.0 });
            self.slot.give_back(engine);
        } else {
            self.level = 0.0;
            out.fill(T::EQUILIBRIUM);
        }
        if self.silent > self.held {
            self.slot.set_faded();
        }
    }

    fn play<T: Sample + FromSample<f32>>(&mut self, engine: &mut Engine, out: &mut [T], target: f32) {
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
                self.level += (target - self.level).clamp(-self.step, self.step);
                spread(frame, [self.level * stereo[0], self.level * stereo[1]]);
            }
        }
    }
}

/// The engine's next frame; the engine renders a quantum at a time.
fn pull(engine: &mut Engine, waiting: &mut [f32; 2 * QUANTUM], taken: &mut usize) -> [f32; 2] {
    if *taken == waiting.len() {
        engine.render(waiting);
        *taken = 0;
    }
    let frame = [waiting[*taken], waiting[*taken + 1]];
    *taken += 2;
    frame
}

/// Writes a frame to any number of channels: mono gets the mix, more than two channels use the first two.
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
    use crate::event::{EngineCommand, QueuedCommand};
    use crate::music::theory::Voice;

    fn sounding() -> Box<Engine> {
        let (ports, mut ends) = ports();
        let command = EngineCommand::NoteOn { voice: Voice::Pad, note: 60, velocity: 1.0 };
        ends.commands.try_push(QueuedCommand { number: 0, frame: 0, command }).unwrap();
        Box::new(Engine::new(ports, Arc::default()))
    }

    fn fill<T: Sample + FromSample<f32>>(rate: u32, channels: u16, frames: usize) -> Vec<T> {
        let slot = Arc::new(EngineSlot::default());
        slot.insert(sounding());
        let mut feed = Feed::new(Arc::clone(&slot), rate, channels, Arc::default());
        let mut out = vec![T::EQUILIBRIUM; frames * usize::from(channels)];
        for part in out.chunks_mut(333 * usize::from(channels)) {
            feed.fill(part);
        }
        assert!(slot.remove().is_some());
        out
    }

    /// The largest step from a frame to the next, of the left channel.
    fn largest_step(sound: &[f32]) -> f32 {
        let left: Vec<f32> = sound.iter().step_by(2).copied().collect();
        left.windows(2).map(|pair| (pair[1] - pair[0]).abs()).fold(0.0, f32::max)
    }

    #[test]
    fn the_engine_comes_and_goes_without_a_click() {
        let slot = Arc::new(EngineSlot::default());
        let mut feed = Feed::new(Arc::clone(&slot), 48_000, 2, Arc::default());
        let mut engine = sounding();
        let mut heard = vec![0.0; 2 * 48_000];
        engine.render(&mut heard);
        let usual = largest_step(&heard);
        feed.announce(480, 100);
        let mut play = |frames: usize| {
            let mut out = vec![1.0f32; 2 * frames];
            out.chunks_mut(2 * 480).for_each(|part| feed.fill(part));
            out
        };
        let mut sound = play(960);
        assert!(sound.iter().all(|sample| *sample == 0.0), "there is no engine");
        slot.insert(engine);
        sound.extend(play(4800));
        assert!(!slot.fade());
        // What the device holds must be silent before the stream may be closed.
        sound.extend(play(480 + 960));
        assert!(!slot.fade());
        sound.extend(play(480));
        assert!(slot.fade());
        let engine = slot.remove().unwrap();
        let played = engine.status().frame();
        sound.extend(play(960));
        assert_eq!(engine.status().frame(), played);
        assert!(sound.iter().any(|sample| sample.abs() > 0.01));
        assert!(largest_step(&sound) < 1.5 * usual, "{} against {usual}", largest_step(&sound));
        assert!(sound[sound.len() - 2000..].iter().all(|sample| *sample == 0.0));
    }

    #[test]
    fn nothing_is_allocated_in_the_callback() {
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
            slot.insert(sounding());
            (0..100).for_each(|_| call());
            while !slot.fade() {
                call();
            }
            assert!(slot.remove().is_some());
            call();
        }
        assert_eq!(violation_count(), 0);
    }

    #[test]
    fn channels_and_formats_are_converted() {
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
    fn other_sample_rates_play_the_same_music() {
        let energy = |samples: &[f32], rate: f32| samples.iter().map(|sample| sample * sample).sum::<f32>() / rate;
        let normal = energy(&fill(48_000, 2, 48_000), 48_000.0);
        let other = energy(&fill(44_100, 2, 44_100), 44_100.0);
        assert!((normal / other - 1.0).abs() < 0.02, "{normal} {other}");
    }
}
