// What the tests know of pages and screens that others write: when one of those changes, this file does, and only this file.

/**
 * Buttons that lead through Beffroi's and the mock ProConnect's pages, whichever of them is on the screen.
 * Each is a submit button of a plain form, found by its name and value, or a button or link found by its class.
 */
export const wayIn = (agent) => [
    // The mock ProConnect: which agent.
    { name: "agent", value: agent },
    // Beffroi's consent page.
    { name: "decision", value: "allow" },
    // Beffroi's page before an older client gets its login token: the one button.
    { class: "primary" },
    // Beffroi's sign-in page: the ProConnect button.
    { class: "proconnect-button" },
];

/** The button of Beffroi's page that allows new cross-signing keys. */
export const resetAllowed = { class: "danger" };

export const hydrogen = {
    homeserver: "#homeserver",
    startSso: ".StartSSOLoginView_button",
    roomTile: (name) => `.RoomList li:has-text("${name}")`,
    composer: ".MessageComposer_input textarea",
    message: (text) => `.Timeline_messageBody:has-text("${text}")`,
    roomList: ".RoomList",
    errors: ".PreSessionScreen .error",
};

export const element = {
    // The one button of the login page, with OAuth and with SSO.
    startOauth: ".mx_Login_fullWidthButton",
    startSso: ".mx_SSOButton",
    // "Verify this device": offered to a person's second device.
    skipVerification: ['[aria-label="Skip verification for now"]', 'text="I\'ll verify later"'],
    roomList: ".mx_RoomList",
    roomTile: (name) => `.mx_RoomTile:has-text("${name}")`,
    composer: ".mx_BasicMessageComposer_input",
    message: (text) => `.mx_EventTile_body:has-text("${text}")`,
    // Element remembers here that it signed in by OAuth.
    oauthClientId: "mx_oidc_client_id",
};
