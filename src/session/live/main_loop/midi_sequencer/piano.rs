//! The network's piano for instruments. Its notes are generated up to a second ahead, and may be replaced until they are
//! played.

use crate::generator::GeneratedLatent;
use crate::mel::LATENT_FRAMES;
use crate::session::notes::{Movement, PianoEvent, PianoPart, PianoPlayer};

/// What the piano has yet to play, and what it holds down.
#[derive(Debug, Default)]
pub(super) struct Piano {
    upcoming: PianoPart,
    player: PianoPlayer,
    /// The first frame that has not been played.
    played: u64,
    /// The end of the last latent; without further ones, the music has a gap from there on.
    generated: u64,
}

impl Piano {
    /// Adds a latent, replacing everything from its first frame onwards, except for what has been played.
    pub(super) fn add_latent(&mut self, latent: &GeneratedLatent) {
        let end = latent.from + LATENT_FRAMES;
        // Latents before a late splice or new networks lead to notes that replace the present ones, but not yet.
        if end > self.played {
            self.upcoming.add_latent(latent);
            self.upcoming.forget_before(self.played);
            self.generated = end;
        }
    }

    /// Plays up to a frame, and appends the events to `out`. If the piano is not `audible`, it only follows the pedal.
    pub(super) fn play_until(&mut self, frame: u64, audible: bool, out: &mut Vec<(u64, PianoEvent)>) {
        let first = self.played;
        if audible {
            // Differs from the last movement after a panic, after a pause, and when a new plan has replaced a movement already
            // made.
            let pedal = self.upcoming.pedal_before() && first < self.generated;
            self.player.perform(first, Movement::Pedal(pedal), out);
        }
        while let Some((at, movement)) = self.upcoming.next_before(frame) {
            if audible {
                self.player.perform(at, movement, out);
            }
        }
        if audible && frame > self.generated {
            self.player.perform(first.max(self.generated), Movement::Pedal(false), out);
        }
        self.played = first.max(frame);
        self.player.release_until(self.played, out);
    }

    /// Releases all keys and the pedal at a frame.
    pub(super) fn stop(&mut self, frame: u64, out: &mut Vec<(u64, PianoEvent)>) {
        self.player.stop(frame, out);
    }

    /// Assumes that the instrument's pedal is down, because messages to it may have been lost.
    pub(super) const fn distrust_pedal(&mut self) {
        self.player.distrust_pedal();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::generator::notes::{Pedal, StepNotes, WrittenNote};

    fn latent(index: u64, pedal: Pedal, notes: &[(u8, u8)]) -> GeneratedLatent {
        let note =
            |(offset, key): &(u8, u8)| WrittenNote { offset: *offset, key: *key, velocity: 16, duration: 8, voice: 0 };
        let written =
            StepNotes { pedal, pedal_offset: 0, notes: notes.iter().map(note).collect(), ..StepNotes::default() };
        let from = index * LATENT_FRAMES;
        let mel = Box::new([0.0; 1024]);
        GeneratedLatent { from, chroma: [0.0; 12], onsets: [0.0; 8], written, mel, restarted: false }
    }

    fn play(piano: &mut Piano, until: u64) -> Vec<(u64, PianoEvent)> {
        let mut out = Vec::new();
        piano.play_until(until, true, &mut out);
        out
    }

    fn on(key: u8) -> PianoEvent {
        PianoEvent::NoteOn { key, velocity: 66 }
    }

    #[test]
    fn a_new_plan_replaces_only_what_has_not_been_played() {
        let mut piano = Piano::default();
        piano.add_latent(&latent(0, Pedal::Down, &[(0, 39), (4, 43)]));
        piano.add_latent(&latent(1, Pedal::Down, &[(0, 46)]));
        assert_eq!(play(&mut piano, 1000), [(0, PianoEvent::Pedal(true)), (0, on(60))]);
        // The rollback repeats the first note and replaces the others.
        piano.add_latent(&latent(0, Pedal::Down, &[(0, 39), (4, 44)]));
        assert_eq!(play(&mut piano, 2049), [(2048, on(65))]);
        piano.add_latent(&latent(1, Pedal::Down, &[]));
        let ends = play(&mut piano, 48_000);
        let [gap, (first, _), (second, _)] = ends[..] else { panic!("{ends:?}") };
        assert_eq!(gap, (8192, PianoEvent::Pedal(false)), "the pedal should come up in a gap");
        assert_eq!((ends[1].1, ends[2].1), (PianoEvent::NoteOff { key: 60 }, PianoEvent::NoteOff { key: 65 }));
        assert_eq!(second - first, 2048, "the notes should have equal lengths");
    }

    #[test]
    fn the_pedal_is_right_after_a_late_plan_and_after_a_stop() {
        let mut piano = Piano::default();
        piano.add_latent(&latent(0, Pedal::Down, &[]));
        piano.add_latent(&latent(1, Pedal::Down, &[]));
        play(&mut piano, 5000);
        // A late plan changes a movement already made, after a latent that is over.
        piano.add_latent(&latent(0, Pedal::Up, &[(3, 50)]));
        piano.add_latent(&latent(1, Pedal::Up, &[(7, 40)]));
        assert_eq!(play(&mut piano, 5100), [(5000, PianoEvent::Pedal(false))]);
        piano.add_latent(&latent(1, Pedal::Down, &[(7, 40)]));
        let mut stopped = Vec::new();
        piano.stop(5200, &mut stopped);
        assert_eq!(stopped, []);
        assert_eq!(play(&mut piano, 7681), [(5100, PianoEvent::Pedal(true)), (7680, on(61))]);
        piano.stop(7700, &mut stopped);
        assert_eq!(stopped, [(7700, PianoEvent::NoteOff { key: 61 }), (7700, PianoEvent::Pedal(false))]);
        let mut inaudible = Vec::new();
        piano.play_until(8000, false, &mut inaudible);
        assert_eq!(inaudible, []);
        assert_eq!(play(&mut piano, 8001), [(8000, PianoEvent::Pedal(true))], "the pedal should return after a pause");
    }
}
