//! Changes held for the next bar, and morphs over bars.

use super::*;
use crate::music::emotion::Emotion;

const TEMPO: f32 = 120.0;
/// Frames per bar at [`TEMPO`].
const BAR: u64 = 96_000;

fn next_bar(param: Param, value: Value) -> ControlEvent {
    ControlEvent::NextBar(param, value)
}

#[test]
fn engine_parameters_change_on_the_first_frame_of_the_bar() {
    let script = [
        (10_000, next_bar(Param::Reverb, Value::Number(0.5))),
        (20_000, next_bar(Param::MutePad, Value::Toggle(true))),
        (30_000, next_bar(Param::Reverb, Value::Number(0.75))),
        (BAR - 1, next_bar(Param::Tone, Value::Number(1.0))),
        (BAR + 1, next_bar(Param::Width, Value::Number(0.0))),
    ];
    let (conductor, score) = play(at_tempo(TEMPO), &script, 3 * BAR, &[700]);
    assert_eq!(numbers(&score, Param::Reverb)[1..], [(BAR, 0.75)]);
    assert_eq!(numbers(&score, Param::Tone)[1..], [(BAR, 1.0)]);
    assert_eq!(numbers(&score, Param::Width)[1..], [(2 * BAR, 0.0)]);
    let muted = TimedCommand { frame: BAR, command: EngineCommand::Toggle(Param::MutePad, true) };
    assert!(score.commands.contains(&muted));
    assert_eq!(conductor.value(Param::Reverb), Value::Number(0.75));
}

#[test]
fn the_network_changes_on_the_bar() {
    let script = [(0, set(Param::Glide, 0.0)), (50_000, next_bar(Param::Emotion, Value::Choice(Emotion::Angry as u8)))];
    let (conductor, score) = play(at_tempo(TEMPO), &script, 60_000, &[700]);
    assert_eq!(conductor.value(Param::Emotion), Value::Choice(Emotion::Calm as u8), "nothing should have changed yet");
    assert!(splices(&score).is_empty());
    let (conductor, score) = play(conductor, &[], 2 * BAR, &[700]);
    assert!((BAR - 511..=BAR).contains(&splices(&score)[0]), "{:?}", splices(&score));
    assert_eq!(conductor.mood().dominant(), Emotion::Angry);
    let (_, score) = play(at_tempo(TEMPO), &[(5_000, next_bar(Param::Tempo, Value::Number(60.0)))], 4 * BAR, &[700]);
    let beats: Vec<_> =
        score.notices.iter().filter(|(_, n)| matches!(n, Notice::Beat { .. })).map(|(f, _)| *f).collect();
    assert_eq!(beats[3..7], [72_000, BAR, BAR + 48_000, BAR + 96_000]);
}

#[test]
fn scenes_panics_and_daemon_parameters_wait_for_the_bar() {
    let script = [
        (0, set_text(Param::SceneStore, "home")),
        (1_000, set(Param::Reverb, 1.0)),
        (1_000, choose(Param::Emotion, Emotion::Happy as u8)),
        (50_000, next_bar(Param::Scene, Value::Text("home".to_owned()))),
        (50_000, next_bar(Param::Record, Value::Toggle(true))),
        (BAR + 5_000, next_bar(Param::Panic, Value::Trigger)),
    ];
    let (conductor, score) = play(at_tempo(TEMPO), &script, 3 * BAR, &[480]);
    assert_eq!(numbers(&score, Param::Reverb).last(), Some(&(BAR, 0.25)));
    assert_eq!(conductor.value(Param::Emotion), Value::Choice(Emotion::Calm as u8));
    assert!(splices(&score).iter().any(|splice| (BAR - 511..=BAR).contains(splice)), "{:?}", splices(&score));
    let panic = score.commands.iter().find(|timed| timed.command == EngineCommand::Panic).unwrap();
    assert_eq!(panic.frame, 2 * BAR);
    let released: Vec<_> = score.released.iter().map(|(frame, param, _)| (*frame, *param)).collect();
    assert_eq!(released, [(BAR, Param::Scene), (BAR, Param::Record), (2 * BAR, Param::Panic)]);
}

#[test]
fn dependent_requests_keep_their_order() {
    let mut script = vec![
        (10_000, next_bar(Param::Reverb, Value::Number(0.5))),
        (20_000, next_bar(Param::SceneStore, Value::Text("first".to_owned()))),
        (30_000, next_bar(Param::Reverb, Value::Number(0.75))),
        (40_000, next_bar(Param::SceneStore, Value::Text("second".to_owned()))),
        (50_000, next_bar(Param::PresetNext, Value::Trigger)),
        (60_000, next_bar(Param::PresetNext, Value::Trigger)),
    ];
    let (conductor, score) = play(at_tempo(TEMPO), &script, BAR + 1, &[700]);
    let stored = |name: &str| {
        let (_, values) = conductor.scenes().find(|(scene, _)| *scene == name).unwrap();
        values.into_iter().find(|(param, _)| *param == Param::Reverb).unwrap().1
    };
    assert_eq!([stored("first"), stored("second")], [0.5, 0.75].map(Value::Number));
    assert_eq!(score.released.iter().filter(|(_, param, _)| *param == Param::PresetNext).count(), 2);
    // The number of held requests is limited.
    script.splice(.., (0..2000).map(|n| (10_000, next_bar(Param::SceneStore, Value::Text(n.to_string())))));
    let (conductor, _) = play(at_tempo(TEMPO), &script, BAR + 1, &[700]);
    assert_eq!(conductor.scene_names().count(), 256);
}

#[test]
fn an_immediate_change_overrides_a_held_one() {
    let script = [(10_000, next_bar(Param::Reverb, Value::Number(0.5))), (BAR - 100, set(Param::Reverb, 0.9))];
    let (conductor, score) = play(at_tempo(TEMPO), &script, 2 * BAR, &[64]);
    assert_eq!(numbers(&score, Param::Reverb).last().unwrap().1, 0.9);
    assert_eq!(conductor.value(Param::Reverb), Value::Number(0.9), "the reported value should be the one in effect");
}

#[test]
fn a_held_recall_finds_its_scene_after_it_is_renamed() {
    let renamed = ControlEvent::RenameScene { from: "loud".to_owned(), to: "quiet".to_owned() };
    let script = [
        (0, set(Param::Reverb, 0.9)),
        (0, set_text(Param::SceneStore, "loud")),
        (1_000, set(Param::Reverb, 0.1)),
        (BAR + 1_000, next_bar(Param::Scene, Value::Text("loud".to_owned()))),
        (BAR + 2_000, renamed),
    ];
    let (conductor, _) = play(at_tempo(TEMPO), &script, 3 * BAR, &[480]);
    assert_eq!(conductor.value(Param::Reverb), Value::Number(0.9));
    assert_eq!(conductor.value(Param::Scene), Value::Text("quiet".to_owned()));
}

/// Returns events that store a scene `low` (reverb 0), set reverb to 1, and recall the scene over `bars` bars at frame `at`.
fn recall_over_bars(bars: f32, at: u64) -> Vec<(u64, ControlEvent)> {
    vec![
        (0, set(Param::Reverb, 0.0)),
        (0, set_text(Param::SceneStore, "low")),
        (1_000, set(Param::Reverb, 1.0)),
        (1_000, choose(Param::Emotion, Emotion::Happy as u8)),
        (1_000, set(Param::SceneMorph, 60.0)),
        (1_000, set(Param::SceneMorphBars, bars)),
        (at, set_text(Param::Scene, "low")),
    ]
}

#[test]
fn a_morph_over_bars_follows_the_tempo() {
    // The morph starts at bar 2 and takes two bars. The tempo is halved after one bar, so the other takes twice as long.
    let at = 2 * BAR;
    let mut script = recall_over_bars(2.0, at);
    script.push((at + BAR, set(Param::Tempo, 60.0)));
    let (conductor, score) = play(at_tempo(TEMPO), &script, at + 4 * BAR, &[480]);
    let reverb: Vec<_> = numbers(&score, Param::Reverb).into_iter().filter(|(frame, _)| *frame >= at).collect();
    let value_at = |frame: u64| reverb.iter().rev().find(|(at, _)| *at <= frame).unwrap().1;
    // The scene contains the current tempo of 120 bpm, so the recall itself does not change it.
    for (frame, value) in [(at + BAR / 2, 0.75), (at + BAR, 0.5), (at + 2 * BAR, 0.25), (at + 3 * BAR, 0.0)] {
        assert!((value_at(frame) - value).abs() < 0.012, "{} instead of {value} at {frame}", value_at(frame));
    }
    assert_eq!(reverb.last().unwrap().1, 0.0);
    assert!(reverb.last().unwrap().0 < at + 3 * BAR + 2 * active_targets::MORPH_STEP);
    let plan = &score.plans.last().unwrap().plan;
    let happy = |frame| plan.steering.mood.at(frame, &plan.clock).weights()[Emotion::Happy as usize];
    assert!((happy(at + 2 * BAR) - 0.25).abs() < 1e-3, "{}", happy(at + 2 * BAR));
    assert_eq!(happy(at + 3 * BAR), 0.0);
    assert_eq!(conductor.mood().dominant(), Emotion::Calm);
}

#[test]
fn a_morph_over_bars_that_changes_the_tempo_ends_on_its_bar() {
    let angry = [(0, choose(Param::Emotion, Emotion::Angry as u8)), (0, set_text(Param::SceneStore, "storm"))];
    let script = [
        (0, set(Param::Glide, 0.0)),
        (10, choose(Param::Emotion, Emotion::Calm as u8)),
        (10, set(Param::SceneMorphBars, 2.0)),
        (20, next_bar(Param::Scene, Value::Text("storm".to_owned()))),
    ];
    let script = [&angry[..], &script[..]].concat();
    let (conductor, score) = play(Conductor::new(1, &[]), &script, 30 * SECOND, &[512]);
    let bars: Vec<_> = score.notices.iter().filter(|(_, n)| matches!(n, Notice::Bar { .. })).map(|(f, _)| *f).collect();
    let plan = &score.plans.last().unwrap().plan;
    let angry = |frame| plan.steering.mood.at(frame, &plan.clock).weights()[Emotion::Angry as usize];
    assert!(conductor.tempo() > 140.0);
    // The morph that begins at bar 1 ends at bar 3. Plans reach back only seven seconds, so only an older one contains
    // the glide.
    let covers_glide = |update: &&PlanUpdate| (update.plan.clock.beat_at(bars[2]) - 8.0).abs() < 1e-3;
    let older = &score.plans.iter().rev().find(covers_glide).unwrap().plan;
    assert_eq!(angry(bars[3] + 10), 1.0);
    let halfway = older.steering.mood.at(bars[2], &older.clock).weights()[Emotion::Angry as usize];
    assert!((halfway - 0.5).abs() < 0.02, "{halfway}");
}

#[test]
fn undo_and_crossfader_reach_their_targets() {
    let mut script = recall_over_bars(1.0, 2 * BAR);
    script.extend([
        (4 * BAR, fire(Param::SceneUndo)),
        (6 * BAR, set_text(Param::SceneStore, "high")),
        (6 * BAR, set_text(Param::SceneA, "low")),
        (6 * BAR, set_text(Param::SceneB, "high")),
        (6 * BAR, set(Param::SceneCrossfade, 0.25)),
    ]);
    let (after_undo, score) = play(at_tempo(TEMPO), &script[..8], 6 * BAR, &[480]);
    let reverb = numbers(&score, Param::Reverb);
    let at = |frame: u64| reverb.iter().rev().find(|(at, _)| *at <= frame).unwrap().1;
    assert_eq!((at(3 * BAR + 1_000), at(4 * BAR)), (0.0, 0.0), "the recall should take a bar");
    assert!((at(4 * BAR + BAR / 2) - 0.5).abs() < 0.02 && at(5 * BAR + 1_000) == 1.0, "the undo should take a bar");
    assert_eq!(after_undo.value(Param::Emotion), Value::Choice(Emotion::Happy as u8));
    let (after_crossfade, score) = play(at_tempo(TEMPO), &script, 7 * BAR, &[480]);
    assert_eq!(numbers(&score, Param::Reverb).last(), Some(&(6 * BAR, 0.25)));
    assert_eq!(after_crossfade.value(Param::SceneCrossfade), Value::Number(0.25));
}
