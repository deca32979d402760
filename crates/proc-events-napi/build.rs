//! Configures the linker for Node-API, whose symbols Node.js provides.

fn main() {
    napi_build::setup();
}
