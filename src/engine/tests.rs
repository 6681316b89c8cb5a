//! Offline tests of the whole engine.

use crate::event::{EngineCommand, Executed, Hop, QueuedCommand};
use std::sync::Arc;

use ringbuf::traits::{Consumer, Producer};

use super::limiter::CEILING;
use super::*;
use crate::event::health::Loss;
use crate::mel::HOP;
use crate::music::theory::Voice;

mod evenness;
mod stereo_image;

struct TestRig {
    engine: Engine,
    ends: EngineEnds,
    pushed: u64,
}

/// Returns a sample of a test signal: three partials without DC.
fn music(frame: u64) -> f32 {
    let phase = |hz: f64| ((frame as f64 * hz / 48_000.0).fract()) as f32;
    0.12 * dsp::sine(phase(261.63)) + 0.08 * dsp::sine(phase(659.26)) + 0.03 * dsp::sine(phase(2093.0))
}

fn hop(index: u64, epoch: u32, sample: impl Fn(u64) -> f32) -> Hop {
    Hop { index, epoch, samples: std::array::from_fn(|n| sample(index * HOP as u64 + n as u64)) }
}

impl TestRig {
    fn new() -> Self {
        let (ports, ends) = ports();
        Self { engine: Engine::new(ports, Arc::default()), ends, pushed: 0 }
    }

    fn send(&mut self, frame: u64, command: EngineCommand) {
        self.ends.commands.try_push(QueuedCommand { number: 0, frame, command }).unwrap();
    }

    fn send_chord(&mut self, frame: u64) {
        for (voice, note) in
            [(Voice::Bass, 36), (Voice::Pad, 52), (Voice::Pad, 55), (Voice::Pad, 60), (Voice::Upper, 76)]
        {
            self.send(frame, EngineCommand::NoteOn { voice, note, velocity: 0.7 });
        }
    }

    /// Sends hops of [`music`] up to `frame`.
    fn feed(&mut self, frame: u64) {
        while self.pushed * (HOP as u64) < frame {
            self.ends.hops.try_push(hop(self.pushed, 0, music)).unwrap();
            self.pushed += 1;
        }
    }

    /// Plays without sending hops. Returns interleaved frames.
    fn play(&mut self, frames: usize) -> Vec<f32> {
        let mut out = vec![0.0; 2 * frames];
        self.engine.render(&mut out);
        self.ends.tap.clear();
        out
    }

    /// Plays while keeping the hops well ahead of the playhead.
    fn perform(&mut self, frames: usize) -> Vec<f32> {
        let mut out = Vec::new();
        let mut remaining = frames;
        while remaining > 0 {
            let count = remaining.min(HOP);
            self.feed(self.engine.state.frame + 8 * HOP as u64);
            out.extend(self.play(count));
            remaining -= count;
        }
        out
    }

    fn events(&mut self) -> Vec<EngineEvent> {
        self.ends.events.pop_iter().collect()
    }
}

fn mono(out: &[f32]) -> Vec<f32> {
    out.chunks_exact(2).map(|frame| 0.5 * (frame[0] + frame[1])).collect()
}

fn largest_step(samples: &[f32]) -> f32 {
    samples.windows(2).map(|pair| (pair[1] - pair[0]).abs()).fold(0.0, f32::max)
}

fn level(samples: &[f32]) -> f32 {
    (samples.iter().map(|sample| sample * sample).sum::<f32>() / samples.len() as f32).sqrt()
}

fn peak(samples: &[f32]) -> f32 {
    samples.iter().fold(0.0, |peak, sample| peak.max(sample.abs()))
}

#[test]
fn the_output_is_independent_of_the_block_size() {
    let outputs = [1, 64, 333, 4096].map(|block| {
        let mut rig = TestRig::new();
        rig.feed(60_000);
        rig.send_chord(1000);
        rig.send(9000, EngineCommand::Number(Param::LevelPad, -3.0));
        rig.send(20_001, EngineCommand::Toggle(Param::Hold, true));
        rig.send(30_000, EngineCommand::Toggle(Param::Hold, false));
        rig.send(36_000, EngineCommand::Panic);
        let mut out = vec![0.0; 2 * 4096 * 12];
        out.chunks_mut(2 * block).for_each(|chunk| rig.engine.render(chunk));
        out
    });
    assert!(peak(&outputs[0]) > 0.05);
    for other in &outputs[1..] {
        assert!(outputs[0].iter().zip(other).all(|(a, b)| a.to_bits() == b.to_bits()));
    }
}

#[test]
fn bridges_starvation_without_clicks_or_silence() {
    let mut rig = TestRig::new();
    rig.send_chord(0);
    let normal = mono(&rig.perform(96_000));
    let end = rig.pushed * HOP as u64;
    let bridged = mono(&rig.play(5 * 48_000));
    assert!(rig.engine.status().is_starved());
    assert!(rig.engine.status().starved_frames() > 4 * 48_000, "starved frames should be counted during starvation");
    rig.pushed = rig.engine.state.frame.div_ceil(HOP as u64) + 4;
    let resumed = mono(&rig.perform(96_000));
    assert!(!rig.engine.status().is_starved());

    let events = rig.events();
    let Some(EngineEvent::Starved { frame }) = events.first() else { panic!("{events:?}") };
    assert!((end - HOP_LEAD..=end).contains(frame), "{frame}, with hops up to {end}");
    let recovered = events.iter().find_map(|event| match event {
        EngineEvent::Recovered { bridged, .. } => Some(*bridged),
        _ => None,
    });
    assert_eq!(recovered, Some(rig.engine.status().starved_frames()), "{events:?}");

    let normal_step = largest_step(&normal[4800..]);
    for samples in [&bridged, &resumed] {
        assert!(largest_step(samples) < 1.5 * normal_step, "{}, normally {normal_step}", largest_step(samples));
    }
    let normal_level = level(&normal[48_000..]);
    for chunk in bridged.chunks(4800).chain(resumed.chunks(4800)) {
        assert!(level(chunk) > 0.1 * normal_level, "{}, normally {normal_level}", level(chunk));
    }
}

#[test]
fn the_sustain_stays_audible() {
    let mut rig = TestRig::new();
    let normal_level = level(&mono(&rig.perform(96_000)));
    let bridged = mono(&rig.play(6 * 48_000));
    for chunk in bridged.chunks(4800) {
        assert!(level(chunk) > 0.03 * normal_level, "{}, normally {normal_level}", level(chunk));
    }
}

#[test]
fn a_new_future_takes_over_at_its_first_hop() {
    let mut rig = TestRig::new();
    rig.send(0, EngineCommand::Number(Param::Reverb, 0.0));
    rig.send(0, EngineCommand::Number(Param::Width, 0.0));
    rig.feed(40 * HOP as u64);
    let before = rig.play(10 * HOP);
    for index in 14..40 {
        rig.ends.hops.try_push(hop(index, 1, |_| 0.0)).unwrap();
    }
    let after = mono(&rig.play(20 * HOP));
    assert!(level(&mono(&before)[5 * HOP..]) > 0.05);
    assert!(level(&after[..4 * HOP]) > 0.05);
    assert!(level(&after[8 * HOP..]) < 0.02);
    assert_eq!(rig.engine.status().accepted_epoch(), 1);
    assert_eq!(rig.engine.status().rejected_epoch(), 0);
}

#[test]
fn rejects_and_reports_a_late_future() {
    let mut rig = TestRig::new();
    rig.feed(40 * HOP as u64);
    rig.play(10 * HOP + 7);
    for index in 10..20 {
        rig.ends.hops.try_push(hop(index, 3, |_| 0.0)).unwrap();
    }
    let after = mono(&rig.play(20 * HOP));
    assert!(level(&after[10 * HOP..]) > 0.05);
    assert_eq!(rig.engine.status().rejected_epoch(), 3);
    assert_eq!(rig.engine.status().accepted_epoch(), 0);
    assert_eq!(rig.engine.status().losses().count(Loss::Hops), 10);
    assert!(rig.events().iter().any(|event| matches!(event, EngineEvent::EpochRejected { epoch: 3, .. })));
}

#[test]
fn the_output_never_exceeds_the_ceiling() {
    let mut rig = TestRig::new();
    for param in [Param::LevelMaster, Param::LevelNetwork, Param::LevelBass, Param::LevelPad, Param::LevelUpper] {
        rig.send(0, EngineCommand::Number(param, 6.0));
    }
    rig.send(0, EngineCommand::Number(Param::Reverb, 1.0));
    for index in 0..100 {
        rig.ends.hops.try_push(hop(index, 0, |frame| 30.0 * music(frame))).unwrap();
    }
    for note in 40..80 {
        rig.send(64, EngineCommand::NoteOn { voice: Voice::Pad, note, velocity: 1.0 });
    }
    let out = rig.play(48_000);
    assert!(peak(&out) <= CEILING && peak(&out) > 0.8, "{}", peak(&out));
}

#[test]
fn non_finite_samples_never_reach_the_output() {
    let mut rig = TestRig::new();
    rig.send(0, EngineCommand::Expression(f32::NAN));
    rig.send(0, EngineCommand::NoteOn { voice: Voice::Pad, note: 255, velocity: f32::INFINITY });
    rig.send(0, EngineCommand::NoteOn { voice: Voice::Upper, note: 255, velocity: 7.0 });
    rig.ends.hops.try_push(hop(0, 0, |frame| if frame % 3 == 0 { f32::NAN } else { f32::MAX })).unwrap();
    rig.pushed = 1;
    let out = rig.perform(48_000);
    assert!(out.iter().all(|sample| sample.is_finite()));
    assert!(level(&out[48_000..]) > 0.01);
    assert!(rig.engine.status().losses().count(Loss::NotFinite) > 100);
}

#[test]
#[cfg(debug_assertions)]
#[should_panic(expected = "invalid value")]
fn panics_on_invalid_values() {
    let mut rig = TestRig::new();
    rig.send(0, EngineCommand::Number(Param::LevelMaster, f32::NAN));
    rig.perform(48_000);
}

#[test]
fn panic_silences_the_output_within_10_ms_and_fades_in_again() {
    let mut rig = TestRig::new();
    rig.send_chord(0);
    rig.perform(48_000);
    let frame = rig.engine.state.frame;
    rig.send(frame, EngineCommand::Panic);
    let out = mono(&rig.perform(48_000));
    let first_silent = out.iter().position(|sample| *sample == 0.0).unwrap();
    assert!(first_silent < 480, "{first_silent}");
    assert!(largest_step(&out) < 0.05);
    assert!(level(&out[24_000..]) > 0.05, "the piano should continue");
}

#[test]
fn stop_fades_out_and_start_fades_in() {
    let mut rig = TestRig::new();
    rig.perform(9600);
    rig.send(rig.engine.state.frame, EngineCommand::Toggle(Param::Play, false));
    let out = mono(&rig.perform(96_000));
    assert!(level(&out[..4800]) > 0.05 && peak(&out[80_000..]) == 0.0);
    assert!(rig.engine.status().is_silent());
    rig.send(rig.engine.state.frame, EngineCommand::Toggle(Param::Play, true));
    let resumed = mono(&rig.perform(96_000));
    assert!(level(&resumed[48_000..]) > 0.05 && !rig.engine.status().is_silent());
    assert!(largest_step(&out).max(largest_step(&resumed)) < 0.05);
}

#[test]
fn hold_sustains_the_sound_while_the_playhead_advances() {
    let mut rig = TestRig::new();
    let live = mono(&rig.perform(48_000));
    rig.send(rig.engine.state.frame, EngineCommand::Toggle(Param::Hold, true));
    for index in rig.pushed..rig.pushed + 90 {
        rig.ends.hops.try_push(hop(index, 0, |_| 0.0)).unwrap();
    }
    rig.play(24_000);
    let held = mono(&rig.play(19_200));
    assert!(level(&held) > 0.5 * level(&live[9600..]), "{} of {}", level(&held), level(&live[9600..]));
    assert!(largest_step(&held) < 1.5 * largest_step(&live[9600..]));
}

#[test]
fn each_mute_silences_only_its_layer() {
    let layers = [Param::MuteNetwork, Param::MuteBass, Param::MutePad, Param::MuteUpper];
    let level_with = |muted: &[Param]| {
        let mut rig = TestRig::new();
        rig.send(0, EngineCommand::Number(Param::Reverb, 0.0));
        for mute in muted {
            rig.send(0, EngineCommand::Toggle(*mute, true));
        }
        rig.send_chord(4800);
        level(&rig.perform(48_000)[19_200..])
    };
    assert!(level_with(&layers) < 1e-6);
    assert!(level_with(&[Param::MuteNetwork, Param::MuteHarmony]) < 1e-6);
    assert!(level_with(&[Param::MuteMaster]) < 1e-6);
    for layer in layers {
        let others: Vec<_> = layers.into_iter().filter(|other| *other != layer).collect();
        assert!(level_with(&others) > 0.003, "{layer:?}: {}", level_with(&others));
    }
}

#[test]
fn applies_and_counts_late_commands() {
    let mut rig = TestRig::new();
    rig.play(4800);
    rig.send(100, EngineCommand::NoteOn { voice: Voice::Bass, note: 40, velocity: 1.0 });
    assert!(level(&rig.play(9600)) > 0.001);
    assert_eq!(rig.engine.status().losses().count(Loss::Commands), 1);
}

#[test]
fn executes_and_reports_immediate_and_late_commands_in_the_next_quantum() {
    let note = |note| EngineCommand::NoteOn { voice: Voice::Bass, note, velocity: 1.0 };
    let mut rig = TestRig::new();
    rig.play(1000);
    rig.ends.immediate.try_push(QueuedCommand { number: 7, frame: 9000, command: note(40) }).unwrap();
    // Play to frame 1152: the current quantum has 24 frames left, and the limiter delays by 64.
    assert!(level(&rig.play(152)) > 0.0, "the note should start at frame 1024");
    rig.ends.commands.try_push(QueuedCommand { number: 8, frame: 500, command: note(43) }).unwrap();
    rig.ends.commands.try_push(QueuedCommand { number: 9, frame: 1500, command: note(47) }).unwrap();
    rig.play(1000);
    let executed: Vec<Executed> = rig.ends.executed.pop_iter().collect();
    assert_eq!(
        executed,
        [Executed { number: 7, due: 9000, at: 1024 }, Executed { number: 8, due: 500, at: 1152 }],
        "commands executed on time should not be reported"
    );
}

#[test]
fn commands_wait_for_their_frame() {
    let mut rig = TestRig::new();
    rig.send(10_000, EngineCommand::NoteOn { voice: Voice::Bass, note: 40, velocity: 1.0 });
    let out = rig.play(20_000);
    let first = out.iter().position(|sample| *sample != 0.0).unwrap() / 2;
    assert!((9984..10_200).contains(&first), "{first}");
}

#[test]
fn the_output_has_no_dc() {
    let mut rig = TestRig::new();
    rig.send_chord(0);
    for index in 0..120 {
        rig.ends.hops.try_push(hop(index, 0, |frame| 0.2 + music(frame))).unwrap();
    }
    let out = mono(&rig.play(110 * HOP));
    let mean = out[24_000..].iter().sum::<f32>() / (out.len() - 24_000) as f32;
    assert!(mean.abs() < 2e-3, "{mean}");
}

#[test]
fn the_tap_receives_the_whole_output() {
    let mut rig = TestRig::new();
    rig.feed(9600);
    let mut out = vec![0.0; 2 * 6400];
    rig.engine.render(&mut out);
    let tapped: Vec<f32> = rig.ends.tap.pop_iter().flatten().collect();
    assert_eq!(tapped, out);
    assert_eq!(rig.engine.status().losses().count(Loss::Tap), 0);
}
