//! The details of one process as bytes, for a thread that has no time to make sense of them.

use std::sync::Arc;

use super::files::Files;
use super::{Procfs, parse};
use crate::model::event::ProcessInfo;
use crate::model::interest::Fields;
use crate::model::snapshot::ObservedProcess;

/// The files of one process, copied one behind the other.
#[derive(Debug)]
pub(crate) struct RawDetails {
    fields: Fields,
    bytes: Box<[u8]>,
    /// The length of each file in the order of [`RawDetails::copy`]; `None` where it was not read.
    lengths: [Option<u32>; FILES],
    is_cmdline_cut: bool,
    read_ns: u64,
}

const FILES: usize = 6;

impl RawDetails {
    /// Copies what was read for `fields` until `read_ns`.
    pub(super) fn copy(files: &Files<'_>, fields: Fields, read_ns: u64) -> Self {
        let parts = [Some(files.stat), files.cmdline, files.exe, files.cwd, files.cgroup, files.status];
        Self {
            fields,
            bytes: parts.into_iter().flatten().flatten().copied().collect(),
            lengths: parts.map(|part| part.map(|part| part.len() as u32)),
            is_cmdline_cut: files.is_cmdline_cut,
            read_ns,
        }
    }

    /// The bytes of memory that it holds.
    pub(crate) const fn weight(&self) -> usize {
        self.bytes.len()
    }

    /// Returns true if all these details were to be read.
    pub(crate) fn covers(&self, fields: Fields) -> bool {
        self.fields.covers(fields)
    }

    /// The process that called exec at `exec_ns`; `None` if these are the details of another.
    pub(crate) fn observed(&self, procfs: &Procfs, pid: u32, exec_ns: u64) -> Option<ObservedProcess> {
        let mut rest = &*self.bytes;
        let [stat, cmdline, exe, cwd, cgroup, status] = self.lengths.map(|length| {
            let (part, behind) = rest.split_at_checked(length? as usize)?;
            rest = behind;
            Some(part)
        });
        let stat = stat?;
        // The next exec of the process may have been under way, if the thread that read was late.
        let is_torn = parse::stat(stat)?.is_mid_exec;
        let files =
            Files { stat, cmdline, is_cmdline_cut: self.is_cmdline_cut, exe, cwd, cgroup, status, is_torn };
        let stat = parse::stat(stat)?;
        let info = files.info(self.fields, &stat, procfs.max_argv_bytes);
        let observed = procfs.observed(pid, &stat, Some(info), self.read_ns);
        // A process that was created later has only inherited the pid.
        Some(observed).filter(|observed| observed.start_ns <= exec_ns)
    }
}

/// The details of a process of which nothing could be read.
pub(super) fn nothing_read(fields: Fields) -> ObservedProcess {
    let process = ProcessInfo { requested: fields, ..ProcessInfo::default() };
    ObservedProcess { process: Some(Arc::new(process)), ..ObservedProcess::default() }
}
