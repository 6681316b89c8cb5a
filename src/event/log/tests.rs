use super::*;
use crate::event::modulation::Modulation;
use crate::event::parameter::{Input, TABLE};

fn write(log: &ControlLog) -> String {
    let mut text = LogText::new(&log.header);
    log.entries.iter().for_each(|(frame, entry)| text.add(*frame, entry));
    text.take()
}

fn full_log() -> ControlLog {
    let mut log = ControlLog {
        header: Header {
            version: "0.2.0".to_owned(),
            model: "piano \"3f\"".to_owned(),
            seed: u64::MAX,
            settings: vec![(Param::Temperature, Value::Number(0.1 + 0.2)), (Param::MutePad, Value::Toggle(true))],
            start_frame: None,
            take: None,
            gaps: Vec::new(),
        },
        entries: Vec::new(),
    };
    let mut add = |event| {
        let frame = log.entries.len() as u64 * 1000;
        log.entries.push((frame, event));
    };
    for spec in TABLE {
        add(Entry::Event(ControlEvent::Set(spec.param, spec.param.default_value())));
    }
    for (param, value) in [(Param::Tone, Value::Number(0.1)), (Param::Panic, Value::Trigger)] {
        add(Entry::Event(ControlEvent::NextBar(param, value)));
    }
    for value in [f32::MIN_POSITIVE, -0.0, 1.0 / 3.0, 0.999_999_94] {
        add(Entry::Event(ControlEvent::Set(Param::Valence, Value::Number(value))));
    }
    add(Entry::Event(ControlEvent::Set(Param::Scene, Value::Text("two\nlines \"and\" ünïcode".to_owned()))));
    add(Entry::Event(ControlEvent::Morph(2.5)));
    let modulation: Modulation = "walk 0.3 bars 8 0.25".parse().unwrap();
    add(Entry::Event(ControlEvent::Modulate(Param::Tone, Some(modulation))));
    add(Entry::Event(ControlEvent::Modulate(Param::Tone, None)));
    for name in ["dawn", "two \"quoted\" words"] {
        let (param, value) = (Param::Chord, Value::Text("C/E".to_owned()));
        add(Entry::Event(ControlEvent::SceneValue { name: name.to_owned(), param, value }));
    }
    let [from, to] = ["dawn", "two \"quoted\" words"].map(str::to_owned);
    add(Entry::Event(ControlEvent::RenameScene { from, to }));
    add(Entry::Event(ControlEvent::LeadNotes(1 | 1 << 64 | 1 << 127)));
    add(Entry::Event(ControlEvent::LeadNotes(0)));
    add(Entry::Event(ControlEvent::PlayNote { note: 60, velocity: 90 }));
    add(Entry::Event(ControlEvent::PlayNote { note: 127, velocity: 0 }));
    add(Entry::Event(ControlEvent::Tempo(120.0 + 1.0 / 3.0)));
    add(Entry::Event(ControlEvent::Beat { beat: 4.0, at: 123_456 }));
    for generated_to in [None, Some(4096 * 130)] {
        let outcome = SpliceOutcome { audible_from: 512 * 999, from: 512 * 997, generated_to };
        add(Entry::Splice { planned: 512 * 998, outcome: Some(outcome) });
    }
    add(Entry::Splice { planned: 512 * 1000, outcome: None });
    add(Entry::Resume { splices: 3, missing: 512 * 990, at: 4096 * 77 });
    add(Entry::Reconciled { lost: 812..905 });
    add(Entry::Executed { commands: 905..913, due: 20_608, at: 20_288 });
    add(Entry::Checkpoint);
    add(Entry::End);
    log
}

#[test]
fn entries_round_trip_bit_for_bit() {
    let log = full_log();
    let text = write(&log);
    let parsed = ControlLog::read(text.as_bytes()).unwrap();
    assert_eq!(parsed, log);
    assert_eq!(write(&parsed), text);
}

#[test]
fn numbers_round_trip_bit_for_bit() {
    for bits in (0..u32::MAX).step_by(7_654_321) {
        let number = f32::from_bits(bits);
        let Ok(Some(value)) = Param::Seed.fit(Input::Number(f64::from(number))) else { continue };
        let line = line::format_setting(Param::Seed, &value);
        assert_eq!(line::read_setting(&line), Ok((Param::Seed, value)), "{line}");
    }
}

#[test]
fn invalid_lines_are_reported() {
    let start = "melos-control-log 1\nversion \"0.2.0\"\nmodel \"\"\nseed 1\n";
    for (line, hint) in [
        ("12 /melos/nothing 1", "there is no parameter /melos/nothing"),
        ("12 /melos/valence high", "not a number"),
        ("x /melos/panic", "at the start: expected a frame number"),
        ("12 lead 128", "0 to 127"),
        ("12 /melos/emotion \"bored\"", "one of happy"),
        ("start /melos/scene \"open", "double quotes"),
    ] {
        let error = ControlLog::read(format!("{start}{line}\n").as_bytes()).unwrap_err().to_string();
        assert!(error.starts_with("line 5: ") && error.contains(hint), "{error}");
    }
    let decreasing = format!("{start}12 end\n11 end\n");
    assert!(ControlLog::read(decreasing.as_bytes()).unwrap_err().to_string().contains("must not decrease"));
    let truncated = format!("{start}12 /melos/valence 0.25\n13 /melos/valence 0.7");
    assert_eq!(ControlLog::read(truncated.as_bytes()).unwrap().entries.len(), 1);
    assert!(ControlLog::read("".as_bytes()).is_err());
    let endless_line = ControlLog::read(std::io::BufReader::new(std::io::repeat(b'x'))).unwrap_err().to_string();
    assert!(endless_line.contains("shorter than"), "{endless_line}");
    assert!(ControlLog::read("RIFF\n".as_bytes()).is_err());
}

#[test]
fn logs_saved_by_other_editors_are_read() {
    let log = full_log();
    let mut text = LogText::new(&log.header);
    log.entries.iter().for_each(|(frame, entry)| text.add(*frame, entry));
    let text = text.take();
    let changed = format!("\u{feff}{}", text.replace('\n', "\r\n"));
    assert_eq!(ControlLog::read(changed.as_bytes()).unwrap(), log);
}

#[test]
fn a_file_that_is_no_log_is_refused_at_its_line() {
    for (bytes, problem) in [
        (b"".to_vec(), "line 1: cannot parse \"\": expected \"melos-control-log 1\""),
        (b"melos-control-log".to_vec(), "line 1: cannot parse \"\": expected \"melos-control-log 1\""),
        (format!("{MAGIC}\nseed 1\n").into_bytes(), "line 2: cannot parse \"\": expected the version"),
        (
            [MAGIC.as_bytes(), b"\nversion \"1\"\n\xff\n"].concat(),
            "line 3: cannot parse \"\": the line is not UTF-8 text",
        ),
    ] {
        assert_eq!(ControlLog::read(bytes.as_slice()).unwrap_err().to_string(), problem);
    }
}

#[test]
fn a_take_log_has_the_frames_and_gaps_of_the_take() {
    let session = full_log();
    let mut copy = Vec::new();
    copy_for_take(write(&session).as_bytes(), &mut copy, &(512..96_000), &[600..700, 800..900]).unwrap();
    let read = ControlLog::read(&copy[..]).unwrap();
    assert_eq!(read.frames(), 512..96_000);
    assert_eq!(read.header.gaps, [600..700, 800..900]);
    let (end, entries) = read.entries.split_last().unwrap();
    assert_eq!((entries, &end.1), (&session.entries[..], &Entry::End));
    assert_eq!(end.0, session.frames().end.max(96_000), "frames must not decrease");
    assert_eq!(Header { take: None, gaps: Vec::new(), ..read.header }, session.header);
    assert_eq!(session.frames(), 0..session.entries.last().unwrap().0);
    let empty_take = format!("{MAGIC}\nversion \"1\"\ntake 9 9\n");
    let error = ControlLog::read(empty_take.as_bytes()).unwrap_err().to_string();
    assert!(error.contains("line 3") && error.contains("increasing frames"), "{error}");
}

#[test]
fn the_copy_of_a_log_that_was_cut_off_has_no_end() {
    let text = write(&full_log());
    let cut = text.trim_end_matches(|c: char| c != ' ');
    let mut copy = Vec::new();
    copy_for_take(cut.as_bytes(), &mut copy, &(512..96_000), &[]).unwrap();
    assert!(copy.ends_with(cut.as_bytes().rsplit(|byte| *byte == b'\n').next().unwrap()));
    let (original, copied) = (ControlLog::read(cut.as_bytes()).unwrap(), ControlLog::read(&copy[..]).unwrap());
    assert_eq!(copied.entries, original.entries);
}

#[test]
fn the_end_follows_the_last_line() {
    for (lines, frame, end) in [
        ("12 /melos/tempo 90\n4800 /melos/tempo 91\n", 9600, "9600 end\n"),
        ("12 /melos/tempo 90\n4800 /melos/tempo 91\n", 512, "4800 end\n"),
        ("seed 7\nbegins 9600\n", 512, "512 end\n"),
        ("", 512, "512 end\n"),
    ] {
        assert_eq!(end_line(lines.as_bytes(), frame), end, "{lines}");
    }
}

#[test]
fn a_header_is_read_without_the_rest() {
    let mut log = full_log();
    (log.header.start_frame, log.header.take) = (Some(100), Some(512..96_000));
    let header = LogText::new(&log.header).take();
    for rest in ["", "4800 end\n", "4800 unreadable\n", "48"] {
        assert_eq!(Header::read(format!("{header}{rest}").as_bytes()).unwrap(), log.header, "{rest}");
    }
    let error = Header::read(format!("{MAGIC}\ntake 9\n").as_bytes()).unwrap_err().to_string();
    assert!(error.starts_with("line 2: ") && error.contains("two frames"), "{error}");
    assert!(Header::read("RIFF\n".as_bytes()).is_err());
}

#[test]
fn every_frame_is_within_ten_years() {
    let last = line::MAX_FRAME;
    for form in [
        "FRAME end",
        "take 0 FRAME",
        "gap 0 FRAME",
        "begins FRAME",
        "0 beat 4 FRAME",
        "0 splice FRAME never",
        "0 splice 512 FRAME",
        "0 splice 512 512 FRAME",
        "0 splice 512 512 512 FRAME",
        "0 resume 0 FRAME 512",
        "0 resume 0 512 FRAME",
        "0 executed 0 1 FRAME 64",
        "0 executed 0 1 64 FRAME",
    ] {
        let read = |frame: u64| {
            let line = form.replace("FRAME", &frame.to_string());
            ControlLog::read(format!("{MAGIC}\nversion \"1\"\n{line}\n").as_bytes())
        };
        assert!(read(last).is_ok(), "{form}");
        for frame in [last + 1, u64::MAX] {
            let error = read(frame).unwrap_err().to_string();
            let (number, expected) = (frame.to_string(), format!("a frame number from 0 to {last}"));
            assert!(error.starts_with("line 3: ") && error.contains(&number) && error.contains(&expected), "{error}");
        }
    }
}

#[test]
fn a_log_that_begins_after_its_last_line_is_empty() {
    let log = format!("{MAGIC}\nversion \"1\"\n10 end\nbegins 20\n");
    assert_eq!(ControlLog::read(log.as_bytes()).unwrap().frames(), 20..20);
}
