//! What has to hold for any bytes, for the properties and for the fuzzer.

pub(crate) mod procfs;
pub(crate) mod table;
pub(crate) mod wire;
