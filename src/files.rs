//! Files as the daemon needs them: read within bounds, written so that a power cut leaves the old or the new one, in
//! folders that one daemon has to itself.
//!
//! Nothing here is for the audio callback or the performance thread: every call may wait for a disk.

mod lock;
mod places;
mod read;
mod space;
mod trouble;
mod write;

pub use lock::{FolderLock, LockError};
pub use places::{Found, Places, home_folder, state_folder};
pub use read::{MAX_TEXT, bytes, text, text_of};
pub use space::{Usage, free_bytes};
pub use trouble::{Part, Troubles};
pub use write::{beside, replace, set_aside, stamp, stamp_of, sync_folder};
