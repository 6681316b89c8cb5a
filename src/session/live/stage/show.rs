//! What is shown besides the parameters: lists for HTTP, the chords to come.

use std::path::Path;

use super::{Stage, Turn};
use crate::event::notice::{OUTLOOK, Revisions};
use crate::event::parameter::{Param, Value};
use crate::event::{ControlEvent, Notice};
use crate::music::theory::{Chord, Key};
use crate::remote::http::desk::{Place, Recording, Wanted};
use crate::units::{SAMPLE_RATE, frames_to_seconds};

/// Frames by which a planned chord may move before listeners are told anew: what a drifting tempo moves it by.
const MOVED: u64 = SAMPLE_RATE as u64 / 20;

/// Looks among which one is at the lists that change seldom: four a second.
const LISTS: u64 = 8;

/// What was told last, so that only news are told.
#[derive(Debug, Default)]
pub(super) struct Shown {
    looks: u64,
    revisions: Revisions,
    key: Option<Key>,
    chords: Vec<(u64, Chord)>,
}

fn file_name(path: &Path) -> Option<String> {
    path.file_name().map(|name| name.to_string_lossy().into_owned())
}

impl Stage {
    /// Brings the lists up to date and does what HTTP asks for.
    pub(super) fn show(&mut self, turn: &mut Turn) {
        for wanted in self.desk.take_wanted() {
            match wanted {
                Wanted::RenameScene { from, to } => self.rename_scene(turn, &from, &to),
            }
        }
        let head = self.engine.frame();
        let place = turn.walk.as_ref().and_then(|walk| {
            let place = walk.place()?;
            let left = frames_to_seconds(place.until.saturating_sub(head));
            Some(Place { step: place.step.max(1), steps: place.steps, seconds_left: walk.next_frame().map(|_| left) })
        });
        self.desk.set_journey(place);
        turn.shown.looks += 1;
        if turn.shown.looks % LISTS == 1 {
            self.show_lists(turn);
        }
        let recorder = self.takes.status();
        let progress = recorder.progress();
        self.desk.set_recording(Recording {
            on: recorder.recording(),
            seconds: frames_to_seconds(recorder.frames()),
            name: progress.path.as_deref().and_then(file_name),
            trouble: progress.trouble,
        });
        self.tell_outlook(&mut turn.shown, head);
        let revisions = self.desk.revisions();
        if revisions != turn.shown.revisions {
            turn.shown.revisions = revisions;
            self.board.tell(Notice::Revisions(revisions));
        }
    }

    /// Looks whether lists have changed that seldom do.
    fn show_lists(&self, turn: &Turn) {
        if self.desk.set_scenes(|| self.conductor.scene_names()) {
            for param in [Param::Scene, Param::SceneA, Param::SceneB, Param::SceneDelete] {
                self.board.offer(param, self.conductor.scene_names().map(str::to_owned).collect());
            }
        }
        self.desk.set_midi(&self.mappings, turn.lesson.as_ref().map(|lesson| lesson.learning.param()));
    }

    /// Lists the presets anew.
    pub(super) fn show_presets(&self) {
        self.desk.set_presets(&self.presets, &self.setlists);
        self.board.offer(Param::Setlist, self.setlists.names().map(str::to_owned).collect());
        self.board.offer(Param::Preset, self.presets.names().map(str::to_owned).collect());
    }

    /// Tells the key and the chords to come, if others are planned than were told.
    fn tell_outlook(&self, shown: &mut Shown, head: u64) {
        let key = self.conductor.chord().map(|(_, key)| key);
        let same =
            |(one, chord): (u64, Chord), (other, told): &(u64, Chord)| chord == *told && one.abs_diff(*other) <= MOVED;
        let count = self.conductor.outlook().take(OUTLOOK).count();
        let told = key == shown.key
            && count == shown.chords.len()
            && self.conductor.outlook().zip(&shown.chords).all(|(new, old)| same(new, old));
        if told {
            return;
        }
        shown.key = key;
        shown.chords = self.conductor.outlook().take(OUTLOOK).collect();
        let seconds = |frame: u64| frames_to_seconds(frame.saturating_sub(head)) as f32;
        let chords = shown.chords.iter().map(|(frame, chord)| (*chord, seconds(*frame))).collect();
        self.board.tell(Notice::Outlook(key, chords));
    }

    /// Stores what a scene holds under another name, and forgets the old one: so the control log, too, tells it.
    fn rename_scene(&mut self, turn: &mut Turn, from: &str, to: &str) {
        let values = self.conductor.scenes().find(|(name, _)| *name == from).map(|(_, values)| values);
        let Some(values) = values else { return };
        for (param, value) in values {
            self.apply(turn, &ControlEvent::SceneValue { name: to.to_owned(), param, value });
        }
        for param in [Param::SceneA, Param::SceneB] {
            if self.conductor.value(param) == Value::Text(from.to_owned()) {
                self.apply(turn, &ControlEvent::Set(param, Value::Text(to.to_owned())));
            }
        }
        self.apply(turn, &ControlEvent::Set(Param::SceneDelete, Value::Text(from.to_owned())));
    }
}
