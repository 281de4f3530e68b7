// Node's globals that old dependencies expect; esbuild injects them wherever they are named.
export { Buffer } from "buffer";
export { default as process } from "process";
