//! Invariants of every performance.

use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::generator::AHEAD;
use crate::music::plan::Plan;

/// Generates events that a performer might send.
fn events() -> impl Strategy<Value = ControlEvent> {
    let numbers = TABLE.iter().map(|spec| spec.param).filter(|param| matches!(param.default_value(), Value::Number(_)));
    let toggles = TABLE.iter().map(|spec| spec.param).filter(|param| matches!(param.default_value(), Value::Toggle(_)));
    prop_oneof![
        8 => (prop::sample::select(numbers.collect::<Vec<_>>()), 0.0f32..1.0).prop_map(|(param, share)| {
            let crate::event::parameter::Kind::Number { min, max, .. } = param.spec().kind else { unreachable!() };
            set(param, min + (max - min) * share)
        }),
        2 => (prop::sample::select(toggles.collect::<Vec<_>>()), any::<bool>())
            .prop_map(|(param, on)| ControlEvent::Set(param, Value::Toggle(on))),
        4 => (0u8..8).prop_map(|emotion| choose(Param::Emotion, emotion)),
        1 => (0u8..12).prop_map(|key| choose(Param::Key, key)),
        1 => (0u8..8).prop_map(|mode| choose(Param::Mode, mode)),
        1 => (0u8..3).prop_map(|grid| choose(Param::Quantize, grid)),
        1 => prop::sample::select(vec!["auto", "Am7", "C/E"]).prop_map(|chord| set_text(Param::Chord, chord)),
        2 => prop::sample::select(vec![Param::SceneStore, Param::Scene, Param::SceneA, Param::SceneB])
            .prop_flat_map(|param| prop::sample::select(vec!["one", "two"]).prop_map(move |name| set_text(param, name))),
        1 => prop::sample::select(vec![Param::Panic, Param::SceneUndo]).prop_map(fire),
        1 => prop::sample::select(vec![vec![], vec![60, 64, 67], vec![45, 52, 60]]).prop_map(|held| lead_notes(&held)),
        2 => (prop::sample::select(TABLE.iter().map(|spec| spec.param).collect::<Vec<_>>()), 0.0f64..1.0).prop_filter_map(
            "the parameter takes no number",
            |(param, share)| Some(ControlEvent::NextBar(param, param.fit(crate::event::parameter::Input::Number(share)).ok()??)),
        ),
        1 => (50.0f64..180.0).prop_map(ControlEvent::Tempo),
        1 => (0u64..64, 0u64..10 * SECOND).prop_map(|(beat, at)| ControlEvent::Beat { beat: beat as f64, at }),
    ]
}

fn scripts() -> impl Strategy<Value = Vec<(u64, ControlEvent)>> {
    prop::collection::vec((0u64..10 * SECOND, events()), 0..60).prop_map(|mut script| {
        script.sort_by_key(|(frame, _)| *frame);
        script
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn the_result_does_not_depend_on_the_length_of_time_steps(
        script in scripts(),
        chunks in prop::collection::vec(1u64..9_000, 1..12),
        seed in 0u64..5,
    ) {
        let whole = play(Conductor::new(seed, &[]), &script, 12 * SECOND, &[u64::MAX / 2]);
        let stepped = play(Conductor::new(seed, &[]), &script, 12 * SECOND, &chunks);
        prop_assert_eq!(&whole.1.commands, &stepped.1.commands);
        prop_assert_eq!(&whole.1.notices, &stepped.1.notices);
        prop_assert_eq!(&whole.1.released, &stepped.1.released);
        prop_assert!(whole.1.plans == stepped.1.plans, "the plans should not differ");
        prop_assert_eq!(whole.0.values(), stepped.0.values());
    }

    #[test]
    fn commands_are_in_order_and_notes_end(script in scripts()) {
        let mut sounding = Vec::new();
        let mut last = 0;
        for timed in play(Conductor::new(1, &[]), &script, 12 * SECOND, &[480]).1.commands {
            prop_assert!(timed.frame >= last);
            last = timed.frame;
            match timed.command {
                EngineCommand::NoteOn { voice, note, velocity } => {
                    prop_assert!(!sounding.contains(&(voice, note)), "a note should not start again before it ends");
                    prop_assert!((0.0..=1.0).contains(&velocity));
                    sounding.push((voice, note));
                }
                EngineCommand::NoteOff { voice, note } => {
                    let before = sounding.len();
                    sounding.retain(|sounding| *sounding != (voice, note));
                    prop_assert_eq!(sounding.len() + 1, before, "a note should end exactly once");
                }
                EngineCommand::Panic => prop_assert!(sounding.is_empty()),
                _ => {}
            }
            prop_assert!(sounding.len() < 16, "too many sounding notes: {:?}", sounding);
        }
    }

    /// The generator works ahead at its own pace, so a plan without a splice must agree with the previous plan on everything
    /// that may have been generated already.
    #[test]
    fn a_plan_without_a_splice_only_extends_the_previous_one(script in scripts()) {
        let mut conductor = Conductor::new(3, &[]);
        let mut script = script.iter().peekable();
        let mut plan: Option<Arc<Plan>> = None;
        let mut score = Score::default();
        while conductor.frame() < 12 * SECOND {
            while let Some((_, event)) = script.next_if(|(frame, _)| *frame <= conductor.frame()) {
                let _ = conductor.apply(event);
            }
            score.clear();
            conductor.advance(conductor.frame() + 512, &mut score);
            for update in &score.plans {
                let before = plan.replace(update.plan.clone()).filter(|_| update.splice.is_none());
                let first = conductor.frame().saturating_sub(4096) / 4096;
                for latent in before.iter().flat_map(|_| first..first + 24) {
                    let (before, after) = (before.as_ref().unwrap(), &update.plan);
                    let frame = latent * 4096;
                    prop_assert_eq!(before.conditions(frame), after.conditions(frame));
                    prop_assert_eq!(before.temperature(frame), after.temperature(frame));
                    prop_assert_eq!(before.guidance(frame), after.guidance(frame));
                    prop_assert_eq!(before.earlier_phrase(frame), after.earlier_phrase(frame));
                    prop_assert_eq!(before.piano(frame), after.piano(frame));
                    prop_assert_eq!(before.steering.economy, after.steering.economy);
                    prop_assert_eq!(before.seed, after.seed);
                    if frame < conductor.frame() + AHEAD + 2 * 4096 {
                        prop_assert_eq!(before.chord_after(frame + 4096), after.chord_after(frame + 4096));
                    }
                }
            }
        }
    }

    #[test]
    fn splices_have_a_minimum_interval(script in scripts()) {
        let (_, score) = play(Conductor::new(1, &[]), &script, 12 * SECOND, &[480]);
        let splices = splices(&score);
        let sets_lead = |event: &ControlEvent| {
            matches!(
                event,
                ControlEvent::LeadNotes(_) | ControlEvent::Set(Param::Chord, _) | ControlEvent::NextBar(Param::Chord, _)
            )
        };
        let interval = if script.iter().any(|(_, event)| sets_lead(event)) { LEAD_INTERVAL } else { SPLICE_INTERVAL };
        prop_assert!(splices.windows(2).all(|pair| pair[1] >= pair[0] + interval), "{:?}", splices);
        prop_assert!(splices.iter().all(|splice| splice % HOP as u64 == 0));
    }

    #[test]
    fn settings_recreate_the_state(script in scripts()) {
        let (conductor, _) = play(Conductor::new(1, &[]), &script, 11 * SECOND, &[4800]);
        let recreated = Conductor::new(conductor.seed(), &conductor.settings());
        let is_restored = |param: Param| {
            let saved = param.policy().saved == Saved::Everywhere;
            saved && !matches!(param, Param::Tempo | Param::Seed) && !param.is_mood()
        };
        for param in TABLE.iter().map(|spec| spec.param).filter(|param| is_restored(*param)) {
            prop_assert_eq!(conductor.value(param), recreated.value(param), "{:?}", param);
        }
    }
}

#[test]
fn the_performance_depends_on_the_seed() {
    let notes = |seed| play(Conductor::new(seed, &[]), &[], 20 * SECOND, &[512]).1.commands;
    assert_eq!(notes(1), notes(1));
    assert_ne!(notes(1), notes(2));
}

#[test]
fn a_thousand_changes_per_second_cause_few_splices() {
    let script: Vec<_> =
        (0..2000).map(|step| (SECOND + step * 48, set(Param::Temperature, 0.5 + step as f32 / 2000.0))).collect();
    let (_, score) = play(at_tempo(120.0), &script, 5 * SECOND, &[64]);
    let splices = splices(&score);
    assert!((16..=19).contains(&splices.len()), "{} splices", splices.len());
    let last = score.plans.iter().rev().find(|update| update.splice.is_some()).unwrap();
    assert_eq!(*last.plan.steering.temperature.target(), 0.5 + 1999.0 / 2000.0);
    let last_change = script.last().unwrap().0;
    assert!(*splices.last().unwrap() <= last_change + SPLICE_INTERVAL + SPLICE_LEAD + HOP as u64);
}
