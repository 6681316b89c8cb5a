//! OSC over UDP, in both directions.
//!
//! # Input
//! | message | effect |
//! |---|---|
//! | `/melos/<id> value` | sets a parameter; the value may be i, h, f, d, s, S, c, T, F, N (off) or I (on), or an array of one of these, and is coerced |
//! | `/melos/next/bar/<id> value` | sets a parameter, or fires a trigger, at the exact frame of the next bar line; the newest value for each parameter wins, and all subscribers, including the sender, are notified when it takes effect |
//! | `/melos/emotion calm 0.8` | same as `/melos/emotion/calm 0.8`; several names and weights can follow each other |
//! | `/melos/<id>` | without arguments: fires a trigger, or returns a parameter's value or a stream's newest message |
//! | `/melos/<trigger> 1`, `/melos/<trigger> 0` | a button: fires the trigger when it is pressed, but not again while 1 is repeated; a client that never sends 0 fires it with every 1 |
//! | `/melos/subscribe [port]` | sends the full state, then all changes and streams, to the sender (or to that port on its host) |
//! | `/melos/unsubscribe [port]` | cancels the sender's subscription (or that of the port on its host) |
//! | `/melos/subscribers` | returns all subscribers: for each, s address, i seconds left |
//! | `/melos/state` | sends the full state to the sender, once |
//! | `/melos/ping [i, f, s …]` | returns `/melos/pong` with the same arguments, but at most the first four |
//! | `/melos/confirm token` | verifies the client by the token that Melos sent to it; see below |
//! | `/melos/scene/rename verse intro` | renames a stored scene: s name, s new name; parameters that hold the old name, such as `scene/a`, are updated |
//! | `/melos/play/note 60 90` | plays a key of the network's piano: i MIDI note number 21 to 108, i velocity; velocity 0 releases the key |
//! | `/melos/learn valence` | permanently binds valence to the next MIDI control that is moved (a button will set the value that the parameter has now); returns `/melos/learn`, s parameter, s block for a mapping file; the block is empty if no control is moved within 30 s, or if learning is cancelled or started again |
//! | `/melos/learn/cancel` | cancels learning |
//! | `/melos/learn/forget valence` | removes all learned bindings of a parameter; returns `/melos/learn` with an empty block; mapping files are not affected |
//!
//! Addresses may be OSC 1.0 patterns (`/melos/mute/*`, `/melos/next/bar/level/{bass,pad}`); patterns never fire
//! triggers, so a broad pattern cannot cause a panic. A time tag in the future delays a bundle; a late bundle is
//! counted and applied at once. A message, bundle or packet that is malformed, too large or too deeply nested, or that
//! contains NaN or infinity, is counted, logged and skipped; whatever is readable in the rest of its bundle is applied.
//! Every address accepts the same types: a number may also be text, a name may also be a number (but not in a message to
//! a pattern), and an array is read like the values in it. Several arguments are the words of one text, which some
//! programs split at its spaces; a trigger ignores all but the first. A message without arguments needs no type tags. A
//! key may include its mode: `/melos/key "A minor"` sets both. A query is answered at once with the value last published,
//! which is up to two intervals of the output old, even in a bundle with a time tag in the future.
//!
//! A parameter whose address contains other addresses has a second address, for OSCQuery clients that show the first
//! only as a folder: `/melos/tempo/value` is an alias of `/melos/tempo`.
//!
//! # Subscriptions
//! A subscription expires 60 s after the last datagram from the client, whether from the address that subscribed or
//! from the one that receives the messages; `/melos/ping` is enough to renew it. Ten seconds before it expires, the
//! client receives `/melos/subscription/expires`, i seconds left, and when it expires, the same message with 0. At most
//! 64 clients can subscribe, at most 16 of them on one remote host; further ones receive `/melos/error`, s reason.
//! Subscriptions survive a restart.
//!
//! A client on another machine that subscribes or requests a large reply first receives only `/melos/confirm`, s token.
//! Once it has returned the token, its subscription starts or, in place of the reply, it receives the full state; its
//! verification expires after ten minutes. An unverified client is sent at most three times as many bytes as it has
//! sent: a datagram's source address can be forged, and nobody must be able to flood a third party through Melos. Hosts
//! in `osc.trusted` need not confirm.
//!
//! # Output
//! Messages contain only i, f and s arguments, because some clients support nothing else. A parameter's newest value is
//! sent at most 30 times a second, and not to the client that set it, unless it differs from what the client has sent.
//!
//! | stream | arguments |
//! |---|---|
//! | `/melos/beat` | i beat in the bar from 1, i bar from 1, f tempo in bpm |
//! | `/melos/bar` | i bar from 1, f tempo in bpm |
//! | `/melos/chord` | s current chord, s key; a reply to a query has one argument, the lead chord |
//! | `/melos/note` | i MIDI note number, i velocity, f seconds for which its key is held, i 1 if it belongs to the melody |
//! | `/melos/onset` | f highest velocity, 0 to 1, of the notes that start together in the network's piano |
//! | `/melos/level` | f rms, f peak in dBFS |
//! | `/melos/mood` | the mood as currently heard: f × 8 weights of the emotions, in the order of the choices of `/melos/emotion`, then f valence, f arousal |
//! | `/melos/meters` | to WebSockets only: f × 6 peaks in dBFS: post-fader peaks of the network, bass, pad, upper voice and harmony, then the peak of the output; f gain reduction of the limiter in dB, 0 or negative; i number of times it has begun to reduce the gain |
//! | `/melos/spectrum` | to WebSockets only: f × 48 levels in dBFS, six bands per octave from 32.7 Hz upwards |
//! | `/melos/outlook` | to WebSockets only: s key, then for the current chord and the next three s chord, f seconds until it begins; the chord is empty where none is planned |
//! | `/melos/revisions` | to WebSockets only: i × 5 change counters of presets, scenes, MIDI controls, takes and pieces |
//! | `/melos/pong` | the arguments of `/melos/ping` |
//! | `/melos/subscription/expires` | i seconds until the subscription ends |
//! | `/melos/trouble` | s part that has failed, s reason; the reason is empty when the part works again |
//! | `/melos/error` | s why a subscription, or a message from a subscribed client, was refused; at most as often as it is logged |
//! | `/melos/health` | s state, f load, i count of each loss |

mod access;
mod address;
mod argument;
mod bundle;
pub(super) mod buttons;
mod connection;
pub(super) mod current_troubles;
mod decode;
pub(super) mod fault;
pub(super) mod feedback;
mod incoming;
pub(super) mod message;
mod outbox;
mod server;
pub(super) mod sockets;
mod time;

pub(super) use address::LEAF;
pub use connection::Clients;
pub use decode::{Decoded, Request, decode};
pub use fault::{Counters, Fault};
pub use feedback::Subscription;
pub use server::OscServer;
pub use time::Now;
