use std::path::Path;

use proptest::prelude::*;

use super::*;
use crate::event::log::Header;
use crate::event::parameter::{Param, Value};
use crate::event::{ControlEvent, EngineCommand, SaveRequest};
use crate::generator::model::{Models, runtime};

const SECOND: u64 = 48_000;

fn generator() -> Generator {
    Generator::new(Models::load(runtime().unwrap(), Path::new("tests/fixtures/tiny-model")).unwrap()).unwrap()
}

fn performance(log: &ControlLog) -> Offline {
    Offline::new(log.clone(), generator())
}

fn render(performance: &mut Offline, frames: u64) -> Vec<f32> {
    let mut out = vec![0.0; 2 * frames as usize];
    performance.render(&mut out).unwrap();
    out
}

/// Takes a checkpoint near frame `target` as the daemon does, with the generator `generated` frames ahead. Appends the
/// samples rendered in the meantime to `out`.
fn save(performance: &mut Offline, target: u64, generated: u64, out: &mut Vec<f32>) -> Checkpoint {
    let mut frame = target.max(performance.conductor.frame()).next_multiple_of(QUANTUM as u64);
    let missing = frame - performance.ahead - performance.frame();
    out.extend(render(performance, missing));
    // The daemon's generator also waits until no splice is pending, but the conductor does not advance in the meantime.
    while !performance.generator.is_settled() || performance.conductor.frame() != frame {
        frame += QUANTUM as u64;
        out.extend(render(performance, QUANTUM as u64));
    }
    while performance.generator.covered() < frame + generated {
        let latent = performance.generator.step(&mut performance.hops).unwrap();
        performance.conductor.record_chroma(latent.from, &latent.chroma);
    }
    let mut checkpoint = Checkpoint::default().restart(&performance.conductor, &performance.engine_sync);
    checkpoint.add_generator(performance.generator.save(frame, Vec::new()), performance.splices);
    let request = SaveRequest { frame, commands: performance.engine_sync.count() };
    performance.ends.saves.try_push(request).unwrap();
    out.extend(render(performance, performance.ahead + QUANTUM as u64));
    assert!(performance.ends.saved.try_pop().is_some_and(|saved| saved.complete), "{frame}");
    let (first, second) = performance.ends.state.as_slices();
    checkpoint.add_engine([first, second]);
    performance.ends.state.clear();
    assert!(checkpoint.is_complete());
    checkpoint
}

/// Returns the log with a line that marks a checkpoint at `frame`.
fn with_checkpoint_line(log: &ControlLog, frame: u64) -> ControlLog {
    let mut log = log.clone();
    let index = log.entries.partition_point(|(at, _)| *at < frame);
    log.entries.insert(index, (frame, Entry::Checkpoint));
    log
}

/// Checks that renders from checkpoints near `frames` equal a render from the start of the log.
fn assert_resumed_renders_match(log: &ControlLog, length: u64, generated: u64, frames: impl IntoIterator<Item = u64>) {
    let reference = render(&mut performance(log), length);
    let mut original = performance(log);
    let mut rendered = Vec::new();
    for target in frames {
        let checkpoint = save(&mut original, target, generated, &mut rendered);
        let mut file = Vec::new();
        checkpoint.write("tiny", &mut file).unwrap();
        let mut resumed = performance(&with_checkpoint_line(log, checkpoint.frame));
        resumed.resume(&checkpoint).unwrap();
        assert_eq!(resumed.frame(), checkpoint.frame);
        let rest = render(&mut resumed, length - checkpoint.frame);
        let expected = &reference[2 * checkpoint.frame as usize..];
        let first_difference = rest.iter().zip(expected).position(|(a, b)| a.to_bits() != b.to_bits());
        assert_eq!(
            first_difference.map(|sample| sample / 2),
            None,
            "first difference, in frames after the checkpoint at {target}"
        );
    }
    let remaining = length - original.frame();
    rendered.extend(render(&mut original, remaining));
    assert!(rendered == reference, "taking checkpoints should not change the sound");
}

fn set(param: Param, value: impl Into<f64>) -> Entry {
    let value = value.into();
    let value = param.fit(crate::event::parameter::Input::Number(value)).unwrap().unwrap();
    Entry::Event(ControlEvent::Set(param, value))
}

fn text(param: Param, text: &str) -> Entry {
    Entry::Event(ControlEvent::Set(param, Value::Text(text.to_owned())))
}

fn at_next_bar(param: Param, value: Value) -> Entry {
    Entry::Event(ControlEvent::NextBar(param, value))
}

fn modulate(param: Param, modulation: &str) -> Entry {
    Entry::Event(ControlEvent::Modulate(param, modulation.parse().ok()))
}

/// Returns a log that changes every kind of state within 20 seconds.
fn eventful_log() -> ControlLog {
    let mut entries = vec![
        (900, text(Param::SceneStore, "calm")),
        (2_000, set(Param::Emotion, 5)),
        (30_000, set(Param::Tone, 0.7)),
        (35_000, set(Param::Evenness, 0.8)),
        (40_000, text(Param::SceneStore, "storm")),
        (50_000, modulate(Param::Tone, "walk 0.4 seconds 1 0")),
        (60_000, modulate(Param::Arousal, "sine 0.4 bars 1 0")),
        (70_000, modulate(Param::Width, "input/1 0.4 seconds 1 0")),
        (80_000, set(Param::Input1, 0.9)),
        (90_000, Entry::Event(ControlEvent::LeadNotes(1 << 57 | 1 << 60 | 1 << 64))),
        (101_000, Entry::Event(ControlEvent::LeadNotes(1 << 55 | 1 << 59 | 1 << 62 | 1 << 65))),
        (110_000, Entry::Event(ControlEvent::PlayNote { note: 72, velocity: 90 })),
        (111_000, Entry::Event(ControlEvent::PlayNote { note: 76, velocity: 80 })),
        (125_000, Entry::Event(ControlEvent::PlayNote { note: 72, velocity: 0 })),
        (130_000, Entry::Event(ControlEvent::LeadNotes(0))),
        (140_000, set(Param::Hold, 1)),
        (150_000, set(Param::Economy, 1)),
        (170_000, set(Param::Hold, 0)),
        (200_000, Entry::Event(ControlEvent::Morph(3.0))),
        (200_000, text(Param::Scene, "calm")),
        (260_000, set(Param::Panic, 1)),
        (290_000, at_next_bar(Param::LevelPad, Value::Number(-3.3))),
        (300_000, at_next_bar(Param::Scene, Value::Text("storm".to_owned()))),
        (330_000, set(Param::Tempo, 131)),
        (380_000, set(Param::Economy, 0)),
        (400_000, set(Param::Quantize, 2)),
        (410_000, set(Param::Emotion, 1)),
        (470_000, set(Param::Quantize, 0)),
        (480_000, modulate(Param::Arousal, "off")),
        (500_000, set(Param::ReverbSize, 1)),
        (510_000, set(Param::PlayFade, 0.5)),
        (520_000, set(Param::Play, 0)),
        (580_000, set(Param::Play, 1)),
        (600_000, set(Param::Seed, 77)),
        (610_000, set(Param::TempoSource, 2)),
        (620_000, Entry::Event(ControlEvent::Tempo(120.5))),
        (630_000, Entry::Event(ControlEvent::Beat { beat: 4.0, at: 629_500 })),
        (640_000, text(Param::SceneA, "calm")),
        (640_000, text(Param::SceneB, "storm")),
        (650_000, set(Param::SceneCrossfade, 0.3)),
        (700_000, set(Param::SceneUndo, 1)),
    ];
    entries.push((20 * SECOND, Entry::End));
    ControlLog { header: Header { seed: 3, ..Header::default() }, entries }
}

#[test]
fn renders_from_checkpoints_equal_renders_from_the_start() {
    let frames = [900, 2_064, 55_000, 95_000, 102_000, 150_000, 171_000, 230_000, 262_000, 305_000, 420_000];
    assert_resumed_renders_match(
        &eventful_log(),
        20 * SECOND,
        SECOND,
        frames.into_iter().chain([530_000, 601_000, 660_000, 800_000]),
    );
}

/// Adds entries to a log as if the engine had executed each immediate command `ahead` frames before the horizon.
fn with_immediate_commands(mut log: ControlLog, ahead: u64) -> ControlLog {
    let (mut conductor, mut engine_sync, mut score) =
        (Conductor::new(log.header.seed, &log.header.settings), EngineSync::default(), Score::default());
    let mut executed = Vec::new();
    for (frame, entry) in &log.entries {
        conductor.advance(*frame, &mut score);
        score.commands.drain(..).for_each(|command| engine_sync.send(command, |_| true));
        if let Entry::Event(event) = entry {
            conductor.apply(event).unwrap();
        }
        conductor.take_immediate(&mut score);
        score.commands.drain(..).for_each(|command| {
            engine_sync.send(command, |QueuedCommand { number, frame: due, .. }| {
                let at = due.saturating_sub(ahead) / QUANTUM as u64 * QUANTUM as u64;
                executed.push((*frame, Entry::Executed { commands: number..number + 1, due, at }));
                true
            });
        });
    }
    log.entries.extend(executed);
    log.entries.sort_by_key(|(frame, _)| *frame);
    log
}

#[test]
fn commands_executed_before_a_checkpoint_are_not_executed_again() {
    // During these entries, chords do not depend on chroma, so the command numbers are known in advance.
    let log = ControlLog { entries: eventful_log().entries.into_iter().take(12).collect(), ..eventful_log() };
    let log = with_immediate_commands(log, 2 * SECOND / 100);
    assert!(log.entries.iter().filter(|(_, entry)| matches!(entry, Entry::Executed { .. })).count() > 4);
    // Checkpoints between the frames at which commands were executed and those at which they were sent.
    assert_resumed_renders_match(&log, 4 * SECOND, SECOND, [29_500, 80_000, 100_500, 129_500, 139_800]);
}

#[test]
fn commands_in_logged_ranges_are_executed_when_the_live_engine_did() {
    let executed = |commands: Range<u64>, at| (at, Entry::Executed { commands, due: 96, at });
    // An immediate command can be executed before one with a lower number that is late.
    let entries = vec![executed(7..9, 64), executed(9..9, 64), executed(2..3, 128)];
    let mut queues = performance(&ControlLog { entries, ..ControlLog::default() }).queues;
    for number in [0, 2, 6, 7, 8, 9, 20] {
        assert!(queues.add(QueuedCommand { number, frame: 96, command: EngineCommand::Panic }));
    }
    assert_eq!(queues.immediate.into_keys().collect::<Vec<_>>(), [(64, 7), (64, 8), (128, 2)]);
    assert_eq!(queues.timed.iter().map(|command| command.number).collect::<Vec<_>>(), [0, 6, 9, 20]);
}

#[test]
fn a_line_takes_the_same_memory_however_many_commands_it_names() {
    let line = |number: u64| {
        let commands = number * 8192..(number + 1) * 8192;
        (10, Entry::Executed { commands, due: 10, at: 10 })
    };
    let log = ControlLog { entries: (0..4000).map(line).collect(), ..ControlLog::default() };
    assert_eq!(performance(&log).queues.executed.len(), 4000);
}

#[test]
fn late_and_superseded_splices_and_skipped_music_are_reproduced() {
    let emotions = (0..8).map(|n| (40_000 + 20_000 * n, set(Param::Emotion, n as f64)));
    let mut log = ControlLog { header: Header { seed: 5, ..Header::default() }, entries: emotions.collect() };
    let planned = |frame: u64| (frame + crate::conductor::SPLICE_LEAD).next_multiple_of(512);
    let late = |frame, delay: u64, generated_to| {
        let audible_from = planned(frame) + delay;
        let outcome = SpliceOutcome { audible_from, from: audible_from - delay / 2, generated_to };
        (frame + 9_000, Entry::Splice { planned: planned(frame), outcome: Some(outcome) })
    };
    log.entries.extend([
        late(60_000, 5 * 512, None),
        late(100_000, 16 * 512, Some(planned(100_000) / 4096 * 4096 + 4 * 4096)),
        (124_000, Entry::Splice { planned: planned(120_000), outcome: None }),
        (170_000, Entry::Resume { splices: 5, missing: 161_280, at: 174_080 }),
    ]);
    log.entries.sort_by_key(|(frame, _)| *frame);
    assert_resumed_renders_match(
        &log,
        6 * SECOND,
        0,
        [41_000, 60_200, 64_000, 70_000, 101_000, 112_000, 119_000, 130_000, 160_000, 180_000],
    );
}

#[test]
fn an_unusable_checkpoint_changes_nothing() {
    let log = eventful_log();
    let (mut original, mut out) = (performance(&log), Vec::new());
    let checkpoint = save(&mut original, 60_000, 0, &mut out);
    let log = with_checkpoint_line(&log, checkpoint.frame);
    let damaged = |part: usize| {
        let mut damaged = checkpoint.clone();
        [&mut damaged.conductor, &mut damaged.generator, &mut damaged.engine][part].truncate(1000);
        damaged
    };
    let mut resumed = performance(&log);
    for part in 0..3 {
        assert!(matches!(resumed.resume(&damaged(part)), Err(CheckpointError::Damaged)), "{part}");
    }
    let unlogged = Checkpoint { frame: checkpoint.frame + 64, ..checkpoint.clone() };
    assert!(matches!(resumed.resume(&unlogged), Err(CheckpointError::Unlogged(_))));
    assert!(render(&mut resumed, 70_000) == render(&mut performance(&log), 70_000));
}

#[test]
fn a_log_that_starts_at_a_checkpoint_renders_like_the_original() {
    let log = eventful_log();
    let checkpoint = save(&mut performance(&log), 262_000, SECOND, &mut Vec::new());
    let start = checkpoint.frame;
    let continued = ControlLog {
        header: Header { start_frame: Some(start), ..log.header.clone() },
        entries: log.entries.iter().filter(|(frame, _)| *frame >= start).cloned().collect(),
    };
    assert_eq!(continued.frames(), start..20 * SECOND);
    let mut resumed = performance(&continued);
    resumed.resume(&checkpoint).unwrap();
    let reference = render(&mut performance(&log), 10 * SECOND);
    assert!(render(&mut resumed, 10 * SECOND - start) == reference[2 * start as usize..]);
}

fn any_event() -> impl Strategy<Value = Entry> {
    let numbers: Vec<Param> = Param::all()
        .filter(|param| matches!(param.spec().kind, crate::event::parameter::Kind::Number { .. }))
        .collect();
    let numbers = numbers.into_iter().filter(|param| *param != Param::Timer).collect::<Vec<_>>();
    let number = (proptest::sample::select(numbers), 0.0..1.0f64).prop_map(|(param, fraction)| {
        let crate::event::parameter::Kind::Number { min, max, .. } = param.spec().kind else { unreachable!() };
        set(param, f64::from(min) + fraction * f64::from(max - min))
    });
    prop_oneof![
        6 => number,
        2 => (0..8u8).prop_map(|emotion| set(Param::Emotion, emotion)),
        1 => (0..2u8).prop_map(|on| set(Param::Hold, on)),
        2 => (0..2u8).prop_map(|on| set(Param::Economy, on)),
        1 => Just(set(Param::Panic, 1)),
        2 => (55..70u8, prop_oneof![Just(0), 1..128u8])
            .prop_map(|(note, velocity)| Entry::Event(ControlEvent::PlayNote { note, velocity })),
        1 => any::<u128>().prop_map(|notes| Entry::Event(ControlEvent::LeadNotes(notes & 0b1001_0001 << 50))),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(6))]

    #[test]
    fn any_performance_can_be_resumed_from_any_checkpoint(
        events in proptest::collection::vec((2_000..4 * SECOND, any_event()), 1..40),
        frame in 64..4 * SECOND,
        seed in 0..1000u64,
    ) {
        let mut log = ControlLog { header: Header { seed, ..Header::default() }, entries: events };
        log.entries.sort_by_key(|(frame, _)| *frame);
        assert_resumed_renders_match(&log, 6 * SECOND, SECOND / 2, [frame]);
    }
}
