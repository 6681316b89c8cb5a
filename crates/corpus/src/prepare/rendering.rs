//! Renders a copy of a piece to a shard, from notes or from a recording.

use std::collections::BTreeMap;
use std::io;

use super::Options;
use super::catalogue::{Content, decode_audio};
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

/// Tempo in beats per minute below which half of the copies are counted in double time: slow pop can be counted either
/// way, and the networks must also learn fast beats.
const SLOW_BPM: f64 = 85.0;
/// Time kept before the first onset, in seconds.
const LEAD_IN: f64 = 0.05;
/// Audio kept after the last onset, in seconds.
const TAIL: f64 = 1.0;
/// Minimum length of a copy, in seconds.
const MIN_SECONDS: f64 = 6.0;
/// Amplitude up to which the ends of a recording count as silent.
const SILENCE: f32 = 1e-3;

/// Samples per latent.
const LATENT: usize = HOP * FRAMES_PER_LATENT;

/// Why a copy could not be rendered.
#[derive(Debug)]
pub(crate) enum RenderError {
    /// The copy would be shorter than [`MIN_SECONDS`], or the piece contains neither notes nor audible
    /// sound.
    TooShort,
    /// The recording cannot be read.
    Input(CorpusError),
    /// The piano cannot play the notes.
    Piano(SynthError),
    /// The shard cannot be written.
    Output(io::Error),
}

/// Renders copies, with the options, piano and labellers that they share.
#[derive(Debug)]
pub(crate) struct Renderer<'a> {
    pub(crate) options: &'a Options,
    pub(crate) piano: &'a Piano,
    /// Labels windows of notes; `None` if no training piece has enough notes.
    pub(crate) note_labeller: Option<Labeller>,
    /// Labels windows of recordings; `None` if there are no audible training recordings without notes.
    pub(crate) recording_labeller: Option<Labeller>,
}

/// The contents of a copy before its mel frames are computed.
struct RenderedCopy {
    audio: Vec<f32>,
    /// Empty for mono.
    side: Vec<f32>,
    notes: Vec<Note>,
    pedal: Vec<Pedal>,
    conditions: Vec<Conditions>,
    /// Position in the piece at which the copy starts, in seconds at the copy's tempo.
    start: f64,
}

impl Renderer<'_> {
    /// Renders a copy, writes its shard, and returns its length in seconds.
    pub(crate) fn write_copy(
        &self,
        rendition: &Rendition,
        piece: &Piece,
        content: &Content,
    ) -> Result<f64, RenderError> {
        let copy = match content {
            Content::Notes(score) => self.render_notes(rendition, piece, score)?,
            Content::Recording(_) => self.cut_recording(rendition, piece)?,
        };
        let length = copy.audio.len();
        let mut mel = MelAnalyzer::new().log_mel(&copy.audio);
        mel.truncate(length / HOP);
        let shard = Shard {
            mel,
            conditions: copy.conditions,
            notes: copy.notes,
            pedal: copy.pedal,
            audio: if self.options.audio { copy.audio } else { Vec::new() },
            side: if self.options.stereo { copy.side } else { Vec::new() },
            metadata: self.metadata(rendition, piece, copy.start),
        };
        shard.write(&rendition.path(&self.options.out, piece)).map_err(RenderError::Output)?;
        Ok(length as f64 / f64::from(SAMPLE_RATE))
    }

    /// Renders the notes of a piece in the copy's key and tempo, or uses them unchanged with their recording.
    fn render_notes(&self, rendition: &Rendition, piece: &Piece, score: &Score) -> Result<RenderedCopy, RenderError> {
        let factor = f64::from(rendition.tempo_percent) / 100.0;
        let transformed: Vec<Note> = score
            .notes
            .iter()
            .filter_map(|note| {
                let pitch = u8::try_from(i32::from(note.pitch) + rendition.transpose).ok().filter(|p| *p < 128)?;
                let [start, key_up, end] = [note.start, note.key_up, note.end].map(|time| time / factor);
                Some(Note { start, key_up, end, pitch, ..*note })
            })
            .collect();
        let (from, mut samples) = self.excerpt(rendition, piece, &transformed).ok_or(RenderError::TooShort)?;
        let recording = match piece.source.audio().filter(|_| rendition.recorded) {
            Some(path) => {
                let whole = decode_audio(path).map_err(RenderError::Input)?;
                let start = ((from * f64::from(SAMPLE_RATE)) as usize).min(whole.len());
                samples = samples.min((whole.len() - start) / LATENT * LATENT);
                Some(whole[start..start + samples].to_vec())
            }
            None => None,
        };
        let seconds = samples as f64 / f64::from(SAMPLE_RATE);
        if seconds < MIN_SECONDS {
            return Err(RenderError::TooShort);
        }
        let context: Vec<Note> = transformed
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
        // The last movement before the start determines the pedal's position at the start.
        let initial = score.pedal.iter().rev().find(|pedal| pedal.time / factor < from);
        let initial = initial.map(|pedal| Pedal { time: 0.0, ..*pedal });
        let pedal = initial.into_iter().chain(pedal.filter(|pedal| (0.0..seconds).contains(&pedal.time))).collect();
        let beats = score.beats.as_ref().map(|beats| beats.map(|time| time / factor - from));
        let doubled = uniform(&mut rendition.seeded_random("count", piece, self.options)) < 0.5;
        let beats = beats.map(|grid| if doubled && grid.mean_tempo() < SLOW_BPM { grid.doubled() } else { grid });
        let label = |window: &_| {
            let label = self.note_labeller.as_ref().map(|labeller| labeller.label(window));
            label.map(|label| apply_annotation(&label, piece))
        };
        let conditions = condition::conditions(&notes, &context, beats.as_ref(), label, samples / LATENT);
        let (audio, side) = match recording {
            Some(recording) => (recording, Vec::new()),
            None => {
                let stereo = self.piano.render(&notes, samples).map_err(RenderError::Piano)?;
                (stereo.mid(), stereo.side())
            }
        };
        Ok(RenderedCopy { audio, side, notes, pedal, conditions, start: from })
    }

    /// Chooses an excerpt. Returns its start in seconds and its length in samples, a multiple of [`LATENT`]; `None` if
    /// it is too short.
    fn excerpt(&self, rendition: &Rendition, piece: &Piece, notes: &[Note]) -> Option<(f64, usize)> {
        let (first, last) = (notes.first()?.start, notes.last()?.start);
        // An excerpt of rendered notes can start with silence before time 0, but a recording has no audio there.
        let earliest = if rendition.recorded { 0.0 } else { f64::NEG_INFINITY };
        let start = (first - LEAD_IN).max(earliest);
        let whole = last + TAIL - start;
        let longest = self.options.max_piece_seconds.unwrap_or(f64::INFINITY);
        let (from, seconds) = if whole <= longest {
            (start, whole)
        } else {
            let mut random = rendition.seeded_random("excerpt", piece, self.options);
            let target = first + (whole - longest) * uniform(&mut random);
            let onset = notes[notes.partition_point(|note| note.start < target).min(notes.len() - 1)].start;
            ((onset - LEAD_IN).max(earliest), longest)
        };
        let samples = (seconds * f64::from(SAMPLE_RATE)) as usize / LATENT * LATENT;
        (seconds >= MIN_SECONDS).then_some((from, samples))
    }

    /// Cuts an excerpt from a recording whose notes are unknown.
    fn cut_recording(&self, rendition: &Rendition, piece: &Piece) -> Result<RenderedCopy, RenderError> {
        let Some(path) = piece.source.audio() else { return Err(RenderError::TooShort) };
        let whole = decode_audio(path).map_err(RenderError::Input)?;
        let audible = |x: &f32| x.abs() > SILENCE;
        let (Some(first), Some(last)) = (whole.iter().position(audible), whole.iter().rposition(audible)) else {
            return Err(RenderError::TooShort);
        };
        let longest = self.options.max_piece_seconds.unwrap_or(f64::INFINITY) * f64::from(SAMPLE_RATE);
        let length = (last + 1 - first).min(longest as usize) / LATENT * LATENT;
        if (length as f64) < MIN_SECONDS * f64::from(SAMPLE_RATE) {
            return Err(RenderError::TooShort);
        }
        let spare = last + 1 - first - length;
        let fraction = uniform(&mut rendition.seeded_random("excerpt", piece, self.options));
        let start = first + (spare as f64 * fraction) as usize;
        let audio = whole[start..start + length].to_vec();
        let conditions = recordings::conditions(&analyze(&audio), self.recording_labeller.as_ref(), length / LATENT);
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

/// Limits a label to the annotated quadrant, if there is one.
fn apply_annotation(label: &Label, piece: &Piece) -> Label {
    piece.quadrant.map_or(*label, |quadrant| label.within(quadrant))
}
