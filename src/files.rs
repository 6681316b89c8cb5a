//! Reads user-written TOML files, reports all their problems at once, and reloads them when they change. Also provides
//! bounded reads, atomic writes that survive power cuts, dated copies, folder locks, and the look-up of names.
//!
//! Every function that reads or writes may block on a disk, so neither the audio callback nor the performance thread
//! may call any of them.

mod aside;
pub mod config;
pub mod document;
mod identity;
pub mod library;
mod lock;
mod names;
mod parameters;
pub mod preset;
mod read;
pub mod scene;
mod search_path;
pub mod setlist;
mod space;
pub mod watch;
mod write;

pub use aside::set_aside;
pub use identity::is_at;
pub use lock::{FolderLock, LockError};
pub use names::{NameError, Titled, exact_name};
pub use read::{MAX_TEXT, bytes, open, text};
pub use search_path::{FoundFile, SearchPath, expand_home, home_folder, state_folder};
pub use space::{Usage, free_bytes, size_in_words};
pub use write::{
    DATE, create_folder, is_date, obstacle, replace, stamp, stamp_of, sync, sync_folder, unused_path, unused_stem,
};
