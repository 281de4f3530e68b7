// A person without a browser: follows redirects, keeps cookies, presses the buttons of plain forms.
import { resetAllowed, wayIn } from "./selectors.mjs";

const STEPS_MAX = 20;

export class Person {
    #cookies = new Map();

    /** `agent`: the key of a sample agent of the mock ProConnect. */
    constructor(agent) {
        this.agent = agent;
    }

    /**
     * Goes from `start` through whatever pages come, until a redirect leads to a URL that begins with `callback`, which
     * is not fetched. Returns that URL.
     */
    async signIn(start, callback) {
        return new URL(await this.#walk(start, wayIn(this.agent), ({ url }) => url.startsWith(callback)));
    }

    /** Allows the reset of cross-signing keys on the page at `start`, past a sign-in. */
    async allowReset(start) {
        await this.#walk(start, [resetAllowed, ...wayIn(this.agent)], ({ pressed }) => pressed === resetAllowed);
    }

    /** Presses one of `buttons` on each page, until a redirect or the page after a press is the end. Returns its URL. */
    async #walk(start, buttons, isEnd) {
        let request = { url: start, init: {} };
        for (let step = 0; step < STEPS_MAX; step++) {
            const response = await this.#fetch(request);
            const location = response.headers.get("location");
            if (location) {
                request = { url: new URL(location, request.url).href, init: {} };
                if (isEnd(request)) return request.url;
                continue;
            }
            const html = await response.text();
            if (!response.ok) throw new Error(`${response.status} at ${request.url}: ${plainText(html)}`);
            if (isEnd(request)) return request.url;
            request = press(html, request.url, buttons);
        }
        throw new Error(`${STEPS_MAX} pages after ${start}`);
    }

    async #fetch({ url, init }) {
        // Cookies belong to a host, whatever the port (RFC 6265 §8.5).
        const host = new URL(url).hostname;
        const cookies = [...this.#cookies].filter(([key]) => key.startsWith(`${host} `)).map(([, cookie]) => cookie);
        const headers = { ...init.headers, ...(cookies.length > 0 && { Cookie: cookies.join("; ") }) };
        const response = await fetch(url, { ...init, headers, redirect: "manual" });
        for (const set of response.headers.getSetCookie()) {
            const [cookie] = set.split(";");
            const name = `${host} ${cookie.split("=")[0]}`;
            if (/max-age=0|expires=thu, 01 jan 1970/i.test(set)) this.#cookies.delete(name);
            else this.#cookies.set(name, cookie);
        }
        return response;
    }
}

/** The request that the first of `buttons` on this page sends, and which one that is. */
function press(html, page, buttons) {
    for (const wanted of buttons) {
        for (const form of forms(html)) {
            const button = form.buttons.find((button) => matches(button, wanted));
            if (button) return { ...submission(form, button, page), pressed: wanted };
        }
        const link = links(html).find((link) => matches(link, wanted));
        if (link) return { url: new URL(link.href, page).href, init: {}, pressed: wanted };
    }
    throw new Error(`no button to press at ${page}: ${plainText(html)}`);
}

function forms(html) {
    return [...html.matchAll(/<form\b([^>]*)>(.*?)<\/form>/gis)].map(([, attributes, body]) => ({
        ...attributesOf(attributes),
        inputs: [...body.matchAll(/<input\b([^>]*)>/gi)].map(([, input]) => attributesOf(input)),
        buttons: [...body.matchAll(/<button\b([^>]*)>/gi)].map(([, button]) => attributesOf(button)),
    }));
}

function links(html) {
    return [...html.matchAll(/<a\b([^>]*)>/gi)].map(([, attributes]) => attributesOf(attributes));
}

function attributesOf(tag) {
    const found = [...tag.matchAll(/([\w-]+)\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s"'>]+))/g)];
    return Object.fromEntries(found.map(([, name, double, single, bare]) => [name.toLowerCase(), unescape(double ?? single ?? bare)]));
}

function unescape(text) {
    const named = { amp: "&", lt: "<", gt: ">", quot: '"' };
    return text.replace(/&(?:#(\d+)|#x([0-9a-f]+)|(\w+));/gi, (whole, decimal, hex, name) =>
        decimal ? String.fromCodePoint(Number(decimal)) : hex ? String.fromCodePoint(parseInt(hex, 16)) : (named[name] ?? whole));
}

function matches(button, wanted) {
    return Object.entries(wanted).every(([name, value]) =>
        name === "class" ? (button.class ?? "").split(/\s+/).includes(value) : button[name] === value);
}

function submission(form, button, page) {
    const fields = form.inputs.filter((input) => input.name && input.type !== "submit").map((input) => [input.name, input.value ?? ""]);
    if (button.name) fields.push([button.name, button.value ?? ""]);
    const target = new URL(form.action || page, page);
    const data = new URLSearchParams(fields);
    if ((form.method ?? "get").toLowerCase() === "get") {
        target.search = data;
        return { url: target.href, init: {} };
    }
    // A browser says where it comes from; servers that look at it must find nothing strange.
    return { url: target.href, init: { method: "POST", body: data, headers: { Origin: new URL(page).origin, Referer: page } } };
}

function plainText(html) {
    return html.replace(/<style.*?<\/style>/gis, "").replace(/<[^>]*>/g, " ").replace(/\s+/g, " ").trim().slice(0, 300);
}
