//! OSC over UDP, both ways.
//!
//! # In
//! | message | effect |
//! |---|---|
//! | `/melos/<id> value` | sets a parameter of the table; i, h, f, d, s, c, T, F, N (off) and I (on) are coerced |
//! | `/melos/next/bar/<id> value` | the same at the next bar line, to the frame for what the engine does; the newest value of a parameter counts, and the sender is told, too, when it happens |
//! | `/melos/emotion calm 0.8` | as `/melos/emotion/calm 0.8` |
//! | `/melos/<id>` | without an argument: a trigger fires; any other parameter's value, or a stream's newest message, is sent back to the sender |
//! | `/melos/subscribe [port]` | the sender (or that port on its host) gets the full state, then every change and stream |
//! | `/melos/unsubscribe [port]` | ends that |
//! | `/melos/subscribers` | answers with who subscribes: s address, i seconds left, for each |
//! | `/melos/state` | sends the full state to the sender, once |
//! | `/melos/ping [i, f, s …]` | answers `/melos/pong` with the same |
//! | `/melos/confirm token` | sends back what came with this address, see below |
//! | `/melos/learn valence` | binds the MIDI control that is moved next to a parameter, for good (a button sets the value that the parameter has then), and answers `/melos/learn`, s parameter, s block for a mapping file; the block is empty when nothing is moved for 30 s or somebody else asks |
//! | `/melos/learn/cancel` | ends that |
//! | `/melos/learn/forget valence` | forgets every control that was learnt for a parameter, and answers as when nothing was learnt; those of mapping files stay |
//!
//! Addresses may be OSC 1.0 patterns (`/melos/mute/*`, `/melos/next/bar/level/{bass,pad}`); patterns never fire triggers, so that
//! a broad one cannot panic the instrument. A time tag in the future delays a bundle, a late one is counted and taken at once. A
//! message, bundle or packet that is malformed, too large, too deeply nested or holds a number that is not finite is counted,
//! said, and left out; what stands beside it in a bundle is taken. A key may name its scale: `/melos/key "A minor"` sets both.
//!
//! # Subscriptions
//! A subscription ends 60 s after the last datagram from the address that asked for it or from the one that is told, whatever it
//! holds: `/melos/ping` will do. Ten seconds before its end comes `/melos/subscription/expires`, i seconds, and at the end the same with 0.
//! 64 can subscribe; who comes later is told `/melos/error`, s why. Subscriptions survive a restart.
//!
//! A client beyond this machine is first sent `/melos/confirm`, s token, and gets what it asked for when it has sent the same back;
//! so it does every ten minutes. Until then it gets no more than three times the bytes that came from it: the source of a datagram
//! can be forged, and nobody shall be flooded with what somebody else asked for. Hosts in `osc.trusted` need not confirm.
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
//! | `/melos/meters` | to WebSockets only: f × 6 peaks in dB below full scale behind the faders of network, bass, pad, upper voice, harmony and of the output, f limiter reduction in dB, i how often it has reduced |
//! | `/melos/spectrum` | to WebSockets only: f × 48 levels in dB below full scale, six bands an octave from 32.7 Hz upwards |
//! | `/melos/outlook` | to WebSockets only: s key, then for the chord that sounds and up to three to come s chord, f seconds until it begins |
//! | `/melos/revisions` | to WebSockets only: i × 5 how often presets, scenes, MIDI controls, takes and pieces have changed |
//! | `/melos/pong` | what came with `/melos/ping` |
//! | `/melos/subscription/expires` | i seconds until the subscription ends |
//! | `/melos/trouble` | s what has trouble, s why; empty when it is over |
//! | `/melos/error` | s why something was refused |
//! | `/melos/health` | s state, f load, i xruns, i starvations, i late splices |

mod access;
mod address;
mod connection;
mod decode;
pub(super) mod fault;
pub(super) mod feedback;
pub(super) mod guard;
pub(super) mod message;
mod outbox;
mod server;
pub(super) mod sockets;
mod time;

pub use decode::{Decoded, Request, decode};
pub use fault::{Counters, Fault};
pub use feedback::Subscription;
pub use server::{Clients, OscError, OscServer};
pub use time::Now;
