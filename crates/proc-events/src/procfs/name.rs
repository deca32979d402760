//! The name of a program, from the comm, the arguments and the executable of its process. Pure functions of bytes, which
//! do not panic on any input.
//!
//! At an exec the kernel sets the comm to the base name of the file that was executed, cut at 15 bytes. For a script
//! that is the script, not its interpreter. A process may change its comm and overwrite its arguments later.

use super::parse::{COMM_MAX, prefix_len, readable};

/// `NAME_MAX`, `linux/limits.h`: maximum length of a file name, and so of a completed name, in bytes.
const NAME_MAX: usize = 255;

/// Number of arguments among which the path of a script is looked for. Each script adds its interpreter, and at most one
/// argument. An interpreter may be a script itself, up to a depth of five (`exec_binprm` in `fs/exec.c`).
const SCRIPT_ARGUMENTS: usize = 12;

/// The suffix of a link to a file that was deleted, `d_path(2)`.
const DELETED: &[u8] = b" (deleted)";

/// Returns the name of a program that has not changed its comm. `cmdline` is the content of `/proc/PID/cmdline`, and
/// `exe` the target of `/proc/PID/exe`; both may be empty.
///
/// A comm that the kernel may have cut is completed from an argument or the executable. The name has at most 255 bytes,
/// the maximum of a file name, and is not cut within a character. An invalid byte counts as one byte, although its text
/// `\xNN` has four.
#[must_use]
pub fn at_exec(comm: &[u8], cmdline: &[u8], exe: &[u8]) -> Box<str> {
    if comm.len() < COMM_MAX {
        return readable(comm);
    }
    let completed = candidates(cmdline, exe).find(|name| name.len() > comm.len() && name.starts_with(comm));
    as_name(completed.unwrap_or(comm))
}

/// Returns the name of a program that may have changed its comm soon after the exec. If the argument behind the interpreter agrees
/// with the comm, it is the name of a script, which may be executed without a path.
#[must_use]
pub fn after_exec(comm: &[u8], cmdline: &[u8], exe: &[u8]) -> Box<str> {
    let script = cmdline.split(|&byte| byte == 0).nth(1);
    if script.is_some_and(|script| agrees(comm, base_name(script))) {
        return at_exec(comm, cmdline, exe);
    }
    since_exec(comm, cmdline, exe)
}

/// Returns the name of a program that may have changed its comm since the exec. If it has, the name is the base name of
/// the executable, or else of the first argument.
#[must_use]
pub fn since_exec(comm: &[u8], cmdline: &[u8], exe: &[u8]) -> Box<str> {
    if is_of_program(comm, cmdline, exe) {
        return at_exec(comm, cmdline, exe);
    }
    let names = [executable_name(exe), base_name(first_argument(cmdline))];
    as_name(names.into_iter().find(|name| !name.is_empty()).unwrap_or(comm))
}

/// Returns true if the comm may be the one that the kernel set at the exec.
fn is_of_program(comm: &[u8], cmdline: &[u8], exe: &[u8]) -> bool {
    if is_of_executable(comm, exe) {
        return true;
    }
    let first = first_argument(cmdline);
    // A program that writes a title over its arguments gives itself the same name. Wine writes the path of the program.
    if padding(cmdline).is_some() && !exe.is_empty() && !is_windows_path(first) {
        return false;
    }
    let name = base_name(first);
    // A login shell has the name `-sh`.
    let shell = name.strip_prefix(b"-").unwrap_or(name);
    // Without the executable, a title shows the name that it begins with: `sshd: user`.
    let end = shell.iter().position(|byte| matches!(byte, b':' | b' '));
    let title = shell.get(..end.filter(|_| exe.is_empty()).unwrap_or(shell.len()));
    // A script is executed by its path. Another argument may have the new name by chance.
    let scripts = cmdline.split(|&byte| byte == 0).take(SCRIPT_ARGUMENTS).skip(1);
    let scripts = scripts.filter(|argument| argument.contains(&b'/')).map(base_name);
    [name, shell].into_iter().chain(title).chain(scripts).any(|name| agrees(comm, name))
}

/// Returns true if the comm is the one that an exec of this executable sets, unless it was called by a link.
pub(super) fn is_of_executable(comm: &[u8], exe: &[u8]) -> bool {
    agrees(comm, executable_name(exe))
}

/// Returns true if the comm is this name, or the beginning of it that the kernel keeps.
fn agrees(comm: &[u8], name: &[u8]) -> bool {
    if comm.len() < COMM_MAX { name == comm } else { name.starts_with(comm) }
}

/// Returns true if the arguments look like a title: a program has overwritten them with one text, and padded the rest
/// with NUL. Fewer than three empty arguments behind the program's own name are arguments.
#[must_use]
pub fn is_title(comm: &[u8], cmdline: &[u8], exe: &[u8]) -> bool {
    let name = base_name(first_argument(cmdline));
    let is_own_name = name == executable_name(exe) || name == comm;
    padding(cmdline).is_some_and(|length| !is_own_name || length > 3)
}

/// Returns the number of NUL bytes behind the first argument, if nothing else follows it and it is not the only one.
fn padding(cmdline: &[u8]) -> Option<usize> {
    let rest = cmdline.get(first_argument(cmdline).len()..).unwrap_or_default();
    (rest.len() > 1 && rest.iter().all(|&byte| byte == 0)).then_some(rest.len())
}

/// Returns the names that may belong to a comm.
fn candidates<'a>(cmdline: &'a [u8], exe: &'a [u8]) -> impl Iterator<Item = &'a [u8]> {
    let mut arguments = cmdline.split(|&byte| byte == 0).take(SCRIPT_ARGUMENTS).map(base_name);
    let first = arguments.next();
    first.into_iter().chain([executable_name(exe)]).chain(arguments)
}

fn first_argument(cmdline: &[u8]) -> &[u8] {
    cmdline.split(|&byte| byte == 0).next().unwrap_or_default()
}

/// Returns the base name of the executable, without the suffix of a deleted file.
fn executable_name(exe: &[u8]) -> &[u8] {
    let name = base_name(exe);
    name.strip_suffix(DELETED).unwrap_or(name)
}

/// Returns the part of a path behind its last separator. In a path of Windows, which Wine shows, `\` separates as well.
fn base_name(path: &[u8]) -> &[u8] {
    let name = after_last(path, b'/');
    if name.contains(&b'\\') && is_windows_path(path) { after_last(name, b'\\') } else { name }
}

fn after_last(text: &[u8], separator: u8) -> &[u8] {
    let at = text.iter().rposition(|&byte| byte == separator);
    at.and_then(|at| text.get(at + 1..)).unwrap_or(text)
}

/// Returns true for a path with a drive (`Z:\`), of another computer (`\\`), or without `/` to an `.exe`.
fn is_windows_path(path: &[u8]) -> bool {
    match path {
        [drive, b':', b'\\' | b'/', ..] => drive.is_ascii_alphabetic(),
        [b'\\', b'\\', ..] => true,
        _ => {
            let ending = path.len().checked_sub(4).and_then(|at| path.get(at..));
            ending.is_some_and(|ending| ending.eq_ignore_ascii_case(b".exe")) && !path.contains(&b'/')
        }
    }
}

fn as_name(name: &[u8]) -> Box<str> {
    readable(name.get(..prefix_len(name, NAME_MAX)).unwrap_or(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    const CUT: &str = "a-name-too-long";

    fn completed(cmdline: &str, exe: &str) -> String {
        at_exec(CUT.as_bytes(), cmdline.as_bytes(), exe.as_bytes()).into()
    }

    #[test]
    fn cut_comm_is_completed_from_a_path_that_starts_with_it() {
        for (cmdline, exe, name) in [
            ("/bin/a-name-too-long-for-comm\0x\0", "", "a-name-too-long-for-comm"),
            ("/bin/sh\0./a-name-too-long.sh\0", "/bin/sh", "a-name-too-long.sh"),
            ("/usr/bin/env\0bash\0./a-name-too-long.sh\0", "/usr/bin/env", "a-name-too-long.sh"),
            (
                "/usr/bin/env\0-S bash -e -u\0/x/a-name-too-long.sh\0-v\0",
                "/usr/bin/env",
                "a-name-too-long.sh",
            ),
            ("/bin/bash\0-e\0./a-name-too-long.sh\0", "/bin/bash", "a-name-too-long.sh"),
            ("other\0", "/opt/a-name-too-long-exe", "a-name-too-long-exe"),
            ("other\0", "/opt/a-name-too-long-exe (deleted)", "a-name-too-long-exe"),
            ("other\0", "/opt/a-name-too-long (deleted)", "a-name-too-long"),
            ("other\0", "/bin/other", "a-name-too-long"),
            ("Z:\\g\\a-name-too-longName.exe\0", "/opt/wine", "a-name-too-longName.exe"),
            ("z:/g\\a-name-too-longName.exe\0", "/opt/wine", "a-name-too-longName.exe"),
            ("\\\\host\\g\\a-name-too-longName.exe\0", "/opt/wine", "a-name-too-longName.exe"),
            ("g\\a-name-too-longName.EXE\0", "/opt/wine", "a-name-too-longName.EXE"),
            ("/opt/b\\a-name-too-long-unix\0", "", "a-name-too-long"),
        ] {
            assert_eq!(completed(cmdline, exe), name, "{cmdline:?} {exe}");
        }
    }

    #[test]
    fn completed_name_is_at_most_as_long_as_a_file_name() {
        let name = |path: &[u8]| at_exec(CUT.as_bytes(), path, b"");
        let long = [&b"/bin/a-name-too-long"[..], &[b'x'; 500]].concat();
        assert_eq!(name(&long).len(), 255);
        let split = [&b"a-name-too-long"[..], &[b'x'; 239], "é".as_bytes()].concat();
        assert_eq!(name(&split).len(), 254, "a character is not split");
        let invalid = [&b"a-name-too-long"[..], &[0xff; 500]].concat();
        assert_eq!(name(&invalid).len(), 15 + 240 * 4, "an escape stands for one byte");
    }

    #[test]
    fn name_of_a_running_program_is_that_of_its_exec() {
        for (comm, cmdline, exe, name) in [
            // Not renamed.
            ("sh", "sh\0", "/bin/dash", "sh"),
            ("ls", "ls\0-l\0", "/bin/busybox", "ls"),
            ("bash", "-bash\0", "", "bash"),
            ("nginx", "nginx: worker process\0\0\0", "", "nginx"),
            ("sshd", "sshd: root@pts/0\0", "/usr/sbin/sshd", "sshd"),
            ("script.py", "python3\0./script.py\0", "/usr/bin/python3", "script.py"),
            ("a-name-too-long", "x\0", "/opt/a-name-too-long-exe", "a-name-too-long-exe"),
            ("gone", "other\0", "/opt/gone (deleted)", "gone"),
            // Renamed.
            ("MainThread", "node\0app.js\0", "/usr/bin/node", "node"),
            ("Web Content", "firefox-bin\0-contentproc\0", "/opt/firefox-bin", "firefox-bin"),
            ("x", "y\0", "/memfd:prog (deleted)", "memfd:prog"),
            ("x", "y\0", "/opt/prog (deleted)", "prog"),
            ("worker", "/opt/app/server\0--port\0", "", "server"),
            ("worker", "./server\0worker\0", "/opt/server", "server"),
            ("game.exe", "Z:\\g\\game.exe\0\0\0", "/opt/wine64-preloader", "game.exe"),
            ("my-title", "my-title\0\0\0\0", "/usr/bin/node", "node"),
            ("newname", "newname: title\0\0\0\0", "/opt/oldname", "oldname"),
            ("newname", "newname: title", "/opt/oldname", "oldname"),
            ("LateRenamerLong", "Z:\\g\\other.exe\0", "/opt/wine64-preloader", "wine64-preloader"),
            ("LateRenamerLong", "Z:\\g\\LateRenamerLongName.exe\0", "/opt/wine", "LateRenamerLongName.exe"),
            ("x", "", "", "x"),
        ] {
            let found = since_exec(comm.as_bytes(), cmdline.as_bytes(), exe.as_bytes());
            assert_eq!(&*found, name, "{comm} {cmdline:?} {exe}");
        }
    }

    #[test]
    fn script_without_a_path_keeps_its_name_soon_after_its_exec() {
        let name = |cmdline: &[u8]| after_exec(b"myscr", cmdline, b"/bin/sh");
        assert_eq!(["myscr", "sh"], [&*name(b"/bin/sh\0myscr\0"), &*name(b"/bin/sh\0other\0")]);
        assert_eq!(&*since_exec(b"myscr", b"/bin/sh\0myscr\0", b"/bin/sh"), "sh");
    }

    #[test]
    fn title_is_one_text_with_padding() {
        for (is_padded, cmdline, exe) in [
            (true, "my title\0\0\0\0\0\0\0", "/bin/node"),
            (true, "my title\0\0", "/bin/node"),
            (true, "node\0\0\0\0", "/bin/node"),
            (false, "node\0", "/bin/node"),
            (false, "node\0\0\0", "/bin/node"),
            (false, "node\0a\0\0\0\0\0", "/bin/node"),
            (false, "my title", "/bin/node"),
            (false, "", ""),
        ] {
            assert_eq!(is_title(b"node", cmdline.as_bytes(), exe.as_bytes()), is_padded, "{cmdline:?}");
        }
    }
}
