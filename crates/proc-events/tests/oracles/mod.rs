//! What has to hold for any input.

pub(crate) mod procfs;
pub(crate) mod table;
pub(crate) mod wire;
