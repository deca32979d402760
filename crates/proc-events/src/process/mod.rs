//! The live processes, and how messages and snapshots change what is known about them. Pure, but for the trait
//! [`inspector::ProcessInspector`], through which the pipeline asks about them.

pub mod ancestry;
pub mod event_sink;
pub mod inspector;
pub mod table;
