// The package.json of each published package, derived from the committed one, which alone has the version and the licence.

import { manifest, targets } from './targets.mjs'

/** Returns the package.json of one platform. npm installs the package only if os, cpu and libc match. */
export function platformManifest({ packageName, os, cpu, libc, file }) {
  const { version, license, engines } = manifest
  return {
    name: packageName,
    version,
    description: `The native part of ${manifest.name} for ${os}, ${cpu}, ${libc}`,
    license,
    ...repository(),
    main: file,
    files: [file],
    os: [os],
    cpu: [cpu],
    libc: [libc],
    engines,
    publishConfig: { access: 'public' },
  }
}

/**
 * Returns the package.json of the main package, without the parts for a clone, and with the platform packages. The committed
 * package.json does not have these, because npm cannot install a version that is not published yet. The versions are exact,
 * because the protocol between binding and facade is private.
 */
export function mainManifest() {
  const {
    scripts: _,
    napi: _napi,
    ava: _ava,
    prettier: _prettier,
    devDependencies: _dev,
    allowScripts: _allow,
    ...kept
  } = manifest
  const optionalDependencies = Object.fromEntries(targets.map(({ packageName }) => [packageName, manifest.version]))
  return { ...kept, ...repository(), optionalDependencies }
}

/** The common fields. */
export function platformReadme({ packageName, os, cpu, libc }) {
  return `# ${packageName}\n\nThe native part of proc-events for ${os}, ${cpu}, ${libc}: \`npm install proc-events\` brings it.\n`
}

/** The repository. npm rejects provenance for a package without it. */
function repository() {
  const { GITHUB_SERVER_URL: server, GITHUB_REPOSITORY: name } = process.env
  return server && name ? { repository: { type: 'git', url: `git+${server}/${name}.git` } } : {}
}

/** Formats JSON like npm and prettier. */
export function asJson(value) {
  return `${JSON.stringify(value, null, 2)}\n`
}
