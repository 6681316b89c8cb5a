//! OSC over UDP, both ways.
//!
//! # In
//! | message | effect |
//! |---|---|
//! | `/melos/<id> value` | sets a parameter of the table; i, h, f, d, s, c, T, F, N (off) and I (on) are coerced |
//! | `/melos/next/bar/<id> value` | the same at the next bar line, to the frame for what the engine does; the newest value of a parameter counts, and the sender is told, too, when it happens |
//! | `/melos/emotion calm 0.8` | as `/melos/emotion/calm 0.8` |
//! | `/melos/<id>` | without an argument: a trigger fires; any other parameter's value is sent back to the sender |
//! | `/melos/subscribe [port]` | the sender (or that port on its host) gets the full state, then every change and stream |
//! | `/melos/unsubscribe [port]` | ends that |
//! | `/melos/state` | sends the full state to the sender, once |
//! | `/melos/learn valence` | binds the MIDI control that is moved next to a parameter, for good (a button sets the value that the parameter has then), and answers `/melos/learn`, s parameter, s block for a mapping file; the block is empty when nothing is moved for 30 s or somebody else asks |
//! | `/melos/learn/cancel` | ends that |
//! | `/melos/learn/forget valence` | forgets every control that was learnt for a parameter, and answers as when nothing was learnt; those of mapping files stay |
//!
//! Addresses may be OSC 1.0 patterns (`/melos/mute/*`, `/melos/next/bar/level/{bass,pad}`); patterns never fire triggers, so that
//! a broad one cannot panic the instrument. Bundles are taken as a whole; a time tag in the future delays them, a late
//! one is counted and taken at once. A packet that is malformed, too large, too deeply nested or holds a number that is
//! not finite is counted, said once, and changes nothing.
//!
//! # Out
//! Plain messages with i, f and s arguments only, because some clients read nothing else. Values at most 30 times a
//! second, the newest wins, never back to the client that set them.
//!
//! | stream | arguments |
//! |---|---|
//! | `/melos/beat` | i beat in the bar from 1, i bar from 1, f tempo in bpm |
//! | `/melos/bar` | i bar from 1, f tempo in bpm |
//! | `/melos/chord` | s chord sounding now, s key; a reply to reading it has one argument, what is asked for |
//! | `/melos/onset` | f strength 0 to 1 of a note that begins in the network's piano |
//! | `/melos/level` | f rms, f peak in dB below full scale |
//! | `/melos/mood` | f × 8 weights in the order of the emotions, f valence, f arousal: as heard now |
//! | `/melos/health` | s state, f load, i xruns, i starvations, i late splices |

mod address;
mod decode;
pub(super) mod fault;
pub(super) mod feedback;
pub(super) mod guard;
pub(super) mod message;
mod server;
mod time;

pub use decode::{Decoded, Request, decode};
pub use fault::Fault;
pub use server::{OscError, OscServer};
pub use time::Now;
