//! Classic BPF programs that the kernel runs for every event of a listener. A dropped event takes no space in the
//! receive buffer and wakes no thread.
//!
//! BPF loads words in network byte order, but `struct proc_event` is in host byte order. Constants are therefore
//! compared as [`u32::to_be`] stores them.

use crate::connector::wire::what::{
    PROC_EVENT_COMM, PROC_EVENT_COREDUMP, PROC_EVENT_EXEC, PROC_EVENT_EXIT, PROC_EVENT_FORK, PROC_EVENT_GID,
    PROC_EVENT_NONE, PROC_EVENT_PTRACE, PROC_EVENT_SID, PROC_EVENT_UID,
};
use crate::model::interest::{EventType, EventTypes};
use crate::sys::Instruction;

/// `BPF_LD | BPF_W | BPF_ABS`
const LOAD: u16 = 0x20;
/// `BPF_MISC | BPF_TAX`
const TO_X: u16 = 0x07;
/// `BPF_JMP | BPF_JEQ | BPF_K`
const IF_EQUAL: u16 = 0x15;
/// `BPF_JMP | BPF_JEQ | BPF_X`
const IF_EQUAL_X: u16 = 0x1d;
/// `BPF_RET | BPF_K`
const RETURN: u16 = 0x06;

// Byte offsets in the datagram, see `wire`: `what`, `cpu`, and the first four words of `event_data`.
const WHAT: u32 = 36;
const CPU: u32 = 40;
const FIRST: u32 = 52;
const SECOND: u32 = 56;
const THIRD: u32 = 60;
const FOURTH: u32 = 64;

/// Maximum number of processes whose threads are reported, because jumps are short.
pub const LEADERLESS_MAX: usize = 32;

const ACCEPT: u32 = u32::MAX;
const DROP: u32 = 0;

/// The events of one type that pass.
#[derive(Clone, Copy)]
enum Pass<'a> {
    All,
    /// Events of a thread group leader (pid == tgid), not of another thread.
    Leader,
    /// Forks whose child is a leader: a new process, not a new thread.
    NewProcess,
    /// Events of the process with this tgid.
    Process(u32),
    /// Events of a thread group leader, and of all threads of the processes with these tgids.
    LeaderOrProcess(&'a [u32]),
    /// Events reported by this CPU.
    Cpu(u32),
}

/// Returns the program for the handshake. Only acknowledgements pass, so that a burst of events cannot fill the receive
/// buffer before the acknowledgement arrives.
#[must_use]
pub fn handshake() -> Vec<Instruction> {
    assemble(vec![(PROC_EVENT_NONE, Pass::All)])
}

/// Returns the program for a listener that receives only the execs of one CPU.
#[must_use]
pub fn execs_on(cpu: u32) -> Vec<Instruction> {
    assemble(vec![(PROC_EVENT_EXEC, Pass::Cpu(cpu))])
}

/// Returns the program for `types`, for a listener in the process `own_tgid`.
///
/// These always pass, too:
/// - acknowledgements;
/// - execs, and exits of processes, because the process table needs them;
/// - comm events of `own_tgid`, because the reader's self-test causes them.
///
/// [`EventTypes::RENAMES`] passes the comm events of leaders. The exits of the threads of the `leaderless` processes pass, too,
/// because the last one has the status of its process. Of them, the first [`LEADERLESS_MAX`] count.
#[must_use]
pub fn program(types: EventTypes, own_tgid: u32, leaderless: &[u32]) -> Vec<Instruction> {
    let leaderless = &leaderless[..leaderless.len().min(LEADERLESS_MAX)];
    let own = [own_tgid];
    let wanted = types.union(EventTypes::LIFECYCLE);
    let comm = if wanted.has(EventType::Comm) {
        Pass::All
    } else if wanted.covers(EventTypes::RENAMES) {
        Pass::LeaderOrProcess(&own)
    } else {
        Pass::Process(own_tgid)
    };
    let mut rules = vec![
        (PROC_EVENT_NONE, Pass::All),
        (PROC_EVENT_EXEC, Pass::All),
        (PROC_EVENT_EXIT, Pass::LeaderOrProcess(leaderless)),
        (PROC_EVENT_COMM, comm),
    ];
    for (event_type, what, pass) in [
        (EventType::Fork, PROC_EVENT_FORK, Pass::NewProcess),
        (EventType::Uid, PROC_EVENT_UID, Pass::Leader),
        (EventType::Gid, PROC_EVENT_GID, Pass::Leader),
        (EventType::Sid, PROC_EVENT_SID, Pass::All),
        (EventType::Ptrace, PROC_EVENT_PTRACE, Pass::Leader),
        (EventType::Coredump, PROC_EVENT_COREDUMP, Pass::All),
    ] {
        if wanted.has(event_type) {
            rules.push((what, pass));
        }
    }
    assemble(rules)
}

fn assemble(rules: Vec<(u32, Pass<'_>)>) -> Vec<Instruction> {
    let mut program = vec![op(LOAD, WHAT)];
    for (what, pass) in rules {
        let body = body(pass);
        // Every path through the body returns, so that only this jump leads to the next rule.
        program.push(Instruction { code: IF_EQUAL, jt: 0, jf: body.len() as u8, k: what.to_be() });
        program.extend(body);
    }
    program.push(op(RETURN, DROP));
    program
}

fn body(pass: Pass<'_>) -> Vec<Instruction> {
    let test = match pass {
        Pass::All => vec![],
        Pass::Leader => equal_words(FIRST, SECOND),
        Pass::NewProcess => equal_words(THIRD, FOURTH),
        Pass::Process(tgid) => equals_constant(SECOND, tgid),
        Pass::LeaderOrProcess(tgids) => equal_words_or_constant(FIRST, SECOND, tgids),
        Pass::Cpu(cpu) => equals_constant(CPU, cpu),
    };
    let needs_drop = !test.is_empty();
    let mut body = test;
    body.push(op(RETURN, ACCEPT));
    if needs_drop {
        body.push(op(RETURN, DROP));
    }
    body
}

fn equals_constant(offset: u32, value: u32) -> Vec<Instruction> {
    vec![op(LOAD, offset), Instruction { code: IF_EQUAL, jt: 0, jf: 1, k: value.to_be() }]
}

fn equal_words(left: u32, right: u32) -> Vec<Instruction> {
    equal_words_or_constant(left, right, &[])
}

/// Passes if both words are equal, or if the second one equals one of `values`.
fn equal_words_or_constant(left: u32, right: u32, values: &[u32]) -> Vec<Instruction> {
    // The instruction behind the tests accepts, and the one behind that drops.
    let is_last = |at: usize| u8::from(at + 1 == values.len());
    let to_accept = |at: usize| (values.len() - at - 1) as u8;
    let first =
        Instruction { code: IF_EQUAL_X, jt: values.len() as u8, jf: u8::from(values.is_empty()), k: 0 };
    let tests = values.iter().enumerate().map(|(at, value)| Instruction {
        code: IF_EQUAL,
        jt: to_accept(at),
        jf: is_last(at),
        k: value.to_be(),
    });
    let loads = [op(LOAD, left), op(TO_X, 0), op(LOAD, right)];
    loads.into_iter().chain([first]).chain(tests).collect()
}

const fn op(code: u16, k: u32) -> Instruction {
    Instruction { code, jt: 0, jf: 0, k }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::connector::wire::datagram;

    /// Interprets a program as the kernel does. Returns true if it accepts the datagram.
    fn passes(program: &[Instruction], bytes: &[u8]) -> bool {
        let (mut a, mut x, mut at) = (0, 0, 0);
        loop {
            let Instruction { code, jt, jf, k } = program[at];
            at += 1;
            let mut jump = |equal| at += usize::from(if equal { jt } else { jf });
            match code {
                LOAD => a = u32::from_be_bytes(bytes[k as usize..k as usize + 4].try_into().unwrap()),
                TO_X => x = a,
                IF_EQUAL => jump(a == k),
                IF_EQUAL_X => jump(a == x),
                RETURN => return k == ACCEPT,
                _ => unreachable!("{code:#x}"),
            }
        }
    }

    fn kernel_types(types: EventTypes) -> Vec<&'static str> {
        passing_through(&program(types, 77, &[]))
    }

    fn passing_through(program: &[Instruction]) -> Vec<&'static str> {
        [
            ("ack", PROC_EVENT_NONE, [0, 0, 0, 0]),
            ("exec", PROC_EVENT_EXEC, [5, 5, 0, 0]),
            ("exit", PROC_EVENT_EXIT, [5, 5, 0, 17]),
            ("exit of a thread", PROC_EVENT_EXIT, [6, 5, 0, 17]),
            ("own comm", PROC_EVENT_COMM, [78, 77, 0, 0]),
            ("comm", PROC_EVENT_COMM, [5, 5, 0, 0]),
            ("comm of a thread", PROC_EVENT_COMM, [6, 5, 0, 0]),
            ("fork", PROC_EVENT_FORK, [5, 5, 9, 9]),
            ("fork of a thread", PROC_EVENT_FORK, [5, 5, 9, 5]),
            ("uid", PROC_EVENT_UID, [5, 5, 0, 0]),
            ("uid of a thread", PROC_EVENT_UID, [6, 5, 0, 0]),
            ("gid", PROC_EVENT_GID, [5, 5, 0, 0]),
            ("sid", PROC_EVENT_SID, [5, 5, 0, 0]),
            ("ptrace", PROC_EVENT_PTRACE, [5, 5, 1, 1]),
            ("coredump of a thread", PROC_EVENT_COREDUMP, [6, 5, 0, 0]),
            ("unknown", 0x800, [5, 5, 0, 0]),
        ]
        .into_iter()
        .filter(|(_, what, words)| passes(program, &datagram(*what, 0, 0, words)))
        .map(|(name, ..)| name)
        .collect()
    }

    #[test]
    fn bpf_passes_exec_and_exit_when_nothing_is_subscribed() {
        assert_eq!(kernel_types(EventTypes::NONE), ["ack", "exec", "exit", "own comm"]);
        assert_eq!(kernel_types(EventTypes::LIFECYCLE), kernel_types(EventTypes::NONE));
    }

    #[test]
    fn bpf_drops_threads_and_unknown_types_when_everything_is_subscribed() {
        assert_eq!(
            kernel_types(EventTypes::ALL),
            [
                "ack",
                "exec",
                "exit",
                "own comm",
                "comm",
                "comm of a thread",
                "fork",
                "uid",
                "gid",
                "sid",
                "ptrace",
                "coredump of a thread"
            ]
        );
    }

    #[test]
    fn bpf_drops_renames_of_threads_while_comms_are_captured() {
        assert_eq!(kernel_types(EventTypes::RENAMES), ["ack", "exec", "exit", "own comm", "comm"]);
    }

    #[test]
    fn bpf_passes_only_acknowledgements_during_the_handshake() {
        assert_eq!(passing_through(&handshake()), ["ack"]);
    }

    #[test]
    fn bpf_passes_only_execs_of_the_given_cpu() {
        assert_eq!(passing_through(&execs_on(0)), ["exec"]);
        assert!(passing_through(&execs_on(1)).is_empty());
    }

    #[test]
    fn bpf_passes_exits_of_threads_of_leaderless_processes() {
        for count in [0, 1, 2, LEADERLESS_MAX, LEADERLESS_MAX + 1] {
            let leaderless: Vec<u32> = (100..100 + count as u32).collect();
            let program = program(EventTypes::NONE, 77, &leaderless);
            let passes_exit =
                |tid, pid| passes(&program, &datagram(PROC_EVENT_EXIT, 0, 0, &[tid, pid, 5 << 8, 17]));
            for (at, &pid) in leaderless.iter().enumerate() {
                assert_eq!(passes_exit(5, pid), at < LEADERLESS_MAX, "process {at} of {count}");
            }
            assert!(passes_exit(5, 5) && passes_exit(100, 100));
            assert!(!passes_exit(5, 99) && !passes_exit(100, 99));
            assert_eq!(passing_through(&program), ["ack", "exec", "exit", "own comm"]);
        }
    }

    #[test]
    fn bpf_passes_a_single_subscribed_type_in_addition() {
        assert_eq!(kernel_types(EventTypes::from_bits(1)), ["ack", "exec", "exit", "own comm", "fork"]);
    }
}
