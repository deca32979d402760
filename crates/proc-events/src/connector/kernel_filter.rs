//! The BPF filter of the socket that is in use.
//!
//! The reader thread sets the filter to the union of all interests. A subscriber widens the filter itself, because the
//! reader would be too late for an event that the subscriber causes next.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::{Mutex, PoisonError};

use super::socket::{Connector, set_filter};
use crate::error::Error;
use crate::model::interest::EventTypes;

/// The filter of the socket in use. The lock serializes the reader and the subscribers, so that the types recorded here
/// are those in force.
#[derive(Debug, Default)]
pub(crate) struct KernelFilter(Mutex<Option<Attached>>);

#[derive(Debug)]
struct Attached {
    /// A duplicate of the reader's descriptor, because the reader may close its own at any time.
    socket: OwnedFd,
    types: EventTypes,
    /// The processes whose threads' exits pass.
    leaderless: Vec<u32>,
}

impl Attached {
    fn pass(&mut self, types: EventTypes) -> Result<(), Error> {
        set_filter(self.socket.as_fd(), types, &self.leaderless)?;
        self.types = types;
        Ok(())
    }
}

impl KernelFilter {
    /// Replaces the socket; `None` detaches it. The caller then sets the filter with [`KernelFilter::set`].
    ///
    /// # Errors
    /// The errno of `fcntl` if the descriptor cannot be duplicated. The previous socket is detached even then.
    pub(crate) fn attach(&self, connector: Option<&Connector>) -> io::Result<()> {
        let socket = connector.map(|connector| connector.socket.get_ref().try_clone()).transpose();
        let mut filter = self.lock();
        *filter = None;
        *filter = socket?.map(|socket| Attached { socket, types: EventTypes::NONE, leaderless: Vec::new() });
        Ok(())
    }

    /// Passes exactly the types that `wanted` returns. The lock is held while `wanted` runs, so that no concurrent
    /// [`KernelFilter::widen`] is undone.
    ///
    /// # Errors
    /// The error of `setsockopt`. The previous filter stays in force.
    pub(crate) fn set(&self, wanted: impl FnOnce() -> EventTypes) -> Result<(), Error> {
        let mut filter = self.lock();
        let wanted = wanted();
        let attached = filter.as_mut().filter(|attached| attached.types != wanted);
        attached.map_or(Ok(()), |attached| attached.pass(wanted))
    }

    /// Passes the exits of the threads of exactly these processes. Ignores failures: the status of their leaders is reported then.
    pub(crate) fn pass_threads_of(&self, leaderless: Vec<u32>) {
        if let Some(attached) = self.lock().as_mut() {
            attached.leaderless = leaderless;
            let _ = attached.pass(attached.types);
        }
    }

    /// Passes `types`, too. Ignores failures, because the reader calls [`KernelFilter::set`] next and reports them.
    pub(crate) fn widen(&self, types: EventTypes) {
        let mut filter = self.lock();
        if let Some(attached) = filter.as_mut()
            && attached.types != attached.types.union(types)
        {
            let _ = attached.pass(attached.types.union(types));
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<Attached>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
