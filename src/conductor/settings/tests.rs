use super::*;

fn number(value: f32) -> Value {
    Value::Number(value)
}

fn settings_with(changes: &[(Param, Value)]) -> Settings {
    let mut settings = Settings::default();
    for (param, value) in changes {
        settings.set(*param, value);
    }
    settings
}

#[test]
fn defaults_match_the_table() {
    let settings = Settings::default();
    for spec in TABLE {
        assert_eq!(settings.get(spec.param), spec.param.default_value(), "{}", spec.id);
    }
}

#[test]
fn a_fader_blends_with_the_others() {
    let settings = settings_with(&[(Param::Sad, number(0.5))]);
    assert_eq!(settings.number(Param::Calm), 1.0, "the other fader should keep its value");
    assert_eq!(settings.mood().weights()[Emotion::Sad as usize], 0.5 / 1.5);
    let Value::Number(valence) = settings.get(Param::Valence) else { panic!("valence should be a number") };
    assert!((valence - (0.4 - 0.7 * 0.5) / 1.5).abs() < 1e-6, "valence should follow the weights");
}

#[test]
fn the_mood_is_unchanged_when_all_faders_are_down() {
    let settings = settings_with(&[(Param::Emotion, Value::Choice(Emotion::Angry as u8)), (Param::Angry, number(0.0))]);
    assert_eq!(settings.mood(), Mood::pure(Emotion::Angry));
    assert_eq!(settings.number(Param::Angry), 0.0);
}

#[test]
fn choosing_an_emotion_sets_a_pure_mood() {
    let settings = settings_with(&[(Param::Sad, number(0.5)), (Param::Emotion, Value::Choice(Emotion::Happy as u8))]);
    assert_eq!(settings.mood(), Mood::pure(Emotion::Happy));
    assert_eq!((settings.number(Param::Calm), settings.number(Param::Happy)), (0.0, 1.0));
}

#[test]
fn valence_and_arousal_move_the_faders() {
    let anchor = Emotion::Romantic.anchor();
    let settings = settings_with(&[(Param::Valence, number(anchor.valence)), (Param::Arousal, number(anchor.arousal))]);
    assert_eq!(settings.get(Param::Valence), number(anchor.valence));
    assert_eq!(settings.get(Param::Emotion), Value::Choice(Emotion::Romantic as u8));
    assert_eq!(settings.number(Param::Romantic), settings.mood().weights()[Emotion::Romantic as usize]);
}

#[test]
fn the_tempo_source_decides_whether_a_set_tempo_applies() {
    let mut settings = settings_with(&[(Param::Tempo, number(90.0))]);
    assert_eq!(settings.tempo_source(), TempoSource::Pinned);
    assert_eq!(settings.get(Param::TempoFollow), Value::Toggle(false));
    settings.set(Param::TempoFollow, &Value::Toggle(true));
    assert_eq!(settings.tempo_source(), TempoSource::Mood);
    settings.set(Param::TempoSource, &Value::Choice(TempoSource::Clock as u8));
    settings.set(Param::Tempo, &number(140.0));
    settings.set(Param::TempoFollow, &Value::Toggle(false));
    assert_eq!((settings.number(Param::Tempo), settings.tempo_source()), (90.0, TempoSource::Clock));
    settings.set_external_tempo(120.0);
    let recreated = settings_with(&settings.list());
    assert_eq!((recreated.number(Param::Tempo), recreated.tempo_source()), (120.0, TempoSource::Clock));
    let pinned = settings_with(&[(Param::Tempo, number(77.0))]);
    let recalled = settings.with_scenes(&pinned, &pinned, 0.0);
    assert_eq!(recalled.number(Param::Tempo), 120.0, "a scene should not override the clock's tempo");
}

#[test]
fn a_named_chord_sets_the_lead_chord() {
    let mut settings = settings_with(&[(Param::Chord, Value::Text("Am7".to_owned()))]);
    assert_eq!(settings.lead(), Chord::parse("Am7"));
    settings.set(Param::Chord, &Param::Chord.default_value());
    assert_eq!(settings.lead(), None);
}

#[test]
#[cfg(debug_assertions)]
#[should_panic(expected = "invalid value")]
fn panics_on_an_invalid_value() {
    Settings::default().set(Param::Temperature, &number(50.0));
}

#[test]
fn listed_values_recreate_the_settings() {
    let cases = [
        vec![(Param::Sad, number(0.3)), (Param::Tempo, number(77.0)), (Param::Mode, Value::Choice(3))],
        vec![(Param::Arousal, number(0.33)), (Param::LevelPad, number(-3.0)), (Param::MuteBass, Value::Toggle(true))],
        vec![(Param::Chord, Value::Text("F#dim".to_owned())), (Param::Seed, number(99.0))],
        vec![(Param::Emotion, Value::Choice(5)), (Param::Angry, number(0.0))],
    ];
    for changes in cases {
        let settings = settings_with(&changes);
        let recreated = settings_with(&settings.list());
        for spec in TABLE {
            assert_eq!(recreated.get(spec.param), settings.get(spec.param), "{} after {changes:?}", spec.id);
        }
    }
}

#[test]
fn interpolates_numbers_and_takes_other_values_from_the_nearer_scene() {
    let a = settings_with(&[
        (Param::Reverb, number(0.0)),
        (Param::Emotion, Value::Choice(0)),
        (Param::Quantize, Value::Choice(2)),
    ]);
    let b = settings_with(&[
        (Param::Reverb, number(1.0)),
        (Param::Emotion, Value::Choice(1)),
        (Param::Key, Value::Choice(7)),
    ]);
    let middle = Settings::default().with_scenes(&a, &b, 0.25);
    assert_eq!(middle.number(Param::Reverb), 0.25);
    assert_eq!(middle.mood().weights()[..2], [0.75, 0.25]);
    assert_eq!((middle.choice(Param::Key), middle.choice(Param::Quantize)), (0, 0));
    assert_eq!(Settings::default().with_scenes(&a, &b, 1.0).mood(), b.mood());
}
