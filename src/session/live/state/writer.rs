//! The thread that writes `state.toml` and keeps the state folder locked.

use std::collections::btree_map::Entry;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender};
use std::time::Duration;

use super::{MAX_BYTES, Saved, is_absent, state_path, text};
use crate::event::{Part, Troubles};
use crate::files::{self, FolderLock, LockError};
use crate::midi::mapping::LearnedControl;
use crate::session::live::Settings;

/// Interval between checks of the lock and the file, and between attempts to write after a failure.
const CHECK_INTERVAL: Duration = Duration::from_secs(2);

/// Something that only a file by another program contained, and that the performance takes over.
#[derive(Debug, PartialEq)]
pub(in crate::session::live) enum Found {
    /// A scene with its name.
    Scene(String, Settings),
    /// A learned control.
    Learned(LearnedControl),
}

/// Writes changed states.
#[derive(Debug)]
pub(super) struct Writer {
    folder: PathBuf,
    path: PathBuf,
    lock: Option<FolderLock>,
    /// The contents of the file that may be replaced, because this daemon has read or written them or set them aside. Any
    /// other contents were put there by another program, or are on a disk that was mounted later.
    known: Option<Vec<u8>>,
    /// The state in the file, once it has been written.
    written: Option<Saved>,
    found: Sender<Found>,
    troubles: Troubles,
}

impl Writer {
    pub(super) fn new(
        folder: &Path,
        lock: Option<FolderLock>,
        known: Option<Vec<u8>>,
        found: Sender<Found>,
        troubles: Troubles,
    ) -> Self {
        Self { folder: folder.to_owned(), path: state_path(folder), lock, known, written: None, found, troubles }
    }

    /// Writes states until the sender is dropped; failed writes are retried.
    pub(super) fn run(&mut self, states: &Receiver<Saved>) {
        let mut pending: Option<Saved> = None;
        loop {
            let received = states.recv_timeout(CHECK_INTERVAL);
            let is_closing = received == Err(RecvTimeoutError::Disconnected);
            pending = received.ok().or(pending);
            let may_write = self.keep_locked();
            if is_closing && !may_write {
                return pending.iter().for_each(|state| self.write_beside(state));
            }
            if let Some(mut state) = pending.take_if(|state| may_write && !self.is_saved(state))
                && let Err(error) = self.write(&mut state)
            {
                let path = self.path.display();
                if is_closing {
                    return tracing::error!("cannot write {path}: {error}; the last changes were not saved");
                }
                self.troubles.set(Part::State, format!("cannot write {path}: {error}; retrying"));
                pending = Some(state);
            }
            if is_closing {
                return;
            }
        }
    }

    /// Keeps the folder locked: locks it again if the lock file was deleted or replaced, and retries if locking failed.
    /// Returns false if another daemon has locked the folder in the meantime.
    fn keep_locked(&mut self) -> bool {
        let result = match &mut self.lock {
            Some(lock) => lock.renew(),
            None => FolderLock::take(&self.folder).map(|taken| self.lock = Some(taken)),
        };
        let is_held = matches!(result, Err(LockError::Held { .. }));
        let consequence = if is_held { "; until it is free, this daemon does not save its state" } else { "" };
        self.troubles.update(Part::Lock, result.err().map(|error| format!("{error}{consequence}")));
        !is_held
    }

    /// Returns whether a state is in the file, which may have been deleted or replaced since it was written.
    fn is_saved(&self, state: &Saved) -> bool {
        self.written.as_ref() == Some(state)
            && files::bytes(&self.path, MAX_BYTES).is_ok_and(|contents| self.known.as_ref() == Some(&contents))
    }

    /// Writes a state, with the scenes and learned controls that only a file by another program contains.
    fn write(&mut self, state: &mut Saved) -> io::Result<()> {
        files::create_folder(&self.folder)?;
        self.keep_foreign(state)?;
        let text = text::format(state).into_bytes();
        files::replace(&self.path, &text)?;
        self.known = Some(text);
        self.written = Some(state.clone());
        self.troubles.clear(Part::State);
        Ok(())
    }

    /// Sets aside and reports a file whose contents are not the known ones, and takes over what only it contains.
    fn keep_foreign(&mut self, state: &mut Saved) -> io::Result<()> {
        // If not even the folder can be opened, as without file descriptors, the file itself may be fine.
        File::open(&self.folder)?;
        let path = self.path.display();
        match files::bytes(&self.path, MAX_BYTES) {
            Err(error) if is_absent(&self.path, &error) => {}
            Ok(contents) if self.known.as_ref() == Some(&contents) => {}
            Ok(contents) => {
                let kept = files::set_aside(&self.path, "replaced")?;
                let kept = kept.display();
                self.troubles.set(
                    Part::SavedState,
                    format!(
                        "{path} was changed by another program, or its disk appeared after the start; scenes and learned \
                         controls that only it contained were taken over, and the file was kept as {kept}; to use all of it, \
                         stop Melos, rename that file to state.toml and start Melos again"
                    ),
                );
                self.take_over(text::parse(&contents).0, state);
                self.known = Some(contents);
            }
            Err(error) => {
                let kept = files::set_aside(&self.path, "unreadable")?;
                let kept = kept.display();
                self.troubles.set(Part::SavedState, format!("{path} cannot be read ({error}); it was kept as {kept}"));
            }
        }
        Ok(())
    }

    /// Adds the scenes and learned controls that are missing in `state`, and passes them on to the performance.
    fn take_over(&self, other: Saved, state: &mut Saved) {
        for (name, values) in other.scenes {
            if let Entry::Vacant(missing) = state.scenes.entry(name) {
                let _ = self.found.send(Found::Scene(missing.key().clone(), values.clone()));
                missing.insert(values);
            }
        }
        for learned in other.learned {
            if !state.learned.iter().any(|known| known.replaces(&learned)) {
                let _ = self.found.send(Found::Learned(learned.clone()));
                state.learned.push(learned);
            }
        }
    }

    /// Writes the final state beside the file, which belongs to another daemon.
    fn write_beside(&self, state: &Saved) {
        let name = format!("state.toml.unsaved-{}", files::stamp(files::DATE));
        let path = files::unused_path(&self.folder.join(name));
        let (shown, text) = (path.display(), text::format(state));
        match files::replace(&path, text.as_bytes()) {
            Ok(()) => tracing::error!("another daemon uses the state folder; the state was saved as {shown}"),
            Err(error) => tracing::error!("cannot write {shown}: {error}; the last changes were not saved"),
        }
    }
}
