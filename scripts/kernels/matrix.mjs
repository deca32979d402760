// The kernels that the package is run on, and the checks. `package` selects Debian's packages; the newest one counts.

/** Every check, in the order of the page. */
export const CHECKS = [
  'doctor',
  'smoke',
  'namespaces',
  'priority',
  'capture',
  'storm',
  'hidepid',
  'cpuset',
  'cgroup1',
  'hotplug',
  'specs',
]

export const rows = [
  {
    name: '5.10',
    arch: 'amd64',
    what: 'the oldest kernel that Debian still serves',
    package: /^linux-image-5\.10\.0-\d+-amd64-unsigned$/,
  },
  { name: '6.1', arch: 'amd64', what: 'Debian 12', package: /^linux-image-6\.1\.0-\d+-amd64-unsigned$/ },
  {
    name: '6.12',
    arch: 'amd64',
    what: 'Debian 13',
    package: /^linux-image-6\.12\.\d+\+deb13-amd64-unsigned$/,
  },
  {
    name: '6.12-rt',
    arch: 'amd64',
    what: 'PREEMPT_RT',
    package: /^linux-image-6\.12\.\d+\+deb13-rt-amd64-unsigned$/,
  },
  {
    name: 'newest',
    arch: 'amd64',
    what: 'the newest kernel of Debian',
    package: /^linux-(image|binary)-\d+\.\d+\.\d+\+deb1\d-amd64(-unsigned)?$/,
  },
  {
    name: 'arm64',
    arch: 'arm64',
    what: 'arm64, Debian 12, pages of 4 KiB',
    package: /^linux-image-6\.1\.0-\d+-arm64-unsigned$/,
  },
  {
    name: 'arm64-16k',
    arch: 'arm64',
    what: 'arm64, Debian 13, pages of 16 KiB',
    package: /^linux-image-6\.12\.\d+\+deb13-arm64-16k-unsigned$/,
  },
]
