//! Replays of control logs.

use super::*;
use crate::event::log::{ControlLog, Entry, Header, LogText};

#[test]
fn a_log_reproduces_the_performance() {
    let text = |param, text: &str| ControlEvent::NextBar(param, Value::Text(text.to_owned()));
    let script = [
        (100, set_text(Param::SceneStore, "calm")),
        (2_000, choose(Param::Emotion, 5)),
        (2_000, set(Param::Reverb, 1.0)),
        (3_000, set_text(Param::SceneStore, "storm")),
        (3_000, set(Param::SceneMorphBars, 1.5)),
        (60_000, text(Param::Scene, "calm")),
        (61_000, ControlEvent::NextBar(Param::LevelPad, Value::Number(-3.3))),
        (250_000, fire(Param::SceneUndo)),
        (300_000, set(Param::SceneMorphBars, 0.0)),
        (300_001, set_text(Param::SceneA, "calm")),
        (300_001, set_text(Param::SceneB, "storm")),
        (300_777, set(Param::SceneCrossfade, 0.3)),
        (310_000, set(Param::SceneCrossfade, 0.7)),
        (330_000, choose(Param::Quantize, 2)),
        (340_000, set_text(Param::Scene, "storm")),
        (345_000, ControlEvent::NextBar(Param::Panic, Value::Trigger)),
        (500_000, ControlEvent::NextBar(Param::TempoFollow, Value::Toggle(false))),
    ];
    let (live, score) = play(Conductor::new(3, &[(Param::Width, Value::Number(0.1))]), &script, 15 * SECOND, &[333]);

    let header = Header {
        version: "1".to_owned(),
        seed: 3,
        settings: vec![(Param::Width, Value::Number(0.1))],
        ..Header::default()
    };
    let mut log = LogText::new(&header);
    for (frame, event) in &script {
        log.add(*frame, &Entry::Event(event.clone()));
    }
    let read = ControlLog::read(log.take().as_bytes()).unwrap();
    let events = read.entries.into_iter().filter_map(|(frame, entry)| match entry {
        Entry::Event(event) => Some((frame, event)),
        _ => None,
    });
    let start = Conductor::new(read.header.seed, &read.header.settings);
    let (replayed_conductor, replayed) = play(start, &events.collect::<Vec<_>>(), 15 * SECOND, &[1024]);
    assert!(score.commands == replayed.commands && score.plans == replayed.plans, "the performances should not differ");
    assert_eq!(score.notices, replayed.notices);
    assert_eq!(score.released, replayed.released);
    assert_eq!(live.values(), replayed_conductor.values());
    assert!(score.released.len() == 4, "{:?}", score.released);
}
