//! The details of one process as unparsed bytes. A capture worker reads them, and the reader thread parses them later.

use std::sync::Arc;

use super::files::{Files, ReadTime};
use super::mount::Procfs;
use super::parse;
use crate::model::event::ProcessInfo;
use crate::model::interest::Fields;
use crate::model::snapshot::ObservedProcess;
use crate::sys::pidfd::PidfdIds;

/// The contents of the files of one process, concatenated.
#[derive(Debug)]
pub(crate) struct RawDetails {
    fields: Fields,
    bytes: Box<[u8]>,
    /// Length of each file, in the order of [`RawDetails::copy`]; `None` if the file was not read.
    lengths: [Option<u32>; FILE_COUNT],
    ids: Option<PidfdIds>,
    is_cmdline_cut: bool,
    time: ReadTime,
    read_ns: u64,
}

const FILE_COUNT: usize = 8;

impl RawDetails {
    /// Copies the files that were read for `fields`. `read_ns` is the time after the read.
    pub(super) fn copy(files: &Files<'_>, fields: Fields, read_ns: u64) -> Self {
        let Files { stat, comm, cmdline, exe, cwd, cgroup, status, login_uid, ids, time, .. } = *files;
        let parts = [stat, comm, cmdline, exe, cwd, cgroup, status, login_uid];
        Self {
            fields,
            bytes: parts.map(Option::unwrap_or_default).concat().into_boxed_slice(),
            lengths: parts.map(|part| part.map(|part| part.len() as u32)),
            ids,
            is_cmdline_cut: files.is_cmdline_cut,
            time,
            read_ns,
        }
    }

    /// Returns the number of bytes of memory that this holds.
    pub(crate) const fn weight(&self) -> usize {
        self.bytes.len()
    }

    /// Returns the fields that were requested from the read.
    pub(crate) const fn fields(&self) -> Fields {
        self.fields
    }

    /// Parses the details of the process that called exec at `exec_ns`. Returns `None` if they belong to another
    /// process.
    pub(crate) fn observed(&self, procfs: &Procfs, pid: u32, exec_ns: u64) -> Option<ObservedProcess> {
        let mut rest = &*self.bytes;
        let [stat, comm, cmdline, exe, cwd, cgroup, status, login_uid] = self.lengths.map(|length| {
            let (part, remainder) = rest.split_at_checked(length? as usize)?;
            rest = remainder;
            Some(part)
        });
        let parsed = stat.map(|stat| parse::stat(stat).ok_or(())).transpose().ok()?;
        // If the worker read late, the process may have been in its next exec.
        let is_torn = parsed.as_ref().is_some_and(|stat| stat.is_mid_exec);
        let files = Files {
            stat,
            comm,
            cmdline,
            is_cmdline_cut: self.is_cmdline_cut,
            exe,
            cwd,
            cgroup,
            status,
            login_uid,
            ids: self.ids,
            time: self.time,
            is_torn,
        };
        let info = files.info(self.fields, parsed.as_ref(), procfs.max_argv_bytes);
        let observed = procfs.observed(pid, parsed.as_ref(), Some(info), self.read_ns);
        // A process that started after the exec has reused the pid.
        Some(observed).filter(|observed| observed.start_ns <= exec_ns)
    }
}

/// Returns the details of a process whose files could not be read.
pub(super) fn nothing_read(fields: Fields) -> ObservedProcess {
    let process = ProcessInfo { requested: fields, ..ProcessInfo::default() };
    ObservedProcess { process: Some(Arc::new(process)), ..ObservedProcess::default() }
}
