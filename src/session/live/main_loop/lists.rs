//! Publishes data other than parameters: lists for HTTP, and the upcoming chords.

use std::path::Path;

use crate::conductor::Conductor;
use crate::event::Notice;
use crate::event::notice::{OUTLOOK_CHORDS, Revisions};
use crate::event::parameter::Param;
use crate::midi::mapping::LiveMappings;
use crate::music::theory::{Chord, Key};
use crate::output::record::RecorderStatus;
use crate::remote::http::api_state::{ApiState, Recording};
use crate::session::live::publisher::Publisher;
use crate::units::{SAMPLE_RATE, frames_to_seconds};

/// Number of frames by which a tempo change may move a planned chord before the chord is sent again.
const MAX_SHIFT: u64 = SAMPLE_RATE as u64 / 20;

/// Number of calls per check of the rarely changing lists, so that they are checked about four times a second.
const CALLS_PER_CHECK: u64 = 8;

/// What was last sent, so that only changes are sent.
#[derive(Debug, Default)]
pub(super) struct Lists {
    calls: u64,
    revisions: Revisions,
    key: Option<Key>,
    chords: Vec<(u64, Chord)>,
}

impl Lists {
    /// Counts the calls, and returns whether the rarely changing lists are due for a check.
    pub(super) const fn poll_due(&mut self) -> bool {
        self.calls += 1;
        self.calls % CALLS_PER_CHECK == 1
    }

    /// Makes the next call to [`Self::poll_due`] return true.
    pub(super) const fn check_next(&mut self) {
        self.calls = 0;
    }

    /// Sends the key and the upcoming chords if they have changed.
    pub(super) fn publish_outlook(&mut self, conductor: &Conductor, head: u64, publisher: &Publisher) {
        let key = conductor.chord().map(|(_, key)| key);
        let is_same = |(frame, chord): (u64, Chord), (sent_frame, sent): &(u64, Chord)| {
            chord == *sent && frame.abs_diff(*sent_frame) <= MAX_SHIFT
        };
        let count = conductor.upcoming_chords().take(OUTLOOK_CHORDS).count();
        let is_unchanged = key == self.key
            && count == self.chords.len()
            && conductor.upcoming_chords().zip(&self.chords).all(|(new, old)| is_same(new, old));
        if is_unchanged {
            return;
        }
        self.key = key;
        self.chords = conductor.upcoming_chords().take(OUTLOOK_CHORDS).collect();
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

/// Updates the rarely changing lists: the scenes, and the MIDI devices with their bindings.
pub(super) fn update(
    conductor: &Conductor,
    mappings: &LiveMappings,
    learning: Option<Param>,
    api: &ApiState,
    publisher: &Publisher,
) {
    if api.set_scenes(|| conductor.scene_names()) {
        for param in Param::all().filter(|param| param.names_scene()) {
            publisher.set_choices(param, conductor.scene_names().map(str::to_owned).collect());
        }
    }
    api.set_midi(mappings, learning);
}

/// Returns the state of the recorder, for HTTP.
pub(super) fn recording(recorder: &RecorderStatus) -> Recording {
    let progress = recorder.progress();
    Recording {
        on: recorder.is_recording(),
        seconds: frames_to_seconds(recorder.frames()),
        name: progress.path.as_deref().and_then(file_name),
        trouble: progress.trouble,
    }
}

fn file_name(path: &Path) -> Option<String> {
    path.file_name().map(|name| name.to_string_lossy().into_owned())
}
