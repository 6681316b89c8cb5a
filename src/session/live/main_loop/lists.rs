//! Data for listeners besides parameters: lists for HTTP, and the upcoming chords.

use std::path::Path;

use crate::conductor::Conductor;
use crate::event::notice::{OUTLOOK, Revisions};
use crate::event::parameter::{Param, Value};
use crate::event::{ControlEvent, Notice};
use crate::midi::mapping::LiveMappings;
use crate::music::theory::{Chord, Key};
use crate::output::record::RecorderStatus;
use crate::remote::http::api_state::{ApiState, Recording};
use crate::session::live::publisher::Publisher;
use crate::units::{SAMPLE_RATE, frames_to_seconds};

/// Frames by which a planned chord may move, because of a drifting tempo, before it is sent again.
const MOVED: u64 = SAMPLE_RATE as u64 / 20;

/// Number of calls between checks of rarely changing lists, which are checked four times a second.
const LISTS: u64 = 8;

/// What was last sent, so that only changes are sent.
#[derive(Debug, Default)]
pub(super) struct Lists {
    looks: u64,
    revisions: Revisions,
    key: Option<Key>,
    chords: Vec<(u64, Chord)>,
}

impl Lists {
    /// Whether the rarely changing lists are due for a check.
    pub(super) const fn is_due(&mut self) -> bool {
        self.looks += 1;
        self.looks % LISTS == 1
    }

    /// Makes the next publication check the lists that rarely change.
    pub(super) const fn expect_change(&mut self) {
        self.looks = 0;
    }

    /// Sends the key and the upcoming chords if they have changed.
    pub(super) fn publish_outlook(&mut self, conductor: &Conductor, head: u64, publisher: &Publisher) {
        let key = conductor.chord().map(|(_, key)| key);
        let same =
            |(one, chord): (u64, Chord), (other, sent): &(u64, Chord)| chord == *sent && one.abs_diff(*other) <= MOVED;
        let count = conductor.outlook().take(OUTLOOK).count();
        let is_unchanged = key == self.key
            && count == self.chords.len()
            && conductor.outlook().zip(&self.chords).all(|(new, old)| same(new, old));
        if is_unchanged {
            return;
        }
        self.key = key;
        self.chords = conductor.outlook().take(OUTLOOK).collect();
        let seconds = |frame: u64| frames_to_seconds(frame.saturating_sub(head)) as f32;
        let chords = self.chords.iter().map(|(frame, chord)| (*chord, seconds(*frame))).collect();
        publisher.publish(Notice::Outlook(key, chords));
    }

    /// Sends the change counters if lists have changed.
    pub(super) fn publish_revisions(&mut self, api: &ApiState, publisher: &Publisher) {
        let revisions = api.revisions();
        if revisions != self.revisions {
            self.revisions = revisions;
            publisher.publish(Notice::Revisions(revisions));
        }
    }
}

/// Updates the rarely changing lists.
pub(super) fn update(
    conductor: &Conductor,
    mappings: &LiveMappings,
    learning: Option<Param>,
    api: &ApiState,
    publisher: &Publisher,
) {
    if api.set_scenes(|| conductor.scene_names()) {
        for param in [Param::Scene, Param::SceneA, Param::SceneB, Param::SceneDelete] {
            publisher.offer(param, conductor.scene_names().map(str::to_owned).collect());
        }
    }
    api.set_midi(mappings, learning);
}

/// State of the recorder, for HTTP.
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

/// Events that delete a scene and then store it under another name, so that the control log contains the renaming; in
/// this order, since there may be no room for one more. Empty if, since the request, the scene has been deleted or the
/// name taken.
pub(super) fn renamed_scene(conductor: &Conductor, from: &str, to: &str) -> Vec<ControlEvent> {
    let values = conductor.scenes().find(|(name, _)| *name == from).map(|(_, values)| values);
    let Some(values) = values.filter(|_| conductor.scene_names().all(|name| name != to)) else { return Vec::new() };
    let text = |name: &str| Value::Text(name.to_owned());
    let stored =
        values.into_iter().map(|(param, value)| ControlEvent::SceneValue { name: to.to_owned(), param, value });
    let followed = [Param::SceneA, Param::SceneB].into_iter().filter(|param| conductor.value(*param) == text(from));
    [ControlEvent::Set(Param::SceneDelete, text(from))]
        .into_iter()
        .chain(stored)
        .chain(followed.map(|param| ControlEvent::Set(param, text(to))))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conductor::MAX_SCENES;

    fn text(text: &str) -> Value {
        Value::Text(text.to_owned())
    }

    fn stores(conductor: &mut Conductor, name: &str) {
        conductor.apply(&ControlEvent::Set(Param::SceneStore, text(name))).unwrap();
    }

    fn rename(conductor: &mut Conductor, from: &str, to: &str) {
        for event in renamed_scene(conductor, from, to) {
            conductor.apply(&event).unwrap();
        }
    }

    #[test]
    fn a_scene_can_be_renamed_when_there_is_no_room_for_another() {
        let mut conductor = Conductor::new(1, &[]);
        (0..MAX_SCENES - 1).for_each(|n| stores(&mut conductor, &n.to_string()));
        conductor.apply(&ControlEvent::Set(Param::Reverb, Value::Number(0.75))).unwrap();
        stores(&mut conductor, "hall");
        let before: Vec<_> = conductor.scenes().find(|(name, _)| *name == "hall").unwrap().1;
        conductor.apply(&ControlEvent::Set(Param::SceneA, text("hall"))).unwrap();
        rename(&mut conductor, "hall", "cave");
        assert_eq!(conductor.scenes().find(|(name, _)| *name == "cave").map(|(_, values)| values), Some(before));
        assert_eq!((conductor.scene_names().count(), conductor.value(Param::SceneA)), (MAX_SCENES, text("cave")));
    }

    #[test]
    fn simultaneous_renames_lose_no_scene() {
        let mut conductor = Conductor::new(1, &[]);
        ["a", "b"].iter().for_each(|name| stores(&mut conductor, name));
        for (from, to) in [("a", "c"), ("a", "d"), ("b", "c"), ("b", "b")] {
            rename(&mut conductor, from, to);
        }
        assert_eq!(conductor.scene_names().collect::<Vec<_>>(), ["b", "c"]);
    }
}
