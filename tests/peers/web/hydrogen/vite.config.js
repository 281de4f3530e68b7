// Builds the shell and Hydrogen's assets into plain files, to be served at the root of any origin.
import { defineConfig } from "vite";

export default defineConfig({
    base: "./",
    build: {
        outDir: "../dist/hydrogen",
        emptyOutDir: true,
        target: "es2022",
        // Hydrogen loads its worker and wasm by URL: never inline them.
        assetsInlineLimit: 0,
        chunkSizeWarningLimit: 4096,
    },
});
