//! Renders one copy of a piece: audio, mel and conditions.

use std::collections::BTreeMap;
use std::io;

use super::Options;
use super::catalogue::{Material, sound};
use super::corpus::CorpusError;
use super::label::{Label, Labeller};
use super::midi::{Note, Pedal};
use super::piece::{Piece, Score};
use super::random::uniform;
use super::rendition::Rendition;
use super::shard::Shard;
use super::synth::{Piano, SynthError};
use super::{condition, recordings};
use crate::analysis::analyze;
use melos::mel::{FRAMES_PER_LATENT, HOP, MelAnalyzer};
use melos::music::conditions::Conditions;
use melos::units::SAMPLE_RATE;

/// Below this tempo, half of the copies are counted at double tempo: slow pop can be felt either way, and the networks
/// must also learn fast beats.
const SLOW_BPM: f64 = 85.0;
/// Silence kept before the first onset, in seconds.
const LEAD: f64 = 0.05;
/// Audio kept after the last onset, in seconds.
const TAIL: f64 = 1.0;
/// Minimum length of a piece in seconds.
const SHORTEST: f64 = 6.0;
/// Amplitude below which the ends of a recording are silence.
const SILENCE: f32 = 1e-3;

/// Samples per latent.
const LATENT: usize = HOP * FRAMES_PER_LATENT;

/// Why a copy was not made.
#[derive(Debug)]
pub(crate) enum Failure {
    /// Shorter than [`SHORTEST`].
    TooShort,
    /// The recording cannot be read.
    Input(CorpusError),
    /// The piano cannot play it.
    Piano(SynthError),
    /// The shard cannot be written.
    Output(io::Error),
}

/// Everything shared by all copies.
#[derive(Debug)]
pub(crate) struct Renderer<'a> {
    pub(crate) options: &'a Options,
    pub(crate) piano: &'a Piano,
    /// Labels windows of notes; `None` if no piece has notes.
    pub(crate) of_notes: Option<Labeller>,
    /// Labels windows of recordings; `None` if there are none.
    pub(crate) of_sound: Option<Labeller>,
}

/// A copy without derived data.
struct RenderedCopy {
    audio: Vec<f32>,
    /// Empty for mono.
    side: Vec<f32>,
    notes: Vec<Note>,
    pedal: Vec<Pedal>,
    conditions: Vec<Conditions>,
    /// Start position in the piece at the copy's tempo, in seconds.
    start: f64,
}

impl Renderer<'_> {
    /// Makes one copy and writes its shard; returns its length in seconds.
    pub(crate) fn make(&self, rendition: &Rendition, piece: &Piece, material: &Material) -> Result<f64, Failure> {
        let made = match material {
            Material::Notes(score) => self.play(rendition, piece, score)?,
            Material::Sound(_) => self.listen(rendition, piece)?,
        };
        let length = made.audio.len();
        let mut mel = MelAnalyzer::new().log_mel(&made.audio);
        mel.truncate(length / HOP);
        let shard = Shard {
            mel,
            conditions: made.conditions,
            notes: made.notes,
            pedal: made.pedal,
            audio: if self.options.audio { made.audio } else { Vec::new() },
            side: if self.options.stereo { made.side } else { Vec::new() },
            metadata: self.metadata(rendition, piece, made.start),
        };
        shard.write(&rendition.path(&self.options.out, piece)).map_err(Failure::Output)?;
        Ok(length as f64 / f64::from(SAMPLE_RATE))
    }

    /// The notes of a piece, rendered in the copy's key and tempo; or unchanged, with their recording.
    fn play(&self, rendition: &Rendition, piece: &Piece, score: &Score) -> Result<RenderedCopy, Failure> {
        let factor = f64::from(rendition.tempo_percent) / 100.0;
        let moved: Vec<Note> = score
            .notes
            .iter()
            .filter_map(|note| {
                let pitch = u8::try_from(i32::from(note.pitch) + rendition.transpose).ok().filter(|p| *p < 128)?;
                let [start, key_up, end] = [note.start, note.key_up, note.end].map(|time| time / factor);
                Some(Note { start, key_up, end, pitch, ..*note })
            })
            .collect();
        let (from, mut samples) = self.excerpt(rendition, piece, &moved).ok_or(Failure::TooShort)?;
        let recording = match piece.source.sound().filter(|_| rendition.recorded) {
            Some(path) => {
                let whole = sound(path).map_err(Failure::Input)?;
                let start = ((from * f64::from(SAMPLE_RATE)) as usize).min(whole.len());
                samples = samples.min((whole.len() - start) / LATENT * LATENT);
                Some(whole[start..start + samples].to_vec())
            }
            None => None,
        };
        let seconds = samples as f64 / f64::from(SAMPLE_RATE);
        if seconds < SHORTEST {
            return Err(Failure::TooShort);
        }
        let context: Vec<Note> = moved
            .iter()
            .map(|note| {
                let [start, key_up, end] = [note.start, note.key_up, note.end].map(|time| time - from);
                Note { start, key_up, end, ..*note }
            })
            .collect();
        let notes: Vec<Note> = context
            .iter()
            .filter(|note| note.start >= 0.0 && note.start < seconds)
            .map(|note| Note { key_up: note.key_up.min(seconds), end: note.end.min(seconds), ..*note })
            .collect();
        let pedal = score.pedal.iter().map(|pedal| Pedal { time: pedal.time / factor - from, ..*pedal });
        // At the start, the pedal is in the position of its last earlier movement.
        let started = score.pedal.iter().rev().find(|pedal| pedal.time / factor < from);
        let started = started.map(|pedal| Pedal { time: 0.0, ..*pedal });
        let pedal = started.into_iter().chain(pedal.filter(|pedal| (0.0..seconds).contains(&pedal.time))).collect();
        let beats = score.beats.as_ref().map(|beats| beats.map(|time| time / factor - from));
        let twice = uniform(&mut rendition.seeded("count", piece, self.options)) < 0.5;
        let beats = beats.map(|grid| if twice && grid.mean_tempo() < SLOW_BPM { grid.doubled() } else { grid });
        let label = |window: &_| {
            let label = self.of_notes.as_ref().map(|labeller| labeller.label(window));
            label.map(|label| annotated(&label, piece))
        };
        let conditions = condition::conditions(&notes, &context, beats.as_ref(), label, samples / LATENT);
        let (audio, side) = match recording {
            Some(recording) => (recording, Vec::new()),
            None => {
                let sound = self.piano.render(&notes, samples).map_err(Failure::Piano)?;
                (sound.mid(), sound.side())
            }
        };
        Ok(RenderedCopy { audio, side, notes, pedal, conditions, start: from })
    }

    /// The excerpt of a piece to use: its start in seconds, and its length in samples, a multiple of [`LATENT`].
    fn excerpt(&self, rendition: &Rendition, piece: &Piece, notes: &[Note]) -> Option<(f64, usize)> {
        let (first, last) = (notes.first()?.start, notes.last()?.start);
        // A recording has nothing before its start, but notes can be preceded by silence.
        let earliest = if rendition.recorded { 0.0 } else { f64::NEG_INFINITY };
        let start = (first - LEAD).max(earliest);
        let whole = last + TAIL - start;
        let longest = self.options.max_piece_seconds.unwrap_or(f64::INFINITY);
        let (from, seconds) = if whole <= longest {
            (start, whole)
        } else {
            let mut random = rendition.seeded("excerpt", piece, self.options);
            let wish = first + (whole - longest) * uniform(&mut random);
            let onset = notes[notes.partition_point(|note| note.start < wish).min(notes.len() - 1)].start;
            ((onset - LEAD).max(earliest), longest)
        };
        let samples = (seconds * f64::from(SAMPLE_RATE)) as usize / LATENT * LATENT;
        (seconds >= SHORTEST).then_some((from, samples))
    }

    /// A recording whose notes are unknown.
    fn listen(&self, rendition: &Rendition, piece: &Piece) -> Result<RenderedCopy, Failure> {
        let Some(path) = piece.source.sound() else { return Err(Failure::TooShort) };
        let whole = sound(path).map_err(Failure::Input)?;
        let loud = |x: &f32| x.abs() > SILENCE;
        let (Some(first), Some(last)) = (whole.iter().position(loud), whole.iter().rposition(loud)) else {
            return Err(Failure::TooShort);
        };
        let longest = self.options.max_piece_seconds.unwrap_or(f64::INFINITY) * f64::from(SAMPLE_RATE);
        let length = (last + 1 - first).min(longest as usize) / LATENT * LATENT;
        if (length as f64) < SHORTEST * f64::from(SAMPLE_RATE) {
            return Err(Failure::TooShort);
        }
        let spare = last + 1 - first - length;
        let share = uniform(&mut rendition.seeded("excerpt", piece, self.options));
        let start = first + (spare as f64 * share) as usize;
        let audio = whole[start..start + length].to_vec();
        let conditions = recordings::conditions(&analyze(&audio), self.of_sound.as_ref(), length / LATENT);
        let start = start as f64 / f64::from(SAMPLE_RATE);
        Ok(RenderedCopy { audio, side: Vec::new(), notes: Vec::new(), pedal: Vec::new(), conditions, start })
    }

    fn metadata(&self, rendition: &Rendition, piece: &Piece, start: f64) -> BTreeMap<String, String> {
        let piano = if rendition.recorded { "recording" } else { self.piano.name() };
        let entries = [
            ("piano", piano.to_owned()),
            ("corpus", piece.corpus.to_string()),
            ("piece", piece.id.clone()),
            ("split", piece.split.name().to_owned()),
            ("transpose", rendition.transpose.to_string()),
            ("tempo_factor", (f64::from(rendition.tempo_percent) / 100.0).to_string()),
            ("start", start.to_string()),
            ("licence", piece.licence.clone()),
        ];
        entries.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
    }
}

/// Returns the label, in which the annotators' quadrant takes precedence over the rule.
fn annotated(label: &Label, piece: &Piece) -> Label {
    piece.quadrant.map_or(*label, |quadrant| label.within(quadrant))
}
