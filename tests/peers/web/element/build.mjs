// Builds Element's screens from their npm package into ../dist/element: scripts by esbuild, the light theme by postcss.
// The package is meant for webpack; each plugin below stands for one of webpack's conventions that it relies on.
import fs from "node:fs";
import path from "node:path";
import { createRequire } from "node:module";
import * as esbuild from "esbuild";
import postcss from "postcss";

const require = createRequire(import.meta.url);
const SDK = path.resolve("node_modules/matrix-react-sdk");
const OUT = path.resolve("../dist/element");

/** `import icon, { Icon } from "./x.svg"`: a data URL, and a React component of the same picture. */
const svg = {
    name: "svg",
    setup(build) {
        build.onLoad({ filter: /\.svg$/ }, ({ path: file }) => ({
            loader: "jsx",
            resolveDir: path.dirname(file),
            contents: `import React from "react";
                const svg = ${JSON.stringify(fs.readFileSync(file, "utf8"))};
                export default "data:image/svg+xml;utf8," + encodeURIComponent(svg);
                export const Icon = React.forwardRef(({ className, ...rest }, ref) =>
                    React.createElement("span", { ref, className, ...rest, dangerouslySetInnerHTML: { __html: svg } }));
                export const ReactComponent = Icon;`,
        }));
    },
};

/** Modules of node that a browser never reaches. */
const nodeModules = {
    name: "node-modules",
    setup(build) {
        build.onResolve({ filter: /^(fs|path)$/ }, () => ({ path: "empty", namespace: "empty" }));
        build.onLoad({ filter: /.*/, namespace: "empty" }, () => ({ contents: "module.exports = {}", loader: "js" }));
    },
};

/** Workers are left out: without the IndexedDB one Element keeps its sync in memory, the others are for voice and pictures. */
const workers = {
    name: "workers",
    setup(build) {
        const idle = "export default () => ({ postMessage() {}, addEventListener() {}, removeEventListener() {}, terminate() {} });";
        const none = 'export default () => { throw new Error("no worker"); };';
        build.onLoad({ filter: /indexeddbWorkerFactory\.ts$/ }, () => ({ contents: none, loader: "js" }));
        build.onLoad({ filter: /(blurhashWorker|playbackWorker|recorderWorklet)Factory\.ts$/ }, () => ({ contents: idle, loader: "js" }));
        build.onLoad({ filter: /opus-recorder.dist.(de|en)coderWorker\.min\.js$/ }, ({ path: file }) => ({
            contents: fs.readFileSync(file),
            loader: "file",
        }));
    },
};

/** `!!raw-loader!…`: a file's text, with or without its extension. */
const rawText = {
    name: "raw-text",
    setup(build) {
        build.onResolve({ filter: /^!!raw-loader!/ }, (args) => ({
            path: path.resolve(args.resolveDir, args.path.replace("!!raw-loader!", "")),
            namespace: "raw",
        }));
        build.onLoad({ filter: /.*/, namespace: "raw" }, ({ path: file }) => {
            const found = ["", ".ts", ".js", ".css"].map((ending) => file + ending).find((name) => fs.existsSync(name));
            return { contents: found ? fs.readFileSync(found, "utf8") : "", loader: "text" };
        });
    },
};

/** `$webapp/i18n/languages.json`: its address, not its content. */
const languages = {
    name: "languages",
    setup(build) {
        build.onResolve({ filter: /^\$webapp\/i18n\/languages\.json$/ }, () => ({ path: "i18n/languages.json", namespace: "address" }));
        build.onLoad({ filter: /.*/, namespace: "address" }, ({ path: address }) => ({
            contents: `module.exports = ${JSON.stringify(address)}`,
            loader: "js",
        }));
    },
};

async function scripts() {
    const file = Object.fromEntries([".png", ".wasm", ".gif", ".ogg", ".mp3", ".jpg", ".woff", ".woff2"].map((ending) => [ending, "file"]));
    await esbuild.build({
        entryPoints: ["src/shell.jsx"],
        inject: ["src/globals.js"],
        outdir: OUT,
        bundle: true,
        splitting: true,
        minify: true,
        format: "esm",
        platform: "browser",
        target: "chrome120",
        logLevel: "error",
        plugins: [workers, nodeModules, languages, rawText, svg],
        loader: { ...file, ".css": "text", ".md": "text" },
        jsx: "transform",
        tsconfigRaw: { compilerOptions: { experimentalDecorators: true, jsx: "react", useDefineForClassFields: false } },
        define: { "process.env.NODE_ENV": '"production"', "global": "window" },
        alias: {
            "util": "util/",
            "stream": "stream-browserify",
            "react": path.resolve("node_modules/react"),
            "react-dom": path.resolve("node_modules/react-dom"),
        },
    });
}

async function theme() {
    const from = path.join(SDK, "res/themes/light/css/light.pcss");
    const imports = require("postcss-import")({
        resolve: (id, base) => (/^[._]/.test(id) ? path.resolve(base, id) : require.resolve(id, { paths: [SDK] })),
    });
    const plugins = ["postcss-mixins", "postcss-simple-vars", "postcss-nested", "postcss-easings", "postcss-hexrgba"];
    const processor = postcss([imports, ...plugins.map((name) => (require(name).default ?? require(name))())]);
    const { css } = await processor.process(fs.readFileSync(from, "utf8"), { from, parser: require("postcss-scss") });
    // The theme is three folders deep in the package's resources, and here it is at the root beside them.
    fs.writeFileSync(path.join(OUT, "theme-light.css"), css.replaceAll("../../../", "").replaceAll("$(res)/", ""));
}

function resources() {
    fs.cpSync("public", OUT, { recursive: true });
    for (const folder of ["img", "fonts", "media"]) {
        fs.cpSync(path.join(SDK, "res", folder), path.join(OUT, folder), { recursive: true });
    }
    const icons = "@vector-im/compound-design-tokens/icons";
    fs.cpSync(path.join("node_modules", icons), path.join(OUT, icons), { recursive: true });
    fs.mkdirSync(path.join(OUT, "i18n"), { recursive: true });
    fs.writeFileSync(path.join(OUT, "i18n/languages.json"), JSON.stringify({ en: "en_EN.json" }));
    fs.copyFileSync(path.join(SDK, "src/i18n/strings/en_EN.json"), path.join(OUT, "i18n/en_EN.json"));
}

fs.rmSync(OUT, { recursive: true, force: true });
await scripts();
resources();
await theme();
