//! Renders notes with program 0 of a SoundFont, its piano.

use std::fs::File;
use std::io::BufReader;
use std::path::Path;
use std::sync::Arc;

use melos::units::SAMPLE_RATE;
use rustysynth::{SoundFont, Synthesizer, SynthesizerSettings};

use super::super::midi::Note;
use super::{Stereo, SynthError};

/// Gain of the synthesiser, the same for every piece, so that loudness depends only on velocity.
const GAIN: f32 = 2.0;
const POLYPHONY: usize = 160;

/// A synthesiser for program 0 of a SoundFont.
pub(super) struct Synth {
    soundfont: Arc<SoundFont>,
}

impl std::fmt::Debug for Synth {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Synth").finish_non_exhaustive()
    }
}

impl Synth {
    pub(super) fn load(path: &Path) -> Result<Self, SynthError> {
        let file = File::open(path).map_err(|source| SynthError::Unreadable { path: path.to_path_buf(), source })?;
        let unusable = |reason: String| SynthError::Unusable { path: path.to_path_buf(), reason };
        let soundfont = SoundFont::new(&mut BufReader::new(file)).map_err(|error| unusable(error.to_string()))?;
        let synth = Self { soundfont: Arc::new(soundfont) };
        Synthesizer::new(&synth.soundfont, &settings()).map_err(|error| unusable(error.to_string()))?;
        Ok(synth)
    }

    pub(super) fn render(&self, notes: &[Note], length: usize) -> Stereo {
        let mut synth =
            Synthesizer::new(&self.soundfont, &settings()).expect("the settings should work, as they did in `load`");
        synth.set_master_volume(GAIN);
        let frame = |seconds: f64| (seconds.max(0.0) * f64::from(SAMPLE_RATE)).round() as usize;
        // At equal times, releases come before attacks, so that a key can be released and struck again at once.
        let mut events: Vec<(usize, u8, i32, i32)> = Vec::with_capacity(2 * notes.len());
        for note in notes {
            let velocity = note.velocity.round().clamp(1.0, 127.0) as i32;
            events.push((frame(note.start), 1, i32::from(note.pitch), velocity));
            events.push((frame(note.end), 0, i32::from(note.pitch), 0));
        }
        events.sort_unstable();
        let Stereo { mut left, mut right } = Stereo::silence(length);
        let mut rendered = 0;
        for (frame, down, pitch, velocity) in events {
            let end = frame.min(length);
            if end > rendered {
                synth.render(&mut left[rendered..end], &mut right[rendered..end]);
                rendered = end;
            }
            if down == 1 {
                synth.note_on(0, pitch, velocity);
            } else {
                synth.note_off(0, pitch);
            }
        }
        synth.render(&mut left[rendered..], &mut right[rendered..]);
        Stereo { left, right }
    }
}

fn settings() -> SynthesizerSettings {
    let mut settings = SynthesizerSettings::new(SAMPLE_RATE as i32);
    settings.enable_reverb_and_chorus = false;
    settings.maximum_polyphony = POLYPHONY;
    settings
}
