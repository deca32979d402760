//! The Node-API binding of proc-events. It converts, and that is all: what is wanted is decided by the facade, what
//! happens by the core.

mod convert;
mod intake;

use std::cell::{OnceCell, RefCell};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::time::Duration;

use intake::Intake;
use napi::bindgen_prelude::{Float64ArraySlice, FnArgs, Function, Uint32Array};
use napi::threadsafe_function::ThreadsafeFunctionCallMode;
use napi::{Error, Result};
use napi_derive::napi;
use proc_events::{Ancestor, Fields, Interest, Kinds, Options, Procfs, SourceKind, Subscription, Wish};

/// Events of some kinds of the processes of which all that is given holds.
#[napi(object, js_name = "NativeFilterRule")]
#[derive(Debug)]
pub struct NativeWish {
    /// The kinds, a bit mask.
    #[napi(js_name = "types")]
    pub kinds: u32,
    /// The details to capture, a bit mask.
    pub fields: u32,
    /// The process name.
    pub name: Option<String>,
    /// The path of the program.
    pub exe: Option<String>,
    /// The real user id.
    pub uid: Option<u32>,
    /// The pid of the process whose descendants they are.
    pub ancestor: Option<u32>,
    /// What a record of a descendant carries.
    pub ancestor_id: Option<u32>,
    /// The process itself.
    pub pid: Option<u32>,
}

/// How to monitor.
#[napi(object)]
#[derive(Debug)]
pub struct NativeOptions {
    /// 0 for netlink, 1 for polling, 2 for netlink or else polling.
    pub source: u32,
    /// Milliseconds between snapshots when polling.
    pub polling_interval: u32,
    /// Bytes asked for the socket's receive buffer; 0 for the default.
    pub receive_buffer_size: u32,
    /// Events held for JavaScript at most; 0 for the default.
    pub queue_size: u32,
    /// Bytes of text kept of the arguments of a process at most; 0 for the default.
    pub max_argv_bytes: u32,
    /// Where the host's proc file system is mounted.
    pub proc_root: String,
    /// Whether the reader may ask to be woken sooner while details are captured.
    #[napi(js_name = "raisePriority")]
    pub hurries: bool,
    /// The rules in force at first.
    #[napi(js_name = "rules")]
    pub wishes: Vec<NativeWish>,
}

/// One subscription to the process-wide reader.
#[napi]
#[derive(Debug)]
pub struct Source {
    intake: Rc<RefCell<Intake>>,
}

#[napi]
impl Source {
    /// Starts. How it went is the first record. `ring` is called with what [`Source::drain`] would return, and whether
    /// that was all: then the bell is armed again.
    #[napi(constructor, catch_unwind)]
    pub fn new(
        options: NativeOptions,
        words: Uint32Array,
        ring: Function<'_, FnArgs<(i32, bool)>, ()>,
    ) -> Result<Self> {
        // Filled in when both are there.
        let its_intake = Rc::default();
        let doorbell = doorbell(ring, Rc::clone(&its_intake))?;
        let default = Options::default();
        let receive_buffer_size = match options.receive_buffer_size {
            0 => default.receive_buffer_size,
            bytes => bytes as usize,
        };
        let max_argv_bytes = match options.max_argv_bytes {
            0 => default.max_argv_bytes,
            bytes => bytes as usize,
        };
        let source = if options.source == 1 { SourceKind::Polling } else { SourceKind::Netlink };
        let core_options = Options {
            source,
            falls_back: options.source == 2,
            polling_interval: Duration::from_millis(options.polling_interval.into()),
            receive_buffer_size,
            proc_root: PathBuf::from(options.proc_root),
            hurries: options.hurries,
            max_argv_bytes,
        };
        let wishes: Vec<Wish> = options.wishes.into_iter().map(core_wish).collect();
        let interest = wishes.iter().map(Wish::interest).fold(Interest::default(), Interest::union);
        let subscription = Subscription::new(core_options, options.queue_size as usize, interest, doorbell);
        subscription.set_wishes(&wishes);
        let intake = Rc::new(RefCell::new(Intake::new(subscription, words)));
        // It is empty: nothing else sets it.
        let _ = its_intake.set(Rc::downgrade(&intake));
        Ok(Self { intake })
    }

    /// Copies records into the array, behind its first word, and has that say where they end, which is also what is
    /// returned. 0: nothing is left, and the bell is armed again. Negative: the array must be so long for the next record.
    #[napi(catch_unwind)]
    pub fn drain(&self) -> i32 {
        self.intake.borrow_mut().fill().0
    }

    /// Has records copied into another array.
    #[napi(catch_unwind, js_name = "setBuffer")]
    pub fn lend(&self, words: Uint32Array) {
        self.intake.borrow_mut().words = words;
    }

    /// Adds a rule to what is wanted.
    #[napi(catch_unwind)]
    pub fn add_rule(&self, rule: NativeWish) {
        self.intake.borrow().subscription.add_rule(&core_wish(rule));
    }

    /// Takes away a rule that equals one that was added.
    #[napi(catch_unwind)]
    pub fn remove_rule(&self, rule: NativeWish) {
        self.intake.borrow().subscription.remove_rule(&core_wish(rule));
    }

    /// Asks for every running process, ahead of the live events that wait; a record with `id` follows them.
    #[napi(catch_unwind)]
    pub fn scan(&self, id: u32) {
        self.intake.borrow().subscription.scan(id);
    }

    /// Asks whether a process is running, and for its end; a record with `id` answers, and an exit record tells.
    #[napi(catch_unwind, js_name = "watchExit")]
    pub fn watch(&self, id: u32, pid: u32) {
        self.intake.borrow().subscription.watch(id, pid);
    }

    /// Fills `out`, of at least 19 numbers, with the counters and gauges.
    #[napi(catch_unwind)]
    pub fn stats(&self, mut out: Float64ArraySlice<'_>) {
        #[expect(unsafe_code, reason = "as for `drain`")]
        // SAFETY: as for `drain`.
        let out = unsafe { out.as_mut() };
        let intake = self.intake.borrow();
        let counts = intake.subscription.counts();
        let level = intake.subscription.level();
        let gauges = intake.subscription.gauges();
        let values = [
            counts.events,
            counts.exec,
            counts.exit,
            counts.restart,
            counts.reinit_failed,
            counts.process_scan_failed,
            counts.lost_socket,
            level.lost,
            counts.resync,
            (level.depth + intake.waiting()) as u64,
            level.high_water as u64,
            gauges.receive_buffer_size,
            gauges.tracked_processes,
            counts.rejected,
            counts.ignored,
            gauges.priority,
            counts.capture_timeouts,
            gauges.stuck_threads,
            level.without_texts,
        ];
        for (place, value) in out.iter_mut().zip(values) {
            *place = value as f64;
        }
    }

    /// Asks the source to end; a closing record is the last.
    #[napi(catch_unwind)]
    pub fn stop(&self) {
        self.intake.borrow().subscription.stop();
    }

    /// After the closing record: waits for the native thread, which is ending, if nobody else uses it.
    #[napi(catch_unwind)]
    pub fn join(&self) {
        self.intake.borrow().subscription.join();
    }
}

/// What the bell is answered from, once it is there. Weak, since the bell is a part of it.
type ItsIntake = Rc<OnceCell<Weak<RefCell<Intake>>>>;

/// What the reader's thread calls.
#[expect(clippy::needless_pass_by_value, reason = "nobody has it from here on")]
fn doorbell(
    ring: Function<'_, FnArgs<(i32, bool)>, ()>,
    its_intake: ItsIntake,
) -> Result<Box<dyn Fn() + Send + Sync>> {
    // Weak: the facade decides whether Node.js goes on running. Two places: one call under way, one more to come.
    let bell = ring
        .build_threadsafe_function::<()>()
        .weak::<true>()
        .callee_handled::<false>()
        .max_queue_size::<2>()
        // Here, on JavaScript's thread, and not by a call from there: that would cost more than a record or two.
        .build_callback(move |_| Ok(FnArgs::from(answer(&its_intake))))?;
    Ok(Box::new(move || {
        // It fails when the queue is full, and so about to be answered, or when the environment is ending.
        bell.call((), ThreadsafeFunctionCallMode::NonBlocking);
    }))
}

/// What the bell brings along.
fn answer(its_intake: &ItsIntake) -> (i32, bool) {
    let Some(intake) = its_intake.get().and_then(Weak::upgrade) else { return (0, false) };
    // A panic must not get out of here: the call of `drain` that follows tells of it.
    catch_unwind(AssertUnwindSafe(|| intake.borrow_mut().answer())).unwrap_or((0, false))
}

/// Those of `pids` whose process has ended.
#[napi(catch_unwind)]
pub fn deleted_pids(pids: &[u32], proc_root: String) -> Result<Vec<u32>> {
    let ended = Procfs::open(&PathBuf::from(proc_root)).and_then(|procfs| Arc::new(procfs).ended_among(pids));
    ended.map_err(|error| {
        Error::from_reason(format!("ERR_PROC_UNREADABLE|{}|{}", error.raw_errno(), error.syscall))
    })
}

/// Whether the process connector can be had, and whether `/proc` can be polled: for each nothing, or the code, the errno
/// and the system call, separated by bars.
#[napi(catch_unwind)]
pub fn probe(proc_root: String) -> Vec<Option<String>> {
    let report = proc_events::probe(&PathBuf::from(proc_root));
    let tell =
        |error: proc_events::Error| format!("{}|{}|{}", error.code as u8, error.raw_errno(), error.syscall);
    vec![report.netlink.err().map(tell), report.polling.err().map(tell)]
}

fn core_wish(wish: NativeWish) -> Wish {
    Wish {
        kinds: Kinds::from_bits(wish.kinds as u16),
        fields: Fields::from_bits(wish.fields as u16),
        name: wish.name.map(String::into_boxed_str),
        exe: wish.exe.map(String::into_boxed_str),
        uid: wish.uid,
        ancestor: wish.ancestor.map(|pid| Ancestor { id: wish.ancestor_id.unwrap_or(0), pid }),
        pid: wish.pid,
    }
}
