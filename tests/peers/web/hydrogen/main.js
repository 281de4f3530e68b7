// Hydrogen's published view and model, in a shell of ours: all that its own application adds is this file.
import { Platform, createNavigation, createRouter, RootViewModel, RootView, FeatureSet } from "hydrogen-view-sdk";
import downloadSandbox from "hydrogen-view-sdk/download-sandbox.html?url";
import worker from "hydrogen-view-sdk/main.js?url";
import wasm from "@matrix-org/olm/olm.wasm?url";
import wasmBundle from "@matrix-org/olm/olm.js?url";
import legacyBundle from "@matrix-org/olm/olm_legacy.js?url";
import "hydrogen-view-sdk/assets/theme-element-light.css";

// The homeserver: `?hs=` of this tab, else config.json. The parameter must not stay in the address, which Hydrogen gives as
// its SSO callback and in which it expects `loginToken` and nothing else.
const REMEMBERED = "homeserver";

async function defaultHomeServer() {
    const url = new URL(location.href);
    const asked = url.searchParams.get("hs");
    if (asked) {
        sessionStorage.setItem(REMEMBERED, asked);
        url.searchParams.delete("hs");
        history.replaceState(null, "", url);
        return asked;
    }
    const remembered = sessionStorage.getItem(REMEMBERED);
    if (remembered) {
        return remembered;
    }
    const response = await fetch("config.json");
    return response.ok ? (await response.json()).defaultHomeServer : location.origin;
}

const app = document.querySelector("#app");
const platform = new Platform({
    container: app,
    assetPaths: { downloadSandbox, worker, olm: { wasm, legacyBundle, wasmBundle }, serviceWorker: "sw.js" },
    config: { defaultHomeServer: await defaultHomeServer() },
    options: { development: false },
});
const navigation = createNavigation();
platform.setNavigation(navigation);
await platform.init();
const urlRouter = createRouter({ navigation, history: platform.history });
urlRouter.attach();
const features = await FeatureSet.load(platform.settingsStorage);
const viewModel = new RootViewModel({ platform, urlCreator: urlRouter, urlRouter, navigation, features });
await viewModel.load();
app.appendChild(new RootView(viewModel).mount());
