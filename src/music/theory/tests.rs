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
fn a_key_contains_the_notes_of_its_scale() {
    let key = Key { tonic: 9, mode: Mode::Minor };
    assert!((0..12).filter(|pitch| key.contains(*pitch)).eq([0, 2, 4, 5, 7, 9, 11]));
}
