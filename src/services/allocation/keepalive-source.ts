/**
 * The thread that keeps a job alive, as source text: one form for every way this package is run. Every sign of life is a connection of its
 * own, so that there is nothing to bring back after an outage. `shared`: int32 0 = release (0 not asked, 1 done, 2 failed), int64 at 8 =
 * `process.hrtime` of the last sign of life that the server took.
 */
export const KEEPALIVE_SOURCE = `"use strict";
const { parentPort, workerData } = require("node:worker_threads");
const { connect } = require("node:net");
const { plan, intervalMs, retryMs, shared } = workerData;
const released = new Int32Array(shared, 0, 1);
const touched = new BigInt64Array(shared, 8, 1);
const MAX_REPLY = 65536;

const classic = (command, kwargs) => new Promise((resolve, reject) => {
  const socket = connect({ host: plan.host, port: plan.port });
  let text = "";
  const end = (error) => {
    clearTimeout(timer);
    socket.destroy();
    if (error) reject(error);
    else resolve();
  };
  const timer = setTimeout(() => end(new Error("no reply in time")), plan.timeoutMs);
  socket.on("error", end);
  socket.on("close", () => end(new Error("closed without a reply")));
  socket.on("connect", () => socket.write(JSON.stringify({ command, args: [plan.jobId], kwargs }) + "\\n"));
  socket.on("data", (chunk) => {
    text += chunk.toString("latin1");
    if (text.length > MAX_REPLY) return end(new Error("a reply without end"));
    if (!text.includes("\\n")) return;
    try {
      const reply = JSON.parse(text.slice(0, text.indexOf("\\n")));
      end("return" in reply ? undefined : new Error(String(reply.exception)));
    } catch (error) {
      end(error);
    }
  });
});
// A session of its own; a log-in that was refused is not tried again, since the service locks accounts.
let session;
let refused = false;
const cookies = (answer) => answer.headers.getSetCookie().map((each) => each.split(";", 1)[0]).join("; ");
const get = async (url, headers, more) => {
  const answer = await fetch(url, { headers, redirect: "manual", signal: AbortSignal.timeout(plan.timeoutMs), ...more });
  refused = answer.status === 401 || answer.status === 403;
  if (answer.status >= 400) throw new Error("status " + answer.status);
  return answer;
};
const enter = async () => {
  if (refused) throw new Error("log-in refused");
  const { authorization, page, form } = plan.logIn;
  const headers = { accept: "application/json" };
  if (authorization !== undefined) headers.authorization = authorization;
  if (page !== undefined) {
    const shown = await get(page, headers);
    headers.cookie = cookies(shown);
    if (form !== undefined) {
      const token = (await shown.text()).match(/<input\\b[^>]*>/gi)?.find((tag) => /\\bname\\s*=\\s*"_csrf"/i.test(tag))?.match(/\\bvalue\\s*=\\s*"([^"]*)"/i)?.[1];
      const body = new URLSearchParams({ _csrf: token ?? "", ...form.fields, submit: "submit" });
      const answer = await get(form.url, { cookie: headers.cookie }, { method: "POST", body });
      headers.cookie = cookies(answer);
      refused = headers.cookie === "";
      if (refused) throw new Error("log-in refused");
    }
  }
  const answer = await get(plan.rootUrl, headers);
  if (answer.status !== 200) throw new Error("status " + answer.status);
  const root = await answer.json();
  const cookie = cookies(answer);
  if (cookie !== "") headers.cookie = cookie;
  if (typeof root["csrf-header"] === "string") headers[root["csrf-header"]] = String(root["csrf-token"]);
  return headers;
};
const web = async (method, url, body) => {
  session ??= await enter();
  const answer = await fetch(url, {
    method, redirect: "error", signal: AbortSignal.timeout(plan.timeoutMs),
    headers: body === undefined ? session : { ...session, "content-type": "text/plain" },
    ...(body === undefined ? {} : { body }),
  });
  await answer.body?.cancel();
  if (answer.status === 401 || answer.status === 403) session = undefined;
  if (!answer.ok) throw new Error("status " + answer.status);
};
const touch = () => plan.kind === "classic" ? classic("job_keepalive", {}) : web("PUT", plan.jobUrl + "/keepalive", "alive");
const release = (reason) => plan.kind === "classic"
  ? classic("destroy_job", { reason })
  : web("DELETE", plan.jobUrl + "?reason=" + encodeURIComponent(reason));

let stopped = false;
let wake = () => {};
async function keep() {
  while (!stopped) {
    const taken = await touch().then(() => true, () => false);
    if (taken) Atomics.store(touched, 0, process.hrtime.bigint());
    if (stopped) return;
    await new Promise((resolve) => {
      const timer = setTimeout(resolve, taken ? intervalMs : retryMs);
      wake = () => { clearTimeout(timer); resolve(); };
    });
  }
}
parentPort.on("message", ({ reason }) => {
  stopped = true;
  wake();
  release(reason).then(() => 1, () => 2).then((outcome) => {
    Atomics.store(released, 0, outcome);
    Atomics.notify(released, 0);
    parentPort.close();
  });
});
if (intervalMs > 0) keep();
`;
