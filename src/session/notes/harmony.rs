//! The notes of the harmony voices, without those of muted voices.

use std::collections::VecDeque;
use std::ops::Range;

use super::drop_while;
use crate::event::parameter::Param;
use crate::event::{EngineCommand, TimedCommand};
use crate::music::theory::Voice;

/// A note of a harmony voice. The fields are in the order by which notes are sorted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::session) struct HarmonyNote {
    pub(in crate::session) start: u64,
    /// The frame at which it ends; [`SOUNDING`] until that is known.
    pub(in crate::session) end: u64,
    pub(in crate::session) key: u8,
    pub(in crate::session) velocity: u8,
    voice: Voice,
}

/// The end of a note that still sounds.
const SOUNDING: u64 = u64::MAX;

/// The notes collected so far.
#[derive(Debug, Clone, Default)]
pub(super) struct Harmony {
    /// In order of their ends.
    ended: VecDeque<HarmonyNote>,
    sounding: Vec<HarmonyNote>,
    muted: [bool; Voice::ALL.len()],
    all_muted: bool,
}

impl Harmony {
    /// Adds a command. Commands must be added in order of frame.
    pub(super) fn add(&mut self, TimedCommand { frame, command }: TimedCommand) {
        match command {
            EngineCommand::NoteOn { voice, note, velocity } if !self.all_muted && !self.muted[voice as usize] => {
                let velocity = (velocity * 127.0).round().clamp(1.0, 127.0) as u8;
                self.sounding.push(HarmonyNote { start: frame, end: SOUNDING, key: note, velocity, voice });
            }
            EngineCommand::NoteOff { voice, note } => {
                self.end_notes(frame, |sounding| sounding.voice == voice && sounding.key == note);
            }
            EngineCommand::Panic => self.end_notes(frame, |_| true),
            EngineCommand::Toggle(param, on) => self.mute(frame, param, on),
            _ => {}
        }
    }

    /// Mutes or unmutes voices from a frame onwards. Notes that start at that frame may already have been added.
    fn mute(&mut self, frame: u64, param: Param, on: bool) {
        let voices = match param {
            Param::MuteBass => &[Voice::Bass][..],
            Param::MutePad => &[Voice::Pad],
            Param::MuteUpper => &[Voice::Upper],
            Param::MuteHarmony => &Voice::ALL,
            _ => return,
        };
        match param {
            Param::MuteHarmony => self.all_muted = on,
            _ => voices.iter().for_each(|voice| self.muted[*voice as usize] = on),
        }
        if on {
            let is_heard = |note: &HarmonyNote| note.start < frame || !voices.contains(&note.voice);
            self.sounding.retain(is_heard);
            let first = self.ended.partition_point(|note| note.end < frame);
            let last = self.ended.split_off(first);
            self.ended.extend(last.into_iter().filter(is_heard));
        }
    }

    fn end_notes(&mut self, frame: u64, matches: impl Fn(&HarmonyNote) -> bool) {
        let ended = self.sounding.extract_if(.., |note| matches(note));
        self.ended.extend(ended.map(|note| HarmonyNote { end: frame, ..note }));
    }

    /// Forgets notes that end before a frame.
    pub(super) fn forget_before(&mut self, frame: u64) {
        drop_while(&mut self.ended, |note| note.end < frame);
    }

    /// Returns a voice's notes that begin in a range of frames, in order; those that last longer end with it.
    pub(super) fn notes(&self, voice: Voice, frames: &Range<u64>) -> Vec<HarmonyNote> {
        let notes = self.ended.iter().chain(&self.sounding);
        let notes = notes.filter(|note| note.voice == voice && frames.contains(&note.start));
        let mut notes: Vec<_> = notes.map(|note| HarmonyNote { end: note.end.min(frames.end), ..*note }).collect();
        // When a note's end becomes known must not affect the order.
        notes.sort_unstable();
        notes
    }
}
