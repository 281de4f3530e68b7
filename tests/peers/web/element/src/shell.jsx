// The little that Element's own application adds to its screens: a platform, a configuration, the address bar.
import React from "react";
import ReactDOM from "react-dom";
import BasePlatform from "matrix-react-sdk/src/BasePlatform";
import PlatformPeg from "matrix-react-sdk/src/PlatformPeg";
import SdkConfig from "matrix-react-sdk/src/SdkConfig";

const DEVICE_NAME = "Element (npm)";
const REMEMBERED = "homeserver";

class ShellPlatform extends BasePlatform {
    async getConfig() {
        return SdkConfig.get();
    }
    getDefaultDeviceDisplayName() {
        return DEVICE_NAME;
    }
    getHumanReadableName() {
        return "Shell";
    }
    async requestNotificationPermission() {
        return "denied";
    }
    async getAppVersion() {
        return "0";
    }
    reload() {
        location.reload();
    }
}

// `?hs=` of this tab goes before config.json, and leaves the address at once: the OAuth redirect URI is made of it.
async function configuration() {
    const config = await (await fetch("config.json")).json();
    const url = new URL(location.href);
    const asked = url.searchParams.get("hs");
    if (asked) {
        sessionStorage.setItem(REMEMBERED, asked);
        url.searchParams.delete("hs");
        history.replaceState(null, "", url);
    }
    const homeserver = sessionStorage.getItem(REMEMBERED);
    if (homeserver) {
        config.default_server_config = { "m.homeserver": { base_url: homeserver } };
    }
    return config;
}

function screenOfHash() {
    const [path, query] = location.hash.slice(1).split("?");
    return { screen: path.replace(/^\//, ""), params: Object.fromEntries(new URLSearchParams(query ?? "")) };
}

async function start() {
    PlatformPeg.set(new ShellPlatform());
    const config = await configuration();
    SdkConfig.put(config);
    // These read the configuration as they load.
    const { default: AutoDiscoveryUtils } = await import("matrix-react-sdk/src/utils/AutoDiscoveryUtils");
    const languageHandler = await import("matrix-react-sdk/src/languageHandler");
    const baseUrl = config.default_server_config["m.homeserver"].base_url;
    const server = await AutoDiscoveryUtils.validateServerConfigWithStaticUrls(baseUrl, undefined, true);
    server.isDefault = true;
    SdkConfig.add({ validated_server_config: server });
    await languageHandler.setLanguage(["en"]);
    const { default: MatrixChat } = await import("matrix-react-sdk/src/components/structures/MatrixChat");

    let current = null;
    const chat = React.createRef();
    const onNewScreen = (screen, replace) => {
        current = screen;
        const hash = "#/" + screen;
        replace ? location.replace(hash) : location.assign(hash);
    };
    window.addEventListener("hashchange", () => {
        const { screen, params } = screenOfHash();
        if (screen !== current) chat.current?.showScreen(screen, params);
    });
    ReactDOM.render(
        <MatrixChat
            ref={chat}
            config={SdkConfig.get()}
            onNewScreen={onNewScreen}
            realQueryParams={Object.fromEntries(new URLSearchParams(location.search))}
            startingFragmentQueryParams={{}}
            enableGuest={false}
            defaultDeviceDisplayName={DEVICE_NAME}
            initialScreenAfterLogin={screenOfHash().screen ? screenOfHash() : undefined}
            onTokenLoginCompleted={() => history.replaceState(null, "", location.pathname + location.hash)}
        />,
        document.getElementById("matrixchat"),
    );
    window.matrixChat = chat.current;
}

start().catch((error) => {
    console.error("shell", error);
    document.body.append(String(error));
});
