// Loads the library at the path LIBRARY, so that its functions and those that it depends on bind to each other first.

const { dlopen } = require('node:os').constants

process.dlopen(module, process.env.LIBRARY, dlopen.RTLD_LAZY | dlopen.RTLD_DEEPBIND)
