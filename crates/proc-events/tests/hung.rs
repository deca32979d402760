//! A process whose memory lock is never released. Its arguments are unreadable, and no thread may wait for them for ever.

#![expect(clippy::unwrap_used, reason = "in a test, a panic is the report")]
#![expect(clippy::print_stdout, reason = "a test that is skipped says why")]

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use proc_events::procfs::Procfs;
use proc_events::{
    EventTypes, Field, Fields, Interest, Notification, Options, ProcessInfo, SourceKind, Subscription,
};

/// The longest time of a step. A step that takes longer waits for ever.
const LIMIT: Duration = Duration::from_secs(20);

/// The program of `hung.c`, and the process that hangs.
struct Hung {
    server: Child,
    pid: u32,
    folder: PathBuf,
}

impl Hung {
    /// Returns `None` if this machine has no FUSE, or does not allow this user to mount it.
    fn start(name: &str) -> Option<Self> {
        if !Path::new("/dev/fuse").exists() {
            println!("skipped: there is no /dev/fuse");
            return None;
        }
        let folder = std::env::temp_dir().join(format!("proc-events-{name}-{}", std::process::id()));
        let (mount, program) = (folder.join("mount"), folder.join("hung"));
        std::fs::create_dir_all(&mount).unwrap();
        let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/hung.c");
        let compiled = Command::new("cc").args(["-O1", "-pthread", "-o"]).arg(&program).arg(source).status();
        assert!(compiled.unwrap().success());
        let mut server =
            Command::new(&program).arg(&mount).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(server.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let Ok(pid) = line.trim().parse() else {
            println!("skipped: FUSE cannot be mounted here");
            server.wait().unwrap();
            return None;
        };
        let hung = Self { server, pid, folder };
        until("the lock is waited for", || hung.lock_is_taken());
        Some(hung)
    }

    /// Returns true once a thread waits to take the lock for writing. From then on no thread gets it for reading.
    fn lock_is_taken(&self) -> bool {
        let tasks = std::fs::read_dir(format!("/proc/{}/task", self.pid)).unwrap().flatten();
        let states = tasks.map(|task| std::fs::read_to_string(task.path().join("stat")).unwrap_or_default());
        states.filter(|stat| stat.rsplit(')').next().is_some_and(|rest| rest.starts_with(" D"))).count() > 0
    }
}

impl Drop for Hung {
    fn drop(&mut self) {
        drop(self.server.stdin.take());
        self.server.wait().unwrap();
        std::fs::remove_dir_all(&self.folder).unwrap();
    }
}

/// Waits until a condition is met.
fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let began = Instant::now();
    while !is_so() {
        assert!(began.elapsed() < LIMIT, "{what}: not within {LIMIT:?}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Returns the number of the library's threads.
fn threads() -> usize {
    let tasks = std::fs::read_dir("/proc/self/task").unwrap().flatten();
    tasks
        .filter(|task| std::fs::read(task.path().join("comm")).is_ok_and(|comm| comm == b"proc-events\n"))
        .count()
}

struct Subscriber {
    subscription: Subscription,
    woken: Receiver<()>,
}

impl Subscriber {
    fn start(options: Options, fields: Fields) -> Self {
        let (wake, woken) = channel();
        let interest = Interest { types: EventTypes::LIFECYCLE, fields, recapture: false };
        let waker = Box::new(move || wake.send(()).unwrap_or_default());
        let subscription = Subscription::new(options, 0, interest, waker);
        subscription.scan(1);
        Self { subscription, woken }
    }

    /// Takes notifications until the one that `is_last` accepts, which is included.
    fn until(&self, is_last: impl Fn(&Notification) -> bool) -> Vec<Notification> {
        let mut taken = Vec::new();
        loop {
            let before = taken.len();
            self.subscription.take(usize::MAX, &mut taken);
            if taken[before..].iter().any(&is_last) {
                return taken;
            }
            if before == taken.len() {
                self.woken.recv_timeout(LIMIT).unwrap();
            }
        }
    }
}

fn details(notification: &Notification) -> Option<(u32, &ProcessInfo)> {
    match notification {
        Notification::Event(event) | Notification::ScanEvent { event, .. } => {
            Some((event.pid, event.process.as_deref()?))
        }
        _ => None,
    }
}

/// One test, because it counts the threads of its process.
#[test]
fn hung_process_has_no_arguments_and_blocks_nothing() {
    let Some(hung) = Hung::start("hung") else { return };

    // The other files do not wait for the lock.
    let argv = Fields::NONE.with(Field::Argv);
    let others = [Field::Name, Field::Ppid, Field::Exe, Field::Cwd, Field::Uid, Field::Gid, Field::Cgroup];
    let others = others.into_iter().fold(Fields::NONE, Fields::with);
    let mut reader = Arc::new(Procfs::open(Path::new("/proc")).unwrap()).reader();
    let process = reader.observe(hung.pid, others).unwrap().process.unwrap();
    assert_eq!(process.name.as_deref(), Some("hung"));
    assert!(process.exe.is_some() && process.cwd.is_some());
    assert!(process.cgroup.is_some() && process.uid.is_some());
    let observed = reader.observe(hung.pid, argv).unwrap();
    assert!(observed.process.unwrap().argv.is_none() && observed.read_ns > 0);
    let own = reader.observe(std::process::id(), argv).unwrap().process.unwrap();
    assert!(own.argv.is_some(), "other processes are still read");
    drop(reader);

    // The reader thread starts, reports every process, and ends.
    let all = Fields::ALL;
    let options = Options {
        source: SourceKind::Polling,
        polling_interval: Duration::from_millis(53),
        ..Options::default()
    };
    let subscriber = Subscriber::start(options, all);
    let running = subscriber.until(|notification| matches!(notification, Notification::ScanFinished { .. }));
    let found = |pid| running.iter().filter_map(details).find(|details| details.0 == pid).unwrap().1;
    assert_eq!((found(hung.pid).name.as_deref(), &found(hung.pid).argv), (Some("hung"), &None));
    assert!(found(std::process::id()).argv.is_some());
    assert!(subscriber.subscription.counts().capture_timeouts > 0);
    assert!(subscriber.subscription.gauges().stuck_threads > 0);

    let mut child = Command::new("sleep").arg("1000").spawn().unwrap();
    let is_child = |notification: &Notification| {
        details(notification).is_some_and(|(pid, process)| {
            pid == child.id() && process.argv.as_ref().is_some_and(|argv| &*argv.text == "sleep\x001000\0")
        })
    };
    subscriber.until(is_child);
    child.kill().unwrap();
    child.wait().unwrap();

    subscriber.subscription.stop();
    subscriber.until(|notification| matches!(notification, Notification::Closed));
    subscriber.subscription.join();
    drop(subscriber);
    let stuck = threads();
    assert!(stuck <= 2, "{stuck} threads are left, more than those that hang");

    drop(hung);
    until("the hung threads exit", || threads() == 0);
}
