//! Writes small corpora for the tests.

use std::fs;
use std::path::Path;

use midly::num::{u4, u7, u15, u24, u28};
use midly::{Format, Header, MetaMessage, MidiMessage, Smf, Timing, TrackEvent, TrackEventKind};

/// Ticks per quarter note; at 120 BPM a tick is 1/960 s.
const TICKS: u16 = 480;

/// A note: start and end in seconds, pitch, velocity.
pub(crate) type Note = (f64, f64, u8, u8);

/// Returns an arpeggio of a chord, four notes per second, with a bass note every two seconds.
pub(crate) fn arpeggio(chord: [u8; 3], seconds: f64) -> Vec<Note> {
    let bass = (0..(seconds / 2.0) as u32).map(|i| (f64::from(i) * 2.0, f64::from(i) * 2.0 + 1.9, chord[0] - 24, 70));
    let upper = (0..(seconds * 4.0) as u32).map(|i| {
        let start = f64::from(i) * 0.25;
        (start, start + 0.24, chord[(i % 3) as usize], 50 + (i % 5) as u8 * 8)
    });
    bass.chain(upper).collect()
}

/// Writes a MIDI file with one track at 120 BPM in 4/4.
pub(crate) fn write_midi(path: &Path, notes: &[Note]) {
    let tick = |seconds: f64| (seconds * 2.0 * f64::from(TICKS)).round() as u32;
    let channel = u4::new(0);
    let mut events: Vec<(u32, TrackEventKind<'static>)> = vec![
        (0, TrackEventKind::Meta(MetaMessage::Tempo(u24::new(500_000)))),
        (0, TrackEventKind::Meta(MetaMessage::TimeSignature(4, 2, 24, 8))),
    ];
    for (start, end, pitch, velocity) in notes {
        let (key, vel) = (u7::new(*pitch), u7::new(*velocity));
        events.push((tick(*start), TrackEventKind::Midi { channel, message: MidiMessage::NoteOn { key, vel } }));
        let message = MidiMessage::NoteOff { key, vel: u7::new(0) };
        events.push((tick(*end), TrackEventKind::Midi { channel, message }));
    }
    events.sort_by_key(|(tick, _)| *tick);
    let mut track = Vec::new();
    let mut now = 0;
    for (tick, kind) in events {
        track.push(TrackEvent { delta: u28::new(tick - now), kind });
        now = tick;
    }
    track.push(TrackEvent { delta: u28::new(0), kind: TrackEventKind::Meta(MetaMessage::EndOfTrack) });
    let mut smf = Smf::new(Header::new(Format::SingleTrack, Timing::Metrical(u15::new(TICKS))));
    smf.tracks.push(track);
    create_parent(path);
    smf.save(path).expect("the folder should be writable");
}

/// Writes a stereo WAV file of decaying tones, two per second.
pub(crate) fn write_wav(path: &Path, rate: u32, seconds: f64) {
    create_parent(path);
    let spec =
        hound::WavSpec { channels: 2, sample_rate: rate, bits_per_sample: 16, sample_format: hound::SampleFormat::Int };
    let mut writer = hound::WavWriter::create(path, spec).expect("the folder should be writable");
    for i in 0..(seconds * f64::from(rate)) as u32 {
        let time = f64::from(i) / f64::from(rate);
        let decay = (-6.0 * (time % 0.5)).exp();
        let sample = (9000.0 * decay * (std::f64::consts::TAU * 440.0 * time).sin()) as i16;
        writer.write_sample(sample).expect("the disk should not be full");
        writer.write_sample(sample).expect("the disk should not be full");
    }
    writer.finalize().expect("the disk should not be full");
}

/// Writes a text file.
pub(crate) fn write(path: &Path, text: &str) {
    create_parent(path);
    fs::write(path, text).expect("the folder should be writable");
}

/// Creates a file's folder.
pub(crate) fn create_parent(path: &Path) {
    fs::create_dir_all(path.parent().expect("a file should have a folder")).expect("the folder should be created");
}

/// Writes a song in POP909's layout, with a beat every half second.
pub(crate) fn pop909_song(root: &Path, id: &str, chord: [u8; 3]) {
    let folder = root.join("POP909").join(id);
    write_midi(&folder.join(format!("{id}.mid")), &arpeggio(chord, 20.0));
    let beats: Vec<String> = (0..40)
        .map(|i| format!("{} {}.0 {}.0", f64::from(i) * 0.5, u8::from(i % 2 == 0), u8::from(i % 4 == 0)))
        .collect();
    write(&folder.join("beat_midi.txt"), &beats.join("\n"));
}
