//! Plans the harmony ahead of time, bar by bar, and plays it when it is due.

mod events;

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use events::{EventKind, Events};

use super::score::Score;
use crate::conductor::harmony::{BarPlan, BarRequest, Harmony, Note, PhraseRecall};
use crate::event::Notice;
use crate::event::{EngineCommand, TimedCommand};
use crate::music::clock::MusicClock;
use crate::music::plan::PlannedChord;
use crate::music::theory::{Chord, Key, Voice};

/// A planned bar.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct PlannedBar {
    bar: u64,
    /// The state after the bar, from which the bar or the next one can be replanned.
    state: Harmony,
    expression: f32,
}

/// A chord and the beat on which it begins.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
struct ChordOnset {
    beat: f64,
    chord: Chord,
    key: Key,
}

/// A sounding note.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
struct Sounding {
    id: u64,
    voice: Voice,
    note: u8,
    velocity: f32,
}

/// The planned harmony. Times are in beats, so that they follow tempo changes.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Planner {
    /// The state after the last planned bar.
    harmony: Harmony,
    beats_per_bar: u32,
    /// The bars from the current one on.
    bars: VecDeque<PlannedBar>,
    /// The chords of the last few seconds and all later ones.
    chords: VecDeque<ChordOnset>,
    /// The beats on which the recall of a phrase starts or ends, over the same period.
    recalls: VecDeque<(f64, Option<PhraseRecall>)>,
    /// The pending events.
    events: Events,
    sounding: Vec<Sounding>,
    next_bar: u64,
    next_id: u64,
}

impl Planner {
    pub(super) fn new(seed: u64, beats_per_bar: u32) -> Self {
        Self {
            harmony: Harmony::new(seed),
            beats_per_bar,
            bars: VecDeque::new(),
            chords: VecDeque::new(),
            recalls: VecDeque::new(),
            events: Events::default(),
            sounding: Vec::new(),
            next_bar: 0,
            next_id: 0,
        }
    }

    /// Returns the next bar to plan.
    pub(super) const fn next_bar(&self) -> u64 {
        self.next_bar
    }

    /// Returns the first beat that is not planned yet.
    pub(super) fn end(&self) -> f64 {
        self.start_of(self.next_bar)
    }

    /// Plans the next bar.
    pub(super) fn plan_bar(&mut self, request: &BarRequest) {
        let plan = self.harmony.plan_bar(request);
        self.queue_bar(request.bar, &plan, self.end(), &mut Vec::new());
    }

    /// Returns the bar that contains a beat.
    pub(super) fn bar_of(&self, beat: f64) -> u64 {
        (beat / f64::from(self.beats_per_bar)).floor() as u64
    }

    /// Discards everything from a beat on and replans the rest of its bar. Later bars must be planned again with
    /// [`Planner::plan_bar`]. A note that both the old and the new plan hold across the beat keeps sounding.
    pub(super) fn replan(&mut self, from: f64, request: &BarRequest) {
        let kept = self.bars.partition_point(|planned| planned.bar < request.bar);
        if let Some(first) = self.bars.drain(kept..).next() {
            self.harmony = first.state;
        }
        self.chords.retain(|chord| chord.beat < from);
        self.recalls.retain(|(beat, _)| *beat < from);
        let mut held = self.events.truncate(from, &self.sounding);
        let plan = self.harmony.replan_from(from - self.start_of(request.bar), request);
        self.queue_bar(request.bar, &plan, from, &mut held);
        for note in held {
            self.events.insert(from, EventKind::Off { id: note.id });
        }
    }

    /// Restarts the harmony with another seed for everything planned from now on; earlier phrases are forgotten.
    pub(super) fn reseed(&mut self, seed: u64) {
        for planned in &mut self.bars {
            planned.state = Harmony::new(seed);
        }
        self.harmony = Harmony::new(seed);
    }

    /// Discards all pending events and releases all notes.
    pub(super) fn silence(&mut self, frame: u64, commands: &mut Vec<TimedCommand>) {
        self.events = Events::default();
        for note in self.sounding.drain(..) {
            commands.push(note_off(frame, note));
        }
    }

    /// Returns the sounding notes, as the commands that started them.
    pub(super) fn sounding(&self) -> impl Iterator<Item = EngineCommand> {
        self.sounding.iter().map(|Sounding { voice, note, velocity, .. }| EngineCommand::NoteOn {
            voice: *voice,
            note: *note,
            velocity: *velocity,
        })
    }

    /// Returns the frame of the next event.
    pub(super) fn next_frame(&self, clock: &MusicClock) -> Option<u64> {
        self.events.first().map(|event| clock.frame_at(event.beat))
    }

    /// Plays the first pending event on the given frame. Omits a note that begins before beat `stale`, because the clock has skipped
    /// it.
    pub(super) fn play_next(&mut self, frame: u64, stale: f64, out: &mut Score) {
        let Some(event) = self.events.pop() else { return };
        match event.kind {
            EventKind::Chord { chord, key } => out.notices.push((frame, Notice::Chord(chord, key))),
            EventKind::Off { id } => {
                if let Some(index) = self.sounding.iter().position(|sounding| sounding.id == id) {
                    out.commands.push(note_off(frame, self.sounding.remove(index)));
                }
            }
            EventKind::On { .. } if event.beat < stale => {}
            EventKind::On { id, voice, note, velocity } => {
                if let Some(index) = self.sounding.iter().position(|other| other.voice == voice && other.note == note) {
                    out.commands.push(note_off(frame, self.sounding.remove(index)));
                }
                self.sounding.push(Sounding { id, voice, note, velocity });
                out.commands.push(TimedCommand { frame, command: EngineCommand::NoteOn { voice, note, velocity } });
            }
        }
    }

    /// Returns the level within the phrase at a beat, 0..=1, interpolated linearly between bars.
    pub(super) fn expression(&self, beat: f64) -> f32 {
        let position = beat / f64::from(self.beats_per_bar);
        let bar = self.bar_of(beat);
        let level = |bar: u64| self.bars.iter().find(|planned| planned.bar == bar).map(|planned| planned.expression);
        match (level(bar), level(bar + 1)) {
            (Some(current), Some(next)) => current + (next - current) * position.fract() as f32,
            (current, next) => current.or(next).unwrap_or(1.0),
        }
    }

    /// Returns the planned chords with their frames; never empty once a bar has been planned.
    pub(super) fn chords(&self, clock: &MusicClock) -> Vec<PlannedChord> {
        self.chords.iter().map(|onset| PlannedChord { frame: clock.frame_at(onset.beat), chord: onset.chord }).collect()
    }

    /// Returns the chord and key at a beat.
    pub(super) fn chord_at(&self, beat: f64) -> Option<(Chord, Key)> {
        let next = self.chords.partition_point(|onset| onset.beat <= beat);
        self.chords.get(next.saturating_sub(1)).map(|onset| (onset.chord, onset.key))
    }

    /// Returns the chord at a beat and all later ones, each with the beat on which it begins.
    pub(super) fn chords_from(&self, beat: f64) -> impl Iterator<Item = (f64, Chord)> {
        let next = self.chords.partition_point(|onset| onset.beat <= beat);
        self.chords.iter().skip(next.saturating_sub(1)).map(|onset| (onset.beat, onset.chord))
    }

    /// Returns the chords between two beats, each with its length in beats.
    pub(super) fn chords_between(&self, from: f64, to: f64) -> impl Iterator<Item = (f64, Chord)> {
        let ends = self.chords.iter().skip(1).map(|onset| onset.beat).chain([f64::INFINITY]);
        let lengths =
            self.chords.iter().zip(ends).map(move |(onset, end)| (end.min(to) - onset.beat.max(from), onset.chord));
        lengths.filter(|(beats, _)| *beats > 0.0)
    }

    /// Returns the beats on which the recall of a phrase starts or ends, in order.
    pub(super) fn recalls(&self) -> impl Iterator<Item = (f64, Option<PhraseRecall>)> {
        self.recalls.iter().copied()
    }

    /// Discards the bars before the one that contains `beat`, and the chords and recalls that ended by beat `oldest`.
    pub(super) fn discard_before(&mut self, beat: f64, oldest: f64) {
        let bar = self.bar_of(beat);
        while self.bars.front().is_some_and(|planned| planned.bar < bar) {
            self.bars.pop_front();
        }
        while self.chords.get(1).is_some_and(|next| next.beat <= oldest) {
            self.chords.pop_front();
        }
        while self.recalls.get(1).is_some_and(|(beat, _)| *beat <= oldest) {
            self.recalls.pop_front();
        }
    }

    /// Queues a bar's events from a beat on. Notes in `held` that the plan holds across that beat keep sounding and are removed
    /// from `held`.
    fn queue_bar(&mut self, bar: u64, plan: &BarPlan, from: f64, held: &mut Vec<Sounding>) {
        let start = self.start_of(bar);
        self.add_chords(plan, start, from);
        if self.recalls.back().is_none_or(|(_, last)| *last != plan.recall) {
            self.recalls.push_back((start.max(from), plan.recall));
        }
        for note in &plan.notes {
            self.add_note(note, start, from, held);
        }
        self.bars.push_back(PlannedBar { bar, state: self.harmony.clone(), expression: plan.expression });
        self.next_bar = bar + 1;
    }

    fn add_chords(&mut self, plan: &BarPlan, start: f64, from: f64) {
        let first = plan.chords.iter().rposition(|(at, _)| start + at <= from).unwrap_or(0);
        for (at, chord) in &plan.chords[first..] {
            let next = ChordOnset { beat: (start + at).max(from), chord: *chord, key: plan.key };
            if self.chords.back().is_none_or(|last| (last.chord, last.key) != (next.chord, next.key)) {
                self.chords.push_back(next);
                self.events.insert(next.beat, EventKind::Chord { chord: next.chord, key: next.key });
            }
        }
    }

    fn add_note(&mut self, note: &Note, start: f64, from: f64, held: &mut Vec<Sounding>) {
        let (on, off) = (start + note.at_beat, start + note.at_beat + note.beats);
        if off <= from {
            return;
        }
        let is_same_note = |sounding: &Sounding| sounding.voice == note.voice && sounding.note == note.note;
        if on < from
            && let Some(index) = held.iter().position(is_same_note)
        {
            self.events.insert(off, EventKind::Off { id: held.remove(index).id });
            return;
        }
        let id = self.next_id;
        self.next_id += 1;
        let on = on.max(from);
        self.events.insert(on, EventKind::On { id, voice: note.voice, note: note.note, velocity: note.velocity });
        self.events.insert(off, EventKind::Off { id });
    }

    fn start_of(&self, bar: u64) -> f64 {
        bar as f64 * f64::from(self.beats_per_bar)
    }
}

fn note_off(frame: u64, note: Sounding) -> TimedCommand {
    TimedCommand { frame, command: EngineCommand::NoteOff { voice: note.voice, note: note.note } }
}
