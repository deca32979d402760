//! The queue of commands to the reader's thread, and the eventfd that wakes it.
//!
//! A channel of the runtime's does not do, because its receiver spins while a sender is in the midst of waking it. At
//! real-time priority the reader preempts that sender, and spins until the kernel throttles it. Here the reader blocks on a
//! lock, so that the sender gets the CPU and releases it.

use std::collections::VecDeque;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustix::event::{EventfdFlags, eventfd};
use rustix::io::Errno;
use tokio::io::unix::AsyncFd;

use crate::delivery::queue::SubscriberQueue;
use crate::sys;

/// A request of a subscription to its reader.
#[derive(Debug)]
pub(crate) enum Command {
    Join(Arc<SubscriberQueue>),
    Leave(Arc<SubscriberQueue>),
    /// A wake-up: [`super::ReaderHandle::asked`] has counted a change.
    InterestChanged,
    Scan(Arc<SubscriberQueue>, u32),
    WatchExit(Arc<SubscriberQueue>, u32, u32),
}

/// The commands that wait.
#[derive(Debug, Default)]
pub(crate) struct CommandQueue(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    waiting: VecDeque<Command>,
    /// The eventfd to write to when a command is queued and none waited; there as long as the receiver is.
    bell: Option<Arc<OwnedFd>>,
}

impl CommandQueue {
    pub(crate) fn send(&self, command: Command) {
        let mut state = self.state();
        state.waiting.push_back(command);
        let bell = state.bell.clone().filter(|_| state.waiting.len() == 1);
        drop(state);
        if let Some(bell) = bell {
            // The write fails only if the counter is full, and then the reader is awake anyhow.
            let _ = rustix::io::write(&*bell, &1u64.to_ne_bytes());
        }
    }

    /// Takes the command that has waited longest.
    pub(crate) fn pop(&self) -> Option<Command> {
        self.state().waiting.pop_front()
    }

    /// Returns the one receiver. Must be called within a tokio runtime.
    pub(super) fn receiver(&self) -> io::Result<CommandReceiver<'_>> {
        let bell = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        let rung = sys::register(bell.try_clone()?)?;
        self.state().bell = Some(Arc::new(bell));
        Ok(CommandReceiver { queue: self, rung })
    }

    // A panic while the lock was held leaves a queue that is still a queue.
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The receiving end of a [`CommandQueue`].
#[derive(Debug)]
pub(super) struct CommandReceiver<'a> {
    queue: &'a CommandQueue,
    rung: AsyncFd<OwnedFd>,
}

impl CommandReceiver<'_> {
    /// Takes the command that has waited longest, if any waits.
    pub(super) fn try_recv(&self) -> Option<Command> {
        self.queue.pop()
    }

    /// Waits for a command. The future may be dropped at any time: no command is lost.
    pub(super) async fn recv(&self) -> io::Result<Command> {
        loop {
            if let Some(command) = self.queue.pop() {
                return Ok(command);
            }
            let mut ready = sys::ready(&self.rung).await?;
            // A command that was queued before this is found by the next turn; a later one rings again.
            match rustix::io::read(&self.rung, &mut [0; 8]) {
                Err(Errno::AGAIN) => ready.clear_ready(),
                Err(Errno::INTR) => {}
                count => drop(count?),
            }
        }
    }
}

impl Drop for CommandReceiver<'_> {
    fn drop(&mut self) {
        self.queue.state().bell = None;
    }
}

#[cfg(test)]
mod tests {
    use std::future::Future;
    use std::pin::pin;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::{Context, Wake, Waker};

    use super::*;
    use crate::model::interest::Interest;

    #[derive(Default)]
    struct Count(AtomicUsize);

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn commands_arrive_in_their_order_whenever_they_are_sent() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.expect("an epoll instance can be had").block_on(async {
            let commands = Arc::<CommandQueue>::default();
            let queue = Arc::new(SubscriberQueue::new(1, Interest::default(), Box::new(|| {})));
            commands.send(Command::Scan(Arc::clone(&queue), 0));
            let receiver = commands.receiver().expect("a descriptor can be had");
            let its_commands = Arc::clone(&commands);
            let sender = std::thread::spawn(move || {
                for id in 1..10_000 {
                    its_commands.send(Command::Scan(Arc::clone(&queue), id));
                }
            });
            for expected in 0..10_000 {
                assert!(matches!(receiver.recv().await, Ok(Command::Scan(_, id)) if id == expected));
            }
            sender.join().expect("it does not panic");
        });
    }

    /// A sender that is preempted between queueing a command and ringing must not keep the receiver busy.
    #[test]
    fn a_receiver_that_finds_nothing_sleeps_until_it_rings() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.expect("an epoll instance can be had").block_on(async {
            let queue = CommandQueue::default();
            let receiver = queue.receiver().expect("a descriptor can be had");
            let wakes = Arc::<Count>::default();
            let waker = Waker::from(Arc::clone(&wakes));
            let mut recv = pin!(receiver.recv());
            assert!(recv.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
            // It is queued, and taken by the way, before it rings.
            let bell = queue.state().bell.take();
            queue.send(Command::InterestChanged);
            assert!(receiver.try_recv().is_some());
            queue.state().bell = bell;
            for _ in 0..3 {
                assert!(recv.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
            }
            assert_eq!(wakes.0.load(Ordering::Relaxed), 0, "it would go round and round");
        });
    }
}
