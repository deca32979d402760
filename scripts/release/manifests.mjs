// The package.json of each published package, from the committed one: the version is there once, and so is the licence.

import { manifest, targets } from './targets.mjs'

/** Of the package with one platform's binary: npm installs it where os, cpu and libc agree, and skips it elsewhere. */
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
 * Of the main package: without what only a clone needs, and with the platforms' packages. These are not in the committed
 * package.json, because npm could not install a version there that is not published yet. Exact versions: the binding and
 * the facade speak a protocol of their own.
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

/** All else that there is to say of one. */
export function platformReadme({ packageName, os, cpu, libc }) {
  return `# ${packageName}\n\nThe native part of proc-events for ${os}, ${cpu}, ${libc}: \`npm install proc-events\` brings it.\n`
}

/** Where it is built: npm refuses provenance for a package that does not say so. */
function repository() {
  const { GITHUB_SERVER_URL: server, GITHUB_REPOSITORY: name } = process.env
  return server && name ? { repository: { type: 'git', url: `git+${server}/${name}.git` } } : {}
}

/** As npm and prettier lay it out. */
export function asJson(value) {
  return `${JSON.stringify(value, null, 2)}\n`
}
