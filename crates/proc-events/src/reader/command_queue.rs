//! The queue of commands to the reader thread, and the eventfd that wakes that thread.
//!
//! A tokio channel is not suitable, because its receiver spins while a sender is about to wake it. At real-time
//! priority the reader preempts that sender, and spins until the kernel throttles it. Here the reader blocks on a lock,
//! so that the sender gets the CPU and releases the lock.

use std::collections::VecDeque;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustix::event::{EventfdFlags, eventfd};
use rustix::io::Errno;
use tokio::io::unix::AsyncFd;

use crate::delivery::queue::SubscriberQueue;
use crate::pipeline::WatchTarget;
use crate::sys;

/// A request of a subscription to its reader. Scans, watches and flushes carry the id of the request.
#[derive(Debug)]
pub(crate) enum Command {
    Join(Arc<SubscriberQueue>),
    Leave(Arc<SubscriberQueue>),
    /// Only wakes the reader, which then finds the change in `ReaderHandle::interest_changes`.
    InterestChanged,
    Scan(Arc<SubscriberQueue>, u32),
    WatchExit(Arc<SubscriberQueue>, WatchTarget),
    Flush(Arc<SubscriberQueue>, u32),
}

/// The pending commands, in the order in which they were sent.
#[derive(Debug, Default)]
pub(crate) struct CommandQueue(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    pending: VecDeque<Command>,
    /// The eventfd that wakes the receiver; `None` without a receiver. Senders write to it if no command was pending.
    wake_fd: Option<Arc<OwnedFd>>,
}

impl CommandQueue {
    /// Adds a command, and wakes the receiver if it may be waiting.
    pub(crate) fn send(&self, command: Command) {
        let mut state = self.state();
        state.pending.push_back(command);
        let wake_fd = state.wake_fd.clone().filter(|_| state.pending.len() == 1);
        drop(state);
        if let Some(wake_fd) = wake_fd {
            // The write fails only if the counter is at its maximum, and then the eventfd is readable already.
            let _ = rustix::io::write(&*wake_fd, &1u64.to_ne_bytes());
        }
    }

    /// Takes the oldest command.
    pub(crate) fn pop(&self) -> Option<Command> {
        self.state().pending.pop_front()
    }

    /// Returns the one receiver. Must be called within a tokio runtime.
    pub(super) fn receiver(&self) -> io::Result<CommandReceiver<'_>> {
        let wake_fd = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        let woken = sys::register(wake_fd.try_clone()?)?;
        self.state().wake_fd = Some(Arc::new(wake_fd));
        Ok(CommandReceiver { queue: self, woken })
    }

    // Ignore poisoning, because every change leaves the state valid.
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The receiving end of a [`CommandQueue`].
#[derive(Debug)]
pub(super) struct CommandReceiver<'a> {
    queue: &'a CommandQueue,
    /// The eventfd of the queue.
    woken: AsyncFd<OwnedFd>,
}

impl CommandReceiver<'_> {
    /// Returns the descriptor, which is readable if a command may be pending.
    pub(super) fn as_fd(&self) -> BorrowedFd<'_> {
        self.woken.get_ref().as_fd()
    }

    /// Takes the oldest command. Returns `None` if there is none.
    pub(super) fn try_recv(&self) -> Option<Command> {
        self.queue.pop()
    }

    /// Waits for a command. Dropping the future loses no command.
    pub(super) async fn recv(&self) -> io::Result<Command> {
        loop {
            if let Some(command) = self.queue.pop() {
                return Ok(command);
            }
            let mut ready = sys::ready(&self.woken).await?;
            // The next round takes a command that was sent before this read. A later command writes again.
            match rustix::io::read(&self.woken, &mut [0; 8]) {
                Err(Errno::AGAIN) => ready.clear_ready(),
                Err(Errno::INTR) => {}
                count => drop(count?),
            }
        }
    }
}

impl Drop for CommandReceiver<'_> {
    fn drop(&mut self) {
        self.queue.state().wake_fd = None;
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
    fn commands_arrive_in_the_order_sent() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.expect("an epoll instance can be had").block_on(async {
            let commands = Arc::<CommandQueue>::default();
            let queue = Arc::new(SubscriberQueue::new(1, Interest::default(), Box::new(|| {})));
            commands.send(Command::Scan(Arc::clone(&queue), 0));
            let receiver = commands.receiver().expect("a descriptor can be had");
            let sender_commands = Arc::clone(&commands);
            let sender = std::thread::spawn(move || {
                for id in 1..10_000 {
                    sender_commands.send(Command::Scan(Arc::clone(&queue), id));
                }
            });
            for expected in 0..10_000 {
                assert!(matches!(receiver.recv().await, Ok(Command::Scan(_, id)) if id == expected));
            }
            sender.join().expect("it does not panic");
        });
    }

    /// A sender that is preempted between queueing a command and waking the receiver must not keep the receiver busy.
    #[test]
    fn receiver_sleeps_until_the_sender_wakes_it() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.expect("an epoll instance can be had").block_on(async {
            let queue = CommandQueue::default();
            let receiver = queue.receiver().expect("a descriptor can be had");
            let wakes = Arc::<Count>::default();
            let waker = Waker::from(Arc::clone(&wakes));
            let mut recv = pin!(receiver.recv());
            assert!(recv.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
            // Simulate a sender that has queued a command, which the receiver has taken, and has not woken the receiver
            // yet.
            let wake_fd = queue.state().wake_fd.take();
            queue.send(Command::InterestChanged);
            assert!(receiver.try_recv().is_some());
            queue.state().wake_fd = wake_fd;
            for _ in 0..3 {
                assert!(recv.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
            }
            assert_eq!(wakes.0.load(Ordering::Relaxed), 0, "the receiver must not spin");
        });
    }
}
