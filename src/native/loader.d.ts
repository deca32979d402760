/**
 * Loads the native part, the first that is there. `NAPI_RS_NATIVE_LIBRARY_PATH` names another one to be loaded instead.
 *
 * @throws ProcessMonitorError `ERR_NATIVE_BINDING`, with all that was tried.
 */
export declare function loadBinding(): unknown;
