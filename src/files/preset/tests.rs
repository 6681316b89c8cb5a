use super::*;
use crate::music::emotion::Emotion;

fn parse(text: &str) -> Result<Preset, Vec<String>> {
    let text = format!("schema = 1\nname = \"Test\"\n{text}");
    Preset::parse(Path::new("test.toml"), &text).map_err(|problems| problems.iter().map(Problem::to_string).collect())
}

#[test]
fn ids_may_be_quoted_or_nested() {
    let preset = parse(
        "\"level/pad\" = -14\ntempo = 90\nmute = { bass = true }\n[reverb]\nsize = 1\n[emotion]\ncalm = 0.7\nsad = 0.3\n",
    );
    let named = [
        (Param::Sad, Value::Number(0.3)),
        (Param::Calm, Value::Number(0.7)),
        (Param::Tempo, Value::Number(90.0)),
        (Param::LevelPad, Value::Number(-14.0)),
        (Param::MuteBass, Value::Toggle(true)),
        (Param::ReverbSize, Value::Number(1.0)),
    ];
    assert_eq!(preset.unwrap().named, named);
}

#[test]
fn the_initial_preset_can_be_given_by_its_title() {
    let (presets, _) = Library::open(vec!["presets".into()], Preset::read);
    for name in ["slow-dawn", "Slow Dawn"] {
        let (values, preset) = initial_preset(&presets, name).unwrap();
        assert_eq!(values.last(), Some(&(Param::Preset, Value::Text("slow-dawn".to_owned()))));
        assert_eq!(preset.name, "Slow dawn");
    }
    let error = initial_preset(&presets, "dawn").unwrap_err().to_string();
    assert!(error.starts_with("there is no preset \"dawn\"; choose one of "), "{error}");
}

#[test]
fn presets_reset_all_but_session_parameters() {
    let settings = parse("emotion = \"sad\"\nglide = 9\n").unwrap().settings();
    let value = |param| settings.iter().find(|(other, _)| *other == param).map(|(_, value)| value.clone());
    assert_eq!(settings.last(), Some(&(Param::Emotion, Value::Choice(Emotion::Sad as u8))));
    assert_eq!(value(Param::Glide), Some(Value::Number(9.0)));
    assert_eq!(value(Param::Reverb), Some(Param::Reverb.default_value()));
    assert_eq!(value(Param::TempoSource), Some(Value::Choice(0)));
    let mut unset = Param::all().filter(|param| param.policy().preset != InPreset::Reset);
    assert!(unset.clone().any(|param| param == Param::Quantize) && unset.clone().any(|param| param == Param::Valence));
    for param in unset.by_ref().filter(|param| *param != Param::Emotion) {
        assert_eq!(value(param), None, "{}", param.spec().id);
    }
    let pinned = parse("tempo = 90").unwrap().settings();
    assert!(pinned.contains(&(Param::Tempo, Value::Number(90.0))));
    assert!(!pinned.iter().any(|(param, _)| *param == Param::TempoSource));
    let with_external_tempo = |text| parse(text).unwrap().settings_with_external_tempo();
    assert!(
        with_external_tempo("tempo = 90").iter().all(|(param, _)| !matches!(param, Param::Tempo | Param::TempoSource))
    );
    let clock = with_external_tempo("[tempo]\nsource = \"clock\"");
    assert!(clock.contains(&(Param::TempoSource, Value::Choice(2))));
    let blend = parse("emotion = { calm = 1.0 }").unwrap().settings();
    assert_eq!(blend.iter().filter(|(param, _)| param.weighted_emotion().is_some()).count(), Emotion::COUNT);
}

#[test]
fn a_journey_advances_step_by_step() {
    let text = "loop = true\n[[journey]]\nemotion = \"sad\"\nseconds = 10\nglide = 4\n[[journey]]\nvalence = 0.5\narousal = 0.1\nseconds = 5.5\n";
    let preset = parse(text).unwrap();
    assert_eq!(preset.journey[0].settings[0], (Param::Glide, Value::Number(4.0)));
    let starts: Vec<u64> = JourneySteps::new(&preset, 48_000).map(|(frame, _)| frame).take(4).collect();
    assert_eq!(starts, [48_000, 528_000, 792_000, 1_272_000]);
    // The journey is resumed at the start of the second step.
    let resumed: Vec<u64> = JourneySteps::resume(&preset, 2, 0).map(|(frame, _)| frame).take(2).collect();
    assert_eq!(resumed, [264_000, 744_000]);
    assert_eq!(JourneySteps::resume(&preset, 2, 0).current(), preset.journey.get(1));
    // A step that does not exist restarts the journey.
    for step in [0, 3, usize::MAX] {
        assert_eq!(JourneySteps::resume(&preset, step, 0).next_frame(), Some(0), "{step}");
    }
    let once = Preset { repeats: false, ..preset };
    assert_eq!(JourneySteps::new(&once, 0).count(), 2);
    assert_eq!(JourneySteps::resume(&once, 2, 0).next_frame(), None);
}

#[test]
fn every_problem_is_reported() {
    let text = "\
emotion = \"kalm\"
valance = 0.3
temperature = 12
panic = 1
preset = \"other\"
chord = \"Xm\"
loop = 1
reverb = [1]
[level]
pat = -3
[[journey]]
glide = 3
[[journey]]
emotion = \"sad\"
valence = 0.1
seconds = 0
";
    assert_eq!(
        parse(text).unwrap_err(),
        [
            "test.toml:3: emotion = \"kalm\": expected one of happy, sad, energetic, calm, \
             romantic, angry, nostalgic, mysterious; did you mean \"calm\"?",
            "test.toml:4: valance = 0.3: there is no parameter \"valance\"; did you mean \"valence\"?",
            "test.toml:5: temperature = 12: expected a number from 0.1 to 2",
            "test.toml:6: panic = 1: panic cannot be set in a preset",
            "test.toml:7: preset = \"other\": preset cannot be set in a preset",
            "test.toml:8: chord = \"Xm\": expected a chord symbol such as Am7, F#dim or C/E, or auto; chords are major, \
             m, dim, aug, sus2, sus4, maj7, m7, 7, m7b5, dim7, mmaj7, add9, m6, 6",
            "test.toml:9: loop = 1: expected true or false",
            "test.toml:10: reverb = [1]: expected a single value",
            "test.toml:12: level.pat = -3: there is no parameter \"level/pat\"; did you mean \"level/pad\"?",
            "test.toml:13: journey.seconds is missing; expected the length of the step in seconds",
            "test.toml:13: a step needs a mood: an emotion, a blend, or both valence and arousal",
            "test.toml:17: journey.valence = 0.1: valence and arousal must be set together",
            "test.toml:17: journey.valence = 0.1: the mood is set twice; choose an emotion, a blend, or valence and arousal",
            "test.toml:18: journey.seconds = 0: expected a number from 1 to 86400",
        ]
    );
}

#[test]
fn a_mood_must_be_set_in_exactly_one_way() {
    for (text, hint) in [
        ("valence = 0.1", "3: valence = 0.1: valence and arousal must be set together"),
        ("emotion = \"sad\"\nvalence = 0.1\narousal = 0", "4: valence = 0.1: the mood is set twice"),
        ("emotion = { sad = 0.0 }", "3: emotion.sad = 0.0: a blend needs at least one weight above 0"),
        ("[[journey]]\nseconds = 3", "a step needs a mood"),
        ("loop = true", "needs a [[journey]]"),
        ("hold = true\nhold = false", "test.toml:4: duplicate key hold"),
        ("hold = true\n\"level/pad\" = 0\n[level]\npad = 1", "the parameter is set twice"),
    ] {
        let problems = parse(text).unwrap_err();
        assert!(problems.len() == 1 && problems[0].contains(hint), "{text}: {problems:#?}");
    }
    let missing = Preset::parse(Path::new("x.toml"), "").unwrap_err();
    assert_eq!(missing.len(), 2, "{missing:?}");
}

#[test]
fn an_invalid_step_is_the_only_problem_of_a_repeating_journey() {
    let problems = parse("loop = true\n[[journey]]\nemotion = \"sad\"\nseconds = 0\n").unwrap_err();
    assert_eq!(problems, ["test.toml:6: journey.seconds = 0: expected a number from 1 to 86400"]);
}

#[test]
fn the_length_of_a_step_must_be_a_number_in_range() {
    for seconds in ["-5", "0.5", "nan", "inf", "86401", "\"10\"", "[1, 2]"] {
        let problems = parse(&format!("[[journey]]\nemotion = \"sad\"\nseconds = {seconds}\n")).unwrap_err();
        assert_eq!(problems, [format!("test.toml:5: journey.seconds = {seconds}: expected a number from 1 to 86400")]);
    }
}

#[test]
fn a_loop_needs_a_journey_and_takes_no_number() {
    let problems = parse("tone = 0.1\nloop = true\n").unwrap_err();
    assert_eq!(problems, ["test.toml:4: loop = true: needs a [[journey]] to repeat"]);
    let problems = parse("loop = 30\n[[journey]]\nemotion = \"sad\"\nseconds = 60\n").unwrap_err();
    assert_eq!(problems, ["test.toml:3: loop = 30: expected true or false"]);
}

#[test]
fn an_invalid_mood_is_not_reported_as_missing() {
    for (text, problem) in [
        ("[[journey]]\nseconds = 5\nemotion = \"kalm\"", "test.toml:5: journey.emotion = \"kalm\": expected one of"),
        ("[[journey]]\nseconds = 5\nemotion = { sad = 2 }", "test.toml:5: journey.emotion.sad = 2: expected a number"),
        ("valence = 3\narousal = 0.1", "test.toml:3: valence = 3: expected a number from -1 to 1"),
        ("[[journey]]\nseconds = 5\nemotion = {}", "test.toml:3: a step needs a mood"),
    ] {
        let problems = parse(text).unwrap_err();
        assert!(problems.len() == 1 && problems[0].starts_with(problem), "{text}: {problems:#?}");
    }
}

#[test]
fn an_unreadable_file_is_reported() {
    let problems = Preset::read(Path::new("no/such.toml")).unwrap_err();
    assert!(problems[0].to_string().starts_with("no/such.toml: No such file"), "{}", problems[0]);
}

#[test]
fn modulations_are_read_and_checked() {
    let text = "[[modulate]]\nto = \"tone\"\nshape = \"sine\"\ndepth = 0.4\nbars = 8\nphase = 0.25\n[[modulate]]\nto = \"arousal\"\ninput = 2\ndepth = -1\n";
    let preset = parse(text).unwrap();
    let modulations: Vec<_> =
        preset.modulations.iter().map(|(param, modulation)| format!("{} {modulation}", param.spec().id)).collect();
    assert_eq!(modulations, ["tone sine 0.4 bars 8 0.25", "arousal input/2 -1 seconds 1 0"]);
    let text = "[[modulate]]\nto = \"tempo\"\nshape = \"sin\"\ndepth = 1\nbars = 0\n[[modulate]]\nto = \"tone\"\ninput = 5\ndepth = 9\nseconds = 4\n[[modulate]]\n";
    let problems = parse(text).unwrap_err().iter().map(ToString::to_string).collect::<Vec<_>>().join("\n");
    for expected in [
        "tempo cannot be modulated; these can: valence, arousal, temperature",
        "modulate.shape = \"sin\": expected one of sine, triangle, ramp, walk; did you mean \"sine\"?",
        "modulate.bars = 0: expected a number from 0.25 to 1024",
        "modulate.input = 5: expected an integer from 1 to 4",
        "modulate.depth = 9: expected a number from -2 to 2",
        "modulate.to is missing",
        "modulate.depth is missing",
    ] {
        assert!(problems.contains(expected), "{expected}\n{problems}");
    }
}
