use std::fs;
use std::path::Path;

use super::*;
use crate::files::config::RecordingsConfig;
use crate::output::record::{Budget, Destination};

fn pieces(folder: &Path) -> Pieces {
    let pieces = Pieces::new(folder.to_owned(), Vec::new(), Arc::new(ApiState::default()));
    pieces.read().unwrap();
    pieces
}

fn request() -> PieceRequest {
    serde_json::from_str(r#"{ "emotion": "calm", "seconds": 10 }"#).unwrap()
}

/// Adds a piece and completes it with a file.
fn complete(pieces: &Pieces, contents: &str) -> Piece {
    let piece = pieces.add(request()).unwrap();
    let name = piece.request.file_name(piece.id);
    fs::write(pieces.folder.begin(&name).unwrap(), contents).unwrap();
    pieces.finish(piece.id, &name, Ok(()));
    pieces.get(piece.id).unwrap()
}

#[test]
fn the_queue_is_bounded() {
    let folder = tempfile::tempdir().unwrap();
    let pieces = pieces(folder.path());
    for id in 1..=MAX_QUEUED as u64 {
        assert_eq!(pieces.add(request()).unwrap().id, id);
    }
    assert_eq!(pieces.enqueue(request()).unwrap_err(), Refused::Queue);
    assert_eq!(pieces.add(request()).unwrap_err().0, StatusCode::SERVICE_UNAVAILABLE);
    assert!(pieces.delete(3).unwrap() && !pieces.delete(3).unwrap());
    assert_eq!(pieces.add(request()).unwrap().id, MAX_QUEUED as u64 + 1);
}

#[test]
fn ids_are_bounded_and_given_only_once_the_folder_has_been_read() {
    let folder = tempfile::tempdir().unwrap();
    let unread = Pieces::new(folder.path().to_owned(), Vec::new(), Arc::new(ApiState::default()));
    assert_eq!(unread.enqueue(request()).unwrap_err(), Refused::Unread);
    fs::write(folder.path().join(format!("melos-{}-calm.wav", MAX_ID - 1)), "x").unwrap();
    let pieces = pieces(folder.path());
    assert_eq!(pieces.add(request()).unwrap().id, MAX_ID);
    assert_eq!(pieces.enqueue(request()).unwrap_err(), Refused::Ids);
}

#[test]
fn pieces_survive_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let before = pieces(folder.path());
    for file in [Some("there.wav"), Some("gone.wav"), None] {
        let mut piece = before.add(request()).unwrap();
        if file.is_some() {
            (piece.state, piece.file) = (State::Ready, file.map(str::to_owned));
            before.save(&piece);
        }
    }
    fs::write(folder.path().join("there.wav"), "x").unwrap();
    // Version 0.2.0 named the field `wish`.
    let saved = folder.path().join("piece-1.json");
    fs::write(&saved, fs::read_to_string(&saved).unwrap().replace("\"request\"", "\"wish\"")).unwrap();
    let after: Vec<_> = pieces(folder.path()).list().into_iter().map(|piece| (piece.id, piece.state)).collect();
    assert_eq!(after, [(3, State::Waiting), (1, State::Ready)]);
}

#[test]
fn the_file_of_a_piece_outlives_its_damaged_description() {
    let folder = tempfile::tempdir().unwrap();
    let before = pieces(folder.path());
    complete(&before, "first");
    let second = complete(&before, "second");
    assert_eq!((second.state, second.file.as_deref(), second.bytes), (State::Ready, Some("melos-2-calm.wav"), 6));
    fs::write(folder.path().join("piece-2.json"), "").unwrap();
    let after = pieces(folder.path());
    assert_eq!(after.list().len(), 1);
    let third = complete(&after, "third");
    assert_eq!((third.id, third.file.as_deref()), (3, Some("melos-3-calm.wav")));
    let read = |name: &str| fs::read_to_string(folder.path().join(name)).unwrap();
    assert_eq!(["melos-1-calm.wav", "melos-2-calm.wav", "melos-3-calm.wav"].map(read), ["first", "second", "third"]);
}

#[test]
fn a_piece_whose_files_cannot_be_deleted_stays() {
    let folder = tempfile::tempdir().unwrap();
    let pieces = pieces(folder.path());
    let piece = complete(&pieces, "x");
    let description = folder.path().join("piece-1.json");
    fs::remove_file(&description).unwrap();
    fs::create_dir(&description).unwrap();
    assert!(pieces.delete(piece.id).is_err());
    assert!(pieces.get(piece.id).is_some());
    fs::remove_dir(&description).unwrap();
    assert!(pieces.delete(piece.id).unwrap());
    assert_eq!((pieces.list().len(), fs::read_dir(folder.path()).unwrap().count()), (0, 0));
}

#[test]
fn nothing_is_left_of_a_piece_that_is_deleted_while_it_is_rendered() {
    let folder = tempfile::tempdir().unwrap();
    let pieces = pieces(folder.path());
    let piece = pieces.add(request()).unwrap();
    let name = piece.request.file_name(piece.id);
    fs::write(pieces.folder.begin(&name).unwrap(), "complete").unwrap();
    assert!(pieces.delete(piece.id).unwrap());
    pieces.finish(piece.id, &name, Ok(()));
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn pieces_leave_space_on_the_disk() {
    let folder = tempfile::tempdir().unwrap();
    let pieces = pieces(folder.path());
    let set_limits = |max_gb: f64, keep_free_gb: f64| {
        let budget = Budget::new(&RecordingsConfig { max_gb, keep_free_gb, ..RecordingsConfig::default() });
        pieces.api.set_destination(Destination { folder: folder.path().join("takes"), budget });
    };
    set_limits(50.0, 0.0);
    let waiting = pieces.add(request()).unwrap();
    // Ten seconds are 2.88 MB.
    for (max_gb, keep_free_gb, limit) in [(50.0, 1e6, "keep_free_gb"), (0.002, 0.0, "max_gb")] {
        set_limits(max_gb, keep_free_gb);
        let refusal = pieces.add(request()).unwrap_err();
        assert_eq!(refusal.0, StatusCode::INSUFFICIENT_STORAGE);
        assert!(refusal.1.contains(limit) && refusal.1.contains("0.003 GB"), "{}", refusal.1);
        assert_eq!(pieces.command(&waiting).unwrap_err(), refusal.1, "it is checked again before rendering");
    }
    fs::write(folder.path().join("melos-9-calm.wav"), vec![0; 3_000_000]).unwrap();
    set_limits(0.005, 0.0);
    assert!(pieces.add(request()).unwrap_err().1.contains("max_gb"), "finished pieces count too");
    set_limits(0.007, 0.0);
    assert_eq!(pieces.add(request()).unwrap().id, 2);
}

#[test]
fn a_take_needs_as_much_space_as_its_log_renders() {
    let folder = tempfile::tempdir().unwrap();
    let pieces = pieces(&folder.path().join("pieces"));
    let takes = folder.path().join("takes");
    fs::create_dir(&takes).unwrap();
    fs::write(takes.join("a.wav"), "").unwrap();
    let budget = Budget::new(&RecordingsConfig { keep_free_gb: 0.0, ..RecordingsConfig::default() });
    pieces.api.set_destination(Destination { folder: takes.clone(), budget });
    let add = |format: &str, end: u64| {
        fs::write(takes.join("a.log"), format!("melos-control-log 1\ntake 512 {end}\n")).unwrap();
        pieces.add(serde_json::from_str(&format!(r#"{{ "take": "a.wav", "format": "{format}" }}"#)).unwrap())
    };
    for format in ["wav", "flac", "midi"] {
        let refusal = add(format, 9_000_000_000_000).unwrap_err();
        assert_eq!(refusal.0, StatusCode::INSUFFICIENT_STORAGE, "{format}: {}", refusal.1);
        assert!(refusal.1.contains("max_gb"), "{format}: {}", refusal.1);
        assert!(add(format, 48_512).is_ok(), "{format}");
    }
}
