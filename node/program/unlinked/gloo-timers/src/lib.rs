//! Nothing: the manifest says why. Built for WebAssembly, what needs it would not compile.
