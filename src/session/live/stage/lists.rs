//! What is shown besides the parameters: lists for HTTP, the chords to come.

use std::path::Path;

use crate::conductor::Conductor;
use crate::event::notice::{OUTLOOK, Revisions};
use crate::event::parameter::{Param, Value};
use crate::event::{ControlEvent, Notice};
use crate::midi::mapping::LiveMappings;
use crate::music::theory::{Chord, Key};
use crate::output::record::RecorderStatus;
use crate::remote::http::desk::{Desk, Recording};
use crate::session::live::board::Board;
use crate::units::{SAMPLE_RATE, frames_to_seconds};

/// Frames by which a planned chord may move before listeners are told anew: what a drifting tempo moves it by.
const MOVED: u64 = SAMPLE_RATE as u64 / 20;

/// Looks among which one is at the lists that change seldom: four a second.
const LISTS: u64 = 8;

/// What was told last, so that only news are told.
#[derive(Debug, Default)]
pub(super) struct Lists {
    looks: u64,
    revisions: Revisions,
    key: Option<Key>,
    chords: Vec<(u64, Chord)>,
}

impl Lists {
    /// Whether it is time to look at the lists that change seldom.
    pub(super) const fn are_due(&mut self) -> bool {
        self.looks += 1;
        self.looks % LISTS == 1
    }

    /// Tells the key and the chords to come, if others are planned than were told.
    pub(super) fn tell_outlook(&mut self, conductor: &Conductor, head: u64, board: &Board) {
        let key = conductor.chord().map(|(_, key)| key);
        let same =
            |(one, chord): (u64, Chord), (other, told): &(u64, Chord)| chord == *told && one.abs_diff(*other) <= MOVED;
        let count = conductor.outlook().take(OUTLOOK).count();
        let told = key == self.key
            && count == self.chords.len()
            && conductor.outlook().zip(&self.chords).all(|(new, old)| same(new, old));
        if told {
            return;
        }
        self.key = key;
        self.chords = conductor.outlook().take(OUTLOOK).collect();
        let seconds = |frame: u64| frames_to_seconds(frame.saturating_sub(head)) as f32;
        let chords = self.chords.iter().map(|(frame, chord)| (*chord, seconds(*frame))).collect();
        board.tell(Notice::Outlook(key, chords));
    }

    /// Tells that lists have changed, if they have.
    pub(super) fn tell_revisions(&mut self, desk: &Desk, board: &Board) {
        let revisions = desk.revisions();
        if revisions != self.revisions {
            self.revisions = revisions;
            board.tell(Notice::Revisions(revisions));
        }
    }
}

/// Looks whether lists have changed that seldom do.
pub(super) fn show(
    conductor: &Conductor,
    mappings: &LiveMappings,
    learning: Option<Param>,
    desk: &Desk,
    board: &Board,
) {
    if desk.set_scenes(|| conductor.scene_names()) {
        for param in [Param::Scene, Param::SceneA, Param::SceneB, Param::SceneDelete] {
            board.offer(param, conductor.scene_names().map(str::to_owned).collect());
        }
    }
    desk.set_midi(mappings, learning);
}

/// What the recorder does, for HTTP.
pub(super) fn recording(recorder: &RecorderStatus) -> Recording {
    let progress = recorder.progress();
    Recording {
        on: recorder.recording(),
        seconds: frames_to_seconds(recorder.frames()),
        name: progress.path.as_deref().and_then(file_name),
        trouble: progress.trouble,
    }
}

fn file_name(path: &Path) -> Option<String> {
    path.file_name().map(|name| name.to_string_lossy().into_owned())
}

/// What stores what a scene holds under another name, and forgets the old one: so the control log, too, tells it.
pub(super) fn renamed_scene(conductor: &Conductor, from: &str, to: &str) -> Vec<ControlEvent> {
    let values = conductor.scenes().find(|(name, _)| *name == from).map(|(_, values)| values);
    let Some(values) = values else { return Vec::new() };
    let text = |name: &str| Value::Text(name.to_owned());
    let stored =
        values.into_iter().map(|(param, value)| ControlEvent::SceneValue { name: to.to_owned(), param, value });
    let followed = [Param::SceneA, Param::SceneB].into_iter().filter(|param| conductor.value(*param) == text(from));
    stored
        .chain(followed.map(|param| ControlEvent::Set(param, text(to))))
        .chain([ControlEvent::Set(Param::SceneDelete, text(from))])
        .collect()
}
