// Element's screens in Chromium: OAuth 2.0 through ProConnect and consent, a message out and a message in.
import assert from "node:assert/strict";
import { test } from "node:test";
import { openPage, screenshot, signIn } from "./browser.mjs";
import { PlainClient } from "./matrix.mjs";
import { element as on } from "./selectors.mjs";
import { serve } from "./serve.mjs";
import { elementLogin, townA } from "./settings.mjs";

test("an agent signs in to Element with ProConnect and talks to a colleague", { timeout: 300_000 }, async (context) => {
    const town = townA();
    const client = await serve("element", { homeserver: town });
    context.after(() => client.close());
    const colleague = await PlainClient.signIn(town, "helene");
    const same = await PlainClient.signIn(town, "jean-francois");
    const name = `Essai Element ${Date.now()}`;
    const roomId = await same.createReadableRoom(name, [colleague.userId]);
    await colleague.join(roomId);

    const page = await openPage(context, "element");
    await page.goto(`${client.url}/#/login`);
    const start = page.locator(elementLogin === "oauth" ? on.startOauth : on.startSso).first();
    await start.waitFor();
    await screenshot(page, "element-1-login");
    await start.click();
    await page.waitForURL((url) => !url.href.startsWith(client.url));
    await signIn(page, "jean-francois", client.url, "element-2");

    await reachRooms(page);
    const clientId = await page.evaluate((key) => localStorage.getItem(key), on.oauthClientId);
    assert.equal(clientId !== null, elementLogin === "oauth", "Element chose the API that was expected");
    await page.locator(on.roomTile(name)).first().click();
    await screenshot(page, "element-3-rooms");
    const sent = `Bonjour de Element, il est ${Date.now()}`;
    await page.locator(on.composer).fill(sent);
    await page.keyboard.press("Enter");
    const received = await colleague.waitForMessage(roomId, sent);
    assert.equal(received.sender, same.userId);

    const answered = `Bien reçu à ${Date.now()}`;
    await colleague.send(roomId, answered);
    await page.locator(on.message(answered)).waitFor();
    await screenshot(page, "element-4-conversation");
});

/** Past "Verify this device", which a person meets whose cross-signing keys an earlier run has made. */
async function reachRooms(page) {
    const rooms = page.locator(on.roomList);
    const [skip, confirm] = on.skipVerification.map((selector) => page.locator(selector));
    await rooms.or(skip).first().waitFor();
    if (await skip.isVisible()) {
        await skip.click();
        await confirm.click();
    }
    await rooms.waitFor();
}
