//! Checks that hold for any bytes. The properties and the fuzzers share them.

pub(crate) mod procfs;
pub(crate) mod table;
pub(crate) mod wire;
