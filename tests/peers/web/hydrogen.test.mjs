// Hydrogen in Chromium: legacy SSO through ProConnect, a room list, a message out and a message in.
import assert from "node:assert/strict";
import { test } from "node:test";
import { openPage, screenshot, signIn } from "./browser.mjs";
import { PlainClient } from "./matrix.mjs";
import { hydrogen as on } from "./selectors.mjs";
import { serve } from "./serve.mjs";
import { townA } from "./settings.mjs";

test("an agent signs in to Hydrogen with ProConnect and talks to a colleague", { timeout: 300_000 }, async (context) => {
    const town = townA();
    const client = await serve("hydrogen");
    context.after(() => client.close());
    const colleague = await PlainClient.signIn(town, "helene");
    const same = await PlainClient.signIn(town, "marie");
    const name = `Essai Hydrogen ${Date.now()}`;
    const roomId = await same.createReadableRoom(name, [colleague.userId]);
    await colleague.join(roomId);

    const page = await openPage(context, "hydrogen");
    await page.goto(`${client.url}/?hs=${encodeURIComponent(town)}`);
    await page.locator(on.startSso).waitFor();
    assert.equal(await page.locator(on.homeserver).inputValue(), town);
    await screenshot(page, "hydrogen-1-login");
    await page.locator(on.startSso).click();
    await page.waitForURL((url) => !url.href.startsWith(client.url));
    await signIn(page, "marie", client.url, "hydrogen-2");

    await page.locator(on.roomTile(name)).click();
    await screenshot(page, "hydrogen-3-rooms");
    const sent = `Bonjour de Hydrogen, il est ${Date.now()}`;
    await page.locator(on.composer).fill(sent);
    await page.keyboard.press("Enter");
    const received = await colleague.waitForMessage(roomId, sent);
    assert.equal(received.sender, same.userId);

    const answered = `Bien reçu à ${Date.now()}`;
    await colleague.send(roomId, answered);
    await page.locator(on.message(answered)).waitFor();
    await screenshot(page, "hydrogen-4-conversation");
});
