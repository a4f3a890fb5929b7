export type { EventBatch } from "./event-feed.js";
export { makeToken } from "./guard.js";
export { serveWeb, WEB_PORT, type WebOptions, WebServer } from "./web-server.js";
