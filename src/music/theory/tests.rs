use super::*;

#[test]
fn chord_symbols_round_trip() {
    for root in 0..12 {
        for quality in Quality::ALL {
            for bass in [root, (root + 7) % 12] {
                let chord = Chord { root, quality, bass };
                assert_eq!(Chord::parse(&chord.to_string()), Some(chord), "{chord}");
            }
        }
    }
    for invalid in ["", "H", "Hm", "Cx", "C/", "C/H", "mmaj7", "C2", "C5", "C6/8", "Cmajor minor", "♭", "C🎵"] {
        assert_eq!(Chord::parse(invalid), None, "{invalid}");
    }
}

#[test]
fn chroma_emphasises_root_third_fifth_and_bass() {
    let chroma = |symbol| Chord::parse(symbol).unwrap().chroma();
    let of = |shares: &[(usize, f32)]| {
        let mut chroma = [0.0; 12];
        shares.iter().for_each(|(pitch, share)| chroma[*pitch] = *share);
        chroma
    };
    assert_eq!(chroma("Am7"), of(&[(9, 1.0), (0, 0.8), (4, 0.9), (7, 0.5)]));
    assert_eq!(chroma("Csus4"), of(&[(0, 1.0), (5, 0.8), (7, 0.9)]));
    assert_eq!(chroma("C/E"), of(&[(0, 1.0), (4, 0.9), (7, 0.9)]));
    assert_eq!(chroma("C/D"), of(&[(0, 1.0), (2, 0.9), (4, 0.8), (7, 0.9)]));
}

#[test]
fn parses_common_spellings_of_chords() {
    for (plain, others) in [
        (
            "Cmaj7",
            &[
                "CM7", "CMaj7", "CMA7", "Cma7", "CΔ", "CΔ7", "C△7", "Cmajor7", "C maj7", "cmaj7", "Cj7", "Cmaj9",
                "CM9", "CΔ9", "Cmaj7#11",
            ][..],
        ),
        ("Cm7", &["C-7", "Cmin7", "CMin7", "Cmi7", "C min7 ", "cm7", "Cm9", "C-11"]),
        ("Cm", &["C-", "Cmin", "Cmi", "C minor", "CMIN"]),
        ("C", &["CM", "Cmaj", "C major", " C ", "c"]),
        ("Cm7b5", &["Cø", "Cø7", "C-7b5", "Cmin7♭5", "Cm7(b5)", "Cm7(♭5)", "Cm7-5"]),
        ("Cdim7", &["C°7", "Co7"]),
        ("Cdim", &["C°", "Co", "Cº", "CDIM"]),
        ("Caug", &["C+", "CAUG", "CAug"]),
        ("C7", &["Cdom7", "C9", "C13", "C7#9", "C7(b9)", "C11", "C7alt"]),
        ("Cmmaj7", &["CmM7", "CmMaj7", "C-Δ", "Cm(maj7)", "CminMaj7"]),
        ("Csus4", &["Csus", "CSus4", "C7sus4", "C9sus"]),
        ("Cadd9", &["C(add9)", "Cadd2"]),
        ("C6", &["Cadd6", "CM6", "C6/9", "C69"]),
        ("Cm6", &["C-6", "Cmin6", "Cm6/9"]),
        ("C6/G", &["C6/9/G"]),
        ("C#m7", &["Dbm7", "D♭m7", "C♯-7", "c#m7", "C sharp m7"]),
        ("Bb/D", &["A#/D", "B♭/D", "A♯ / D", "bb/d"]),
    ] {
        let expected = Chord::parse(plain);
        assert!(expected.is_some(), "{plain}");
        for other in others {
            assert_eq!(Chord::parse(other), expected, "{other} for {plain}");
        }
    }
}

#[test]
fn parses_common_spellings_of_keys() {
    for (name, expected) in [
        ("Db", Some(1)),
        ("C#", Some(1)),
        ("d♭", Some(1)),
        (" G# ", Some(8)),
        ("A♯", Some(10)),
        ("B flat", Some(10)),
        ("F Sharp", Some(6)),
        ("Cb", Some(11)),
        ("E♮", Some(4)),
        // In German, B natural is called H, and B means B flat.
        ("H", None),
        ("", None),
        ("C##", None),
        ("do", None),
    ] {
        assert_eq!(pitch_class(name), expected, "{name}");
    }
    for (name, tonic, mode) in [
        ("A minor", 9, Mode::Minor),
        ("a MINOR ", 9, Mode::Minor),
        ("C#m", 1, Mode::Minor),
        ("E♭ major", 3, Mode::Major),
        ("B flat Dorian", 10, Mode::Dorian),
        ("D-moll", 2, Mode::Minor),
        ("G harmonic minor", 7, Mode::HarmonicMinor),
        ("F# mixolydian mode", 6, Mode::Mixolydian),
    ] {
        assert_eq!(Key::parse(name), Some(Key { tonic, mode }), "{name}");
    }
    for invalid in ["C", "H moll", "minor", "C minor minor", "Cmaj7", ""] {
        assert_eq!(Key::parse(invalid), None, "{invalid}");
    }
    for mode in Mode::ALL {
        assert_eq!(Mode::from_name(&format!(" {} ", mode.name().to_uppercase())), Some(mode));
    }
}

#[test]
fn a_key_contains_the_notes_of_its_scale() {
    let key = Key { tonic: 9, mode: Mode::Minor };
    assert!((0..12).filter(|pitch| key.contains(*pitch)).eq([0, 2, 4, 5, 7, 9, 11]));
}
