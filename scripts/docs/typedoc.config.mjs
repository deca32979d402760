// The settings of the API reference: one page for each entry of the package, without symbols of Node.js.

import { join } from 'node:path'

const root = join(import.meta.dirname, '..', '..')

/** @type {Partial<import('typedoc').TypeDocOptions & import('typedoc-plugin-markdown').PluginOptions>} */
export default {
  plugin: ['typedoc-plugin-markdown', join(import.meta.dirname, 'unions.mjs')],
  entryPoints: ['index.ts', 'prometheus.ts'].map((file) => join(root, file)),
  tsconfig: join(root, 'tsconfig.json'),
  basePath: root,
  out: join(root, 'docs', 'api'),
  router: 'module',
  name: 'proc-events: API',
  readme: 'none',
  entryFileName: 'README',
  disableSources: true,
  excludeExternals: true,
  sort: ['source-order'],
  kindSortOrder: ['Function', 'Interface', 'Class', 'TypeAlias'],
  hideBreadcrumbs: true,
  hidePageHeader: true,
  indexFormat: 'list',
  interfacePropertiesFormat: 'table',
  classPropertiesFormat: 'table',
  parametersFormat: 'table',
  tableColumnSettings: { hideInherited: true, hideOverrides: true, hideSources: true, hideModifiers: true },
  useCodeBlocks: true,
  typePrintWidth: 120,
  // An incomplete reference is an error.
  treatWarningsAsErrors: true,
  validation: { notExported: true, invalidLink: true, rewrittenLink: true, notDocumented: true },
  requiredToBeDocumented: ['Module', 'Function', 'Class', 'Interface', 'TypeAlias', 'Property', 'Method', 'Accessor'],
  intentionallyNotDocumented: ['proc-events.EventOf.__type.type'],
  // Arguments of errors, which only the package itself passes, and a part of CapturedField.
  intentionallyNotExported: ['ErrorDetails', 'OnlyMember'],
}
