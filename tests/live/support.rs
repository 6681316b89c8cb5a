//! Daemons, servers, clients and measurements that the live tests share.

pub(crate) mod addresses;
pub(crate) mod client;
pub(crate) mod daemon;
pub(crate) mod disk;
pub(crate) mod documents;
pub(crate) mod full_pipe;
pub(crate) mod glitches;
pub(crate) mod home;
pub(crate) mod jack_server;
pub(crate) mod loopback_daemon;
pub(crate) mod own_process;
pub(crate) mod recorded_daemon;
pub(crate) mod recording;
