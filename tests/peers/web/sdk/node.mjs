// What matrix-js-sdk 43 needs to run in node; imported before it.

// It is written for node 22; this is node 20.
Promise.withResolvers ??= function () {
    let resolve, reject;
    const promise = new this((...both) => ([resolve, reject] = both));
    return { promise, resolve, reject };
};

// It never cancels the timeouts of requests that were answered, of one or two minutes: a tab just closes, a process would wait.
const REQUEST_TIMEOUT_MS = 60_000;
const setTimer = globalThis.setTimeout;
globalThis.setTimeout = (callback, delay, ...args) => {
    const timer = setTimer(callback, delay, ...args);
    return delay >= REQUEST_TIMEOUT_MS ? timer.unref() : timer;
};
