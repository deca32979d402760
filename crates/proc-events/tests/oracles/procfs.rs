//! Checks that any bytes are parsed as `proc(5)` describes the files of `/proc/PID`.

use proc_events::procfs::{name, parse};

/// Checks these bytes as the content of each file.
pub(crate) fn check(bytes: &[u8]) {
    check_stat(bytes);
    check_cgroup(bytes);
    check_texts(bytes);
    // Text that the kernel does not write may give any result, but no panic.
    let _ = parse::real_ids(bytes);
    let first = bytes.first().map_or(0, |first| usize::from(*first));
    let (comm, rest) = bytes.split_at(first.min(bytes.len()) / 16);
    let (cmdline, exe) = rest.split_at(rest.len() / 2);
    check_name(comm, cmdline, exe);
}

/// Parses the decimal number that the kernel writes in a field, without its sign.
fn number(field: &[u8]) -> Option<u64> {
    let text = str::from_utf8(field).ok().filter(|text| !text.starts_with('+'))?;
    text.parse::<i128>().ok()?.unsigned_abs().try_into().ok()
}

/// Checks `/proc/PID/stat`. The comm goes from the first parenthesis to the last, and fields are counted from there.
pub(crate) fn check_stat(text: &[u8]) {
    let open = text.iter().position(|&byte| byte == b'(');
    let close = text.iter().rposition(|&byte| byte == b')');
    let (Some(open), Some(close)) = (open, close) else { return assert_eq!(parse::stat(text), None) };
    let fields: Vec<_> =
        text[close + 1..].split(|byte| b" \n".contains(byte)).filter(|field| !field.is_empty()).collect();
    // Numbered as in proc_pid_stat(5), where the state is the third.
    let field = |at: usize| fields.get(at - 3).and_then(|field| number(field));
    let needed = (fields.first(), field(4), field(9), field(20), field(22));
    let (Some(state), Some(ppid), Some(flags), Some(threads), Some(start_time)) = needed else {
        return assert_eq!(parse::stat(text), None);
    };
    if open > close {
        return assert_eq!(parse::stat(text), None);
    }
    let stat = parse::stat(text).unwrap();
    assert_eq!(stat.comm, &text[open + 1..close]);
    assert_eq!((stat.state, stat.ppid, stat.start_time), (state[0], ppid as u32, start_time));
    let leader_has_ended = matches!(state[0], b'Z' | b'X' | b'x');
    assert_eq!(stat.leader_has_exited(), leader_has_ended);
    assert_eq!(stat.has_exited(), leader_has_ended && threads as u32 <= 1);
    assert_eq!((stat.never_execed(), stat.is_kernel_thread()), (flags & 0x40 != 0, flags & 0x20_0000 != 0));
    assert_eq!(stat.exit_status, field(52).filter(|&status| status != 0).map(|status| status as u32));
    if field(28).unwrap_or(0) == 0 {
        assert_eq!(stat.program, 0, "made of fields that are hidden");
    }
}

/// Checks `/proc/PID/cgroup`. Version 2 is preferred, but any version 1 path to a root.
pub(crate) fn check_cgroup(text: &[u8]) {
    let lines: Vec<Vec<_>> = text
        .split(|&byte| byte == b'\n')
        .map(|line| line.splitn(3, |&byte| byte == b':').collect())
        .filter(|parts: &Vec<_>| parts.len() == 3)
        .collect();
    let first = |matches: &dyn Fn(&[u8], &[u8]) -> bool| {
        lines.iter().find(|parts| parts[2] != b"/" && matches(parts[0], parts[1])).map(|parts| parts[2])
    };
    let best = first(&|hierarchy, _| hierarchy == b"0")
        .or_else(|| first(&|_, controllers| controllers == b"memory"))
        .or_else(|| first(&|_, controllers| [&b"pids"[..], b"name=systemd"].contains(&controllers)))
        .or_else(|| first(&|_, _| true))
        .or_else(|| (!lines.is_empty()).then_some(&b"/"[..]));
    assert_eq!(parse::cgroup_path(text), best);
}

/// Checks that text is kept, and that each byte that is not text becomes `\xNN`. An argument vector ends with a NUL, unless
/// it is empty.
pub(crate) fn check_texts(bytes: &[u8]) {
    let mut text = String::new();
    let mut rest = bytes;
    while !rest.is_empty() {
        let character =
            (1..=rest.len().min(4)).find_map(|len| Some((str::from_utf8(&rest[..len]).ok()?, len)));
        let len = character.map_or(1, |(_, len)| len);
        match character {
            Some((character, _)) => text.push_str(character),
            None => text.extend(["\\x".to_owned(), format!("{:02x}", rest[0])]),
        }
        rest = &rest[len..];
    }
    assert_eq!(*parse::readable(bytes), *text);
    if bytes.last().is_some_and(|&last| last != 0) {
        text.push('\0');
    }
    for truncated in [false, true] {
        let argv = parse::argv(bytes, truncated, usize::MAX);
        assert_eq!((&*argv.text, argv.truncated), (&*text, truncated));
    }
    for max in [1, 2, 5, text.len().max(1) - 1, text.len()] {
        let argv = parse::argv(bytes, false, max.max(1));
        let is_whole = text.len() <= max.max(1);
        assert!(argv.text.len() <= max.max(1) && argv.truncated != is_whole);
        assert!(argv.text.is_empty() || argv.text.ends_with('\0'));
        assert!(text.starts_with(argv.text.trim_end_matches('\0')));
    }
}

/// Checks the names of a program. A name is the comm, or the last part of the program's path or of one of the first
/// arguments. At the exec it begins with the comm.
pub(crate) fn check_name(comm: &[u8], cmdline: &[u8], exe: &[u8]) {
    let parts: Vec<_> = cmdline
        .split(|&byte| byte == 0)
        .take(12)
        .chain([exe])
        .flat_map(|path| {
            let last = |separators: &'static [u8]| {
                path.rsplit(move |byte| separators.contains(byte)).next().unwrap_or_default()
            };
            [last(b"/"), last(b"/\\")]
        })
        .flat_map(|part| [Some(part), part.strip_suffix(b" (deleted)")])
        .flatten()
        .collect();
    let later = name::since_exec(comm, cmdline, exe);
    let is_part = parts.iter().chain([&comm]).any(|part| parse::readable(part).starts_with(&*later));
    assert!(is_part && later.len() <= 255 * 4, "{later}, not one of {parts:?}");
    let name = name::at_exec(comm, cmdline, exe);
    if comm.len() < 15 {
        assert_eq!(name, parse::readable(comm));
        return;
    }
    let is_continuation = |last: &&[u8]| last.len() > comm.len() && last.starts_with(comm);
    let continuations: Vec<_> = parts.into_iter().filter(is_continuation).collect();
    let is_cut = |name: &[u8]| name.len() > 255;
    if continuations.iter().any(|name| is_cut(name)) {
        let is_beginning = |whole: &&[u8]| parse::readable(whole).starts_with(&*name);
        assert!(name.len() <= 255 * 4 && continuations.iter().any(is_beginning));
        return;
    }
    let continuations: Vec<_> = continuations.into_iter().map(parse::readable).collect();
    let is_correct =
        if continuations.is_empty() { name == parse::readable(comm) } else { continuations.contains(&name) };
    assert!(is_correct, "{name}, not one of {continuations:?}");
}
