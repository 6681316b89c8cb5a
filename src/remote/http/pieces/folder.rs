//! The folder of the pieces: finished files, each with a description. Everything here blocks on disk access.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use super::super::api_state::is_file_name;
use super::Piece;
use crate::files::{self, Usage};

/// The largest id. A larger number in a file name is not an id.
pub(super) const MAX_ID: u64 = 999_999_999;

/// The folder; it need not exist yet.
#[derive(Debug)]
pub(super) struct Folder(PathBuf);

/// What a folder contained when it was read.
#[derive(Debug)]
pub(super) struct Contents {
    pub(super) pieces: BTreeMap<u64, Piece>,
    /// An id greater than those of all files, including damaged ones.
    pub(super) next_id: u64,
}

impl Folder {
    pub(super) const fn new(path: PathBuf) -> Self {
        Self(path)
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }

    /// Reads the descriptions of all pieces, except those whose file is missing, and sets damaged ones aside.
    ///
    /// # Errors
    /// When the folder exists but cannot be listed.
    pub(super) fn read(&self) -> io::Result<Contents> {
        let names: Vec<_> = match fs::read_dir(&self.0) {
            Ok(entries) => {
                entries.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned())).collect::<io::Result<_>>()?
            }
            Err(error) if error.kind() == ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(files::obstacle(&self.0).map_or(error, io::Error::other)),
        };
        let ids: BTreeSet<_> = names.iter().filter_map(|name| id_in(name)).collect();
        let described = names.iter().filter_map(|name| id_in(name).filter(|id| *name == description_file(*id)));
        let pieces = described.filter_map(|id| Some((id, self.read_description(id)?))).collect();
        Ok(Contents { pieces, next_id: ids.last().map_or(1, |id| id + 1) })
    }

    fn read_description(&self, id: u64) -> Option<Piece> {
        let path = self.0.join(description_file(id));
        let parsed = match files::text(&path) {
            Ok(text) => parse_description(&text, id),
            Err(error) if is_damage(&error) => Err(error.to_string()),
            Err(error) => {
                tracing::warn!("cannot read {}: {error}", path.display());
                return None;
            }
        };
        match parsed {
            Ok(piece) => Some(piece).filter(|piece| piece.file.as_ref().is_none_or(|file| self.0.join(file).is_file())),
            Err(damage) => {
                set_aside(&path, &damage);
                None
            }
        }
    }

    /// Returns the total size of all files in bytes.
    pub(super) fn bytes(&self) -> u64 {
        Usage::of(&self.0, |_| true).iter().map(|file| file.bytes).sum()
    }

    /// Saves the description of a piece.
    pub(super) fn save(&self, piece: &Piece) -> io::Result<()> {
        let text = serde_json::to_vec_pretty(piece)?;
        files::create_folder(&self.0)?;
        files::replace(&self.0.join(description_file(piece.id)), &text)
    }

    /// Returns the hidden path under which a file is written until it is complete, and removes what an earlier attempt has
    /// left there.
    pub(super) fn begin(&self, name: &str) -> io::Result<PathBuf> {
        files::create_folder(&self.0)?;
        self.discard(name);
        Ok(self.unfinished(name))
    }

    /// Gives a complete file its name or, if that is taken, another one; never replaces a file. Returns the name and the
    /// size in bytes.
    pub(super) fn publish(&self, name: &str) -> io::Result<(String, u64)> {
        let path = files::unused_path(&self.0.join(name));
        // Reserves the name.
        File::create_new(&path)?;
        fs::rename(self.unfinished(name), &path).inspect_err(|_| drop(fs::remove_file(&path)))?;
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        Ok((name, fs::metadata(&path)?.len()))
    }

    /// Removes a file that will not be completed, and what an interrupted `melos render` has left beside it.
    pub(super) fn discard(&self, name: &str) {
        for name in [name, &format!("{name}.unfinished")] {
            let _ = fs::remove_file(self.unfinished(name));
        }
    }

    /// Removes the file and the description of a piece.
    pub(super) fn remove(&self, piece: &Piece) -> io::Result<()> {
        let names = piece.file.iter().cloned().chain([description_file(piece.id)]);
        { names }.try_for_each(|name| remove_if_there(&self.0.join(name)))
    }

    fn unfinished(&self, name: &str) -> PathBuf {
        self.0.join(format!(".{name}"))
    }
}

fn description_file(id: u64) -> String {
    format!("piece-{id}.json")
}

/// Returns the id in the name of a piece's file or description, whether unfinished, finished or set aside.
fn id_in(name: &str) -> Option<u64> {
    let name = name.strip_prefix('.').unwrap_or(name);
    let rest = name.strip_prefix("melos-").or_else(|| name.strip_prefix("piece-"))?;
    let digits = rest.split(|letter: char| !letter.is_ascii_digit()).next()?;
    digits.parse().ok().filter(|id| *id <= MAX_ID)
}

fn parse_description(text: &str, id: u64) -> Result<Piece, String> {
    let piece: Piece = serde_json::from_str(text).map_err(|error| error.to_string())?;
    if piece.id != id {
        return Err(format!("it describes piece {}", piece.id));
    }
    match piece.file.as_ref().filter(|file| !is_file_name(file)) {
        Some(file) => Err(format!("{file:?} is not the name of a file in this folder")),
        None => Ok(piece),
    }
}

/// Returns whether a file that cannot be read is damaged, rather than its disk or its permissions.
fn is_damage(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::InvalidInput | ErrorKind::InvalidData | ErrorKind::FileTooLarge)
}

fn set_aside(path: &Path, damage: &str) {
    let kept = files::set_aside(path, "damaged").and_then(|aside| remove_if_there(path).map(|()| aside));
    let path = path.display();
    match kept {
        Ok(aside) => tracing::warn!("{path} is damaged ({damage}); it was kept as {}", aside.display()),
        Err(error) => tracing::warn!("{path} is damaged ({damage}) and cannot be set aside: {error}"),
    }
}

fn remove_if_there(path: &Path) -> io::Result<()> {
    fs::remove_file(path).or_else(|error| if error.kind() == ErrorKind::NotFound { Ok(()) } else { Err(error) })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the description of a piece with a file.
    fn description(id: u64, file: &str) -> String {
        format!(
            r#"{{"id": {id}, "state": "ready", "done": 1, "seconds_left": null, "created": 0, "file": "{file}",
            "request": {{"emotion": "calm", "seconds": 10}}, "bytes": 1, "picture": [], "error": null}}"#
        )
    }

    /// Returns the names in a folder, in order.
    fn names(folder: &Path) -> Vec<String> {
        let mut names: Vec<_> =
            fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn damaged_descriptions_are_set_aside_once() {
        let parent = tempfile::tempdir().unwrap();
        let path = parent.path().join("pieces");
        fs::create_dir(&path).unwrap();
        fs::write(parent.path().join("precious.txt"), "mine").unwrap();
        for name in ["1.wav", "9.wav"] {
            fs::write(path.join(name), "x").unwrap();
        }
        let unknown_key = description(6, "9.wav").replace("\"seconds\"", "\"colour\": \"red\", \"seconds\"");
        for (id, text) in [
            (1, description(1, "1.wav")),
            (2, description(2, "1.wav")[..40].to_owned()),
            (3, description(3, "../precious.txt")),
            (4, description(u64::MAX, "9.wav")),
            (6, unknown_key),
            (8, description(8, "missing.wav")),
        ] {
            fs::write(path.join(description_file(id)), text).unwrap();
        }
        let status = std::process::Command::new("mkfifo").arg(path.join("piece-5.json")).status();
        assert!(status.unwrap().success());
        File::create_new(path.join("piece-7.json")).unwrap().set_len(6 << 30).unwrap();
        let folder = Folder::new(path.clone());
        let contents = folder.read().unwrap();
        assert_eq!((contents.pieces.keys().collect::<Vec<_>>(), contents.next_id), (vec![&1], 9));
        let kept = names(&path);
        for id in 2..=7 {
            let aside = format!("piece-{id}.json.damaged-");
            assert_eq!(kept.iter().filter(|name| name.starts_with(&aside)).count(), 1, "{id}: {kept:?}");
            assert!(!kept.contains(&description_file(id)), "{id}: {kept:?}");
        }
        let contents = folder.read().unwrap();
        assert_eq!((contents.pieces.len(), contents.next_id, names(&path)), (1, 9, kept));
    }

    #[test]
    fn ids_are_read_from_every_name() {
        for (name, expected) in [
            ("melos-7-calm.wav", Some(7)),
            ("melos-7.mid", Some(7)),
            (".melos-12-calm.wav", Some(12)),
            ("piece-3.json.damaged-2026-11-28T16-55-01", Some(3)),
            ("piece-18446744073709551615.json", None),
            ("piece-99999999999999999999.json", None),
            ("piece-x.json", None),
            ("notes-5.txt", None),
        ] {
            assert_eq!(id_in(name), expected, "{name}");
        }
    }

    #[test]
    fn publishing_replaces_nothing() {
        let parent = tempfile::tempdir().unwrap();
        let folder = Folder::new(parent.path().to_owned());
        fs::write(parent.path().join("melos-2-calm.wav"), "finished").unwrap();
        fs::write(folder.begin("melos-2-calm.wav").unwrap(), "new").unwrap();
        assert_eq!(folder.publish("melos-2-calm.wav").unwrap(), ("melos-2-calm-2.wav".to_owned(), 3));
        assert_eq!(fs::read_to_string(parent.path().join("melos-2-calm.wav")).unwrap(), "finished");
        assert!(folder.publish("melos-3-calm.wav").is_err(), "nothing was rendered");
        fs::write(parent.path().join(".melos-3-calm.wav.unfinished"), "from an interrupted render").unwrap();
        folder.discard("melos-3-calm.wav");
        assert_eq!(names(parent.path()), ["melos-2-calm-2.wav", "melos-2-calm.wav"]);
    }
}
