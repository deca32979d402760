//! The live processes, and how messages and snapshots change what is known of them. Pure.

pub mod ancestry;
pub mod inspector;
pub mod table;
