// Debian's Chromium, started afresh for one test, with its console in the test's output.
import { chromium as driver } from "playwright-core";
import { artefact, chromium } from "./settings.mjs";
import { wayIn } from "./selectors.mjs";

const WAIT_MS = 60_000;
// Without these Chromium calls home at every start.
const ARGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
];

/** A page of a new browser with an empty profile. `context` is a node:test context: it ends the browser. */
export async function openPage(context, name) {
    const browser = await driver.launch({ executablePath: chromium, headless: true, args: ARGS });
    const page = await browser.newPage({ viewport: { width: 1280, height: 860 }, locale: "en-GB" });
    page.setDefaultTimeout(WAIT_MS);
    page.on("pageerror", (error) => context.diagnostic(`${name}: ${error.message}`));
    context.after(async () => {
        await page.screenshot({ path: artefact(`${name}-end.png`) });
        await browser.close();
    });
    return page;
}

export async function screenshot(page, name) {
    await page.screenshot({ path: artefact(`${name}.png`) });
}

/** Presses through Beffroi's and the mock ProConnect's pages until the browser is back at `home`. */
export async function signIn(page, agent, home, name) {
    const selector = wayIn(agent).map(css).join(", ");
    const isBack = () => page.url().startsWith(home);
    for (let step = 1; !isBack(); step++) {
        if (step > 10) throw new Error(`no way from ${page.url()} back to ${home}`);
        const button = page.locator(selector).first();
        const back = page.waitForURL((url) => url.href.startsWith(home)).catch(() => {});
        await Promise.race([button.waitFor(), back]);
        if (isBack()) return;
        await screenshot(page, `${name}-sign-in-${step}`);
        // By keyboard: our pages must not need a mouse.
        await button.focus();
        const left = page.url();
        await page.keyboard.press("Enter");
        await page.waitForURL((url) => url.href !== left);
    }
}

function css(button) {
    if (button.class) return `:is(button, a).${button.class}`;
    return `button[name="${button.name}"][value="${button.value}"]`;
}
