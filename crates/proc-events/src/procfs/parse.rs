//! Parses the files of `/proc/PID`. Pure functions of bytes, which do not panic on any input.

use crate::model::event::Argv;

/// `PF_EXITING`, `linux/sched.h`: the main thread exits.
const PF_EXITING: u32 = 0x4;
/// `PF_FORKNOEXEC`, `linux/sched.h`: the process has not called exec since it was forked.
const PF_FORKNOEXEC: u32 = 0x40;
/// `PF_KTHREAD`, `linux/sched.h`: a kernel thread.
const PF_KTHREAD: u32 = 0x0020_0000;
/// `TASK_COMM_LEN` without its NUL, in bytes. A comm of this length may have been cut.
pub(super) const COMM_MAX: usize = 15;

/// The parts of `/proc/PID/stat` that this project uses, see `proc_pid_stat(5)`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stat<'a> {
    /// The command name, at most 15 bytes (more for kernel threads).
    pub comm: &'a [u8],
    /// The state letter.
    pub state: u8,
    /// The parent's pid.
    pub ppid: u32,
    /// The session id: the pid of the process that created the session.
    pub session: u32,
    flags: u32,
    threads: u32,
    /// Time at which the process was created, in clock ticks since boot.
    pub start_time: u64,
    /// Identifies the program: a hash of the start addresses of its code and stack, which the kernel randomizes at each
    /// exec. 0 if this user may not see them, or an exec is setting them.
    pub program: u64,
    /// True while an exec replaces the program: the new memory exists, but its start of code is not set yet. False if
    /// this user may not see it.
    pub is_mid_exec: bool,
    /// The wait status of a zombie. `None` if the status is 0, or if this user may not see it.
    pub exit_status: Option<u32>,
}

impl Stat<'_> {
    /// Returns true if the kernel may have cut the comm.
    #[must_use]
    pub const fn may_be_cut(&self) -> bool {
        self.comm.len() == COMM_MAX && !self.is_kernel_thread()
    }
    /// Returns the first 16 bytes of the comm, padded with NUL.
    #[must_use]
    pub(super) fn padded_comm(&self) -> [u8; 16] {
        let mut padded = [0; 16];
        padded.iter_mut().zip(self.comm).for_each(|(target, &byte)| *target = byte);
        padded
    }
    /// Returns true if the process is a zombie. A process whose leader has exited still runs if other threads remain.
    #[must_use]
    pub const fn has_exited(&self) -> bool {
        self.leader_has_exited() && self.threads <= 1
    }
    /// Returns true if the thread group leader has exited, even if other threads run.
    #[must_use]
    pub const fn leader_has_exited(&self) -> bool {
        matches!(self.state, b'Z' | b'X' | b'x')
    }
    /// Returns true if the main thread exits or has exited.
    #[must_use]
    pub const fn is_exiting(&self) -> bool {
        self.flags & PF_EXITING != 0 || self.leader_has_exited()
    }
    /// Returns true if the process has not called exec since it was forked.
    #[must_use]
    pub const fn never_execed(&self) -> bool {
        self.flags & PF_FORKNOEXEC != 0
    }
    /// Returns true for a kernel thread, which has neither a program nor arguments.
    #[must_use]
    pub const fn is_kernel_thread(&self) -> bool {
        self.flags & PF_KTHREAD != 0
    }
}

/// Parses `/proc/PID/comm`. Returns `None` if its end is missing.
#[must_use]
pub fn comm(text: &[u8]) -> Option<&[u8]> {
    text.strip_suffix(b"\n")
}

/// Parses `/proc/PID/stat`. Returns `None` if a required field is missing or malformed.
#[must_use]
pub fn stat(text: &[u8]) -> Option<Stat<'_>> {
    // The comm may contain parentheses and spaces, so that it ends at the last parenthesis.
    let open = text.iter().position(|&b| b == b'(')?;
    let close = text.iter().rposition(|&b| b == b')')?;
    let comm = text.get(open + 1..close)?;
    let mut fields =
        text.get(close + 1..)?.split(|&b| b == b' ' || b == b'\n').filter(|field| !field.is_empty());
    // The iterator starts at field 3 (state). Each nth() skips from the present position.
    let state = *fields.next()?.first()?;
    let ppid = number(fields.next()?)?;
    let session = fields.nth(1).and_then(number).unwrap_or(0);
    let flags = number(fields.nth(2)?)?;
    let threads = number(fields.nth(10)?)?;
    let start_time = number(fields.nth(1)?)?;
    let memory = fields.next().and_then(number).unwrap_or(0);
    // Without permission the kernel shows 1.
    let start_code = fields.nth(2).and_then(number);
    let is_mid_exec = memory > 0 && start_code == Some(0);
    let start_code = start_code.unwrap_or(0);
    let start_stack = fields.nth(1).and_then(number).unwrap_or(0);
    // Without permission the kernel shows 0.
    let exit_status = fields.nth(23).and_then(number).filter(|&status| status != 0);
    Some(Stat {
        comm,
        state,
        ppid: ppid as u32,
        session: session as u32,
        flags: flags as u32,
        threads: threads as u32,
        start_time,
        program: if start_stack == 0 || is_mid_exec { 0 } else { start_code ^ start_stack.rotate_left(20) },
        is_mid_exec,
        exit_status: exit_status.map(|status| status as u32),
    })
}

/// Parses the offset of the monotonic clock in `/proc/PID/timens_offsets`, in nanoseconds.
#[must_use]
pub fn monotonic_offset_ns(offsets: &[u8]) -> Option<i64> {
    let line = offsets.split(|&b| b == b'\n').find_map(|line| line.strip_prefix(b"monotonic"))?;
    let mut words = line.split(|&b| b == b' ' || b == b'\t').filter(|word| !word.is_empty());
    let seconds: i64 = str::from_utf8(words.next()?).ok()?.parse().ok()?;
    let nanoseconds: i64 = str::from_utf8(words.next()?).ok()?.parse().ok()?;
    seconds.checked_mul(1_000_000_000)?.checked_add(nanoseconds)
}

/// Parses the real user id and the real group id in `/proc/PID/status`.
#[must_use]
pub fn real_ids(status: &[u8]) -> Option<(u32, u32)> {
    let id = |key: &[u8]| {
        let line = status.split(|&b| b == b'\n').find_map(|line| line.strip_prefix(key))?;
        number(line.split(|&b| b == b'\t').find(|field| !field.is_empty())?)
    };
    Some((id(b"Uid:")? as u32, id(b"Gid:")? as u32))
}

/// Returns the most specific path in `/proc/PID/cgroup`.
///
/// The path of cgroup v2 comes first. If it is the root, the v1 hierarchies follow: memory, then pids or systemd, then
/// any.
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

/// Returns a comm that is padded with NUL as text.
#[must_use]
pub(crate) fn comm_text(padded: &[u8; 16]) -> Box<str> {
    readable(padded.split(|&byte| byte == 0).next().unwrap_or_default())
}

/// Parses `/proc/PID/loginuid`. Returns `None` if no user logged in, which the kernel shows as -1 without a sign.
#[must_use]
pub fn login_uid(text: &[u8]) -> Option<u32> {
    let digits = text.split(|&byte| byte == b'\n').next()?;
    number(digits).and_then(|uid| u32::try_from(uid).ok()).filter(|&uid| uid != u32::MAX)
}

/// Returns the length of the longest prefix of at most `max` bytes that does not end within a character.
pub(super) fn prefix_len(bytes: &[u8], max: usize) -> usize {
    if bytes.len() <= max {
        return bytes.len();
    }
    let is_start = |at: &usize| bytes[*at] & 0xc0 != 0x80;
    (max.saturating_sub(3)..=max).rev().find(is_start).unwrap_or(max)
}

/// Returns the argument vector, of which at most `max` bytes of text are kept, including the final NUL. `cmdline` is
/// the content of `/proc/PID/cmdline`. `truncated` is true if the file is longer than `cmdline`.
#[must_use]
pub fn argv(cmdline: &[u8], truncated: bool, max: usize) -> Argv {
    let body = cmdline.strip_suffix(b"\0").unwrap_or(cmdline);
    let (mut text, is_complete) = readable_prefix(body, max.saturating_sub(1));
    // A process may have overwritten its arguments, including the final NUL.
    if is_complete && !cmdline.is_empty() || !is_complete && !text.is_empty() && !text.ends_with('\0') {
        text.push('\0');
    }
    Argv { text: text.into(), truncated: truncated || !is_complete }
}

/// Converts bytes to text. Bytes that are not UTF-8 become `\xNN`.
#[must_use]
pub fn readable(bytes: &[u8]) -> Box<str> {
    match str::from_utf8(bytes) {
        Ok(text) => text.into(),
        Err(_) => readable_prefix(bytes, usize::MAX).0.into(),
    }
}

/// Converts bytes to text of at most `max` bytes, which ends with a whole character or a whole `\xNN`. Returns true
/// with it if the text is complete. The text has capacity for one more byte.
fn readable_prefix(bytes: &[u8], max: usize) -> (String, bool) {
    if let Ok(valid) = str::from_utf8(bytes) {
        let whole = prefix(valid, max);
        let mut text = String::with_capacity(whole.len() + 1);
        text.push_str(whole);
        return (text, whole.len() == bytes.len());
    }
    let mut text = String::with_capacity(bytes.len().saturating_add(16).min(max) + 1);
    for chunk in bytes.utf8_chunks() {
        let valid = chunk.valid();
        let whole = prefix(valid, max - text.len());
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

/// Returns the longest prefix of at most `max` bytes.
fn prefix(text: &str, max: usize) -> &str {
    text.get(..prefix_len(text.as_bytes(), max)).unwrap_or_default()
}

/// Length of `\xNN`, in bytes.
const ESCAPE_LEN: usize = 4;

/// Parses a decimal number. Returns `None` for anything else, and for a number above `u64::MAX`. Ignores a minus sign,
/// because no field that is parsed here is negative.
pub(crate) fn number(digits: &[u8]) -> Option<u64> {
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
    fn stat_parses_any_comm() {
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
    fn a_zombie_leader_with_other_threads_has_not_exited() {
        let read = |state: &str, threads: &str| {
            let text = format!("42 (sh) {state} 1 1 1 0 -1 0 0 0 0 0 0 0 0 0 20 0 {threads} 0 9\n");
            stat(text.as_bytes()).unwrap().has_exited()
        };
        assert!(read("Z", "1") && read("X", "0"));
        assert!(!read("Z", "2") && !read("S", "1"));
    }

    #[test]
    fn stat_rejects_cut_text() {
        for text in ["", "42", "42 (sh", "42 (sh)", "42 (sh) S", "42 (sh) S x", ")(", "42 (sh) S 1 1 1 0 0 0"]
        {
            assert_eq!(stat(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn monotonic_offset_may_be_negative() {
        let offset = |text: &str| monotonic_offset_ns(text.as_bytes());
        assert_eq!(offset("monotonic           0         0\nboottime            7         0\n"), Some(0));
        assert_eq!(offset("monotonic       -86400 500000000\n"), Some(-86_399_500_000_000));
        assert_eq!(offset("boottime            7         0\n"), None);
        assert_eq!(offset("monotonic 9223372036854775807 0"), None);
    }

    #[test]
    fn real_ids_are_the_first_of_each_line() {
        assert_eq!(real_ids(b"Name:\tx\nUid:\t1000\t0\t0\t0\nGid:\t100\t5\t5\t5\n"), Some((1000, 100)));
        assert_eq!(real_ids(b"Name:\tx\n"), None);
    }

    #[test]
    fn cgroup_path_prefers_the_most_specific() {
        let pick =
            |text: &'static str| cgroup_path(text.as_bytes()).map(|path| str::from_utf8(path).unwrap());
        assert_eq!(pick("0::/user.slice/a:b\n"), Some("/user.slice/a:b"));
        assert_eq!(pick("12:pids:/docker/x\n3:memory:/docker/y\n0::/\n"), Some("/docker/y"));
        assert_eq!(pick("12:pids:/\n0::/\n"), Some("/"));
        assert_eq!(pick("12:pids:/p\n0::/system.slice\n"), Some("/system.slice"));
        assert_eq!(pick("nonsense\n"), None);
    }

    #[test]
    fn a_comm_of_fifteen_bytes_may_be_cut() {
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
    fn argv_is_cut_by_the_length_of_its_text() {
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
    fn is_mid_exec_if_there_is_memory_but_no_start_of_code() {
        let is_mid_exec = |memory: &str, start_code: &str| {
            let text =
                format!("42 (sh) S 1 1 1 0 0 0 0 0 0 0 3 4 0 0 20 0 7 0 9 {memory} 19 20 {start_code} 7 0\n");
            stat(text.as_bytes()).unwrap().is_mid_exec
        };
        assert!(is_mid_exec("18", "0"));
        assert!(!is_mid_exec("18", "94000000"));
        assert!(!is_mid_exec("18", "1"), "no permission");
        assert!(!is_mid_exec("0", "0"), "a zombie");
    }

    #[test]
    fn readable_escapes_bytes_that_are_not_utf8() {
        assert_eq!(&*readable("é \\".as_bytes()), "é \\");
        assert_eq!(&*readable(b"a\xffb\xc3"), "a\\xffb\\xc3");
    }
}
