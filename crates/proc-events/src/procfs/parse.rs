//! Reads the texts of `/proc/PID/*`. Pure: bytes in, values out, and no panic whatever the bytes.

use crate::model::event::Argv;

/// `PF_FORKNOEXEC`, `linux/sched.h`: forked, and has not called exec since.
const PF_FORKNOEXEC: u32 = 0x40;
/// `PF_KTHREAD`, `linux/sched.h`: a kernel thread.
const PF_KTHREAD: u32 = 0x0020_0000;
/// `TASK_COMM_LEN` less its NUL: a comm of this length may have been cut.
const COMM_MAX: usize = 15;
/// `NAME_MAX`: the bytes of a file name at most, and so those of a completed process name.
const NAME_MAX: usize = 255;

/// What this project reads of `/proc/PID/stat`, `proc_pid_stat(5)`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stat<'a> {
    /// The command name.
    pub comm: &'a [u8],
    /// The state letter.
    pub state: u8,
    /// The parent's pid.
    pub ppid: u32,
    /// The process that leads the session, or has.
    pub session: u32,
    flags: u32,
    threads: u32,
    /// When the process was created: clock ticks since boot.
    pub start_time: u64,
    /// Made of where the program's code and stack start: another number at every exec, since the kernel lays them out
    /// at random. 0 where this reader may not see them.
    pub program: u64,
    /// True while the kernel replaces the program: the new memory is there, but nothing says yet where the code starts.
    /// False where this reader may not see it.
    pub is_mid_exec: bool,
    /// The wait status of a process that has ended and was not collected yet, unless it is 0 or may not be seen.
    pub exit_status: Option<u32>,
}

impl Stat<'_> {
    /// Whether the kernel may have cut the comm.
    #[must_use]
    pub const fn may_be_cut(&self) -> bool {
        self.comm.len() == COMM_MAX && !self.is_kernel_thread()
    }
    /// The comm, padded with NUL.
    #[must_use]
    pub(super) fn padded_comm(&self) -> [u8; 16] {
        let mut padded = [0; 16];
        padded.iter_mut().zip(self.comm).for_each(|(place, &byte)| *place = byte);
        padded
    }
    /// Ended, though its parent has not collected it yet. A leader that left its threads behind is still running.
    #[must_use]
    pub const fn has_ended(&self) -> bool {
        self.leader_has_ended() && self.threads <= 1
    }
    /// The leader has ended, whatever other threads do.
    #[must_use]
    pub const fn leader_has_ended(&self) -> bool {
        matches!(self.state, b'Z' | b'X' | b'x')
    }
    /// Forked, and has not called exec since.
    #[must_use]
    pub const fn never_execed(&self) -> bool {
        self.flags & PF_FORKNOEXEC != 0
    }
    /// A thread of the kernel: no program, no arguments.
    #[must_use]
    pub const fn is_kernel_thread(&self) -> bool {
        self.flags & PF_KTHREAD != 0
    }
}

/// Parses `/proc/PID/stat`.
#[must_use]
pub fn stat(text: &[u8]) -> Option<Stat<'_>> {
    // The comm may itself hold parentheses and spaces: it ends at the last one.
    let open = text.iter().position(|&b| b == b'(')?;
    let close = text.iter().rposition(|&b| b == b')')?;
    let comm = text.get(open + 1..close)?;
    let mut fields =
        text.get(close + 1..)?.split(|&b| b == b' ' || b == b'\n').filter(|field| !field.is_empty());
    // The iterator starts at field 3; nth() counts from where the last call left it.
    let state = *fields.next()?.first()?;
    let ppid = number(fields.next()?)?;
    let session = fields.nth(1).and_then(number).unwrap_or(0);
    let flags = number(fields.nth(2)?)?;
    let threads = number(fields.nth(10)?)?;
    let start_time = number(fields.nth(1)?)?;
    let memory = fields.next().and_then(number).unwrap_or(0);
    // Without the permission to see it the kernel shows 1.
    let start_code = fields.nth(2).and_then(number);
    let is_mid_exec = memory > 0 && start_code == Some(0);
    let start_code = start_code.unwrap_or(0);
    let start_stack = fields.nth(1).and_then(number).unwrap_or(0);
    // Who may not see it reads 0, too.
    let exit_status = fields.nth(23).and_then(number).filter(|&status| status != 0);
    Some(Stat {
        comm,
        state,
        ppid: ppid as u32,
        session: session as u32,
        flags: flags as u32,
        threads: threads as u32,
        start_time,
        program: if start_stack == 0 { 0 } else { start_code ^ start_stack.rotate_left(20) },
        is_mid_exec,
        exit_status: exit_status.map(|status| status as u32),
    })
}

/// The monotonic clock's offset of `/proc/PID/timens_offsets`, in nanoseconds.
#[must_use]
pub fn monotonic_offset_ns(offsets: &[u8]) -> Option<i64> {
    let line = offsets.split(|&b| b == b'\n').find_map(|line| line.strip_prefix(b"monotonic"))?;
    let mut words = line.split(|&b| b == b' ' || b == b'\t').filter(|word| !word.is_empty());
    let seconds: i64 = str::from_utf8(words.next()?).ok()?.parse().ok()?;
    let nanoseconds: i64 = str::from_utf8(words.next()?).ok()?.parse().ok()?;
    seconds.checked_mul(1_000_000_000)?.checked_add(nanoseconds)
}

/// The real user and group id of `/proc/PID/status`.
#[must_use]
pub fn real_ids(status: &[u8]) -> Option<(u32, u32)> {
    let id = |key: &[u8]| {
        let line = status.split(|&b| b == b'\n').find_map(|line| line.strip_prefix(key))?;
        number(line.split(|&b| b == b'\t').find(|field| !field.is_empty())?)
    };
    Some((id(b"Uid:")? as u32, id(b"Gid:")? as u32))
}

/// The path of `/proc/PID/cgroup` that tells most: that of version 2, unless it is the root and a hierarchy of version
/// 1 is not.
#[must_use]
pub fn cgroup_path(text: &[u8]) -> Option<&[u8]> {
    let mut best: Option<(u8, &[u8])> = None;
    for line in text.split(|&b| b == b'\n') {
        let mut parts = line.splitn(3, |&b| b == b':');
        let (Some(hierarchy), Some(controllers), Some(path)) = (parts.next(), parts.next(), parts.next())
        else {
            continue;
        };
        let rank = match (path, hierarchy, controllers) {
            (b"/", b"0", _) => 1,
            (b"/", ..) => 0,
            (_, b"0", _) => 5,
            (_, _, b"memory") => 4,
            (_, _, b"pids" | b"name=systemd") => 3,
            _ => 2,
        };
        if best.is_none_or(|(known, _)| rank > known) {
            best = Some((rank, path));
        }
    }
    best.map(|(_, path)| path)
}

/// The process name: the comm, completed where the kernel cut it. `cmdline` is the raw content of `/proc/PID/cmdline`.
///
/// A completed name ends at 255 bytes, the length of a file name, and never within a character. An invalid byte counts as
/// one, though its text `\xNN` has four.
#[must_use]
pub fn full_name(comm: &[u8], cmdline: &[u8], exe: &[u8]) -> Box<str> {
    // A script's comm is its own name, but its argv starts with the interpreter: so the second argument counts too.
    let mut arguments = cmdline.split(|&b| b == 0);
    let candidates = [arguments.next(), Some(exe), arguments.next()];
    let completed = candidates
        .into_iter()
        .flatten()
        .map(|path| path.rsplit(|&b| b == b'/').next().unwrap_or(path))
        .find(|name| name.len() > comm.len() && name.starts_with(comm));
    readable(completed.map_or(comm, |name| &name[..end_within(name, NAME_MAX)]))
}

/// Where the first `max` bytes end, without a part of a character.
fn end_within(bytes: &[u8], max: usize) -> usize {
    if bytes.len() <= max {
        return bytes.len();
    }
    let is_start = |at: &usize| bytes[*at] & 0xc0 != 0x80;
    (max.saturating_sub(3)..=max).rev().find(is_start).unwrap_or(max)
}

/// The argument vector, of which at most `max` bytes of text are kept, the NUL at the end among them. `cmdline` is the raw
/// content of `/proc/PID/cmdline`, `truncated` whether there was more of it.
#[must_use]
pub fn argv(cmdline: &[u8], truncated: bool, max: usize) -> Argv {
    let body = cmdline.strip_suffix(b"\0").unwrap_or(cmdline);
    let (mut text, is_all) = readable_within(body, max.saturating_sub(1));
    // A process may have written over its arguments, and over the last NUL.
    if is_all && !cmdline.is_empty() || !is_all && !text.is_empty() && !text.ends_with('\0') {
        text.push('\0');
    }
    Argv { text: text.into(), truncated: truncated || !is_all }
}

/// The bytes as text; what is not UTF-8 is written `\xNN`.
#[must_use]
pub fn readable(bytes: &[u8]) -> Box<str> {
    match str::from_utf8(bytes) {
        Ok(text) => text.into(),
        Err(_) => readable_within(bytes, usize::MAX).0.into(),
    }
}

/// As [`readable`], but at most `max` bytes of text, which end with a whole character or a whole `\xNN`; and whether that
/// is all. The text has room for one byte more.
fn readable_within(bytes: &[u8], max: usize) -> (String, bool) {
    if let Ok(valid) = str::from_utf8(bytes) {
        let whole = start_within(valid, max);
        let mut text = String::with_capacity(whole.len() + 1);
        text.push_str(whole);
        return (text, whole.len() == bytes.len());
    }
    let mut text = String::with_capacity(bytes.len().saturating_add(16).min(max) + 1);
    for chunk in bytes.utf8_chunks() {
        let valid = chunk.valid();
        let whole = start_within(valid, max - text.len());
        text.push_str(whole);
        if whole.len() < valid.len() {
            return (text, false);
        }
        for &byte in chunk.invalid() {
            if max - text.len() < ESCAPE_LEN {
                return (text, false);
            }
            let digit = |half: u8| char::from(b"0123456789abcdef"[usize::from(half)]);
            text.extend(['\\', 'x', digit(byte >> 4), digit(byte & 15)]);
        }
    }
    (text, true)
}

/// At most the first `max` bytes, without a part of a character.
fn start_within(text: &str, max: usize) -> &str {
    text.get(..end_within(text.as_bytes(), max)).unwrap_or_default()
}

/// The length of `\xNN`.
const ESCAPE_LEN: usize = 4;

/// A decimal number; one that is too large is as wrong as a letter. A sign is allowed and dropped: no field that is
/// read here is negative on a sane kernel.
pub(super) fn number(digits: &[u8]) -> Option<u64> {
    let digits = digits.strip_prefix(b"-").unwrap_or(digits);
    if digits.is_empty() {
        return None;
    }
    digits.iter().try_fold(0u64, |value, &digit| {
        let digit = digit.is_ascii_digit().then(|| u64::from(digit - b'0'))?;
        value.checked_mul(10)?.checked_add(digit)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const TAIL: &str =
        "1 1 1 34816 1 4194368 2 0 0 0 3 4 0 0 20 0 7 0 13371337 18 19 20 94000000 94001000 140699488";

    #[test]
    fn a_stat_is_read_whatever_the_comm_holds() {
        for comm in ["sh", "", ") R 7 (", "a b", "((", "x\ny"] {
            let text = format!("42 ({comm}) S {TAIL} 0 0\n");
            let stat = stat(text.as_bytes()).unwrap();
            assert_eq!(stat.comm, comm.as_bytes());
            assert_eq!((stat.state, stat.ppid, stat.threads, stat.start_time), (b'S', 1, 7, 13_371_337));
            assert_eq!(stat.program, 0x59a_5380 ^ 0x862_e760_u64.rotate_left(20));
            assert!(stat.never_execed() && !stat.is_kernel_thread());
        }
    }

    #[test]
    fn a_zombie_with_threads_is_running() {
        let read = |state: &str, threads: &str| {
            let text = format!("42 (sh) {state} 1 1 1 0 -1 0 0 0 0 0 0 0 0 0 20 0 {threads} 0 9\n");
            stat(text.as_bytes()).unwrap().has_ended()
        };
        assert!(read("Z", "1") && read("X", "0"));
        assert!(!read("Z", "2") && !read("S", "1"));
    }

    #[test]
    fn a_cut_stat_is_none() {
        for text in ["", "42", "42 (sh", "42 (sh)", "42 (sh) S", "42 (sh) S x", ")(", "42 (sh) S 1 1 1 0 0 0"]
        {
            assert_eq!(stat(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn the_offset_of_a_time_namespace_may_be_negative() {
        let offset = |text: &str| monotonic_offset_ns(text.as_bytes());
        assert_eq!(offset("monotonic           0         0\nboottime            7         0\n"), Some(0));
        assert_eq!(offset("monotonic       -86400 500000000\n"), Some(-86_399_500_000_000));
        assert_eq!(offset("boottime            7         0\n"), None);
        assert_eq!(offset("monotonic 9223372036854775807 0"), None);
    }

    #[test]
    fn ids_are_the_real_ones() {
        assert_eq!(real_ids(b"Name:\tx\nUid:\t1000\t0\t0\t0\nGid:\t100\t5\t5\t5\n"), Some((1000, 100)));
        assert_eq!(real_ids(b"Name:\tx\n"), None);
    }

    #[test]
    fn the_cgroup_that_tells_most_is_chosen() {
        let pick =
            |text: &'static str| cgroup_path(text.as_bytes()).map(|path| str::from_utf8(path).unwrap());
        assert_eq!(pick("0::/user.slice/a:b\n"), Some("/user.slice/a:b"));
        assert_eq!(pick("12:pids:/docker/x\n3:memory:/docker/y\n0::/\n"), Some("/docker/y"));
        assert_eq!(pick("12:pids:/\n0::/\n"), Some("/"));
        assert_eq!(pick("12:pids:/p\n0::/system.slice\n"), Some("/system.slice"));
        assert_eq!(pick("nonsense\n"), None);
    }

    #[test]
    fn a_name_may_be_cut_where_it_is_as_long_as_can_be() {
        let may_be_cut = |comm: &str, flags: u32| {
            let text = format!("1 ({comm}) S {}", (0..49).map(|_| "0 ").collect::<String>());
            let text = text.replacen("S 0 0 0 0 0 0", &format!("S 0 0 0 0 0 {flags}"), 1);
            stat(text.as_bytes()).map(|stat| stat.may_be_cut())
        };
        assert_eq!(may_be_cut("a-name-too-long", 0), Some(true));
        assert_eq!(may_be_cut("a-name-too-lon", 0), Some(false));
        assert_eq!(may_be_cut("a-name-too-long", PF_KTHREAD), Some(false));
    }

    #[test]
    fn a_cut_name_is_completed_from_what_agrees_with_it() {
        let name =
            |cmdline: &str, exe: &str| full_name(b"a-name-too-long", cmdline.as_bytes(), exe.as_bytes());
        assert_eq!(&*name("/bin/a-name-too-long-for-comm\0x\0", ""), "a-name-too-long-for-comm");
        assert_eq!(&*name("/bin/sh\0./a-name-too-long.sh\0", "/bin/sh"), "a-name-too-long.sh");
        assert_eq!(&*name("other\0", "/opt/a-name-too-long-exe"), "a-name-too-long-exe");
        assert_eq!(&*name("other\0", "/bin/other"), "a-name-too-long");
    }

    #[test]
    fn a_completed_name_ends_at_the_length_of_a_file_name() {
        let name = |path: &[u8]| full_name(b"a-name-too-long", path, b"");
        let long = [&b"/bin/a-name-too-long"[..], &[b'x'; 500]].concat();
        assert_eq!(name(&long).len(), 255);
        let split = [&b"a-name-too-long"[..], &[b'x'; 239], "é".as_bytes()].concat();
        assert_eq!(name(&split).len(), 254, "a character is not split");
        let invalid = [&b"a-name-too-long"[..], &[0xff; 500]].concat();
        assert_eq!(name(&invalid).len(), 15 + 240 * ESCAPE_LEN, "an escape stands for one byte");
    }

    #[test]
    fn arguments_are_cut_by_the_length_of_their_text() {
        let cut = |cmdline: &[u8], max| {
            let Argv { text, truncated } = argv(cmdline, false, max);
            assert!(text.len() <= max, "{text:?} is longer than {max}");
            (String::from(text), truncated)
        };
        let whole = |text: &str| (text.to_owned(), false);
        let beginning = |text: &str| (text.to_owned(), true);
        assert_eq!(cut(b"ab\0cd\0", 6), whole("ab\0cd\0"));
        assert_eq!(cut(b"ab\0cd", 6), whole("ab\0cd\0"));
        assert_eq!(cut(b"ab\0cd\0", 5), beginning("ab\0c\0"));
        assert_eq!(cut(b"ab\0cd\0", 4), beginning("ab\0"));
        assert_eq!(cut(b"ab\0\0\0", 4), beginning("ab\0"));
        assert_eq!(cut("aé\0".as_bytes(), 3), beginning("a\0"));
        assert_eq!(cut(b"a\xff\xff\0", 9), beginning("a\\xff\0"));
        assert_eq!(cut(&[0xff; 1000], 10), beginning("\\xff\\xff\0"));
        assert_eq!(cut(b"\0", 1), whole("\0"));
        assert_eq!(cut(b"", 1), whole(""));
    }

    #[test]
    fn a_process_in_the_middle_of_an_exec_has_memory_and_no_code() {
        let is_mid_exec = |memory: &str, start_code: &str| {
            let text =
                format!("42 (sh) S 1 1 1 0 0 0 0 0 0 0 3 4 0 0 20 0 7 0 9 {memory} 19 20 {start_code} 7 0\n");
            stat(text.as_bytes()).unwrap().is_mid_exec
        };
        assert!(is_mid_exec("18", "0"));
        assert!(!is_mid_exec("18", "94000000"));
        assert!(!is_mid_exec("18", "1"), "this may not be seen");
        assert!(!is_mid_exec("0", "0"), "it has ended");
    }

    #[test]
    fn bytes_that_are_not_utf8_stay_readable() {
        assert_eq!(&*readable("é \\".as_bytes()), "é \\");
        assert_eq!(&*readable(b"a\xffb\xc3"), "a\\xffb\\xc3");
    }
}
