//! The effect of parameters on plans and commands.

use super::*;
use crate::event::modulation::{Modulation, Period, Shape};
use crate::music::emotion::Emotion;

#[test]
fn sends_every_fast_lane_value_at_the_start() {
    let (_, score) = play(Conductor::new(1, &[(Param::Reverb, Value::Number(0.9))]), &[], 100, &[100]);
    assert_eq!(numbers(&score, Param::Reverb), [(0, 0.9)]);
    let is_sent =
        |param| score.commands.iter().any(|timed| matches!(timed.command, EngineCommand::Toggle(p, _) if p == param));
    assert!(is_sent(Param::MutePad) && is_sent(Param::Play) && is_sent(Param::Hold));
}

#[test]
fn fast_lane_values_apply_at_the_horizon_without_a_splice() {
    let script = [(12_345, set(Param::LevelPad, -3.0)), (20_000, ControlEvent::Set(Param::Hold, Value::Toggle(true)))];
    let (_, score) = play(at_tempo(120.0), &script, SECOND, &[333]);
    assert_eq!(numbers(&score, Param::LevelPad)[1..], [(12_345, -3.0)]);
    let toggle = TimedCommand { frame: 20_000, command: EngineCommand::Toggle(Param::Hold, true) };
    assert!(score.commands.contains(&toggle));
    assert!(splices(&score).is_empty());
}

#[test]
fn a_mood_glide_needs_only_one_splice() {
    let script = [(SECOND, set(Param::Glide, 4.0)), (SECOND, choose(Param::Emotion, Emotion::Angry as u8))];
    let (_, score) = play(at_tempo(120.0), &script, 6 * SECOND, &[256]);
    assert_eq!(splices(&score), [(SECOND + SPLICE_LEAD).next_multiple_of(512)]);
    let plan = &score.plans.last().unwrap().plan;
    let angry = |frame| plan.conditions(frame).emotion.unwrap()[Emotion::Angry as usize];
    assert_eq!(angry(5 * SECOND), 1.0);
    assert!((angry(3 * SECOND - 2048) - 0.5).abs() < 1e-3);
}

#[test]
fn in_economy_mode_a_moving_fader_causes_half_as_many_splices() {
    let count = |economy: bool| {
        let faders = (0..200).map(|step| (SECOND + 960 * step, set(Param::Density, step as f32 / 200.0)));
        let economy = ControlEvent::Set(Param::Economy, Value::Toggle(economy));
        let script: Vec<_> = std::iter::once((100, economy)).chain(faders).collect();
        splices(&play(at_tempo(120.0), &script, 6 * SECOND, &[256]).1).iter().filter(|frame| **frame > SECOND).count()
    };
    let (usual, economical) = (count(false), count(true));
    assert!((30..=36).contains(&usual) && (15..=18).contains(&economical), "{usual} and {economical}");
}

#[test]
fn without_a_glide_the_mood_changes_at_the_latent_of_the_splice() {
    let script = [(SECOND + 77, set(Param::Glide, 0.0)), (SECOND + 77, choose(Param::Emotion, Emotion::Angry as u8))];
    let (_, score) = play(at_tempo(120.0), &script, 2 * SECOND, &[256]);
    let update = score.plans.iter().find(|update| update.splice.is_some()).unwrap();
    let latent = update.splice.unwrap() / 4096 * 4096;
    assert_eq!(update.plan.conditions(latent).emotion.unwrap()[Emotion::Angry as usize], 1.0);
}

#[test]
fn quantized_changes_take_effect_on_the_bar() {
    // 120 bpm: beats every 24,000 frames, bars every 96,000.
    let script = [
        (30_000, choose(Param::Quantize, 2)),
        (30_000, set(Param::Glide, 0.0)),
        (30_000, choose(Param::Emotion, Emotion::Sad as u8)),
        (40_000, set(Param::Temperature, 0.3)),
        (40_000, set(Param::Reverb, 0.8)),
    ];
    let (conductor, score) = play(at_tempo(120.0), &script, 3 * SECOND, &[700]);
    let splices = splices(&score);
    assert_eq!(splices.len(), 1, "{splices:?}");
    assert!((96_000 - 511..=96_000).contains(&splices[0]), "{splices:?}");
    assert_eq!(numbers(&score, Param::Reverb)[1..], [(40_000, 0.8)], "the fast lane should not wait");
    assert_eq!(conductor.value(Param::Temperature), Value::Number(0.3));
}

#[test]
fn a_waiting_change_already_reports_the_requested_value() {
    let script = [
        (30_000, choose(Param::Quantize, 1)),
        (30_000, set(Param::Glide, 0.0)),
        (30_000, choose(Param::Emotion, Emotion::Sad as u8)),
    ];
    let (conductor, _) = play(at_tempo(120.0), &script, 40_000, &[512]);
    assert_eq!(conductor.value(Param::Emotion), Value::Choice(Emotion::Sad as u8));
    assert_eq!(conductor.mood().dominant(), Emotion::Calm);
    let (conductor, _) = play(conductor, &[], 48_001, &[512]);
    assert_eq!(conductor.mood().dominant(), Emotion::Sad);
}

#[test]
fn a_recall_morphs_numbers_and_mood() {
    let Value::Number(home) = at_tempo(120.0).value(Param::LevelPad) else { panic!("a level should be a number") };
    let script = [
        (0, set_text(Param::SceneStore, "home")),
        (SECOND, set(Param::LevelPad, -40.0)),
        (SECOND, choose(Param::Emotion, Emotion::Happy as u8)),
        (2 * SECOND, set(Param::SceneMorph, 2.0)),
        (4 * SECOND, set_text(Param::Scene, "home")),
    ];
    let (conductor, score) = play(at_tempo(120.0), &script, 7 * SECOND, &[480]);
    let levels = numbers(&score, Param::LevelPad);
    let morph: Vec<_> = levels.iter().filter(|(frame, _)| *frame >= 4 * SECOND).collect();
    assert!(morph.len() >= 99 && morph.windows(2).all(|pair| pair[1].1 >= pair[0].1), "the level should only rise");
    assert_eq!(morph.last().unwrap().1, home);
    assert!(morph.last().unwrap().0 <= 6 * SECOND + 960);
    let plan = &score.plans.last().unwrap().plan;
    assert!((plan.steering.mood.at(5 * SECOND, &plan.clock).weights()[Emotion::Happy as usize] - 0.5).abs() < 1e-3);
    assert_eq!(conductor.value(Param::Emotion), Value::Choice(Emotion::Calm as u8));
}

#[test]
fn loading_a_preset_morphs_to_it() {
    let at = 2 * SECOND;
    let script = [
        (at, ControlEvent::Morph(3.0)),
        (at, choose(Param::Emotion, Emotion::Romantic as u8)),
        (at, set(Param::Reverb, 1.0)),
        (at, set(Param::Temperature, 2.0)),
        (at + SECOND, set(Param::Width, 0.0)),
    ];
    let (_, score) = play(at_tempo(120.0), &script, 6 * SECOND, &[480]);
    let reverb = numbers(&score, Param::Reverb);
    assert!(reverb.len() > 140 && reverb.windows(2).all(|pair| pair[1].1 >= pair[0].1));
    let plan = &score.plans.last().unwrap().plan;
    let steering = &plan.steering;
    assert!((steering.temperature.at(at + 3 * SECOND / 2, &plan.clock) - 1.5).abs() < 1e-4);
    assert!(
        (steering.mood.at(at + 3 * SECOND / 2, &plan.clock).weights()[Emotion::Romantic as usize] - 0.5).abs() < 1e-4
    );
    assert_eq!(
        numbers(&score, Param::Width)[1..],
        [(at + SECOND, 0.0)],
        "a later change should not be part of the morph"
    );
}

#[test]
fn restores_scenes_from_an_earlier_performance() {
    let (before, _) = play(at_tempo(90.0), &[(10, set_text(Param::SceneStore, "slow"))], 100, &[50]);
    let mut script: Vec<(u64, ControlEvent)> = Vec::new();
    for (name, values) in before.scenes() {
        let value = |(param, value)| ControlEvent::SceneValue { name: name.to_owned(), param, value };
        script.extend(values.into_iter().map(|setting| (0, value(setting))));
    }
    script.push((SECOND, set_text(Param::Scene, "slow")));
    let (after, _) = play(Conductor::new(1, &[]), &script, 2 * SECOND, &[480]);
    assert_eq!(after.tempo(), 90.0);
}

#[test]
fn a_quantized_recall_applies_to_the_engine_on_the_bar() {
    let script = [
        (0, set_text(Param::SceneStore, "home")),
        (1_000, set(Param::Reverb, 1.0)),
        (1_000, choose(Param::Quantize, 2)),
        (50_000, set_text(Param::Scene, "home")),
    ];
    let (_, score) = play(at_tempo(120.0), &script, 3 * SECOND, &[480]);
    assert_eq!(numbers(&score, Param::Reverb).last(), Some(&(96_000, 0.25)));
}

#[test]
fn panic_cuts_all_sound_and_restarts_on_the_next_beat() {
    let (_, score) = play(at_tempo(120.0), &[(3 * SECOND + 5_000, fire(Param::Panic))], 6 * SECOND, &[512]);
    let at = 3 * SECOND + 5_000;
    let index = score.commands.iter().position(|timed| timed.command == EngineCommand::Panic).unwrap();
    assert_eq!(score.commands[index].frame, at);
    let next =
        score.commands[index..].iter().find(|timed| matches!(timed.command, EngineCommand::NoteOn { .. })).unwrap();
    assert!(next.frame >= at.next_multiple_of(24_000), "no note should begin before the next beat");
    let update = score.plans.iter().find(|update| update.splice.is_some()).unwrap();
    assert_ne!(update.plan.seed, score.plans[0].plan.seed);
}

#[test]
fn a_rejected_event_changes_nothing() {
    let mut conductor = at_tempo(120.0);
    let before = conductor.values();
    assert!(conductor.apply(&set_text(Param::Scene, "nowhere")).is_err());
    conductor.apply(&ControlEvent::Tempo(f64::NAN)).unwrap();
    assert_eq!(conductor.values(), before);
}

#[test]
fn every_parameter_except_triggers_has_a_value() {
    let values = Conductor::new(5, &[]).values();
    let triggers = TABLE.iter().filter(|spec| spec.kind == crate::event::parameter::Kind::Trigger).count();
    assert_eq!(values.len(), TABLE.len() - triggers);
    assert!(values.contains(&(Param::Seed, Value::Number(5.0))));
}

#[test]
fn a_modulation_changes_neither_the_set_value_nor_the_tempo() {
    let sine = |depth, seconds| {
        let period = Period::Seconds(seconds);
        Some(Modulation { shape: Shape::Sine, depth, period, phase: 0.0 })
    };
    let script = [
        (1000, ControlEvent::Modulate(Param::Tone, sine(0.5, 4.0))),
        (1000, ControlEvent::Modulate(Param::Arousal, sine(0.3, 8.0))),
        (2 * SECOND, set(Param::Tone, 0.2)),
        (6 * SECOND, ControlEvent::Modulate(Param::Tone, None)),
    ];
    let (conductor, score) = play(Conductor::new(1, &[]), &script, 7 * SECOND, &[777]);
    let tones: Vec<(u64, f32)> = score
        .commands
        .iter()
        .filter_map(|command| match command.command {
            EngineCommand::Number(Param::Tone, tone) => Some((command.frame, tone)),
            _ => None,
        })
        .collect();
    let at = |frame: u64| tones.iter().rev().find(|(at, _)| *at <= frame).unwrap().1;
    assert!((at(1000 + SECOND) - 0.5).abs() < 0.02, "a quarter of a period after the start: {}", at(1000 + SECOND));
    assert!((at(1000 + 3 * SECOND) - (0.2 - 0.5)).abs() < 0.02, "below the new value: {}", at(1000 + 3 * SECOND));
    assert_eq!(at(7 * SECOND), 0.2, "the parameter should return to its set value");
    assert_eq!(conductor.value(Param::Tone), Value::Number(0.2));
    let Value::Number(requested) = conductor.value(Param::Arousal) else { panic!("arousal should be a number") };
    assert!((requested - conductor.mood().affect().arousal).abs() > 0.1, "the audible mood should move");
    let tempo = f64::from(crate::music::profile::Profile::of(crate::music::emotion::Emotion::Calm).tempo_bpm);
    assert!((conductor.tempo() - tempo).abs() < 1e-3);
    // The result does not depend on the length of the time steps.
    let (_, stepped) = play(Conductor::new(1, &[]), &script, 7 * SECOND, &[64, 5000]);
    assert_eq!(score.commands, stepped.commands);
    assert_eq!(splices(&score), splices(&stepped));
}

#[test]
fn the_fade_time_precedes_the_play_toggle() {
    let script = [(100, set(Param::PlayFade, 20.0)), (200, ControlEvent::Set(Param::Play, Value::Toggle(false)))];
    let (_, score) = play(Conductor::new(1, &[]), &script, SECOND, &[512]);
    let at_toggle = score.commands.iter().filter(|timed| timed.frame == 200);
    let commands: Vec<_> = at_toggle.map(|timed| timed.command).collect();
    let expected = [EngineCommand::Number(Param::PlayFade, 20.0), EngineCommand::Toggle(Param::Play, false)];
    assert!(commands.windows(2).any(|pair| pair == expected), "{commands:?}");
}

#[test]
fn played_notes_begin_just_after_their_splice() {
    let strike = |note, velocity| ControlEvent::PlayNote { note, velocity };
    let script = [
        (100_000, strike(60, 90)),
        (100_500, strike(64, 80)),
        (101_000, strike(12, 80)),
        (140_000, strike(60, 0)),
        (6 * SECOND, fire(Param::Panic)),
    ];
    let (_, score) = play(at_tempo(120.0), &script, 20 * SECOND, &[512]);
    let with_splices: Vec<_> = score.plans.iter().filter(|update| update.splice.is_some()).collect();
    let first = with_splices[0];
    let begin = first.splice.unwrap() + 512;
    assert!(begin <= 100_000 + SPLICE_LEAD + 2 * 512, "{begin}");
    let note = |note: u8, frame, velocity, released| PlayedNote { frame, note, velocity, released };
    assert_eq!(first.plan.played, [note(60, begin, 90, None)]);
    let last_begin = with_splices[1].splice.unwrap() + 512;
    assert!(last_begin <= begin + LEAD_INTERVAL + 512, "{last_begin}");
    let release = with_splices[2].splice.unwrap() + 512;
    let expected = [note(60, begin, 90, Some(release)), note(64, last_begin, 80, None)];
    assert_eq!(with_splices[2].plan.played, expected);
    let panic = with_splices[3];
    assert_eq!(
        panic.plan.played.last().unwrap().released,
        Some(panic.splice.unwrap() + 512),
        "panic should release all keys"
    );
    assert_eq!(score.plans.last().unwrap().plan.played, [], "notes that ended long ago should be forgotten");
}
