//! What people write: TOML documents read with every problem at once, libraries of them, watched and reloaded; and files as
//! the session needs them: read within bounds, written so that a power cut leaves the old or the new one, in folders that
//! one session has to itself.
//!
//! Nothing here is for the audio callback or the performance thread: every call may wait for a disk.

pub mod config;
pub mod document;
pub mod library;
mod lock;
mod places;
pub mod preset;
mod read;
pub mod setlist;
mod space;
pub mod watch;
mod write;

pub use lock::{FolderLock, LockError};
pub use places::{Found, Places, home_folder, state_folder};
pub use read::{MAX_TEXT, bytes, open, text};
pub use space::{Usage, free_bytes};
pub use write::{beside, replace, set_aside, stamp, stamp_of, sync_folder};
