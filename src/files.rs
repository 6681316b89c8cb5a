//! Files that users write: TOML documents, whose problems are all reported at once, and libraries of such documents,
//! which are watched and reloaded. Also file access: bounded reads, atomic writes that survive a power cut, and folder
//! locks.
//!
//! Not for the audio callback or the performance thread: every call may block on a disk.

pub mod config;
pub mod document;
pub mod library;
mod lock;
pub mod preset;
mod read;
mod search_path;
pub mod setlist;
mod space;
pub mod watch;
mod write;

pub use lock::{FolderLock, LockError};
pub use read::{MAX_TEXT, bytes, open, text};
pub use search_path::{Found, SearchPath, home_folder, state_folder};
pub use space::{Usage, free_bytes};
pub use write::{replace, set_aside, stamp, stamp_of, sync_folder, unused_path};
