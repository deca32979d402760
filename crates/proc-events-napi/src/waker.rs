//! The waker of a subscription: a threadsafe function that calls JavaScript's `onRecords`.

use std::cell::{OnceCell, RefCell};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::{Rc, Weak};

use napi::Result;
use napi::bindgen_prelude::{FnArgs, Function};
use napi::threadsafe_function::ThreadsafeFunctionCallMode;

use crate::record_writer::RecordWriter;

/// The writer that `onRecords` copies from. Weak, because the writer owns the waker through its subscription.
pub(crate) type WriterCell = Rc<OnceCell<Weak<RefCell<RecordWriter>>>>;

/// Creates the function that the reader thread calls when records are queued.
#[expect(clippy::needless_pass_by_value, reason = "the callback owns the cell")]
pub(crate) fn new(
    on_records: Function<'_, FnArgs<(i32, bool)>, ()>,
    cell: WriterCell,
) -> Result<Box<dyn Fn() + Send + Sync>> {
    // Weak, because the facade decides if Node.js stays alive. A queue of two holds the call that runs and the next
    // one.
    let function = on_records
        .build_threadsafe_function::<()>()
        .weak::<true>()
        .callee_handled::<false>()
        .max_queue_size::<2>()
        // Copies records before the call. A call of `drain` from JavaScript would cost more than one or two records.
        .build_callback(move |_| Ok(FnArgs::from(fill_if_free(&cell))))?;
    Ok(Box::new(move || {
        // Fails if the queue is full, so that a call is about to run, or if the environment is shutting down.
        function.call((), ThreadsafeFunctionCallMode::NonBlocking);
    }))
}

/// Returns the arguments of `onRecords`.
fn fill_if_free(cell: &WriterCell) -> (i32, bool) {
    let Some(writer) = cell.get().and_then(Weak::upgrade) else { return (0, false) };
    // A panic must not leave this callback. The facade then calls `drain`, which reports the panic.
    catch_unwind(AssertUnwindSafe(|| writer.borrow_mut().fill_if_free())).unwrap_or((0, false))
}
