//! Which kinds the kernel lets through to the socket that is in service. The reader's thread follows what is wanted; but
//! a subscriber opens the filter itself, at once, so that it does not miss what it causes next.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::{Mutex, PoisonError};

use super::{Connector, set_filter};
use crate::error::Error;
use crate::model::interest::EventTypes;

/// The kernel's filter, shared by the threads that set it.
#[derive(Debug, Default)]
pub(crate) struct KernelFilter(Mutex<Option<Attached>>);

#[derive(Debug)]
struct Attached {
    /// A descriptor of the same socket: the reader may close its own at any time.
    socket: OwnedFd,
    types: EventTypes,
}

impl KernelFilter {
    /// From now on this is the socket in service. What it lets through is to be set by [`KernelFilter::follow`].
    pub(crate) fn attach(&self, connector: Option<&Connector>) -> io::Result<()> {
        let socket = connector.map(|connector| connector.socket.get_ref().try_clone()).transpose();
        // Of the earlier socket it lets go in any case.
        let mut filter = self.lock();
        *filter = None;
        *filter = socket?.map(|socket| Attached { socket, types: EventTypes::NONE });
        Ok(())
    }

    /// Lets exactly those through that are `wanted`, which is asked while nobody else sets anything.
    pub(crate) fn set(&self, wanted: impl FnOnce() -> EventTypes) -> Result<(), Error> {
        let mut filter = self.lock();
        let wanted = wanted();
        let Some(open) = filter.as_mut().filter(|open| open.types != wanted) else { return Ok(()) };
        set_filter(open.socket.as_fd(), wanted)?;
        open.types = wanted;
        Ok(())
    }

    /// Lets these through, too. The reader hears of a failure when it follows.
    pub(crate) fn widen(&self, types: EventTypes) {
        let mut filter = self.lock();
        if let Some(open) = filter.as_mut()
            && open.types != open.types.union(types)
            && set_filter(open.socket.as_fd(), open.types.union(types)).is_ok()
        {
            open.types = open.types.union(types);
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<Attached>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
